"""The documentation in a browser. Run by ``tox run -e browser``: it needs Chromium and Sphinx."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.browser import CHROMIUM, DRIVER, Browser, browsing
from tests.docs.links import dead_links

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCS = Path(__file__).parents[2] / "docs"
_PAGES = sorted(
    path.relative_to(_DOCS).with_suffix("").as_posix()
    for path in _DOCS.rglob("*.md")
    if not {"_build", "changelog.d"} & {*path.parts}
)
_PHONE = 375

pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="Chromium is not found; on Debian: apt-get install chromium chromium-driver",
    ),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-b", "html"]
    subprocess.run([*command, str(_DOCS), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def browser(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for all pages."""
    with browsing(site, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_no_link_leads_nowhere(site: Path) -> None:
    assert dead_links(site) == []


@pytest.mark.parametrize("page", [*_PAGES, "genindex", "search"])
def test_a_page_loads_and_fits_a_phone(page: str, browser: Browser) -> None:
    assert browser.open(f"{page}.html") == []
    assert browser.open(f"{page}.html", width=_PHONE) == []
    root = "document.documentElement"
    assert browser.run(f"return {root}.scrollWidth") <= _PHONE, _too_wide(browser)


def _too_wide(browser: Browser) -> object:
    """Return the innermost elements that stick out, and are not in something that scrolls."""
    return browser.run(
        """
        const scrolls = e =>
            e && (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
        const width = arguments[0];
        return [...document.querySelectorAll("article *")]
            .filter(e => e.getBoundingClientRect().right > width && !scrolls(e.parentElement))
            .map(e => e.outerHTML.slice(0, 100)).slice(-3);
        """,
        _PHONE,
    )


@pytest.mark.parametrize(
    "page", [page for page in _PAGES if "```mermaid" in (_DOCS / f"{page}.md").read_text("utf-8")]
)
def test_diagrams_are_drawn_and_follow_the_theme(page: str, browser: Browser) -> None:
    browser.open(f"{page}.html")
    sizes = browser.run(
        "return [...document.querySelectorAll('.diagram svg')]"
        ".map(svg => svg.getBoundingClientRect()).map(box => Math.min(box.width, box.height))"
    )
    assert len(sizes) == (_DOCS / f"{page}.md").read_text("utf-8").count("```mermaid")
    assert min(sizes) > 100
    ink = "return getComputedStyle(document.querySelector('.diagram svg text')).fill"
    inks = []
    for theme in ("light", "dark"):
        browser.run("document.body.dataset.theme = arguments[0]", theme)
        inks.append(browser.run(ink))
    assert inks[0] != inks[1]


def test_the_search_finds_a_term(browser: Browser) -> None:
    browser.open("search.html?q=WorkerTimeoutError")
    browser.wait_for(
        "return [...document.querySelectorAll('#search-results li a')]"
        ".some(a => a.href.includes('reference/errors.html'))"
    )
    assert browser.troubles() == []


# What would be found ------------------------------------------------------------------------------

_BAD = """
<!doctype html><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<img src="missing.png"><img src="http://example.invalid/a.png"><script>nobody()</script>
<article><p style="width: 600px">wide</p></article>
"""


def test_troubles_are_seen(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "bad.html").write_text(_BAD)
    with browsing(site, tmp_path / "profile") as browser:
        troubles = "\n".join(browser.open("bad.html", width=_PHONE))
        assert "404" in troubles
        assert "another host: http://example.invalid/a.png" in troubles
        assert "nobody is not defined" in troubles
        assert browser.run("return document.documentElement.scrollWidth") > _PHONE
        assert "600px" in str(_too_wide(browser))
    assert dead_links(site) == ["bad.html: missing.png"]
