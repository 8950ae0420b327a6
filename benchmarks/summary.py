"""Medians, spread and ratios."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .results import Outcome


class Summary(NamedTuple):
    """Several rounds in few numbers.

    Attributes:
        median: The middle one.
        low: The least.
        high: The greatest.
        spread: Half of what lies between the quartiles, relative to the median.
    """

    median: float
    low: float
    high: float
    spread: float


_FOR_QUARTILES = 2


def summarize(values: Sequence[float]) -> Summary:
    """Summarize the values of at least one round."""
    median = statistics.median(values)
    spread = 0.0
    if len(values) >= _FOR_QUARTILES and median:
        first, _, third = statistics.quantiles(values, n=4, method="inclusive")
        spread = (third - first) / 2 / abs(median)
    return Summary(median, min(values), max(values), spread)


def times_better(one: Outcome, other: Outcome, *, lower: bool) -> float | None:
    """Return how many times better one contestant is than another.

    Each round gives a ratio of two measurements that were made close to each other, so what slows
    the machine down for a while cancels out; the median of these ratios counts.
    """
    ratios = []
    for mine, theirs in zip(one.values, other.values):  # noqa: B905  the shorter one counts
        if mine is None or theirs is None:
            continue
        above, below = (theirs, mine) if lower else (mine, theirs)
        ratios.append(above / below if below else float("inf"))
    return statistics.median(ratios) if ratios else None


def best(outcomes: Iterable[Outcome | None], *, lower: bool) -> Outcome | None:
    """Return the outcome with the best median, if there is any."""
    found = [each for each in outcomes if each is not None and each.valid]
    pick = min if lower else max
    return pick(found, key=lambda each: statistics.median(each.valid), default=None)
