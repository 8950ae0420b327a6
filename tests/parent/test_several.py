"""What the seams between several workers, threads and tasks hold."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    IterableClosedError,
    NotPicklableError,
    WorkerExecutor,
    WorkerTimeoutError,
    get_worker_info,
    iterate_in_subprocess,
    iterate_in_workers,
    map_in_workers,
)
from farside._backends import registry
from farside._backends.subprocess import SubprocessBackend
from farside._parent.queues import Queue
from farside._parent.wait import Waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from farside._parent.options import Options


def one_takes_long() -> None:
    info = get_worker_info()
    assert info is not None
    time.sleep(2 * info.index)


def test_the_time_of_a_worker_that_stands_by_does_not_count_while_others_start() -> None:
    with iterate_in_workers(
        range,
        [2, 3],
        2,
        backend="subprocess",
        initializer=one_takes_long,
        timeout=0.5,
        init_timeout=60,
    ) as items:
        assert sorted(items) == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("in_order", [True, False])
def test_closing_in_another_thread_in_the_middle_of_a_block(
    monkeypatch: pytest.MonkeyPatch, *, in_order: bool
) -> None:
    """What is cut off says so, and nothing else."""
    really, closing = Queue.take, list[bool]()

    def take(queue: Queue, count: int) -> list[Any]:
        if closing:
            closing.pop()
            thread = threading.Thread(target=items.close)
            thread.start()
            while not (client.delivery and client.delivery.cleared):
                time.sleep(0.001)
            try:
                return really(queue, count)
            finally:
                closers.append(thread)
        return really(queue, count)

    closers: list[threading.Thread] = []
    monkeypatch.setattr(Queue, "take", take)
    with iterate_in_workers(
        range, [2000, 2000], 2, backend="subprocess", in_order=in_order
    ) as items:
        iterator, client = iter(items), items._current
        assert client.delivery is not None
        next(iterator)
        closing.append(True)
        with pytest.raises(IterableClosedError):
            list(iterator)
        for each in closers:
            each.join()


class Ends:
    """What ends the process that pickles or unpickles it, unless somebody catches that."""

    def __init__(self, *, here: bool) -> None:
        self.here = here

    def __reduce__(self) -> Any:
        if self.here:
            raise SystemExit(3)
        return sys.exit, (3,)


def give(*_: object) -> Ends:
    return Ends(here=False)


@pytest.mark.timeout(60)
def test_what_ends_the_thread_of_an_executor_fails_one_future() -> None:
    with WorkerExecutor(1, backend="subprocess") as executor:
        result = executor.submit(give)
        argument = executor.submit(str, Ends(here=True))
        after = executor.submit(pow, 2, 3)
        for future in (result, argument):
            with pytest.raises(NotPicklableError, match="SystemExit"):
                future.result(30)
        assert after.result(30) == 8


def takes_a_second() -> range:
    time.sleep(1)
    return range(3)


def test_tasks_that_wait_for_one_worker_do_not_wake_each_other_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    really = Waiting.look_if_free

    def look(waiting: Waiting, client: Any) -> bool:
        nonlocal looks
        looks += 1
        return really(waiting, client)

    monkeypatch.setattr(Waiting, "look_if_free", look)

    async def wait() -> None:
        async with iterate_in_subprocess(takes_a_second, wait=False) as numbers:
            await asyncio.gather(*[numbers.ready() for _ in range(3)])

    asyncio.run(wait())
    assert looks < 100


class SlowBackend(SubprocessBackend):
    """Takes longer to start anything than may be."""

    def launch(self, options: Options) -> Any:
        time.sleep(1)
        return super().launch(options)


@pytest.mark.filterwarnings("ignore::farside.WorkerRestartedWarning")
def test_a_start_that_runs_out_of_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_BACKENDS", {**registry._BACKENDS, "slow": SlowBackend})
    with map_in_workers(
        abs, range(10), 2, backend="slow", wait=False, init_timeout=0.3, shutdown_timeout=10
    ) as results:
        with pytest.raises(WorkerTimeoutError):
            list(results)
        time.sleep(1.5)  # what is started late, nobody gets to know


def test_async_inputs_that_are_fewer_than_a_state_tells() -> None:
    async def numbers(most: int) -> AsyncIterator[int]:
        for number in range(most):
            yield number

    async def read(most: int, state: Any) -> tuple[list[int], Any]:
        async with map_in_workers(abs, numbers(most), 1, backend="subprocess") as results:
            if state is not None:
                results.load_state_dict(state)
            got = []
            async for result in results:
                got.append(result)
                if len(got) == 10:
                    break
            return got, json.loads(json.dumps(results.state_dict()))

    got, state = asyncio.run(read(20, None))
    assert got == list(range(10))
    with pytest.raises(ValueError, match="10 inputs or more were done, and items has 5"):
        asyncio.run(read(5, state))


def test_results_do_not_wait_for_more_than_one_further_input() -> None:
    """Though many were wanted at once, since they came fast before."""
    burst, given = 400, 0

    async def numbers() -> AsyncIterator[int]:
        nonlocal given
        for number in range(burst + 4):
            if number >= burst:
                await asyncio.sleep(0.3)
            given += 1
            yield number

    async def read() -> list[int]:
        async with map_in_workers(abs, numbers(), 2, backend="subprocess") as results:
            return [given - result async for result in results]

    ahead = asyncio.run(read())
    assert len(ahead) == burst + 4
    assert max(ahead[-3:]) <= 2
