"""Closing, whatever the worker is stuck in: it takes no longer than it may, and wakes who waits."""

from __future__ import annotations

import os
import threading
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import FinalizerFailedWarning, IterableClosedError, WorkerAbandonedWarning
from farside.testing.checks import take
from tests import jobs
from tests.background import Background
from tests.faults import ways

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from farside import RemoteIterable
    from tests.kinds import Kind

SHUTDOWN_S = 0.4
LATE_S = 3.0
"""What a busy machine may add."""


@pytest.fixture(params=ways.STUCK)
def fault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ways.Fault]:
    """Each way to be stuck; in the end, it is over."""
    made = ways.Fault(request.param, str(tmp_path), announced=True)
    yield made
    made.end()


def stuck(kind: Kind, fault: ways.Fault) -> tuple[RemoteIterable[Any], Iterator[Any]]:
    """Start a worker that is stuck in its second item."""
    iterable = kind.start(ways.InNext(fault, 1), shutdown_timeout=SHUTDOWN_S)
    iterator = iter(iterable)
    assert next(iterator) == 0
    assert fault.happens is not None
    fault.happens.wait()
    return iterable, iterator


def is_left_behind(kind: Kind, fault: ways.Fault) -> bool:
    return not kind.is_process and fault.way != "a Python loop"


def checked(kind: Kind, fault: ways.Fault, end: Callable[[], object]) -> None:
    """End a worker, and check the time and the warning."""
    begin = time.monotonic()
    if is_left_behind(kind, fault):
        with pytest.warns(WorkerAbandonedWarning, match="is left behind"):
            end()
    else:
        end()
    assert time.monotonic() - begin < SHUTDOWN_S + LATE_S


@pytest.mark.parametrize("way", ["close", "terminate"])
def test_it_is_bounded(kind: Kind, fault: ways.Fault, way: str) -> None:
    iterable, _ = stuck(kind, fault)
    checked(kind, fault, getattr(iterable, way))
    assert iterable.state == "closed"


@pytest.mark.parametrize("way", ["a Python loop", "a blocking call", "none"])
def test_each_worker_whose_finalizers_are_cut_off_is_told_of_once(kind: Kind, way: str) -> None:
    """Else nobody would know that what they were to write is not there."""
    if way == "a blocking call" and not kind.is_process:
        return  # it is left behind, which is told
    python_loop = partial(ways.STUCK["a Python loop"], -1)
    first = {"a Python loop": python_loop, "a blocking call": partial(time.sleep, 60)}
    finalizers = [first.get(way, os.getpid), os.getpid]
    seconds = 60.0 if way == "none" else 2.0  # a process may be slow to end on a busy machine
    given: dict[str, Any] = {"finalizer": finalizers, "shutdown_timeout": seconds}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        numbers = kind.start_several(range, [3, 3], 2, **given)
        assert list(numbers) == [0, 0, 1, 1, 2, 2]
        numbers.close()
        numbers.close()
    texts = [str(each.message) for each in caught if each.category is FinalizerFailedWarning]
    told = "finalizer[0] was cut off, and those after it were not run; pass a longer shutdown_time"
    by_themselves = len([each for each in texts if told in each])
    told = f"did not end within half of shutdown_timeout={seconds} seconds, and was ended: its fi"
    by_parent = len({each for each in texts if told in each})  # each names another worker
    assert by_themselves + by_parent >= (0 if way == "none" else 2)
    # On a busy machine, one that tells of it may not have ended when the parent looks; or only the
    # parent tells.
    assert by_themselves == 0 or way == "a Python loop"
    assert by_parent == 0 or way != "none"
    assert len([each for each in texts if told in each]) == by_parent


