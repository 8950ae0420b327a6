"""Items that are made again and dropped: it is told, takes its time, and can be left."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.deadline import When
from farside._worker import passing
from tests import jobs as plain_jobs
from tests import snapshot_jobs as jobs
from tests.kinds import FORKSERVER, INLINE, SUBINTERPRETERS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = [FORKSERVER, *SUBINTERPRETERS]


def state_at(count: int, shards: int = 2) -> Any:
    """Return a state in which so many items of each shard were read."""
    with INLINE.start_several(range, [count + 5] * shards, 1, seed=1) as items:
        for number, _ in enumerate(items, 1):
            if number == count * shards:
                break
        state = items.state_dict()
    return {**state, "anchors": [], "fingerprint": ""}  # other items are read below


@pytest.fixture(params=PLACES, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.mark.parametrize("in_order", [True, False])
def test_a_long_way_takes_longer_than_the_timeout_and_is_told(
    kind: Kind, caplog: pytest.LogCaptureFixture, *, in_order: bool
) -> None:
    caplog.set_level(logging.INFO)
    read = partial(jobs.slow, 45, 0.03)
    # Two workers skip 40 items each, for 1.2 seconds.
    with kind.start_several(
        read, 2, 2, timeout=0.9, init_timeout=20, in_order=in_order, seed=1
    ) as items:
        items.load_state_dict(state_at(40), strict=False)
        iterator = iter(items)
        until = time.monotonic() + 20
        while not all(each.skipped_items for each in items.stats().workers):
            assert time.monotonic() < until
            time.sleep(0.01)
            items._current.wait(_never(0, 1), until=time.monotonic() + 0.01)
        stats = items.stats()
        assert 0 < stats.items_to_skip == 80 - stats.skipped_items
        assert stats.skip_seconds > 0
        assert "left" in str(stats)
        rest = list(iterator)
        stats = items.stats()
    assert sorted(rest) == [(shard, number) for shard in range(2) for number in range(40, 45)]
    assert (stats.skipped_items, stats.items_to_skip) == (80, 0)
    # What was logged on the way was logged before.
    texts = [each.getMessage() for each in caplog.records if each.name == "slow"]
    assert sorted(texts) == sorted([f"item {number}" for number in range(40, 45)] * 2)


def _never(*workers: int) -> When:
    """Return what is never ready: who waits for it sees what comes."""
    return When(lambda: False, lambda: workers)


def test_a_pass_that_is_left_on_the_way_ends_at_once(kind: Kind) -> None:
    read = partial(jobs.slow, 10_000, 0.005)
    with kind.start_several(read, 1, 1, seed=1, timeout=20) as items:
        items.load_state_dict(state_at(5000, shards=1), strict=False)
        iterator: Iterator[Any] = iter(items)
        until = time.monotonic() + 20
        while not items.stats().skipped_items:
            assert time.monotonic() < until
            items._current.wait(_never(0), until=time.monotonic() + 0.01)
        iterator.close()  # type: ignore[attr-defined]
        began = time.monotonic()
        # The next pass begins at its beginning, of all shards.
        assert next(iter(items)) == (0, 0)
        assert time.monotonic() - began < 10  # all of the way takes 25


def test_one_worker_that_is_on_its_way_is_left_at_once_too() -> None:
    with FORKSERVER.start(partial(plain_jobs.SleepsEachTime, 10_000, 0.005), timeout=20) as items:
        items.load_state_dict({**items.state_dict(), "begun": [[0, 5000]]})
        iterator: Iterator[Any] = iter(items)
        until = time.monotonic() + 20
        while not items.stats().skipped_items:
            assert time.monotonic() < until
            items._current.wait(_never(0), until=time.monotonic() + 0.01)
        iterator.close()  # type: ignore[attr-defined]
        began = time.monotonic()
        assert next(iter(items)) == 0
        assert time.monotonic() - began < 10  # all of the way takes 25


def test_lines_for_the_log() -> None:
    told: list[Any] = []
    said: list[str] = []
    skips = passing.Skips(told.append, said.append, lambda: False)
    skips.expect(100)
    skips._advance(10, 0.01)
    assert told == []
    skips._advance(10, 1.99)
    assert told[-1] == (20, 100, 2.0)
    skips._advance(10, 0.5)
    skips._advance(20, 10.0)
    skips._advance(50, 1.0)
    assert said == [
        "skipped 20 of 100 items that came before, in 2 s (10 items/s); 80 left, about 8 s",
        "skipped 50 of 100 items that came before, in 12 s (4 items/s); 50 left, about 12 s",
        "skipped 100 of 100 items that came before, in 14 s (7 items/s); 0 left",
    ]


def test_a_short_way_is_not_logged() -> None:
    told: list[Any] = []
    said: list[str] = []
    skips = passing.Skips(told.append, said.append, lambda: False)
    skips.expect(10)
    assert skips.drop(iter(range(20)), 10) == 10
    assert [each[:2] for each in told] == [(10, 10)]
    assert said == []


def test_a_command_ends_the_way() -> None:
    skips = passing.Skips(lambda _: None, lambda _: None, lambda: True)
    skips.expect(10)
    with pytest.raises(passing.LeftError):
        skips.drop(iter(range(20)), 10)
