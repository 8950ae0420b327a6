"""Medians, spread and ratios."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .results import Outcome


_FOR_QUARTILES = 2


def spread(values: Sequence[float]) -> float:
    """Return half the distance between the quartiles, relative to the median."""
    median = statistics.median(values)
    if len(values) < _FOR_QUARTILES or not median:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return (third - first) / 2 / abs(median)


def ratios(one: Outcome, other: Outcome, *, lower: bool) -> list[float]:
    """Return how many times better one contestant is than another in each round that both have.

    Each is a ratio of two measurements that were made close to each other, so what slows the
    machine down for a while cancels out.
    """
    found = []
    for mine, theirs in zip(one.values, other.values):  # noqa: B905  the shorter one counts
        if mine is None or theirs is None:
            continue
        above, below = (theirs, mine) if lower else (mine, theirs)
        found.append(above / below if below else float("inf") if above else 1.0)
    return found


def times_better(one: Outcome, other: Outcome, *, lower: bool) -> float | None:
    """Return how many times better one contestant is than another: the median of the rounds."""
    found = ratios(one, other, lower=lower)
    return statistics.median(found) if found else None


def interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the two of the values between which the true median lies, with some confidence.

    This only assumes that the values are independent: each is above the true median with a
    probability of one half, so the number of those above it follows the binomial distribution.
    None: there are too few values to be so confident; 95 % takes six.
    """
    ordered, number = sorted(values), len(values)
    outside, tail = 0, 1
    while 2 * tail <= (1 - confidence) * 2**number:
        outside += 1
        tail += math.comb(number, outside)
    return (ordered[outside - 1], ordered[-outside]) if outside else None


def best(outcomes: Iterable[Outcome | None], *, lower: bool) -> Outcome | None:
    """Return the outcome with the best median, if there is any."""
    found = [each for each in outcomes if each is not None and each.valid]
    pick = min if lower else max
    return pick(found, key=lambda each: each.median, default=None)
