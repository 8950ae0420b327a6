"""Every diagram has its picture, and no picture is left of another."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

_PICTURES = run_path(str(Path(__file__).parents[2] / "docs" / "pictures.py"))


def test_pictures_are_those_of_the_diagrams() -> None:
    wanted = {_PICTURES["picture_of"](source) for source in _PICTURES["sources"]()}
    there = {*_PICTURES["PICTURES"].glob("*.svg")}
    assert there == wanted, "run: python docs/render_diagrams.py"


def test_a_change_of_a_diagram_asks_for_another_picture() -> None:
    picture_of = _PICTURES["picture_of"]
    assert picture_of("a --> b\n") == picture_of("a --> b")
    assert picture_of("a --> b") != picture_of("a --> c")


def test_pictures_have_no_colours_of_their_own() -> None:
    for path in _PICTURES["PICTURES"].glob("*.svg"):
        picture = path.read_text("utf-8")
        assert picture.startswith("<svg ")
        assert "<style" not in picture
        assert "http" not in picture.replace("http://www.w3.org/", "")
