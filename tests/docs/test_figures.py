"""The figures of the README are those of the run that is published."""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path

import pytest

_ROOT = Path(__file__).parents[2]
_RUN = (_ROOT / "docs" / "explain" / "benchmarks.txt").read_text("utf-8") + "\n\n"
_CASES = {
    "integers": "ints",
    "small dictionaries": "dicts",
    "items that take 15 µs to make": "workers-1",
    "arrays of 100 kB": "arrays-100kB",
    "arrays of 10 MB": "arrays-10MB",
    "arrays of 10 MB made with `farside.numpy.empty`": "allocated-10MB",
    "training batches of 5 MB": "batch",
    "first item of a later worker": "first-item-warm",
    "a killed worker is noticed": "death",
}
_FAMILIES = ("spdl", "pool", "torch")


def _rows() -> list[tuple[str, list[str]]]:
    text = (
        (_ROOT / "README.md").read_text("utf-8").partition("## How fast")[2].partition("\n## ")[0]
    )
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [(row[0], row[1:]) for row in rows[1:]]


def _times(run: str, case: str, family: str) -> str | None:
    """Return how many times as fast farside is as the best variant, as the run has it."""
    table = run.partition(f"\n{case}: ")[2].partition("\n\n")[0]
    found = re.findall(rf"^│ {family}.+?% │ +([\d.]+) ×", table, re.MULTILINE)
    return found[0] if found else None


@pytest.mark.parametrize(("name", "cells"), _rows(), ids=lambda each: str(each)[:30])
def test_a_row_is_from_the_run(name: str, cells: list[str]) -> None:
    case = _CASES[name]
    ours, *others = cells
    told = re.match(r"([\d.,]+)( million)?(/s| ms)", ours)
    assert told is not None
    value = float(told[1].replace(",", "")) * (1e6 if told[2] else 1)
    panel = run_path(str(_ROOT / "docs" / "make_chart.py"))["panel"]
    [measured] = [bar.value for bar in panel(_RUN, case)[1] if bar.label == "farside-subprocess"]
    assert value == pytest.approx(measured, rel=0.1 if told[3] == " ms" else 0.02)
    for family, cell in zip(_FAMILIES, others, strict=True):
        wanted = _times(_RUN, case, family)
        if cell.endswith("×"):
            assert wanted is not None
            assert float(cell.rstrip(" ×")) == pytest.approx(float(wanted), rel=0.03)
        else:
            assert wanted is None
            assert cell in {"–", "not in 5 s"}


def test_the_figures_of_async_loops_are_from_the_run() -> None:
    page = (_ROOT / "docs" / "guides" / "async.md").read_text("utf-8").replace("\n", " ")
    for case, name in (
        ("at-once-dicts", "for small dictionaries"),
        ("at-once-arrays", "for arrays"),
        ("at-once-ints", "for integers"),
    ):
        found = re.findall(rf"│ {case} +│ farside-subprocess-async .*│ +([\d.]+) ×", _RUN)
        told = re.search(rf"(\d+) %[^%]*{name}", page)
        assert told is not None
        assert int(told[1]) == round(100 * float(found[0]))


def test_the_figures_of_subinterpreters_are_from_the_run() -> None:
    page = (_ROOT / "docs" / "explain" / "subinterpreters.md").read_text("utf-8")
    for case in ("first-item-cold", "first-item-warm", "worker-memory"):
        table = _RUN.partition(f"\n{case}: ")[2].partition("\n\n")[0]
        for name in ("subinterpreter", "subprocess"):
            found = re.findall(rf"^│ farside-{name} +│ ([\d.]+)", table, re.MULTILINE)
            assert found[0] in page
