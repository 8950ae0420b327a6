"""How the workers of an executor are replaced, and ended by force."""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    BrokenWorkersError,
    WorkerDiedError,
    WorkerExecutor,
    WorkerRestartedWarning,
    get_worker_info,
)
from farside._backends import registry
from farside._backends.base import Worker
from farside._backends.child import Child
from farside._parent import starting
from farside._parent.client import Client
from farside._parent.executors import crew
from farside._parent.one_pass import Pass
from farside._parent.passes.assigned_inputs import AssignedInputs
from farside.testing.checks import until
from tests import mapping_jobs as jobs
from tests.children import forked
from tests.kinds import SUBINTERPRETERS
from tests.loops import LOOPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from farside._parent.executors.pending import Work
    from farside._parent.passes.given_results import GivenResults
    from tests.loops import Loop


@pytest.mark.timeout(60)
def test_calls_go_on_while_a_worker_ends_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    ends, may_end, stop = threading.Event(), threading.Event(), Worker.stop

    def stop_late(worker: Worker, timeout: float, *, waited: float = 0.0) -> bool:
        ends.set()
        assert may_end.wait(50)
        return stop(worker, timeout, waited=waited)

    with WorkerExecutor(2, backend="subprocess", max_tasks_per_child=6) as executor:
        monkeypatch.setattr(Worker, "stop", stop_late)
        try:
            for number in range(11):  # so many that one worker has done its share, and not both
                assert executor.submit(jobs.square, number).result(20) == number**2
            assert ends.wait(20)
            assert executor.submit(jobs.square, 12).result(20) == 144
        finally:
            may_end.set()


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(mmap, "MADV_REMOVE"), reason="needs files with holes")
@pytest.mark.parametrize("backend", ["subprocess", *(kind.backend for kind in SUBINTERPRETERS)])
def test_memory_for_arguments_is_given_back_when_there_are_no_calls(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "IDLE_SECONDS", 0.05)
    with WorkerExecutor(1, backend=backend) as executor:

        def is_given_back() -> bool:
            client, pending = executor._crew._client, executor._crew._pending
            assert client is not None
            arena = client.members[0].link.arena
            return not arena._mapping._committed and not pending._recycled._buffers

        for _ in range(2):
            assert executor.submit(len, bytes(1 << 20)).result() == 1 << 20
            until(is_given_back)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("end", "number"),
    [
        (WorkerExecutor.kill_workers, signal.SIGKILL),
        (WorkerExecutor.terminate_workers, signal.SIGTERM),
    ],
)
def test_a_worker_that_starts_as_all_are_ended_gets_no_time_either(
    monkeypatch: pytest.MonkeyPatch, end: Callable[[WorkerExecutor], None], number: int
) -> None:
    starts, may_start, done = threading.Event(), threading.Event(), list[Any]()
    launch, stop, send = registry.launch, Worker.stop, Child._send

    def launch_late(*given: Any) -> Any:
        starts.set()
        assert may_start.wait(50)
        return launch(*given)

    def note_stop(worker: Worker, timeout: float, *, waited: float = 0.0) -> bool:
        done.append("wait for its end")
        return stop(worker, timeout, waited=waited)

    def note_signal(child: Child, number: int) -> bool:
        done.append(number)
        return send(child, number)

    monkeypatch.setattr(registry, "launch", launch_late)
    monkeypatch.setattr(Worker, "stop", note_stop)
    monkeypatch.setattr(Child, "_send", note_signal)
    executor = WorkerExecutor(1, backend="subprocess", initializer=time.sleep, initargs=(60,))
    future = executor.submit(jobs.square, 3)
    assert starts.wait(50)
    end(executor)
    may_start.set()
    executor.shutdown()
    assert future.cancelled()
    assert done[:2] == [number, "wait for its end"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("end", "number"),
    [
        (WorkerExecutor.kill_workers, signal.SIGKILL),
        (WorkerExecutor.terminate_workers, signal.SIGTERM),
    ],
)
def test_a_worker_that_is_replaced_as_all_are_ended_gets_no_time_either(
    monkeypatch: pytest.MonkeyPatch, end: Callable[[WorkerExecutor], None], number: int
) -> None:
    ends, may_end, sent = threading.Event(), threading.Event(), list[int]()
    stop, send = Worker.stop, Child._send

    def stop_late(worker: Worker, timeout: float, *, waited: float = 0.0) -> bool:
        ends.set()
        assert may_end.wait(50)
        return stop(worker, timeout, waited=waited)

    def note_signal(child: Child, number: int) -> bool:
        sent.append(number)
        return send(child, number)

    executor = WorkerExecutor(1, backend="subprocess", max_tasks_per_child=1)
    future = executor.submit(jobs.leave_a_thread)
    monkeypatch.setattr(Worker, "stop", stop_late)
    monkeypatch.setattr(Child, "_send", note_signal)
    try:
        future.result(20)
        assert ends.wait(20)  # another thread waits for it to end, which takes it long
        end(executor)
        assert sent == [number]
    finally:
        may_end.set()
        executor.shutdown()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", [WorkerExecutor.kill_workers, WorkerExecutor.terminate_workers])
