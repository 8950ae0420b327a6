"""Tables, bars and the verdict."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from benchmarks import charts, tables, targets

from .made import results_of

if TYPE_CHECKING:
    from rich.table import Table

OURS, INNER = "farside-subprocess", "farside-subinterpreter"
_SVG = "{http://www.w3.org/2000/svg}"


def text_of(table: Table) -> list[str]:
    stream = StringIO()
    Console(file=stream, width=150, color_system=None).print(table)
    return stream.getvalue().splitlines()


def row(lines: list[str], name: str) -> list[str]:
    found = next(line for line in lines if name in line)
    return [cell.strip() for cell in found.strip("│").split("│")]


def test_a_table_shows_medians_and_ratios() -> None:
    results = results_of({("ints", OURS): [100e3, 120e3], ("ints", "pool-imap-1"): [50e3, 40e3]})
    lines = text_of(tables.case_table(results, "ints"))
    assert row(lines, "pool-imap-1") == ["pool-imap-1", "45.0 k items/s", "± 6%", "2.50 ×"]
    assert row(lines, OURS)[3] == "1.00 ×"


def test_payloads_are_shown_as_bytes_too_where_any_are_moved() -> None:
    results = results_of({("arrays-1MB", OURS): [2000], ("arrays-1MB", "in-process"): [1e6]})
    lines = text_of(tables.case_table(results, "arrays-1MB"))
    assert row(lines, OURS)[1] == "2.00 k items/s = 2.00 GB/s"
    assert row(lines, "in-process")[1] == "1.00 M items/s"


def test_the_best_comes_first_and_failures_last() -> None:
    measured: dict[tuple[str, str], list[float | None]] = {
        ("death", "spdl-subprocess-3"): [1100.0],
        ("death", "pool-imap-1"): [None],
        ("death", OURS): [1.5],
    }
    results = results_of(measured)
    assert [each.contestant for each in tables.ranked(results, "death")] == [
        OURS,
        "spdl-subprocess-3",
        "pool-imap-1",
    ]
    assert row(text_of(tables.case_table(results, "death")), "pool-imap-1")[1] == "fails"


def test_what_failed_is_told() -> None:
    results = results_of({("ints", "pool-imap-1"): [None, 5.0]})
    results.outcomes[0].error = "Boom: no"
    results.contestants["joblib-2"] = {"group": "peer", "missing": "not installed"}
    assert list(tables.failures(results)) == [
        "joblib-2: not installed",
        "pool-imap-1 in ints (1 of 2 rounds): Boom: no",
    ]


def test_versions_are_told_by_python() -> None:
    one = {("ints", name): [1.0] for name in (OURS, INNER, "pool-imap-1", "torch-dataloader")}
    results = results_of(one)
    results.contestants["torch-dataloader"]["python"] = "3.11.7"
    results.contestants["joblib-2"] = {"group": "peer", "missing": "not installed"}
    assert list(tables.versions(results)) == [
        "Python 3.14.0: farside 1.2",
        "Python 3.11.7: torch 1.2",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.000"),
        (0.0456, "0.046"),
        (0.5, "0.50"),
        (42, "42.0"),
        (999.4, "999"),
        (1000, "1.00 k"),
        (999_600, "1.00 M"),
        (2.5e9, "2.50 G"),
        (3e12, "3000 G"),
        (float("inf"), "∞ G"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert tables.number_text(value) == text


def test_times_keep_their_unit() -> None:
    assert tables.value_text(1100, "ms", 0) == "1100 ms"


# Charts -------------------------------------------------------------------------------------------


def test_a_panel_shows_what_has_a_value() -> None:
    results = results_of({("ints", OURS): [1.0, 3.0], ("ints", "pool-imap-1"): [None]})
    (bar,) = charts.bars(results, "ints")
    assert bar == (OURS, 2.0, "2.00 items/s", "farside")


def test_a_chart_is_an_svg_with_a_legend() -> None:
    measured: dict[tuple[str, str], list[float | None]] = {
        ("ints", OURS): [9e6, 1e7],
        ("ints", "in-process"): [5e7, 5.1e7],
        ("ints", "pool-imap-1"): [None],
        ("idle-cpu", OURS): [0.0, 0.0],
        ("worker-memory", OURS): [-0.1],
        ("death", "pool-imap-1"): [None],
    }
    drawn = ET.fromstring(charts.chart(results_of(measured)))  # noqa: S314  made here
    texts = [each.text for each in drawn.iter(f"{_SVG}text")]
    assert texts[1:3] == ["what the machine allows", "farside"]
    assert texts.count(OURS) == 3
    assert "pool-imap-1" not in texts
    widths = [float(each.get("width", "0")) for each in drawn.iter(f"{_SVG}rect")]
    ground, _, _, longest, shorter, *none = widths
    assert ground > longest > shorter > 0
    assert none == [0.0, 0.0]


def test_a_chart_of_nothing() -> None:
    assert ET.fromstring(charts.chart(results_of({}))) is not None  # noqa: S314


# Targets ------------------------------------------------------------------------------------------


def verdicts(measured: dict[tuple[str, str], list[float | None]]) -> dict[str, targets.Verdict]:
    return {f"{each.wanted}|{each.must}": each for each in targets.judge(results_of(measured))}


def test_the_best_variant_of_a_peer_sets_the_bar() -> None:
    found = verdicts(
        {
            ("ints-buffer3", OURS): [100.0],
            ("ints-buffer3", INNER): [30.0],
            ("ints-buffer3", "spdl-subprocess-3"): [20.0],
        }
    )
    judged = [(each.contestant, each.got, each.reached) for each in found.values()]
    assert ("farside-subinterpreter", "1.50 ×", False) in judged
    assert found["4 × spdl-subprocess-3|False"].must is False


def test_bars_are_passed_or_missed() -> None:
    measured: dict[tuple[str, str], list[float | None]] = {
        ("ints", OURS): [9e6],
        ("ints", "spdl-subprocess-3"): [100e3],
        ("ints", "spdl-subprocess-1000"): [200e3],
        ("ints", "pool-imap-1000"): [12e6],
    }
    found = verdicts(measured)
    assert found["40 × spdl-subprocess-1000|True"].reached is True
    assert found["0.8 × pool-imap-1000|True"].reached is False
    assert found["0.6 × pipe-lists|False"].reached is None
    assert found["0.6 × pipe-lists|False"].got == "not measured"


def test_a_bar_may_look_at_another_case() -> None:
    found = verdicts({("list-100kB", OURS): [60.0], ("fresh-100kB", OURS): [100.0]})
    (verdict,) = found.values()
    assert (verdict.wanted, verdict.reached) == (f"0.5 × {OURS} in fresh-100kB", True)


def test_limits_are_passed_or_missed() -> None:
    found = verdicts({("import", "import-farside"): [7.0]})
    assert found["at most 15 ms|True"].reached is True
    assert found["at most 5 ms|False"].reached is False
    assert found["at most 15 ms|True"].got == "7.00 ms"


def test_the_verdict_is_a_table() -> None:
    judged = targets.judge(results_of({("import", "import-farside"): [7.0]}))
    lines = text_of(targets.verdict_table(judged))
    assert row(lines, "aim: at most 5 ms")[-2:] == ["7.00 ms", "miss"]
    assert row(lines, "at most 15 ms")[-1] == "pass"