@pytest.mark.of_any_method
def test_who_closes_once_more_does_not_take_away_what_is_to_be_told(
    subprocess_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread does, or who closes after an exception of a signal handler."""
    finalizer = [partial(time.sleep, 60)]
    numbers = subprocess_kind.start_several(
        range, [3, 3], 2, finalizer=finalizer, shutdown_timeout=2.0
    )
    last = numbers._current.members[1].worker
    stop = last.stop

    def strike(timeout: float, *, waited: float = 0.0) -> bool:
        monkeypatch.undo()
        stop(timeout, waited=waited)
        raise KeyError  # as a signal handler that strikes when the first one has ended

    monkeypatch.setattr(last, "stop", strike)
    with pytest.raises(KeyError):
        numbers.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        numbers.close()
        numbers.close()
    assert [each.category for each in caught] == [FinalizerFailedWarning] * 2


@pytest.mark.of_any_method
def test_a_worker_that_ends_when_nobody_listens_any_more_is_told_of(
    subprocess_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says of its finalizers comes too late."""
    finalizer = [partial(time.sleep, 60)]
    numbers = subprocess_kind.start(partial(range, 3), finalizer=finalizer, shutdown_timeout=0.4)
    assert list(numbers) == [0, 1, 2]
    worker = numbers._current.members[0].worker

    def end_by_itself(_: float, *, waited: float) -> bool:
        assert waited >= SHUTDOWN_S / 2
        worker.kill()
        return bool(worker.wait(20))

    monkeypatch.setattr(worker, "stop", end_by_itself)
    with pytest.warns(FinalizerFailedWarning, match="may have been cut off"):
        numbers.close()


@pytest.mark.of_any_method
def test_it_wakes_a_thread_that_waits_for_an_item(kind: Kind, fault: ways.Fault) -> None:
    iterable, iterator = stuck(kind, fault)
    waiting = Background(take, iterator)
    checked(kind, fault, iterable.close)
    got, error = waiting.result()
    assert got == []
    assert isinstance(error, IterableClosedError)


@pytest.mark.of_any_method
def test_dropping_does_not_wait(kind: Kind, fault: ways.Fault) -> None:
    iterable, iterator = stuck(kind, fault)
    begin = time.monotonic()
    del iterable, iterator
    assert time.monotonic() - begin < SHUTDOWN_S
    # That nothing is left behind, in the end, is what all tests check.
    if is_left_behind(kind, fault):
        fault.end()


@pytest.mark.of_any_method
def test_a_new_pass_after_a_stuck_one_is_left_waits_for_it(kind: Kind, fault: ways.Fault) -> None:
    """It is the same worker: only `timeout` or closing ends it."""
    iterable, iterator = stuck(kind, fault)
    iterator.close()  # type: ignore[attr-defined]
    assert iterable.state == "stopping"
    again: Iterable[Any] = iter(iterable)
    waiting = Background(take, again)
    checked(kind, fault, iterable.close)
    assert isinstance(waiting.result()[1], IterableClosedError)


@pytest.mark.of_any_method
def test_many_threads_close_while_one_iterates(kind: Kind) -> None:
    """Items are as large as a pipe is not: one is always half sent."""
    for _ in range(3):
        blocks = kind.start(
            partial(jobs.Blocks, 1 << 20, 1 << 20), arena_bytes=0, shutdown_timeout=1
        )
        begun = threading.Event()

        def iterate(blocks: RemoteIterable[Any] = blocks, begun: threading.Event = begun) -> None:
            for _ in blocks:
                begun.set()

        iterating = Background(iterate)
        assert begun.wait(20)
        for closing in [Background(blocks.close) for _ in range(4)]:
            closing.result()
        with pytest.raises(IterableClosedError):
            iterating.result()


def test_an_iterator_that_is_collected_in_the_middle_of_a_write_stops_its_pass(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that finds no room is sent while the parent waits, and this drops the iterator."""
    with kind.start(partial(jobs.EndlessShelf, 0), timeout=5) as shelf:
        held = [iter(shelf)]
        assert next(held[0]) == 0
        writev, full = os.writev, [True]

        def write(fd: int, parts: Any) -> int:
            if full:
                full.clear()
                raise BlockingIOError
            held.clear()
            return writev(fd, parts)

        with monkeypatch.context() as patch:
            patch.setattr(os, "writev", write)
            shelf.dump_stack()
        assert not held
        assert shelf.call("echo", "heard") == "heard"
