"""The documentation in a browser. Run by ``tox run -e browser``: it needs Chromium and Sphinx."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import axe_selenium_python
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
_WIDTHS = (390, 1280, 1920)
_DARK = {
    *("index", "start/install", "guides/errors", "guides/libraries", "guides/resume"),
    *("explain/benchmarks", "explain/protocol", "reference/options"),
}
"""Pages that are looked at in the dark theme too. Colours come from one style sheet for all, and
these have all that it colours: text, links, notes, tables, figures and code of each language."""

pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="Chromium is not found; on Debian: apt-get install chromium chromium-driver",
    ),
    pytest.mark.timeout(240),
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


@pytest.mark.parametrize("page", _PAGES)
def test_no_table_is_cut_and_nothing_is_hard_to_see(page: str, browser: Browser) -> None:
    assert browser.open(f"{page}.html", width=_WIDTHS[0]) == []
    for width in _WIDTHS:
        browser.resize(width)
        assert browser.run(_CUT) == []
    browser.run(_axe())
    # Colours alone differ between the themes.
    for theme, looked_at in (("light", _ALL), ("dark", _COLOURS)):
        if theme == "light" or page in _DARK:
            browser.run("document.body.dataset.theme = arguments[0]", theme)
            assert browser.driver.execute_async_script(_VIOLATIONS, looked_at) == []


_CUT = """
return [...document.querySelectorAll("article table")]
    .filter(e => getComputedStyle(e.parentElement).overflowX === "visible"
        && e.getBoundingClientRect().width > e.parentElement.clientWidth + 1)
    .map(e => e.textContent.slice(0, 100));
"""

_ALL = {"type": "tag", "values": ["wcag2a", "wcag2aa"]}
_COLOURS = {"type": "rule", "values": ["color-contrast"]}

_VIOLATIONS = """
const [looked_at, done] = arguments;
axe.run({runOnly: looked_at}).then(
    found => done(found.violations.map(
        each => each.id + ": " + each.nodes.slice(0, 3).map(node => node.html.slice(0, 100)))));
"""


def _axe() -> str:
    """Return the source of axe-core, which the package has for Selenium."""
    folder = Path(axe_selenium_python.__file__).parent
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


def test_a_chart_can_be_read_on_a_phone(browser: Browser) -> None:
    browser.open("explain/benchmarks.html", width=390)
    wide = browser.run("return document.querySelector('img[src$=\"benchmarks.svg\"]').width")
    drawn = (_DOCS / "explain" / "benchmarks.svg").read_text("utf-8")
    sizes = map(float, re.findall(r"font(?:-size)?:([\d.]+)px", drawn))
    assert min(sizes) * wide / 390 >= 8


def test_a_block_of_code_can_be_copied(browser: Browser) -> None:
    browser.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    browser.open("start/first-loop.html")
    copied = []
    for number in (0, 1):
        browser.run("document.querySelectorAll('button.copy')[arguments[0]].click()", number)
        browser.wait_for(
            f"return document.querySelectorAll('button.copy')[{number}].textContent === 'Copied'"
        )
        copied.append(
            browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
        )
    assert copied[0].startswith("# make_data.py\nimport json\n")
    assert copied[1] == "python make_data.py\nwc -l train.jsonl\n"  # and not what they print


@pytest.mark.parametrize(
    ("term", "page"),
    [("WorkerTimeoutError", "reference/errors.html"), ("buffer_size", "reference/options.html")],
)
def test_the_search_finds_a_term(term: str, page: str, browser: Browser) -> None:
    browser.open(f"search.html?q={term}")
    browser.wait_for(
        "return [...document.querySelectorAll('#search-results li a')]"
        f".some(a => a.href.includes('{page}'))"
    )
    assert browser.troubles() == []


def test_what_a_function_raises_is_a_list(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text("utf-8")
    part = page.partition('id="farside.iterate_in_subprocess"')[2].partition("Example:")[0]
    raised = re.findall(r"<dt[^>]*>Raises<.*?</dd>", part, re.DOTALL)[0]
    for name in ("TypeError", "ValueError", "NotPicklableError", "WorkerDiedError"):
        assert re.search(rf"<(?:strong|code|span|a)[^>]*>(?:<[^>]+>)*{name}<", raised), name


def test_no_list_of_names_is_torn(site: Path) -> None:
    """Napoleon ends the names of exceptions or arguments at the end of a line."""
    for path in (site / "reference").glob("*.html"):
        text = re.sub(r"<[^>]+>", "", path.read_text("utf-8"))
        assert re.findall(r".*\w, – .*", text) == [], path.name


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
