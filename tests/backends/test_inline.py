"""What the inline backend alone does: it shares the thread, and hides nothing from a debugger."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
import traceback
import tracemalloc
import types
import warnings
import weakref
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import farside
from farside import (
    CallFailedError,
    IterableClosedError,
    NotPicklableError,
    WorkerIterationError,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
)
from farside._backends import live_workers
from farside._backends.inline import InlineBackend, InlineLink, InlineWorker
from farside._parent import received
from farside._parent.passes import batches, dealt
from farside._payload import pickling, worker_info
from farside._worker import passing
from tests import jobs
from tests.background import Background
from tests.faults.interrupting import strike_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    SEEN.clear()


def inline(fn: Callable[[], Iterable[Any]], **options: Any) -> farside.RemoteIterable[Any]:
    return iterate_in_worker(fn, backend="inline", **options)


def lengths(*given: bytes) -> list[int]:
    return list(map(len, given))


def test_it_does_not_keep_the_pickle_of_what_it_was_given() -> None:
    size = 10_000_000
    fn = partial(lengths, bytes(size))
    tracemalloc.start()
    try:
        with inline(fn) as items:
            assert list(items) == [size]
            held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < size / 2


class Looks:
    """Notes in which thread it runs, and when."""

    def __iter__(self) -> Iterator[int]:
        for number in range(3):
            SEEN.append((number, threading.get_ident(), os.getpid()))
            yield number
        SEEN.append("end")


def see_the_end() -> None:
    SEEN.append("final")


class FailsAtOnce:
    def __iter__(self) -> Iterator[int]:
        SEEN.append("iter")
        raise ValueError("on purpose")


def test_finalizers_run_once_and_nothing_else_after_a_failure() -> None:
    with inline(FailsAtOnce, finalizer=see_the_end) as items:
        with pytest.raises(ValueError, match="on purpose"):
            list(items)
    assert SEEN == ["iter", "final"]


class Mute(Exception):
    """Whoever asks it for anything is told that there is nothing."""

    def __getattribute__(self, name: str) -> Any:
        raise AttributeError(name)


def fail_mutely(_: int) -> None:
    raise Mute


def test_an_exception_that_cannot_be_looked_at_is_a_failure_as_any_other() -> None:
    with map_in_workers(fail_mutely, [1, 2], 0, on_error="return") as results:
        assert [type(result) for result in results] == [WorkerIterationError] * 2


def test_it_runs_in_the_calling_thread_inside_next() -> None:
    here = threading.get_ident(), os.getpid()
    with inline(Looks, buffer_size=100) as numbers:
        assert SEEN == []
        iterator = iter(numbers)
        assert SEEN == []
        for number in range(3):
            assert next(iterator) == number
            assert SEEN[number:] == [(number, *here)]
        assert next(iterator, "over") == "over"
        assert SEEN[3:] == ["end"]


def test_it_starts_no_thread() -> None:
    before = threading.enumerate()
    with inline(Looks) as numbers:
        assert list(numbers) == [0, 1, 2]
        assert threading.enumerate() == before


def test_the_traceback_goes_straight_through() -> None:
    with inline(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
        with pytest.raises(WorkerIterationError) as caught:
            list(numbers)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert (frames[0].name, frames[-1].name) == (sys._getframe().f_code.co_name, "__iter__")
    last = list(traceback.walk_tb(caught.value.__traceback__))[-1][0]
    assert last.f_locals["self"].index == 2, "a debugger sees the variables"


class PicklesItself(ValueError):
    def __reduce__(self) -> tuple[Any, ...]:
        return PicklesItself, ("again",)


def pickles_itself() -> BaseException:
    return PicklesItself("first")


def test_so_does_that_of_an_exception_which_pickles_itself() -> None:
    with inline(partial(jobs.FailsAt, 2, pickles_itself)) as numbers:
        with pytest.raises(PicklesItself, match="again") as caught:
            list(numbers)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "__iter__"


def test_of_an_initializer() -> None:
    with pytest.raises(jobs.TwoArguments) as caught:
        inline(list, initializer=jobs.fail)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "fail"


def test_a_failure_keeps_nothing_alive() -> None:
    from farside._worker import stepwise

    with inline(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
        with pytest.raises(WorkerIterationError):
            list(numbers)
        assert list(stepwise._all_raised) == []


def test_nor_does_one_that_nobody_gets_to_see() -> None:
    def dropped() -> weakref.ref[object]:
        shards = iterate_in_workers(range, 2, 2, backend="inline")
        with pytest.raises(CallFailedError):  # of the first; the other worker has one, too
            shards.call("nothing")
        return weakref.ref(shards)

    iterable = dropped()
    gc.collect()
    assert iterable() is None


def interrupt() -> BaseException:
    return KeyboardInterrupt("by hand")


def test_a_keyboard_interrupt_is_one_and_the_iterable_goes_on() -> None:
    with inline(partial(jobs.FailsAt, 2, interrupt)) as numbers:
        for _ in range(2):
            iterator = iter(numbers)
            assert [next(iterator), next(iterator)] == [0, 1]
            with pytest.raises(KeyboardInterrupt, match="by hand"):
                next(iterator)
            assert next(iterator, "over") == "over"


class Raised(Exception):
    pass


def raise_it(_: int, __: types.FrameType | None) -> None:
    raise Raised("by a handler")


def strike_self(number: int) -> int:
    if number == 2:
        signal.raise_signal(signal.SIGUSR1)
    return number


@pytest.mark.parametrize("on_error", ["raise", "return", "skip"])
def test_what_a_signal_handler_raises_is_no_failure_of_an_input(on_error: Any) -> None:
    before = signal.signal(signal.SIGUSR1, raise_it)
    try:
        with map_in_workers(strike_self, range(4), 0, on_error=on_error) as results:
            for _ in range(2):
                iterator = iter(results)
                assert [next(iterator), next(iterator)] == [0, 1]
                with pytest.raises(Raised, match="by a handler") as caught:
                    next(iterator)
                assert type(caught.value) is Raised
            assert results.stats().failed_inputs == 0
    finally:
        signal.signal(signal.SIGUSR1, before)


def strike_in_time_of_its_own(number: int) -> int:
    before = signal.signal(signal.SIGUSR1, raise_it)
    try:
        return strike_self(number)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_handler_of_the_function_itself_raises_is_a_failure_of_its_input(
    workers: int,
) -> None:
    fn = strike_in_time_of_its_own
    with map_in_workers(fn, range(4), workers, backend="subprocess", on_error="skip") as results:
        assert list(results) == [0, 1, 3]
        assert results.stats().failed_inputs == 1


class Slow:
    """Takes long over its second item, and Ctrl-C is pressed meanwhile."""

    def __iter__(self) -> Iterator[int]:
        yield 0
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        time.sleep(10)
        SEEN.append("slept")


def test_ctrl_c_does_not_wait_for_the_item() -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with inline(Slow) as numbers, pytest.raises(KeyboardInterrupt):
            list(numbers)
        assert SEEN == []
    finally:
        signal.signal(signal.SIGALRM, before)


def raise_interrupt() -> None:
    raise KeyboardInterrupt


def test_a_keyboard_interrupt_while_it_starts() -> None:
    with pytest.raises(KeyboardInterrupt):
        inline(list, initializer=raise_interrupt)


def test_another_thread_that_sweeps_takes_nothing_away() -> None:
    """A start in another thread looks at all workers, also at one that is about to tell its end."""
    with inline(Divides) as items:
        link: Any = items._current.members[0].link
        step = link._step

        def step_and_sweep() -> None:
            step()
            thread = threading.Thread(target=live_workers.sweep)
            thread.start()
            thread.join(0.2)

        link._step = step_and_sweep
        with pytest.raises(ZeroDivisionError):
            list(items)


class Divides:
    def __iter__(self) -> Iterator[int]:
        yield 1 // 0


def test_another_thread_can_close_it_where_ctrl_c_has_struck_in_a_close() -> None:
    """That thread waited for `shutdown_timeout`, and left the worker behind."""
    for place in count(1):
        numbers = inline(partial(list, [1]))
        link = numbers._current.members[0].link
        struck = strike_at(place, link.close)
        Background(link.close).result()
        assert Background(link.wait, 0).result()
        numbers.close()
        worker_info.tell(None)  # it may have struck just before the thread stopped being the worker
        if not struck.reached:
            break


def begin_and_raise() -> None:
    SEEN.append("begun")
    raise KeyboardInterrupt


def test_what_was_interrupted_is_not_begun_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        inline(list, initializer=begin_and_raise)
    assert SEEN == ["begun"]


class Struck(Exception):
    pass


def test_what_a_signal_handler_raises_as_an_answer_is_taken_in_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def strike(*_: object) -> bool:
        raise Struck

    with inline(partial(list, "abc")) as letters:
        with monkeypatch.context() as patch:
            patch.setattr(received, "take_in", strike)
            with pytest.raises(Struck):
                letters.call("count", "a")
        assert letters.call("index", "b") == 1
        assert list(letters) == ["a", "b", "c"]


class InterruptedFirst:
    def __iter__(self) -> Iterator[int]:
        SEEN.append("begun")
        if len(SEEN) == 1:
            raise KeyboardInterrupt
        return iter(range(2))


def test_a_pass_that_was_interrupted_as_it_began_is_not_begun_again() -> None:
    with inline(InterruptedFirst) as numbers:
        with pytest.raises(KeyboardInterrupt):
            list(numbers)
        assert list(numbers) == [0, 1]
    assert SEEN == ["begun"] * 2


def test_fn_is_a_copy_that_went_through_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [[1]]
    with inline(partial(list, given)) as items:
        given[0].append(2)
        assert list(items) == [[1]]
    monkeypatch.setattr(pickling, "cloud_pickler", lambda: None)
    with pytest.raises(NotPicklableError, match="install cloudpickle"):
        inline(lambda: [3])


class Objects:
    """Yields what cannot be taken for a number: an iterator without ``__iter__``."""

    def __init__(self) -> None:
        self.left = 2

    def __iter__(self) -> Any:
        return Bare()


class Bare:
    def __init__(self) -> None:
        self.left = 2

    def __next__(self) -> Any:
        import numpy as np

        if not self.left:
            raise StopIteration
        self.left -= 1
        return np.zeros(3)


def test_arrays_of_an_iterator_that_has_next_alone(subprocess_kind: Any) -> None:
    with inline(Objects) as items:
        assert [item.shape for item in items] == [(3,), (3,)]
    with subprocess_kind.start(Objects) as items:
        assert [item.shape for item in items] == [(3,), (3,)]


class Leaves:
    """Leaves its mark when it is left."""

    def __iter__(self) -> Iterator[int]:
        try:
            yield from jobs.Endless()
        finally:
            SEEN.append("left")


@pytest.mark.parametrize("how", ["close", "terminate", "drop"])
def test_ending_it_leaves_the_iterator(how: str) -> None:
    items = inline(Leaves)
    iterator = iter(items)
    assert next(iterator) == 0
    if how == "drop":
        del iterator, items
    else:
        getattr(items, how)()
    assert SEEN == ["left"]


class ClosesItself:
    def __init__(self, how: str) -> None:
        self.how = how

    def __iter__(self) -> Iterator[int]:
        yield 0
        getattr(SEEN[0], self.how)()
        yield 1


@pytest.mark.parametrize("how", ["close", "terminate"])
def test_closing_from_inside(how: str, recwarn: pytest.WarningsRecorder) -> None:
    """It ends after the item that it makes, so nothing is left behind."""
    items = inline(partial(ClosesItself, how), finalizer=see_the_end)
    SEEN.append(items)
    iterator = iter(items)
    assert next(iterator) == 0
    with pytest.raises(IterableClosedError):
        next(iterator)
    assert items._current.members[0].worker.wait(0)
    assert SEEN[1:] == ["final"]
    assert not recwarn.list


def test_a_timeout_does_not_interrupt() -> None:
    with inline(partial(jobs.Sleeps, 0, 0.05), timeout=0.001) as items:
        assert list(items) == [0]


def test_allocated_memory_is_ordinary_memory() -> None:
    with inline(Allocates) as items:
        [(shared, content)] = items
    assert not shared
    assert content == bytes(100_000)


def speaks() -> Iterator[int]:
    logging.getLogger("tests.inline").warning("logged")
    warnings.warn("warned", UserWarning, stacklevel=1)
    yield 1


def test_what_is_logged_and_warned_comes_once(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.warns(UserWarning, match="warned") as warned:
        with inline(speaks) as items:
            assert list(items) == [1]
    assert len(warned) == 1
    assert [record.getMessage() for record in caplog.records] == ["logged"]


class Allocates:
    def __iter__(self) -> Iterator[Any]:
        view = farside.allocate(100_000)
        view[:] = bytes(100_000)
        yield not isinstance(view.obj, bytearray), bytes(view)


def fail_late(shard: int) -> Iterator[tuple[int, int]]:
    for number in range(3):
        SEEN.append((shard, number))
        if (shard, number) == (1, 1):
            raise ValueError("late")
        yield shard, number


def test_none_of_several_runs_ahead_of_the_loop_and_fails_there() -> None:
    with iterate_in_workers(fail_late, 2, 2, backend="inline") as items:
        for _ in range(3):
            for item in items:
                assert item == SEEN[-1]
                if item == (0, 1):
                    break
        with pytest.raises(ValueError, match="late"):
            list(items)


def test_none_of_several_runs_ahead_of_a_task() -> None:
    async def loop() -> None:
        async with iterate_in_workers(fail_late, 2, 2, backend="inline") as items:
            for _ in range(3):
                async for item in items:
                    assert item == SEEN[-1]
                    if item == (0, 1):
                        break

    asyncio.run(loop())


def note(number: int) -> int:
    SEEN.append(number)
    return number


def test_none_runs_ahead_where_inputs_take_long() -> None:
    """What other workers have sent meanwhile is looked for; these have done nothing meanwhile."""

    def inputs() -> Iterator[int]:
        for number in range(6):
            time.sleep(0.003)  # longer than inputs are taken before they are sent
            yield number

    with farside.map_in_workers(note, inputs(), 3, backend="inline") as results:
        for result in results:
            assert result == SEEN[-1]


@pytest.mark.parametrize("in_order", [True, False])
def test_several_workers_of_one_thread_wait_for_each_other(*, in_order: bool) -> None:
    """One that has nothing to do must not be asked to go on while another one has."""
    with iterate_in_workers(range, [1, 0, 3], 3, backend="inline", in_order=in_order) as numbers:
        for _ in range(3):
            assert sorted(numbers) == [0, 0, 1, 2]


@pytest.fixture
def late_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second worker is launched when the first has been found idle some times."""
    launch, looked, looks = InlineBackend.launch, threading.Event(), count(1)
    is_idle = InlineLink.idle.fget  # type: ignore[attr-defined]

    def launch_late(backend: InlineBackend, options: Any) -> InlineWorker:
        if options.worker_index:
            looked.wait(60)
        return launch(backend, options)

    def idle(link: InlineLink) -> bool:
        found: bool = is_idle(link)
        if found and next(looks) > 3:
            looked.set()
        return found

    monkeypatch.setattr(InlineLink, "idle", property(idle))
    monkeypatch.setattr(InlineBackend, "launch", launch_late)


