"""The thread that completes futures, where memory runs out."""

import threading
import traceback
from concurrent.futures import Future
from time import sleep
from typing import Any

import pytest

from farside import BrokenWorkersError, WorkerExecutor
from farside._parent.executors import crew
from farside._parent.executors.at_exit import at_exit
from farside._parent.executors.crew import Crew
from farside._parent.executors.pending import Work
from farside._parent.executors.submitted import Submitted
from farside.testing.checks import until
from tests.worker.test_threads import START, Struck


def test_a_future_is_completed_as_soon_as_there_is_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread ended, and left it as it was."""
    breaks, failures = Crew._break, [MemoryError() for _ in range(3)]

    def scarce(crew: Crew, error: BaseException) -> None:
        if failures:
            raise failures.pop()
        breaks(crew, error)

    def full(*_: Any) -> None:
        raise MemoryError

    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result()
        monkeypatch.setattr(Crew, "_break", scarce)
        monkeypatch.setattr(Submitted, "take_spent", full)
        with pytest.raises(BrokenWorkersError):
            executor.submit(abs, 2).result(20)
    assert not failures


def test_a_call_is_not_made_where_its_thread_could_not_be_woken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has got a MemoryError submits it again."""

    def full() -> None:
        raise MemoryError

    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result()
        with monkeypatch.context() as patched:
            patched.setattr(executor._crew, "_wake", full)
            with pytest.raises(MemoryError):
                executor.submit(abs, 2)
        assert executor._crew._pending.ended


def test_workers_that_were_ended_by_the_user_are_said_to_be() -> None:
    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        future = executor.submit(sleep, 60)
        until(future.running)
        executor.kill_workers()
        error = future.exception(20)
    assert isinstance(error, BrokenWorkersError)
    assert str(error) == "the workers of the executor were ended"
    assert error.__cause__ is None


@pytest.mark.parametrize("kind", [LookupError, SystemExit])
def test_an_exception_that_is_not_expected_tells_where_it_was_raised(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def fail(*_: Any) -> None:
        raise kind

    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result(20)
        monkeypatch.setattr(Submitted, "take_spent", fail)
        error = executor.submit(abs, 2).exception(20)
    assert isinstance(error, BrokenWorkersError)
    assert isinstance(error.__cause__, kind)
    assert traceback.extract_tb(error.__cause__.__traceback__)[-1].name == "fail"


def test_what_a_signal_handler_raises_just_as_its_thread_has_begun_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start: Any = getattr(threading, START)

    def start_and_strike(*args: Any, **options: Any) -> None:
        monkeypatch.undo()
        start(*args, **options)
        active = vars(threading)["_active"]  # `enumerate` has those too that have not begun
        until(lambda: "farside-executor" in [each.name for each in [*active.values()]])
        raise Struck

    with WorkerExecutor(1, backend="subprocess") as executor:
        monkeypatch.setattr(threading, START, start_and_strike)
        with pytest.raises(Struck):
            executor.submit(pow, 2, 3)
        assert executor.submit(pow, 2, 3).result() == 8


def test_a_thread_that_has_waited_for_long_is_told_of_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would notice at its next look, up to a second later."""
    trim, trimmed = Crew._trim, threading.Event()

    def trim_and_tell(*args: Any) -> bool:
        done = trim(*args)
        if done:
            trimmed.set()
        return done

    monkeypatch.setattr(crew, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr("farside._parent.wait.LONGEST_SECONDS", 60)
    monkeypatch.setattr(Crew, "_trim", trim_and_tell)
    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result(20)
        assert trimmed.wait(20)
        sleep(0.1)  # until it waits
        executor.shutdown(wait=False)
        try:
            until(lambda: executor._crew._over)
        finally:
            executor._crew._wake()


def test_a_task_that_was_taken_is_not_refused_where_memory_runs_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever submits it again would have it run twice."""
    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result(20)
        its_crew, wake = executor._crew, executor._crew._wake

        def wake_and_fail() -> None:
            wake()
            until(lambda: its_crew._pending.ended)
            raise MemoryError

        with monkeypatch.context() as patched:
            patched.setattr(its_crew, "_wake", wake_and_fail)
            future = executor.submit(abs, -2)
        assert future.result(20) == 2


def test_a_callback_of_a_future_may_shut_the_executor_down() -> None:
    """Its thread cannot wait for its own end."""
    executor, ended = WorkerExecutor(1, backend="subprocess", mp_context="fork"), threading.Event()

    def shut_down(_: object) -> None:
        executor.shutdown()
        ended.set()

    executor.submit(sleep, 0.2).add_done_callback(shut_down)
    try:
        assert ended.wait(20)
    finally:
        executor._crew._over = True  # else the thread would not end where this has failed
    executor.shutdown()


def test_shutdown_waits_for_a_thread_that_is_just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does Python's exit."""
    start: Any = getattr(threading, START)
    executor = WorkerExecutor(1, backend="subprocess", mp_context="fork")
    joiner = threading.Thread(target=executor.shutdown)

    def start_late(*args: Any, **options: Any) -> None:
        monkeypatch.undo()
        joiner.start()
        joiner.join(0.2)
        waits.append(joiner.is_alive())
        start(*args, **options)

    waits = list[bool]()
    monkeypatch.setattr(threading, START, start_late)
    future = executor.submit(abs, -1)
    joiner.join()
    assert waits == [True]
    assert future.result(0) == 1


def test_no_thread_is_left_once_shutdown_has_returned() -> None:
    class Slow:
        """A lock after whose release a thread needs a moment more."""

        def __init__(self, lock: Any) -> None:
            self.acquire, self._release = lock.acquire, lock.release

        def release(self) -> None:
            self._release()
            sleep(0.2)

    executor = WorkerExecutor(1, backend="subprocess", mp_context="fork")
    its_crew: Any = executor._crew
    its_crew._at_work = Slow(its_crew._at_work)
    executor.submit(abs, 1).result(20)
    executor.shutdown()
    assert not any(thread.is_alive() for thread in its_crew._threads)


def test_a_worker_that_has_ended_after_its_last_task_is_forgotten() -> None:
    """Else the records of all those that an executor has used would fill the memory."""
    with WorkerExecutor(1, backend="subprocess", max_tasks_per_child=1) as executor:
        for _ in range(3):
            executor.submit(abs, 1).result(60)
        client = executor._crew._client
        assert client is not None
        until(lambda: not client.leaving)


@pytest.mark.parametrize("used", [False, True])
def test_nothing_can_be_submitted_once_python_exits(
    monkeypatch: pytest.MonkeyPatch,
    used: bool,  # noqa: FBT001
) -> None:
    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        if used:
            executor.submit(abs, 1).result(20)
        monkeypatch.setattr(at_exit, "_begun", True)
        with pytest.raises(RuntimeError, match="after interpreter shutdown"):
            executor.submit(abs, 2)
        assert executor._crew._pending.ended


def test_no_thread_is_started_once_python_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may exit just after a look at that in `submit`."""
    executor, check = WorkerExecutor(1, backend="subprocess"), at_exit.check
    its_crew = executor._crew

    def check_first() -> None:
        check()
        at_exit._begun = True

    monkeypatch.setattr(at_exit, "_begun", False)
    monkeypatch.setattr(at_exit, "check", check_first)
    with pytest.raises(RuntimeError, match="after interpreter shutdown"):
        its_crew.submit(Work(Future(), (abs, (1,), {}), 0))
    assert not its_crew._threads
    assert its_crew._pending.ended
