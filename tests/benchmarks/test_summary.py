"""Medians, spread and ratios."""

from __future__ import annotations

import pytest

from benchmarks.results import Outcome
from benchmarks.summary import best, interval, ratios, spread, times_better


def outcome(*values: float | None) -> Outcome:
    return Outcome("case", "contestant", list(values))


def test_one_round_has_no_spread() -> None:
    assert spread([3.0]) == 0.0


def test_one_odd_round_moves_neither_median_nor_spread_much() -> None:
    values = [10.0, 10.0, 10.0, 10.0, 1000.0]
    assert (outcome(*values).median, spread(values)) == (10.0, 0.0)


def test_spread_is_half_the_distance_of_the_quartiles() -> None:
    assert spread([8.0, 9.0, 10.0, 11.0, 12.0]) == pytest.approx(0.1)


def test_values_around_zero_have_a_summary() -> None:
    assert spread([0.0, 0.0]) == 0.0
    assert spread([-2.0, -1.0, 0.0]) == pytest.approx(0.5)


def test_a_ratio_compares_the_rounds_one_by_one() -> None:
    # The machine was ten times slower in the second round, for both.
    assert times_better(outcome(40, 4, 60), outcome(20, 2, 20), lower=False) == 2


def test_where_less_is_better_the_ratio_is_turned_around() -> None:
    assert times_better(outcome(2, 3), outcome(4, 6), lower=True) == 2


def test_rounds_that_failed_do_not_count() -> None:
    assert times_better(outcome(None, 6, 9), outcome(1, 2, None), lower=False) == 3
    assert times_better(outcome(None, 6), outcome(1, None), lower=False) is None


def test_nothing_is_infinitely_better() -> None:
    assert times_better(outcome(0.0), outcome(5.0), lower=True) == float("inf")


def test_there_is_a_ratio_for_each_round_that_both_have() -> None:
    assert ratios(outcome(4, None, 9), outcome(2, 3, 3), lower=False) == [2, 3]
    assert ratios(outcome(0.0), outcome(0.0), lower=True) == [1]


@pytest.mark.parametrize(
    ("rounds", "left_out"), [(6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5), (100, 39)]
)
def test_an_interval_leaves_out_as_many_at_each_end_as_tables_say(
    rounds: int, left_out: int
) -> None:
    shuffled = [float(7919 * index % rounds) for index in range(rounds)]
    assert interval(shuffled) == (left_out, rounds - 1 - left_out)


def test_few_values_have_no_interval() -> None:
    assert interval([1.0] * 5) is None
    assert interval([]) is None
    assert interval([1.0, 2.0], confidence=0.5) == (1.0, 2.0)


def test_the_best_is_the_one_with_the_best_median() -> None:
    steady, lucky, failed = outcome(5, 5, 5), outcome(1, 9, 1), outcome(None)
    assert best([lucky, None, steady, failed], lower=False) is steady
    assert best([lucky, None, steady, failed], lower=True) is lucky
    assert best([failed, None], lower=True) is None
