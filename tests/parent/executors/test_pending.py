"""The tasks of an executor where memory runs out: each future is completed."""

from __future__ import annotations

import gc
import sys
from collections import deque
from concurrent.futures import Future
from typing import Any
from weakref import ref

import pytest

from farside._parent.executors.pending import PAUSE_SECONDS, TRIES, Pending, Work, give
from farside._parent.passes.batches import Batch


class Numberless(Pending):
    """Tasks for whose numbers there is no memory."""

    def _number(self, given: Any) -> None:  # noqa: ARG002
        raise MemoryError


def test_a_task_that_was_on_its_way_to_a_worker_fails_with_the_others() -> None:
    pending, futures = Numberless(), [Future[None]() for _ in range(2)]
    for position, future in enumerate(futures):
        assert pending.add(Work(future, (print, (), {}), position))
    with pytest.raises(MemoryError):
        pending.take(1, 1)
    error = ValueError()
    pending.fail_all(error)
    assert [future.exception(0) for future in futures] == [error, error]


def test_a_task_that_was_given_back_fails_where_it_cannot_be_given_again() -> None:
    pending, future = Pending(), Future[None]()
    assert pending.add(Work(future, (print, (), {}), 0))
    entries, nbytes = pending.take(1, 1)
    pending.put_back(Batch(0, entries, nbytes))
    pending._number = Numberless()._number  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        pending.take(1, 1)
    error = ValueError()
    pending.fail_all(error)
    assert future.exception(0) is error


def add_task(pending: Pending) -> ref[Future[None]]:
    """Add a task whose future nobody else keeps; return a weak reference to that."""
    future = Future[None]()
    assert pending.add(Work(future, (print, (), {}), 0))
    return ref(future)


def test_no_future_is_kept_once_all_have_failed() -> None:
    """What it holds are frames of whoever has asked for its result."""
    pending = Pending()
    kept = add_task(pending)
    pending.fail_all(ValueError())
    gc.collect()
    assert kept() is None


def test_no_future_of_a_task_that_a_worker_had_is_kept_once_all_have_failed() -> None:
    pending = Pending()
    kept = add_task(pending)
    pending.take(1, 1)
    pending.fail_all(ValueError())
    gc.collect()
    assert kept() is None


def test_no_future_is_kept_once_its_worker_has_answered() -> None:
    """What it holds may be a large result, and the next call may come much later."""
    pending = Pending()
    kept = add_task(pending)
    pending.take(1, 1)
    del pending.given[0]
    gc.collect()
    assert kept() is None


def test_no_future_that_was_cancelled_is_kept() -> None:
    pending = Pending()
    kept = add_task(pending)
    future = kept()
    assert future is not None
    assert future.cancel()
    assert pending.take(1, 1) == ([], 0)
    del future
    gc.collect()
    assert kept() is None


def test_a_future_that_has_failed_fails_once(caplog: pytest.LogCaptureFixture) -> None:
    """All fail again where memory runs out in the middle. Nothing is logged of those that had."""
    pending, future = Numberless(), Future[None]()
    assert pending.add(Work(future, (print, (), {}), 0))
    with pytest.raises(MemoryError):
        pending.take(1, 1)
    error = ValueError()
    future.set_exception(error)
    pending.fail_all(KeyError())
    assert future.exception(0) is error
    assert not caplog.records


class Late(Future[None]):
    """A future that is not told that it runs, the first time."""

    tries = 0

    def set_running_or_notify_cancel(self) -> bool:
        self.tries += 1
        if self.tries == 1:
            raise MemoryError
        return super().set_running_or_notify_cancel()


def test_all_fail_where_memory_runs_out_in_the_middle() -> None:
    pending, futures = Pending(), [Future[None](), Late(), Future[None]()]
    for position, future in enumerate(futures):
        assert pending.add(Work(future, (print, (), {}), position))
    error = ValueError()
    with pytest.raises(MemoryError):
        pending.fail_all(error)
    pending.fail_all(error)
    assert [future.exception(0) for future in futures] == [error] * 3
    assert pending.ended


class Never(Future[None]):
    """A future for whose exception there is no memory any more."""

    def set_exception(self, exception: BaseException | None) -> None:  # noqa: ARG002
        raise MemoryError


def test_nobody_tries_for_minutes_where_memory_does_not_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("farside._parent.executors.pending.sleep", pauses.append)
    pending = Pending()
    assert pending.add(Work(Never(), (print, (), {}), 0))
    for _ in range(TRIES):  # as the thread of an executor does, with a pause after each
        with pytest.raises(MemoryError):
            pending.fail_all(ValueError())
        pauses.append(PAUSE_SECONDS)
    assert sum(pauses) < 10
    pauses.clear()
    with pytest.raises(MemoryError):
        give(Never().set_exception, ValueError())
    assert 4 < sum(pauses) < 10


class Full(Future[Any]):
    """A future for whose result there is memory at the third time."""

    tries = 0

    def set_result(self, result: Any) -> None:
        self.tries += 1
        if self.tries < 3:
            raise MemoryError
        super().set_result(result)


def test_a_future_gets_its_result_as_soon_as_there_is_memory_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    future = Full()
    give(future.set_result, 7)
    assert future.result(0) == 7
    assert not caplog.records, "nothing has failed"


@pytest.mark.parametrize("kind", [Future[Any], Full])
def test_what_a_callback_raises_is_logged_and_does_not_reach_who_gives(
    caplog: pytest.LogCaptureFixture, kind: type[Future[Any]]
) -> None:
    future = kind()
    future.add_done_callback(lambda _: sys.exit())
    give(future.set_result, 7)
    assert future.result(0) == 7
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is SystemExit


class Ends:
    """An argument whose pickling ends the program."""

    def __reduce__(self) -> Any:
        sys.exit(3)


def test_a_call_whose_pickling_raises_system_exit_fails_alone() -> None:
    pending, futures = Pending(), [Future[Any]() for _ in range(2)]
    assert pending.add(Work(futures[0], (print, (Ends(),), {}), 0))
    assert pending.add(Work(futures[1], (print, (), {}), 1))
    entries, _ = pending.take(1, 1)
    assert len(entries) == 1
    assert futures[0].exception(0) is not None
    assert futures[1].running()


def test_a_task_that_is_taken_as_all_are_cancelled_is_left_to_who_has_taken_it() -> None:
    class Taken(deque[Work]):
        def remove(self, work: Work) -> None:
            assert self.popleft() == work
            assert not work.future.set_running_or_notify_cancel()
            raise ValueError

    pending, future = Pending(), Future[Any]()
    pending._works = Taken()
    assert pending.add(Work(future, (print, (), {}), 0))
    pending.cancel()
    assert future.cancelled()


def test_the_last_task_may_be_taken_as_all_are_cancelled() -> None:
    class Emptied(deque[Work]):
        def __bool__(self) -> bool:
            found = len(self) > 0
            self.clear()
            return found

    pending, future = Pending(), Future[Any]()
    pending._works = Emptied()
    assert pending.add(Work(future, (print, (), {}), 0))
    pending.cancel()
    assert not future.cancelled()
