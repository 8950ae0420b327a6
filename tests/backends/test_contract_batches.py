"""What every kind of worker promises of many items: how soon they come, and how many are made."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from farside.testing.item_jobs import mixed, mixed_item
from tests import jobs
from tests.backends.producing import Bursts, Counted, reuse, reuse_array

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kinds import Kind

SECONDS = 20.0
"""Far more than anything here takes; then the worker is ended, and the test fails."""

SETTLED = 0.1
"""Long enough for a worker to go further, if it goes further than it may."""


def begun(path: Path) -> int:
    """Return how many items were begun."""
    return path.stat().st_size if path.exists() else 0


def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.001)


@pytest.mark.parametrize("nbytes", [0, 100_000], ids=["numbers", "buffers"])
@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_a_worker_runs_ahead_exactly_as_far_as_it_may(
    kind: Kind, tmp_path: Path, size: int, nbytes: int
) -> None:
    trace = tmp_path / "trace"
    fn = partial(Counted, str(trace), nbytes)
    with kind.start(fn, buffer_size=size, timeout=SECONDS) as items:
        iterator = iter(items)
        for taken in range(1, 5):
            next(iterator)
            until(lambda: begun(trace) >= taken + size + 1)  # noqa: B023  called at once
            time.sleep(SETTLED)
            assert begun(trace) == taken + size + 1


@pytest.mark.parametrize("nbytes", [100_000, 1_000_000])
def test_an_automatic_worker_does_not_run_far_ahead_with_large_items(
    kind: Kind, tmp_path: Path, nbytes: int
) -> None:
    trace = tmp_path / "trace"
    fn = partial(Counted, str(trace), nbytes)
    with kind.start(fn, buffer_bytes=1 << 18, timeout=SECONDS) as items:
        iterator = iter(items)
        next(iterator)
        until(lambda: begun(trace) >= 4)
        time.sleep(SETTLED)
        assert begun(trace) <= 1 + 8, "at most twice what is promised"


@pytest.mark.parametrize("nbytes", [0, 200, 20_000], ids=["atoms", "small", "large"])
@pytest.mark.parametrize("buffer_size", [None, 10])
def test_a_burst_arrives_whole_though_the_consumer_was_busy(
    kind: Kind, buffer_size: int | None, nbytes: int
) -> None:
    fn = partial(Bursts, 10, 0, nbytes)
    with kind.start(fn, buffer_size=buffer_size, timeout=SECONDS) as items:
        iterator = iter(items)
        next(iterator)
        time.sleep(SETTLED)  # the consumer is busy
        begin = time.monotonic()
        for _ in range(9):
            next(iterator)
        assert time.monotonic() - begin < SECONDS / 4


@pytest.mark.parametrize("nbytes", [0, 200, 20_000], ids=["atoms", "small", "large"])
@pytest.mark.parametrize("buffer_size", [None, 10])
@pytest.mark.parametrize("busy", [0, 0.012])
def test_no_item_waits_for_the_next(
    kind: Kind, busy: float, buffer_size: int | None, nbytes: int
) -> None:
    fn = partial(Bursts, 8, 0.005, nbytes)
    with kind.start(fn, buffer_size=buffer_size, timeout=SECONDS) as items:
        iterator = iter(items)
        for number in range(8):
            item = next(iterator)
            assert item == (bytes([number]) * nbytes if nbytes else number)
            time.sleep(busy)


@pytest.mark.parametrize(
    "options", [{}, {"buffer_size": 1}, {"buffer_size": 7}, {"arena_bytes": 0}]
)
def test_items_of_all_kinds_arrive_in_order(kind: Kind, options: dict[str, int]) -> None:
    with kind.start(partial(mixed, 1000), timeout=SECONDS, **options) as items:
        for number, item in enumerate(items):
            expected = mixed_item(number)
            assert item == expected
            assert type(item) is type(expected)
        assert number == 999


@pytest.mark.parametrize("options", [{}, {"buffer_size": 2}, {"arena_bytes": 0}])
def test_what_is_reused_was_copied_in_time(kind: Kind, options: dict[str, int]) -> None:
    with kind.start(partial(reuse, 100), timeout=SECONDS, **options) as items:
        for number, (last, whole, small, large, buffer) in enumerate(list(items)):
            assert whole == list(range(number + 1))
            assert last == whole[-3:]
            assert small == bytes([number]) * 50
            assert large == bytes([number]) * 30_000
            assert bytes(buffer) == large


@pytest.mark.parametrize("arena_bytes", [0, 200_000, 1 << 30])
@pytest.mark.parametrize("busy", [0, 0.001])
def test_an_array_that_is_reused_was_copied_in_time(
    subprocess_kind: Kind, busy: float, arena_bytes: int
) -> None:
    fn = partial(reuse_array, 60)
    with subprocess_kind.start(fn, timeout=SECONDS, arena_bytes=arena_bytes) as items:
        kept = []
        for item in items:
            kept.append(item)
            time.sleep(busy)
    for number, item in enumerate(kept):
        assert (item == number).all()
        assert item.flags.writeable


@pytest.mark.parametrize("buffer_size", [1, None])
def test_an_endless_producer_is_left_again_and_again(kind: Kind, buffer_size: int | None) -> None:
    with kind.start(jobs.Endless, buffer_size=buffer_size, timeout=SECONDS) as numbers:
        for stop in (0, 1, 2, 999, 1000, 1001, 5000):
            for number in numbers:
                if number == stop:
                    break
            assert number == stop


def test_many_items_fast_and_slow_in_turn(kind: Kind) -> None:
    with kind.start(partial(jobs.Numbers, 20_000), timeout=SECONDS) as numbers:
        for number, item in enumerate(numbers):
            assert item == number
            if number % 1500 < 3:
                time.sleep(0.004)
        assert number == 19_999
