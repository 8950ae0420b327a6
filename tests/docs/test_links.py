"""Dead links are found, and live ones are left alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.links import dead_links

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "page",
    ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md"],
)
def test_pages_beside_the_site_link_to_what_exists(page: str) -> None:
    text = (_ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (_ROOT / page).parent.joinpath(link).exists()] == []


def test_dead_links(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "one.html").write_text(
        '<h1 id="here">'
        '<a href="#here"></a><a href="sub/two.html#there"></a><a href="https://elsewhere/x"></a>'
        '<a href="#nowhere"></a><a href="sub/three.html"></a><a href="sub/two.html#gone"></a>'
    )
    (tmp_path / "sub" / "two.html").write_text(
        '<p id="there"></p><a href="../one.html?q=1#here"></a><img src="../missing.png">'
    )
    assert dead_links(tmp_path) == [
        "one.html: #nowhere",
        "one.html: sub/three.html",
        "one.html: sub/two.html#gone",
        "sub/two.html: ../missing.png",
    ]