@pytest.mark.usefixtures("late_start")
def test_a_worker_waits_for_another_that_has_yet_to_start() -> None:
    with iterate_in_workers(range, [1, 2], 2, backend="inline", wait=False) as numbers:
        assert list(numbers) == [0, 0, 1]


@pytest.mark.usefixtures("late_start")
def test_what_is_dealt_to_a_worker_before_it_starts_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (dealt, "_OFTEN_SECONDS"), (batches, "BATCH_SECONDS"):
        monkeypatch.setattr(module, name, 1000.0)  # so that many shards are dealt ahead
    shards = [(number,) for number in range(50)]
    with iterate_in_workers(
        iter, shards, 2, backend="inline", wait=False, in_order=False
    ) as numbers:
        assert sorted(numbers) == [*range(50)]


def test_async_for_goes_on_after_a_log_record_of_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passing, "SAY_SECONDS", (0.0, 10.0))  # it tells of what it skips at once
    monkeypatch.setattr(passing, "TELL_SECONDS", 0.0)

    async def take_all() -> list[int]:
        async with iterate_in_worker(partial(range, 6), backend="inline") as numbers:
            iterator: Any = numbers.__aiter__()
            first = [await iterator.__anext__() for _ in range(3)]
            await iterator.aclose()
            numbers.load_state_dict(numbers.state_dict())
            return [*first, *[number async for number in numbers]]

    assert asyncio.run(take_all()) == [*range(6)]


