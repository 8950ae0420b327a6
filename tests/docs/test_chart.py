"""The chart of the benchmarks shows the run that is printed below it."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

_DRAWING = run_path(str(Path(__file__).parents[2] / "docs" / "make_chart.py"))


def test_the_chart_is_that_of_the_run() -> None:
    drawn = _DRAWING["CHART"].read_text("utf-8")
    assert drawn == _DRAWING["chart"](), "run: python docs/make_chart.py"


def test_a_panel_has_the_best_variant_of_each_library() -> None:
    title, bars = _DRAWING["panel"](
        """
ints: integers
┏━
│ in-process           │   61.9 M items/s │   ± 0% │  0.16 × │
│ pool-imap-1000       │   11.5 M items/s │   ± 0% │  0.84 × │
│ farside-subprocess   │ 9.65 k items/s = 1 GB/s │ ± 0% │ 1.00 × │
│ pool-imap-100        │   3.77 M items/s │   ± 8% │  2.63 × │
│ joblib-2             │            fails │        │         │
└─

""",
        "ints",
    )
    assert title == "integers (more is better)"
    assert [(bar.label, bar.value, bar.text) for bar in bars] == [
        ("in-process", 61.9e6, "61.9 M/s"),
        ("pool-imap-1000", 11.5e6, "11.5 M/s"),
        ("farside-subprocess", 9650.0, "9.65 k/s"),
    ]
