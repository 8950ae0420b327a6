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
    "dictionaries of eight values": "dicts-8",
    "dictionaries with a list, a tuple and an object": "records",
    "items that take 15 µs to make": "workers-1",
    "arrays of 100 kB": "arrays-100kB",
    "arrays of 10 MB": "arrays-10MB",
    "arrays of 10 MB made with `farside.numpy.empty`": "allocated-10MB",
    "training batches of 5 MB": "batch",
    "JPEG files in batches, 2 workers": "images-2",
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
    told = re.match(r"([\d.,]+)( million| images)?(/s| ms)", ours)
    assert told is not None
    value = float(told[1].replace(",", "")) * (1e6 if told[2] == " million" else 1)
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


@pytest.mark.parametrize(
    ("page", "text", "case", "contestant", "unit"),
    [
        ("index.md", r"([\d.]+) million integers", "ints", "farside-subprocess", 1e6),
        ("index.md", r"([\d,]+) of 100 kB a second", "arrays-100kB", "farside-subprocess", 1),
        ("guides/migrating/pool.md", r"([\d,]+) items a second", "dicts", "pool-imap-1000", 1),
        ("guides/migrating/pool.md", r"([\d,]+) from farside", "dicts", "farside-subprocess", 1),
    ],
)
def test_a_figure_of_a_page_is_from_the_run(
    page: str, text: str, case: str, contestant: str, unit: float
) -> None:
    found = re.search(text, (_ROOT / "docs" / page).read_text("utf-8").replace("\n", " "))
    table = _RUN.partition(f"\n{case}: ")[2].partition("\n\n")[0]
    row = re.search(rf"^│ {contestant} +│ +([\d.]+) (M|k) items/s", table, re.MULTILINE)
    assert found is not None
    assert row is not None
    measured = float(row[1]) * {"M": 1e6, "k": 1e3}[row[2]]
    assert float(found[1].replace(",", "")) * unit == pytest.approx(measured, rel=1e-3)


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
            found = re.findall(rf"^│ farside-{name} +│ +([\d.]+)", table, re.MULTILINE)
            assert found[0] in page


def _explained(name: str) -> str:
    return (_ROOT / "docs" / "explain" / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("row", "case", "contestant"),
    [
        ("| subinterpreter |", "first-item-warm", "subinterpreter"),
        ("| subprocess, by a fork server |", "first-item-warm", "subprocess"),
        ("| subinterpreter, where Python", "first-item-uncached", "subinterpreter"),
        ("| subprocess, where Python", "first-item-uncached", "subprocess"),
        ("| memory of one more subinterpreter |", "worker-memory", "subinterpreter"),
        ("| memory of one more subprocess |", "worker-memory", "subprocess"),
    ],
)
def test_the_figures_of_starts_are_from_the_run(row: str, case: str, contestant: str) -> None:
    run, page = _explained("benchmarks-against.txt"), _explained("performance.md")
    [measured] = re.findall(rf"│ {case} +│ farside-{contestant} +│ ([\d.]+) ×", run)
    [told] = [line for line in page.splitlines() if line.startswith(row)]
    assert float(re.findall(r"([\d.]+) ×", told)[0]) == pytest.approx(float(measured), abs=0.06)


def test_the_figures_of_parts_are_from_the_run() -> None:
    run, page = _explained("benchmarks-parts.txt"), _explained("performance.md").replace("\n", " ")
    parts = {
        line.split()[0]: [float(each) for each in line.split()[1:]]
        for line in run.partition("\n\n")[2].partition("\n\n")[0].splitlines()[1:]
    }
    for case, told in (
        ("ints", "takes {1:.2f} µs, of which the generator itself is {0:.2f}"),
        ("ints", "The parent takes {2:.2f} µs"),
        ("dicts", "the worker takes {1:.1f} µs, {0:.1f} of them"),
        ("dicts", "and the parent {2:.1f}"),
        ("records", "takes the worker {1:.1f} µs and the parent {2:.1f}"),
        ("arrays-10kB", "takes the worker {1:.0f} µs and the parent {2:.0f}"),
        ("arrays-100kB", "one of 100 kB {1:.0f} and {2:.0f}"),
        ("arrays-1MB", "one of 1 MB {1:.0f} and {2:.0f}"),
    ):
        assert told.format(*parts[case]) in page, (case, told)
    _, worker, loop, _ = [each / 1000 for each in parts["arrays-10MB"]]
    assert f"takes most of the time: {worker:.2f} ms and {loop:.2f}" in page
    [pipe] = re.findall(r"^pipe +([\d.]+) µs", _explained("benchmarks-floor.txt"), re.MULTILINE)
    assert 40 < float(pipe) / 2 / parts["ints"][1] < 50
    assert "each is as much as making more than forty small items" in page


def test_the_figures_of_the_machine_are_from_the_run() -> None:
    run, page = _explained("benchmarks-floor.txt"), _explained("performance.md")
    why = _explained("why.md")
    for name in ("pipe", "socketpair", "Connection"):
        [measured] = re.findall(rf"^{name} +([\d.]+) µs", run, re.MULTILINE)
        assert f"| {measured} |" in why
    for name in ("shared memory", "other memory", "a list"):
        [measured] = re.findall(rf"^{name}.* ([\d.]+) GB/s", run, re.MULTILINE)
        assert f"{float(measured):.1f} GB/s" in page


def test_the_figures_of_ray_are_from_the_run() -> None:
    run = _explained("benchmarks-ray.txt")
    page = (_ROOT / "docs" / "guides" / "cluster.md").read_text("utf-8")
    for row, case in (
        ("int", "ints"),
        ("array of 100 kB", "arrays-100kB"),
        ("array of 1 MB", "arrays-1MB"),
        ("array of 10 MB", "arrays-10MB"),
    ):
        [told] = re.findall(rf"^\| {row} \| (.+) \|$", page, re.MULTILINE)
        loop, worker, generator = map(_microseconds, told.split(" | "))
        [line] = re.findall(rf"^{case} +[\d.]+ +([\d.]+) +([\d.]+) +[\d.]+$", run, re.MULTILINE)
        assert worker == pytest.approx(float(line[0]), rel=0.05)
        assert loop == pytest.approx(float(line[1]), rel=0.05)
        table = run.partition(f"\n{case}: ")[2].partition("\n\n")[0]
        [rate, unit] = re.findall(r"│ ray-generator +│ +([\d.]+) (k )?items", table)[0]
        assert generator == pytest.approx(1e6 / float(rate) / (1e3 if unit else 1), rel=0.05)


def _microseconds(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"µs": 1, "ms": 1000}[unit]


def test_the_figures_of_threads_are_from_the_run() -> None:
    run = _explained("benchmarks-threads.txt")
    page = (_ROOT / "docs" / "guides" / "libraries.md").read_text("utf-8").replace("\n", " ")
    [ratio, low, high] = re.findall(r"^torch .* ([\d.]+) +([\d.]+) +([\d.]+)$", run, re.MULTILINE)[
        0
    ]
    assert f"{float(ratio):.1f} times as fast ({float(low):.1f} to {float(high):.1f} times" in page
