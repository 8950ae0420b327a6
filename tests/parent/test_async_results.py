"""The iterator of ``async for``, against a scripted worker, and the waiters behind it."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import signal
import threading
import time
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    FarsideError,
    IterableClosedError,
    NotPicklableError,
    PassSupersededError,
    RemoteIterable,
    iterate_in_worker,
    map_in_workers,
)
from farside._parent import closing
from farside._parent.async_results import AsyncResults
from farside._parent.event_loops import off_loop, waiter_here
from farside._parent.one_pass import OVER, Pass
from farside._parent.results import enter_iteration_mode
from farside._parent.wait import Waiting
from tests.background import Background
from tests.faults.interrupting import Alarm, alarming, strike_at
from tests.jobs import RefusesToLoad
from tests.mapping_jobs import refuse_at_twos
from tests.parent import scripted
from tests.parent.scripted import finished, items, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.loops import Loop


@pytest.fixture(autouse=True)
def _no_turn_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test depend on the clock: where a turn is due, there has to be a loop."""
    monkeypatch.setattr("farside._parent.async_results._TURN_SECONDS", 1000)


def scripted_pass(*frames: Any) -> tuple[AsyncResults[Any], scripted.ScriptedLink]:
    client, link = scripted.client(started(1), *frames, forward_logs=False)
    return AsyncResults(enter_iteration_mode(client)), link


def at_once(awaitable: Any) -> Any:
    """Await something that never waits, without any loop."""
    coroutine = awaitable.__await__()
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    pytest.fail("it waits")


def test_what_has_arrived_is_handed_out_without_a_loop() -> None:
    frames = [items(1, *range(100)), items(1), items(1, 100), finished(1)]
    results, _ = scripted_pass(*frames)
    assert [at_once(results.__anext__()) for _ in range(101)] == list(range(101))
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            at_once(results.__anext__())


def test_no_item_is_missing_in_what_comes_after_an_exception_that_struck() -> None:
    with alarming():
        for place in count(1):
            results, _ = scripted_pass(items(1, 0, 1), items(1, 2), finished(1))
            got: list[int] = []

            def take_all(ask: Any = results.__anext__, got: list[int] = got) -> None:
                with suppress(StopAsyncIteration):
                    while True:
                        got.append(at_once(ask()))

            struck = strike_at(place, take_all, signal.SIGUSR1, Alarm)
            with suppress(FarsideError):  # it may have ended the worker
                take_all()
            assert got == [0, 1, 2][: len(got)]
            if not struck.reached:
                break


def test_a_turn_is_given_when_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farside._parent.async_results._TURN_SECONDS", 0)
    results, _ = scripted_pass(items(1, *range(10)), finished(1))

    async def main() -> int:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(others())
        assert [item async for item in results] == list(range(10))
        task.cancel()
        return turns

    assert asyncio.run(main()) >= 10  # one for each item, since none may be taken without a look