def reads_within(shard: int) -> Iterator[tuple[int | None, int | None]]:
    """Iterate inline in a shard; tell the shard before the inner pass and within it."""
    with iterate_in_worker(partial(range, 4), backend="inline") as inner:
        for _ in inner:
            info = farside.get_worker_info()
            assert info is not None
            yield shard, info.shard


@pytest.mark.parametrize("workers", [0, 2])
def test_a_worker_in_a_shard_changes_nothing_of_what_is_told_of_it(workers: int) -> None:
    with iterate_in_workers(reads_within, 4, workers, backend="subprocess") as told:
        found = list(told)
    assert len(found) == 16
    assert all(shard == seen for shard, seen in found)


TORCH = "torch.utils.data._utils.worker"


def ids_of_torch(shard: int) -> Iterator[tuple[int, int]]:
    for _ in range(2):
        yield shard, sys.modules[TORCH]._worker_info.id


def test_torch_is_told_of_shards_only_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    told: Any = types.ModuleType(TORCH)
    told._worker_info = None
    monkeypatch.setitem(sys.modules, TORCH, told)
    with iterate_in_workers(ids_of_torch, 3, 0) as items:
        for shard, seen in items:
            assert shard == seen
            assert told._worker_info is None
    assert told._worker_info is None


class WaitsForItself:
    """Begins another pass over its own worker in the middle of one."""

    def __iter__(self) -> Iterator[int]:
        yield 0
        yield next(iter(OWN[0]))


OWN: list[Any] = []


def test_a_worker_that_waits_for_itself_is_told() -> None:
    with inline(WaitsForItself) as numbers:
        OWN[:] = [numbers]
        with pytest.raises(farside.FarsideError, match=r"in its own code|superseded"):
            list(numbers)
    OWN.clear()


def test_a_worker_ends_with_its_iterable_though_ctrl_c_has_cut_close_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def strike(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    items = iterate_in_worker(partial(list[str], "ab"), backend="inline")
    worker: Any = items._current.members[0].worker
    with monkeypatch.context() as patch:
        patch.setattr(type(worker), "stop", strike)
        with pytest.raises(KeyboardInterrupt):
            items.close()
    del items
    gc.collect()
    assert worker.wait(0)
