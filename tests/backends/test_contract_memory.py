"""What every kind of worker promises of large contents: they are right, writable, and stay."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside import WorkerDiedError
from farside.errors import PassSupersededError
from farside.testing.checks import take
from tests import jobs
from tests.backends.producing import Buffers, Dies, FailsAfter, arrays, check
from tests.memory.blocks_of import lent

if TYPE_CHECKING:
    from farside import RemoteIterable
    from tests.kinds import Kind

SECONDS = 20.0
NBYTES = 50_000
SMALL_ARENA = 1 << 20
"""Holds some twenty buffers."""


def buffers(kind: Kind, count: int, **options: Any) -> RemoteIterable[Any]:
    """Start a worker that yields buffers."""
    given: dict[str, Any] = {"arena_bytes": SMALL_ARENA, "timeout": SECONDS, **options}
    return kind.start(partial(Buffers, count, NBYTES), **given)


def worker(items: RemoteIterable[Any]) -> Any:
    """Return the worker of an iterable."""
    return items._current.members[0].worker


def in_use(items: RemoteIterable[Any]) -> int:
    """Return how many bytes of the arena the parent's user has."""
    gc.collect()
    return lent(worker(items).link.leases)


def test_arrays_arrive_right_and_writable(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(partial(arrays, 100, 5_000), timeout=SECONDS) as items:
        for number, item in enumerate(items):
            assert item["number"] == number
            assert item["array"].dtype == np.float64
            assert item["array"].shape == (5_000 + number % 7,)
            assert (item["array"] == number).all()
            item["array"] += 1
            assert (item["array"] == number + 1).all()


@pytest.mark.parametrize("arena_bytes", [0, 4096, NBYTES, SMALL_ARENA, 1 << 30])
def test_arenas_of_all_sizes(kind: Kind, arena_bytes: int) -> None:
    with buffers(kind, 60, arena_bytes=arena_bytes) as items:
        for _ in range(2):
            count = 0
            for number, item in enumerate(items):
                check(item, number, NBYTES)
                count += 1
            assert count == 60


@pytest.mark.parametrize("buffer_size", [None, 1, 100])
def test_all_of_more_than_the_arena_holds_can_be_kept(kind: Kind, buffer_size: int | None) -> None:
    with buffers(kind, 100, buffer_size=buffer_size) as items:
        kept = list(items)
        assert len(kept) == 100
        for number, item in enumerate(kept):
            check(item, number, NBYTES)
    for number, item in enumerate(kept):
        check(item, number, NBYTES)


def test_every_second_one_is_kept(kind: Kind) -> None:
    kept: dict[int, Any] = {}
    with buffers(kind, 150) as items:
        for number, item in enumerate(items):
            check(item, number, NBYTES)
            if number % 2:
                kept[number] = item
    assert len(kept) == 75
    for number, item in kept.items():
        check(item, number, NBYTES)


def test_many_texts_are_bounded_by_bytes_too(kind: Kind) -> None:
    with kind.start(jobs.long_texts, buffer_bytes=1 << 14) as items:
        iterator = iter(items)
        assert next(iterator) == "x" * 255
        while items.stats().bottleneck != "parent":  # the worker waits: as much waits as may
            time.sleep(0.01)
        assert 0 < items.stats().buffered_bytes <= 1 << 15


def test_what_the_user_writes_stays_and_goes_nowhere_else(kind: Kind) -> None:
    with buffers(kind, 40) as items:
        kept = []
        for number, item in enumerate(items):
            view = memoryview(item)
            check(view, number, NBYTES)
            view[:] = bytes([255 - number]) * view.nbytes
            kept.append(view)
    for number, view in enumerate(kept):
        assert bytes(view) == bytes([255 - number]) * view.nbytes


def test_views_survive_the_next_item_the_next_pass_and_the_end(kind: Kind) -> None:
    items = buffers(kind, 30)
    iterator = iter(items)
    first = next(iterator)
    second = next(iterator)
    for number, item in enumerate(iterator, 2):
        check(item, number, NBYTES)
    check(first, 0, NBYTES)
    for number, item in enumerate(items):
        check(item, number, NBYTES)
    check(second, 1, NBYTES)
    part = memoryview(first)[10:20]
    del first, item, iterator
    items.close()
    del items
    gc.collect()
    check(second, 1, NBYTES)
    assert bytes(part) == bytes(10)


def test_views_survive_terminate(kind: Kind) -> None:
    items = buffers(kind, 30)
    iterator = iter(items)
    kept = [next(iterator) for _ in range(5)]
    items.terminate()
    for number, item in enumerate(kept):
        check(item, number, NBYTES)


def test_views_survive_a_worker_that_is_killed(subprocess_kind: Kind) -> None:
    items = subprocess_kind.start(partial(Dies, 10, NBYTES), timeout=SECONDS)
    kept, error = take(items)
    assert isinstance(error, WorkerDiedError)
    assert error.signal_name == "SIGKILL"
    assert len(kept) == 10
    for number, item in enumerate(kept):
        check(item, number, NBYTES)
        memoryview(item)[:] = bytes(memoryview(item).nbytes)


def test_views_survive_a_worker_that_is_killed_in_the_middle(subprocess_kind: Kind) -> None:
    items = buffers(subprocess_kind, 1000, buffer_size=3)
    iterator = iter(items)
    kept = [next(iterator) for _ in range(4)]
    pid = int(worker(items).label.split()[-1])
    os.kill(pid, signal.SIGKILL)
    rest, error = take(iterator)
    assert isinstance(error, WorkerDiedError)
    assert len(rest) < 100
    for number, item in enumerate([*kept, *rest]):
        check(item, number, NBYTES)


@pytest.mark.parametrize("buffer_size", [None, 2])
def test_blocks_come_back_from_passes_that_are_left(kind: Kind, buffer_size: int | None) -> None:
    with buffers(kind, 40, buffer_size=buffer_size) as items:
        for stop in range(30):
            for number, item in enumerate(items):
                check(item, number, NBYTES)
                if number == stop:
                    break
        del item
        assert in_use(items) == 0
        for number, item in enumerate(items):
            check(item, number, NBYTES)
        del item
        assert in_use(items) == 0


def test_blocks_come_back_from_passes_that_are_superseded(kind: Kind) -> None:
    with buffers(kind, 40) as items:
        for _ in range(30):
            older = iter(items)
            check(next(older), 0, NBYTES)
            newer = iter(items)
            with pytest.raises(PassSupersededError):
                next(older)
            check(next(newer), 0, NBYTES)
        del older, newer
        for number, item in enumerate(items):
            check(item, number, NBYTES)
        assert number == 39
        del item
        assert in_use(items) == 0


def test_blocks_come_back_from_items_that_were_never_taken(kind: Kind) -> None:
    with buffers(kind, 40) as items:
        for _ in range(50):
            iterator = iter(items)
            check(next(iterator), 0, NBYTES)
            del iterator
        for number, item in enumerate(items):
            check(item, number, NBYTES)
        del item
        assert in_use(items) == 0


def test_nothing_is_copied_for_a_user_who_keeps_nothing(kind: Kind) -> None:
    with buffers(kind, 200, arena_bytes=1 << 24) as items:
        for number, item in enumerate(items):
            check(item, number, NBYTES)
        assert worker(items).link.leases.copies == 0


def mapped() -> int:
    """Return how many arenas this process has mapped."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return sum("memfd:farside" in line for line in maps)


@pytest.mark.parametrize("end", ["failure", "closed"])
def test_what_has_ended_keeps_no_shared_memory(kind: Kind, end: str) -> None:
    gc.collect()
    before = mapped()
    fn: Any = partial(FailsAfter, 3) if end == "failure" else partial(Buffers, 3, NBYTES)
    items = kind.start(fn, arena_bytes=SMALL_ARENA, timeout=SECONDS)
    kept = None
    try:
        deque(items, maxlen=0)
    except ValueError as error:
        kept = error
    assert (kept is not None) == (end == "failure")
    items.close()
    gc.collect()
    assert mapped() == before
    assert items.state == "closed"