def test_turns_are_given_while_there_is_neither_an_item_nor_a_reason_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a map whose inputs come slowly and have no results."""
    results, _ = scripted_pass()
    turns: list[int] = []

    def step(_: Pass) -> list[Any] | None:
        turns.append(0)
        assert len(turns) < 100, "the loop gets no turn"
        if len(turns) == 1:
            asyncio.get_running_loop().call_soon(turns.append, 1)
        time.sleep(0.002)
        return OVER if 1 in turns else None

    monkeypatch.setattr("farside._parent.async_results._TURN_SECONDS", 0.001)
    monkeypatch.setattr(Pass, "ready", lambda _: True)
    monkeypatch.setattr(Pass, "step", step)

    async def main() -> list[Any]:
        return [item async for item in results]

    assert asyncio.run(main()) == []


def test_a_task_whose_items_get_slow_gives_turns_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farside._parent.async_results._TURN_SECONDS", 0.001)
    results, _ = scripted_pass(items(1, *range(400)), finished(1))
    seen: list[int] = []
    turns: list[int] = []

    async def others() -> None:
        while True:
            turns.append(len(seen))
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.ensure_future(others())
        async for item in results:
            seen.append(item)
            if item >= 200:
                time.sleep(0.002)  # noqa: ASYNC251  it is what keeps the others from running
        task.cancel()

    asyncio.run(main())
    late = [turn for turn in turns if turn >= 200]
    assert len(late) > 200 - 80  # all but those that were to be taken at once, 64 at most


@pytest.mark.parametrize("how", ["dropped", "closed"])
def test_leaving_stops_the_pass(how: str) -> None:
    results, link = scripted_pass(items(1, "a", "b"))
    assert at_once(results.__anext__()) == "a"
    if how == "closed":
        at_once(results.aclose())
        with pytest.raises(StopAsyncIteration):
            at_once(results.__anext__())
    del results
    assert link.told[1:3] == [("STOP_ITERATION", 1), ("revoke", 1)]


def test_it_is_neither_copied_nor_pickled() -> None:
    results, _ = scripted_pass(items(1, "a", "b"))
    assert at_once(results.__anext__()) == "a"
    for refused in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="'async for' cannot be copied or pickled"):
            refused(results)
    assert at_once(results.__anext__()) == "b"


def test_an_error_is_raised_once() -> None:
    results, link = scripted_pass(items(1, "a"))
    assert at_once(results.__anext__()) == "a"
    closing.close(results._taker.this.client, kill=False)
    assert link.told[-1] == ("close reading",)
    with pytest.raises(IterableClosedError):
        at_once(results.__anext__())
    with pytest.raises(StopAsyncIteration):
        at_once(results.__anext__())


def test_without_a_loop_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="no event loop runs in this thread"):
        waiter_here()


def test_a_waiter_waits_for_a_descriptor_a_moment_or_a_call(loop: Loop) -> None:
    read, write = os.pipe()

    async def main() -> None:
        assert await waiter_here().wait(read, 0.01) is False
        os.write(write, b"x")
        assert await waiter_here().wait(read, 60) is True
        waiter = waiter_here()
        waking = threading.Timer(0.01, waiter.wake)
        waking.start()
        assert await waiter.wait(None, 60) is True
        assert await waiter.wait(None, 60) is True  # it was woken, and stays so
        waking.join()
        early = waiter_here()
        early.wake()
        assert await early.wait() is True

    try:
        loop.run(main)
    finally:
        os.close(read)
        os.close(write)


def test_a_waiter_may_be_woken_when_its_loop_is_gone(loop: Loop) -> None:
    async def main() -> Any:
        waiter = waiter_here()

        async def wait() -> None:
            await waiter.wait()

        await loop.cut(0.01, wait)
        return waiter

    waiter = loop.run(main)
    waiter.wake()
    assert waiter.woken


def test_work_off_the_loop_returns_or_raises(loop: Loop) -> None:
    async def main() -> None:
        assert await off_loop(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await off_loop(lambda: 1 // 0)

    loop.run(main)


def test_work_off_the_loop_is_finished_when_the_task_is_cancelled(loop: Loop) -> None:
    go_on, done = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait(20)
        done.set()

    async def main() -> None:
        timer = threading.Timer(0.05, go_on.set)
        timer.start()
        assert await loop.cut(0.01, lambda: off_loop(work)) is None
        assert done.is_set()
        timer.join()

    loop.run(main)


def test_an_error_is_not_lost_where_trio_has_cancelled_the_task_by_then() -> None:
    trio = pytest.importorskip("trio")
    go_on = threading.Event()

    async def fail() -> None:
        try:
            raise ZeroDivisionError
        finally:
            await off_loop(partial(go_on.wait, 20), go_on.set)

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await fail()

    with pytest.raises(ZeroDivisionError):
        trio.run(main)


@pytest.mark.timeout(50)
def test_what_does_not_unpickle_is_an_error_also_if_the_task_is_cancelled_then(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who goes on after that would find no further item, as at the end."""
    cut = threading.Event()

    def spoilt_late(this: Pass, error: FarsideError) -> None:
        assert cut.wait(20)
        spoilt(this, error)

    spoilt = Pass.spoilt
    monkeypatch.setattr(Pass, "spoilt", spoilt_late)

    async def main() -> None:
        results, _ = scripted_pass(items(1, RefusesToLoad()))
        timer = threading.Timer(0.1, cut.set)
        timer.start()
        with pytest.raises(NotPicklableError):
            await loop.cut(0.01, results.__anext__)
        timer.join()

    loop.run(main)


def test_without_threads_work_is_done_in_the_loop(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            assert await off_loop(threading.get_ident) == threading.get_ident()

    loop.run(main)


def test_a_failed_input_does_not_end_the_workers_when_another_task_closes_the_iterator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        results = map_in_workers(refuse_at_twos, [2], 1, backend="inline")
        async with results:
            iterator: Any = results.__aiter__()

            async def later(work: Any) -> Any:
                await iterator.aclose()
                return await off_loop(work)

            monkeypatch.setattr("farside._parent.async_results.off_loop", later)
            with pytest.raises(NotPicklableError):
                await iterator.__anext__()
            assert results.state != "closed"

    asyncio.run(main())


def test_a_pass_of_another_thread_just_before_a_look_costs_no_worker(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that runs in the thread that looks has nothing to do then. That is no deadlock.
    numbers = iterate_in_worker(partial(range, 3), backend="inline")
    passes: list[RemoteIterable[int]] = [numbers]
    really = Waiting.look_if_free

    def late(*given: Any) -> bool:
        if passes:
            assert Background(list, passes.pop()).result() == [0, 1, 2]
        return really(*given)

    async def main() -> None:
        with pytest.raises(PassSupersededError):
            await numbers.__aiter__().__anext__()

    with numbers:
        monkeypatch.setattr(Waiting, "look_if_free", late)
        loop.run(main)
        assert list(numbers) == [0, 1, 2]


def test_a_worker_in_a_thread_goes_on_where_another_thread_led_just_before(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That one has left before it could wake this task, and no descriptor tells of such a worker.
    led = [False]
    really = Waiting.look_if_free
    monkeypatch.setattr(
        Waiting, "look_if_free", lambda *given: led.pop() if led else really(*given)
    )

    async def main() -> None:
        with iterate_in_worker(partial(range, 3), backend="inline") as numbers:
            assert [number async for number in numbers] == [0, 1, 2]

    Background(loop.run, main).result()


def test_nobody_looks_again_and_again_where_only_an_input_is_missing(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Any] = []
    really = Waiting.look_if_free

    def counted(*given: Any) -> bool:
        looks.append(given)
        return really(*given)

    monkeypatch.setattr(Waiting, "look_if_free", counted)

    async def late() -> AsyncIterator[int]:
        yield -1
        looks.clear()
        await loop.sleep(0.5)
        yield -2

    async def main() -> None:
        with map_in_workers(abs, late(), 0) as results:
            assert [result async for result in results] == [1, 2]

    loop.run(main)
    assert len(looks) < 20
