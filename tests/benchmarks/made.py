"""Results that were never measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.cases import CASES
from benchmarks.contestants import CONTESTANTS
from benchmarks.results import Outcome, Results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def results_of(values: Mapping[tuple[str, str], Sequence[float | None]]) -> Results:
    """Return results with these values, by case and contestant."""
    cases = {
        name: {
            "title": CASES[name].title,
            "unit": CASES[name].unit,
            "lower": CASES[name].lower,
            "nbytes": CASES[name].source().nbytes,
        }
        for name in dict.fromkeys(case for case, _ in values)
    }
    contestants = {
        name: {
            "group": CONTESTANTS[name].group,
            "library": CONTESTANTS[name].library,
            "python": "3.14.0",
            "version": "1.2" if CONTESTANTS[name].library else "",
        }
        for name in dict.fromkeys(contestant for _, contestant in values)
    }
    outcomes = [Outcome(*names, list(each)) for names, each in values.items()]
    return Results({"processor": "abacus"}, cases, contestants, outcomes)
