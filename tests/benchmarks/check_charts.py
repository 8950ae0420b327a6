"""Drawing. It needs matplotlib, so pytest runs this file where it is named: in tox's bench."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import charts

from .made import results_of

if TYPE_CHECKING:
    from pathlib import Path

MEASURED: dict[tuple[str, str], list[float | None]] = {
    ("ints", "farside-subprocess"): [9e6, 1e7],
    ("ints", "in-process"): [5e7, 5.1e7],
    ("ints", "pool-imap-1"): [None],
    ("idle-cpu", "farside-subprocess"): [0.0, 0.0],
    ("worker-memory", "farside-subprocess"): [-0.1],
    ("death", "pool-imap-1"): [None],
}


def test_both_files_are_drawn_whatever_the_suffix(tmp_path: Path) -> None:
    results = results_of(MEASURED)
    for given in ("chart.svg", "chart.png", "chart", "v1.2"):
        svg, png = charts.draw(results, str(tmp_path / given))
        stem = given.removesuffix(".svg").removesuffix(".png")
        assert (svg, png) == (f"{tmp_path / stem}.svg", f"{tmp_path / stem}.png")
        with open(png, "rb") as file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n"
        with open(svg, encoding="utf-8") as file:
            text = file.read()
        assert text.startswith("<?xml")
        assert "</svg>" in text


def test_nothing_measured_is_an_empty_figure(tmp_path: Path) -> None:
    svg, _ = charts.draw(results_of({}), str(tmp_path / "chart"))
    with open(svg, encoding="utf-8") as file:
        assert "</svg>" in file.read()
