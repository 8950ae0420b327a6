"""The figures of every kind of worker."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from farside import Stats, iterate_in_subinterpreter
from tests import jobs

if TYPE_CHECKING:
    from tests.kinds import Kind


def test_counts(kind: Kind) -> None:
    with kind.start(partial(jobs.Numbers, 1000), buffer_size=5) as numbers:
        assert numbers.stats().items == 0
        assert 0 < numbers.stats().startup_seconds < 60
        for _ in range(3):
            sum(numbers)
        next(iter(numbers))
        stats = numbers.stats()
        assert (stats.items, stats.passes, stats.buffer_size) == (3001, 4, 5)
        assert stats.bytes > 3001
        assert stats.buffered_items <= 6
        assert stats.elapsed_seconds > 0


def test_after_the_end_they_are_the_last_ones(kind: Kind) -> None:
    with kind.start(partial(jobs.Blocks, 9, 300_000)) as blocks:
        sum(map(len, blocks))
        before = blocks.stats()
    after = blocks.stats()
    assert after == blocks.stats()
    assert (after.items, after.bytes, after.passes) == (before.items, before.bytes, before.passes)
    assert after.arena_bytes_peak == before.arena_bytes_peak >= 300_000


def test_the_arena(kind: Kind) -> None:
    with kind.start(partial(jobs.Blocks, 9, 300_000)) as blocks:
        sum(map(len, blocks))
        stats = blocks.stats()
        assert stats.bytes >= 9 * 300_000
        assert 300_000 <= stats.arena_bytes_peak <= 9 * 303_104
        assert stats.arena_bytes_used == 0
        assert stats.copies == 0


@pytest.mark.parametrize("granted", [False, True], ids=["copied", "granted"])
def test_the_arena_after_a_pass(kind: Kind, granted: bool) -> None:  # noqa: FBT001
    page = 4096
    fn = partial(jobs.Memories, 9, 70 * page, granted=granted)
    with kind.start(fn) as memories:
        for _ in range(2):
            got = list(memories)
            assert memories.stats().arena_bytes_used == 9 * 70 * page
            del got[2:]
            assert memories.stats().arena_bytes_used == 2 * 70 * page
            del got
            assert memories.stats().arena_bytes_used == 0
        memory = next(iter(memories))
        assert memories.call("idle") is None
        assert memories.stats().arena_bytes_used == 70 * page
        del memory
        assert memories.stats().arena_bytes_used == 0
        assert memories.stats().arena_bytes_peak >= 9 * 70 * page


def test_a_slow_worker_is_the_bottleneck(kind: Kind) -> None:
    with kind.start(partial(jobs.SleepsEachTime, 10, 0.02)) as items:
        assert list(items) == list(range(10))
        stats = items.stats()
        assert stats.bottleneck == "worker"
        assert 0.1 < stats.parent_wait_seconds <= stats.elapsed_seconds


@pytest.mark.parametrize("buffer_size", [2, None])
def test_a_slow_parent_is_the_bottleneck(kind: Kind, buffer_size: int | None) -> None:
    with kind.start(jobs.Endless, buffer_size=buffer_size) as items:
        for _ in items:
            time.sleep(0.01)
            # First the worker fills what may wait, which takes its time on a busy machine.
            if items.stats().bottleneck == "parent":
                break
        stats = items.stats()
        assert 0 < stats.worker_wait_seconds <= stats.elapsed_seconds


def test_a_wait_counts_while_it_lasts(kind: Kind) -> None:
    with kind.start(jobs.Endless, buffer_size=1) as items:
        iterator = iter(items)
        next(iterator)
        before = items.stats().worker_wait_seconds
        while (
            stats := items.stats()
        ).bottleneck != "parent" or stats.worker_wait_seconds <= before:
            time.sleep(0.01)


def test_any_thread_may_ask_while_another_one_waits(kind: Kind) -> None:
    with kind.start(partial(jobs.SleepsEachTime, 5, 0.05)) as items:
        asked: list[Stats] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                asked.append(items.stats())
                time.sleep(0.001)

        asking = threading.Thread(target=ask)
        asking.start()
        assert list(items) == list(range(5))
        over.set()
        asking.join()
        waited = [stats.parent_wait_seconds for stats in asked]
        assert waited == sorted(waited)
        assert len(set(waited)) > 5


def test_async_passes_count_too(kind: Kind) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.SleepsEachTime, 5, 0.02)) as items:
            assert [item async for item in items] == list(range(5))
            stats = items.stats()
            assert (stats.items, stats.passes, stats.bottleneck) == (5, 1, "worker")

    asyncio.run(main())


def test_a_call_is_no_wait_for_items(kind: Kind) -> None:
    with kind.start(partial(jobs.SleepsEachTime, 5, 0)) as items:
        items.call("nap", 0.1)
        assert items.stats().parent_wait_seconds == 0


def test_they_are_of_the_worker_that_took_over(subinterpreter_kind: Kind) -> None:
    assert subinterpreter_kind.name == "subinterpreter"
    with iterate_in_subinterpreter(partial(jobs.imports_refuser_late, 0)) as items:
        with pytest.warns(match="readline does not support"):
            assert list(items) == [8]
        stats = items.stats()
        assert (stats.items, stats.passes) == (1, 1)
