"""The thread that completes futures, where memory runs out."""

import threading
import traceback
from time import sleep
from typing import Any

import pytest

from farside import BrokenWorkersError, WorkerExecutor
from farside._parent.executors.crew import Crew
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


def test_an_exception_that_is_not_expected_tells_where_it_was_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError

    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result(20)
        monkeypatch.setattr(Submitted, "take_spent", fail)
        error = executor.submit(abs, 2).exception(20)
    assert isinstance(error, BrokenWorkersError)
    assert isinstance(error.__cause__, LookupError)
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
