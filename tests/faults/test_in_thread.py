"""What goes wrong while a thread takes items ahead of a loop: it is as with a plain loop."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import traceback
from contextlib import closing
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest

from farside import (
    IterableClosedError,
    NotPicklableError,
    PassSupersededError,
    WorkerIterationError,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
)
from farside._parent import wait
from farside._parent.passes import read_ahead
from farside.testing.checks import until
from tests import jobs
from tests.faults.test_ahead import FailsLate, fail_late
from tests.kinds import SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from farside import RemoteIterable
    from farside._parent.passes.read_ahead import ReadAhead
    from tests.kinds import Kind

AHEAD = 0.1
"""Seconds in which a worker makes a few items, and a thread takes them."""

alive: list[ref[Thing]] = []


class Thing:
    """Something whose copies in this process are counted."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        alive.append(ref(self))

    def __getstate__(self) -> dict[str, Any]:
        return {"a": 1}


class Things:
    def __iter__(self) -> Iterator[Thing]:
        return (Thing() for _ in range(20))


class Unreadable:
    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return refuse, ()


def refuse() -> None:
    raise ValueError("unreadable")


class UnreadableLate:
    def __iter__(self) -> Iterator[object]:
        yield from (0, 1, 2, Unreadable())


class Hangs:
    def __iter__(self) -> Iterator[int]:
        yield 0
        time.sleep(1000)


class FailingInputs:
    def __iter__(self) -> Iterator[int]:
        yield from range(6)
        raise OSError("no more inputs")


class BlockingInputs:
    """Inputs that come no more after the second, until `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.blocked = threading.Event()

    def __iter__(self) -> Iterator[int]:
        yield 0
        self.blocked.set()
        self.go_on.wait()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no wait of either side end by itself."""
    monkeypatch.setattr(read_ahead, "_SECONDS", 1000)


def ahead_of(items: RemoteIterable[Any]) -> ReadAhead:
    """Return what the thread of the present pass has taken."""
    delivery = items._current.delivery
    assert delivery is not None
    assert delivery.ahead is not None
    return delivery.ahead


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def copies() -> int:
    return len([each for each in alive if each() is not None])


@pytest.mark.parametrize("end", ["leave", "drop", "close", "supersede"])
def test_no_item_lives_on(end: str) -> None:
    alive.clear()
    with iterate_in_worker(Things) as things:
        iterator = things.in_thread(ahead=5)
        next(iterator)
        until(lambda: copies() >= 5)
        if end == "leave":
            iterator.close()
        elif end == "drop":
            del iterator
        elif end == "close":
            things.close()
        else:
            iter(things).close()
        until(lambda: copies() == 0)
        assert things.stats().buffered_items == 0


def test_items_live_no_longer_than_the_iterable_when_all_were_taken() -> None:
    alive.clear()
    with iterate_in_worker(Things) as things:
        iterator = things.in_thread(ahead=500)
        next(iterator)
        until(lambda: copies() >= 19)
        things.close()
        until(lambda: copies() == 0)
        with pytest.raises(IterableClosedError):
            next(iterator)


def test_a_failure_that_the_loop_does_not_reach_is_raised_by_the_next(kind: Kind) -> None:
    with kind.start(FailsLate) as items:
        with closing(items.in_thread(ahead=50)) as iterator:
            assert next(iterator) == (1, 0)
            until(lambda: ahead_of(items).failed == 0)
        with pytest.raises(ValueError, match="late"):
            list(items)
        with pytest.raises(IterableClosedError):
            iter(items)


def test_a_failure_names_its_shard() -> None:
    with iterate_in_workers(fail_late, [3, 4], 2) as items:
        with pytest.raises(WorkerIterationError) as caught:
            list(items.in_thread())
        assert "in shard " in "".join(traceback.format_exception(caught.value))


def test_an_item_that_cannot_be_read_and_that_the_loop_does_not_reach_ends_no_worker() -> None:
    with iterate_in_worker(UnreadableLate) as items:
        with closing(items.in_thread(ahead=50)) as iterator:
            next(iterator)
            until(lambda: bool(ahead_of(items).errors))
        iterator = items.in_thread(ahead=50)
        assert [next(iterator) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(NotPicklableError, match="index 3") as caught:
            next(iterator)
        with pytest.raises(IterableClosedError) as closed:
            iter(items)
        assert closed.value.__cause__ is caught.value


@pytest.mark.usefixtures("uncollected")
def test_an_error_that_the_loop_did_not_get_keeps_nothing_alive() -> None:
    results = map_in_workers(abs, FailingInputs(), num_workers=1)
    iterator = results.in_thread(ahead=50)
    next(iterator)
    reading = ahead_of(results)
    until(lambda: bool(reading.errors))
    del iterator
    known = ref(results)
    del results
    until(lambda: known() is None)


def test_a_dropped_iterable_ends_at_once_while_the_thread_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wait, "LONGEST_SECONDS", 1000)
    items = iterate_in_worker(Hangs, backend="subprocess")
    iterator = items.in_thread()
    next(iterator)
    time.sleep(AHEAD)  # the thread waits for the second item
    known = ref(items)
    del iterator, items
    until(lambda: known() is None)