def test_workers_are_ended_also_where_a_callback_of_what_is_cancelled_ends_that(
    end: Callable[[WorkerExecutor], None],
) -> None:
    executor = WorkerExecutor(1, backend="subprocess")
    futures = [executor.submit(jobs.sleep_for_a_minute) for _ in range(4)]
    until(futures[0].running)
    futures[2].add_done_callback(lambda _: sys.exit(3))
    with pytest.raises(SystemExit):
        end(executor)
    executor.shutdown()
    error = futures[0].exception(0)
    assert isinstance(error, BrokenWorkersError)
    assert error.__cause__ is None  # an iterable that is closed would mean nothing to the user
    assert {future.done() for future in futures} == {True}


@pytest.mark.timeout(60)
def test_who_submits_as_an_executor_breaks_is_told_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a new executor then looks for that."""
    with WorkerExecutor(1, backend="subprocess", initializer=jobs.fail) as executor:
        crew = executor._crew
        add = crew._pending.add

        def add_late(work: Work) -> bool:
            crew.join()  # until it is broken
            return add(work)

        future = executor.submit(jobs.square, 3)
        monkeypatch.setattr(crew._pending, "add", add_late)
        with pytest.raises(BrokenWorkersError) as caught:
            executor.submit(jobs.square, 3)
        error = future.exception(0)
        assert isinstance(error, BrokenWorkersError)
        assert caught.value.__cause__ is error.__cause__ is not None


def test_any_other_exception_in_the_block_of_an_executor_waits_for_the_calls() -> None:
    with pytest.raises(LookupError), WorkerExecutor(1, backend="subprocess") as executor:  # noqa: PT012  the block is what is tested
        futures = [executor.submit(pow, 2, exponent) for exponent in range(3)]
        raise LookupError("an error of the block")
    assert [future.result(0) for future in futures] == [1, 2, 4]


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_any_other_exception_in_an_async_block_waits_for_the_calls(loop: Loop) -> None:
    futures: list[Future[int]] = []

    async def main() -> None:
        async with WorkerExecutor(1, backend="subprocess") as executor:
            futures.extend(executor.submit(pow, 2, exponent) for exponent in range(3))
            raise LookupError("an error of the block")

    with pytest.raises(LookupError):
        loop.run(main)
    assert [future.result(0) for future in futures] == [1, 2, 4]


def test_a_second_ctrl_c_breaks_off_the_wait_for_workers_that_do_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = []

    def press() -> None:
        waits.append(1)
        raise KeyboardInterrupt

    executor = WorkerExecutor(1)
    monkeypatch.setattr(executor._crew, "join", press)
    with pytest.raises(KeyboardInterrupt), executor:
        pass
    assert len(waits) == 2


@pytest.mark.timeout(50)
def test_ctrl_c_in_the_block_of_an_executor_waits_for_no_call() -> None:
    futures = list[Future[Any]]()

    def work() -> None:
        with WorkerExecutor(1, backend="subprocess") as executor:
            futures.extend(executor.submit(jobs.sleep_for_a_minute) for _ in range(3))
            until(futures[0].running)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert isinstance(futures[0].exception(0), BrokenWorkersError)
    assert futures[2].cancelled()


@pytest.mark.timeout(50)
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_a_task_that_is_cancelled_in_the_block_of_an_executor_waits_for_no_call(
    loop: Loop, *, several: bool
) -> None:
    executor = WorkerExecutor(1, backend="subprocess")
    futures = [executor.submit(jobs.sleep_for_a_minute) for _ in range(3)]

    async def leave_late() -> None:
        async with executor:
            if several:  # then what a nursery of trio raises is a group
                await loop.together(partial(loop.sleep, 60), partial(loop.sleep, 60))
            await loop.sleep(60)

    async def main() -> None:
        while not futures[0].running():
            await loop.sleep(0.01)
        await loop.cut(0.1, leave_late)

    loop.run(main)
    assert isinstance(futures[0].exception(0), BrokenWorkersError)
    assert futures[2].cancelled()


@pytest.mark.timeout(50)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_ctrl_c_at_the_end_of_the_block_of_an_executor_waits_for_no_call(
    *, elsewhere: bool
) -> None:
    """Where another thread gets the signal, that breaks off no wait: as one that comes too soon."""
    executor = WorkerExecutor(1, backend="subprocess")
    futures = [executor.submit(jobs.sleep_for_a_minute) for _ in range(3)]
    until(futures[0].running)
    here = threading.get_ident()

    def press() -> None:
        until(lambda: executor._crew._pending.closed)
        signal.pthread_kill(threading.get_ident() if elsewhere else here, signal.SIGINT)

    pressing = threading.Thread(target=press)
    with pytest.raises(KeyboardInterrupt), executor:
        pressing.start()
    assert isinstance(futures[0].exception(0), BrokenWorkersError)
    assert futures[2].cancelled()
    pressing.join()


@pytest.mark.timeout(50)
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_a_task_that_is_cancelled_at_the_end_of_the_block_of_an_executor_waits_for_no_call(
    loop: Loop,
) -> None:
    executor = WorkerExecutor(1, backend="subprocess")
    futures = [executor.submit(jobs.sleep_for_a_minute) for _ in range(3)]

    async def leave() -> None:
        async with executor:
            pass

    async def main() -> None:
        while not futures[0].running():
            await loop.sleep(0.01)
        assert await loop.cut(0.1, leave) is None

    loop.run(main)
    assert isinstance(futures[0].exception(0), BrokenWorkersError)
    assert futures[2].cancelled()


@pytest.mark.timeout(60)
def test_a_result_that_is_taken_as_the_workers_are_ended_is_what_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It could be the pickle of that."""
    executor = WorkerExecutor(1, backend="subprocess")
    delivery, advance = executor._crew._tasks.delivery, AssignedInputs.advance
    ending = threading.Thread(target=executor.kill_workers)

    def advance_late(inputs: AssignedInputs, count: int, progress: GivenResults) -> None:
        monkeypatch.undo()
        ending.start()
        until(lambda: delivery.queues[0].source.plain)  # as `clear` leaves it
        advance(inputs, count, progress)

    monkeypatch.setattr(AssignedInputs, "advance", advance_late)
    assert executor.submit(jobs.same, {1, 2}).result(20) == {1, 2}
    ending.join()
    executor.shutdown()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", [WorkerRestartedWarning, ValueError])
