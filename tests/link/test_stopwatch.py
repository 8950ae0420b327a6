"""A stopwatch in one word."""

import time

import pytest

from farside._link import control
from farside._link.control import Stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the hand of a clock: nanoseconds, in a list of one."""
    hand = [5_000_000_000]
    monkeypatch.setattr(control, "monotonic_ns", lambda: hand[0])
    return hand


def test_it_adds_up_while_it_runs(clock: list[int]) -> None:
    watch = Stopwatch()
    assert watch.seconds() == 0
    for second in (1, 2, 3):
        watch.begin()
        clock[0] += 500_000_000
        assert watch.seconds() == second - 0.5
        watch.begin()  # it runs already
        clock[0] += 500_000_000
        watch.end()
        clock[0] += 7_000_000_000
        watch.end()
        assert watch.seconds() == second


def test_its_word_lies_where_it_is_told(clock: list[int]) -> None:
    words = memoryview(bytearray(24)).cast("Q")
    watch = Stopwatch(words, 1)
    watch.begin()
    clock[0] += 250_000_000
    assert [Stopwatch(words, at).seconds() for at in range(3)] == [0, 0.25, 0]
    watch.end()
    assert words.tolist() == [0, 500_000_000, 0]


def test_the_clock_of_this_machine_fits_a_word() -> None:
    words = memoryview(bytearray(8)).cast("Q")
    watch = Stopwatch(words)
    watch.begin()
    assert 0 <= watch.seconds() < 60
    assert time.monotonic_ns() < 1 << 63