@pytest.mark.parametrize("close", [True, False])
def test_the_loop_ends_while_the_thread_is_in_the_inputs(close: bool) -> None:  # noqa: FBT001
    inputs = BlockingInputs()
    with map_in_workers(abs, inputs, num_workers=1) as results:
        iterator = results.in_thread()
        inputs.blocked.wait()

        def end() -> None:
            time.sleep(AHEAD)
            results.close() if close else iter(results).close()

        other = threading.Thread(target=end)
        other.start()
        with pytest.raises(IterableClosedError if close else PassSupersededError):
            list(iterator)
        other.join()
        inputs.go_on.set()


@pytest.mark.parametrize("in_order", [True, False])
def test_a_state_of_a_thousand_items_ago_is_known(in_order: bool) -> None:  # noqa: FBT001
    shards = [1] * 4000
    with iterate_in_workers(range, shards, 1, in_order=in_order) as numbers:
        iterator = numbers.in_thread(ahead=500)
        for _ in range(2500):
            next(iterator)
        until(lambda: ahead_of(numbers).waiting == 500)
        state = numbers.state_dict(behind=1000)
    with iterate_in_workers(range, shards, 1, in_order=in_order) as numbers:
        numbers.load_state_dict(state)
        assert len(list(numbers)) == 2500


def fail_to_pickle(_: object) -> None:
    raise NotPicklableError("of another iterable")


def test_an_error_of_prepare_is_that_of_the_user_whatever_its_class() -> None:
    """A loop with the same call in its body does not lose the workers by it."""
    with iterate_in_worker(partial(jobs.Numbers, 3)) as numbers:
        with pytest.raises(NotPicklableError, match="of another"):
            list(numbers.in_thread(fail_to_pickle))
        assert list(numbers) == [0, 1, 2]


class Slow:
    """Counts in how many threads it is at a time."""

    def __init__(self) -> None:
        self.inside, self.most, self.called = 0, 0, threading.Event()

    def __call__(self, number: int) -> int:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.called.set()
        time.sleep(0.01)
        self.inside -= 1
        return number


def test_prepare_is_in_one_thread_at_a_time() -> None:
    slow = Slow()
    with iterate_in_worker(jobs.Endless) as numbers:
        for _ in range(10):
            slow.called.clear()
            iterator = numbers.in_thread(slow)
            slow.called.wait()
            iterator.close()
        assert next(numbers.in_thread(slow)) == 0
    assert slow.most == 1


@pytest.mark.filterwarnings("ignore::farside.ExhaustedIteratorWarning")
def test_the_next_pass_goes_on_with_inputs_that_come_once() -> None:
    def inputs() -> Iterator[int]:
        for number in range(1000):
            time.sleep(0.001)
            yield number

    with map_in_workers(abs, inputs(), num_workers=1) as results:
        assert next(results.in_thread()) == 0
        rest = list(results.in_thread())
    assert rest == [*range(1000)][-len(rest) :]


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("whole", [True, False])
def test_prepare_does_not_outlive_the_pass(whole: bool) -> None:  # noqa: FBT001
    with iterate_in_worker(partial(jobs.Numbers, 3)) as numbers:
        slow = Slow()
        known, iterator = ref(slow), numbers.in_thread(slow)
        del slow
        next(iterator)
        if whole:
            assert list(iterator) == [1, 2]
        del iterator
        until(lambda: known() is None)


class Closing:
    """Inputs that tell when they are closed."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()
        self.closed: list[bool] = []

    def __iter__(self) -> Iterator[int]:
        try:
            yield 0
            self.inside.set()
            self.go_on.wait()
            yield 1
        finally:
            self.closed.append(self.go_on.is_set())


def test_the_inputs_are_released_after_the_thread_has_left_them() -> None:
    inputs = Closing()
    with map_in_workers(abs, inputs, num_workers=1) as results:
        iterator = results.in_thread()
        inputs.inside.wait()
        iterator.close()
        assert inputs.closed == []
        inputs.go_on.set()
        until(lambda: bool(inputs.closed))
    assert inputs.closed == [True]


inner: list[Any] = []  # what the worker below leaves open


def numbers_of_another_worker() -> Iterator[int]:
    inner.append(iterate_in_worker(partial(count, 0), backend="subprocess", buffer_size=4))
    inner.append(inner[0].in_thread())
    yield next(inner[1])
    yield next(inner[1])


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", SUBINTERPRETERS, ids=lambda kind: kind.name)
def test_a_subinterpreter_ends_while_its_thread_waits_for_room(kind: Kind) -> None:
    began = time.monotonic()
    with kind.start(numbers_of_another_worker) as numbers:
        assert list(numbers) == [0, 1]
    assert time.monotonic() - began < 4  # it was not abandoned, which would be a warning too


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_signal_handler_forks_while_the_loop_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "_SECONDS", 0.1)  # nobody wakes the child
    here, children = os.getpid(), list[int]()
    before = signal.signal(signal.SIGUSR1, lambda *_: children.append(os.fork()))
    items = iterate_in_worker(Hangs, backend="subprocess")
    try:
        iterator = items.in_thread()
        next(iterator)
        ring = partial(os.kill, here, signal.SIGUSR1)
        threading.Timer(AHEAD, ring).start()
        threading.Timer(1, items.close).start()
        try:
            list(iterator)
        except IterableClosedError as error:
            if os.getpid() != here:
                os._exit(0 if str(here) in str(error) else 2)
        until(lambda: bool(children))
        assert os.waitpid(children[0], 0)[1] == 0
    finally:
        if os.getpid() != here:
            os._exit(1)
        signal.signal(signal.SIGUSR1, before)
        items.close()