def test_what_warnings_and_handlers_of_logs_raise_at_the_end_ends_no_thread(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """As that a worker was started again, in another thread, for a call that was the last."""

    def leave_late(this: Pass) -> None:
        monkeypatch.undo()
        this.client.news.waiting.append(told)
        this.leave()

    def told() -> None:
        raise kind

    monkeypatch.setattr(Pass, "leave", leave_late)
    with WorkerExecutor(1, backend="subprocess") as executor:
        assert executor.submit(jobs.square, 3).result(20) == 9


@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore::farside.WorkerRestartedWarning")
def test_what_a_signal_handler_raises_between_two_calls_costs_one_worker() -> None:
    """The executor was broken: all calls failed, and all later ones."""
    with WorkerExecutor(1, backend="subprocess") as executor:
        struck, later = executor.submit(jobs.raise_after_call, 3), executor.submit(jobs.square, 4)
        assert isinstance(struck.exception(20), WorkerDiedError)  # it had no answer yet
        assert later.result(20) == 16
        assert executor.submit(jobs.square, 5).result(20) == 25


@pytest.mark.timeout(60)
def test_what_a_handler_of_logs_raises_as_a_worker_is_replaced_ends_no_executor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_way = starting._give_way

    def give_way_late(client: Client, *given: Any, kill: bool) -> bool:
        client.news.waiting.append(partial(int, "a handler"))
        client.news.deliver()  # as while it waits for the last logs of the worker
        return give_way(client, *given, kill=kill)

    monkeypatch.setattr(starting, "_give_way", give_way_late)
    with WorkerExecutor(1, backend="subprocess", max_tasks_per_child=1) as executor:
        assert [executor.submit(jobs.square, number).result(20) for number in range(3)] == [0, 1, 4]


def test_nothing_is_started_where_all_is_ended_before(monkeypatch: pytest.MonkeyPatch) -> None:
    begins, may_begin, launched = threading.Event(), threading.Event(), list[Any]()

    def make_late(*given: Any, **options: Any) -> Any:
        begins.set()
        assert may_begin.wait(50)
        return Client(*given, **options)

    monkeypatch.setattr(crew, "Client", make_late)
    monkeypatch.setattr(registry, "launch", lambda *given: launched.append(given))
    executor = WorkerExecutor(1, backend="subprocess")
    future = executor.submit(jobs.square, 3)
    assert begins.wait(50)
    executor.kill_workers()
    may_begin.set()
    executor.shutdown()
    assert future.cancelled()
    assert not launched


def seeds() -> tuple[Any, ...]:
    info = get_worker_info()
    assert info is not None
    return info.seed, info.shard_seed


def seeds_of_both(made: tuple[Any, ...]) -> list[Any]:
    seed, shard_seed = seeds()
    assert made == (seed, None)
    return [seed, shard_seed]


@pytest.mark.timeout(60)
def test_an_executor_that_was_made_before_a_fork_has_other_seeds_in_the_child() -> None:
    executor, (read, write) = WorkerExecutor(1, backend="subprocess", setup=seeds), os.pipe()

    def use() -> None:
        with executor:
            os.write(write, json.dumps(executor.submit(seeds_of_both).result(30)).encode())

    assert forked(use) == 0
    with open(read, "rb", 0) as told, open(write, "wb", 0), executor:
        assert not {*json.loads(told.read(999))} & {*executor.submit(seeds_of_both).result(30)}


@pytest.mark.timeout(60)
def test_a_forked_child_may_be_the_first_to_use_an_executor() -> None:
    executor = WorkerExecutor(1, backend="subprocess")

    def use() -> None:
        assert executor.submit(jobs.square, 3).result(30) == 9
        executor.shutdown()

    assert forked(use) == 0
    assert executor.submit(jobs.square, 4).result(30) == 16

    def use_once_more() -> None:
        with pytest.raises(RuntimeError, match="make one in each process"):
            executor.submit(jobs.square, 5)
        executor.shutdown()

    assert forked(use_once_more) == 0
    assert executor.submit(jobs.square, 6).result(30) == 36
    executor.shutdown()
