"""Work that must not be interrupted in the middle, and that one cannot wait for without a limit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from .._system.signals import defer_sigint

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], undo: Callable[[T], object]) -> T:
    """Do some work in a thread, and do not wait longer for it than so.

    Args:
        seconds: how long to wait. Ctrl-C ends the wait too.
        work: what to do.
        undo: what to do with the result if nobody waits for it any more.

    Returns:
        What the work returns.

    Raises:
        TimeoutError: it goes on.
        BaseException: whatever the work raises.
    """
    attempt = _Attempt(work, undo)
    try:
        threading.Thread(target=attempt.run, name="farside start", daemon=True).start()
    except RuntimeError:  # no more threads can be had, or no daemonic ones in this interpreter
        return defer_sigint(work, once=True)
    return attempt.result(seconds)


class _Attempt(Generic[T]):
    def __init__(self, work: Callable[[], T], undo: Callable[[T], object]) -> None:
        self._work = work
        self._undo = undo
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._given_up = False
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            result = self._work()
        except BaseException as error:  # for who waits
            self._error = error
        else:
            with self._lock:
                self._results.append(result)
                given_up = self._given_up
            if given_up:
                self._undo(result)
        self._over.set()

    def result(self, seconds: float) -> T:
        try:
            if not self._over.wait(seconds):
                raise TimeoutError
            if self._error is not None:
                raise self._error
            return self._results[0]
        except BaseException:
            defer_sigint(self._give_up)
            raise
        finally:
            self._error = None  # whose traceback refers to this

    def _give_up(self) -> None:
        with self._lock:
            self._given_up = True
            results = list(self._results)
        for each in results:  # it has come just now
            self._undo(each)
