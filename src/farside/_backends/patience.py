"""Work that must not be interrupted in the middle, and that one cannot wait for without a limit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from .._system.signals import defer_sigint

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], undo: Callable[[T], object]) -> T:
    """Do some work in a thread, and wait for so many seconds at most: Ctrl-C ends the wait too.

    What comes when nobody waits for it any more is undone.

    Raises:
        TimeoutError: it goes on.
        BaseException: whatever the work raises.
    """
    over, first = threading.Event(), threading.Lock()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # for who waits
            errors.append(error)
        over.set()
        undo_after_the_other()

    def undo_after_the_other() -> None:
        # The work ends and the wait is given up: who is the second of them undoes what was done.
        if not first.acquire(blocking=False):
            for result in results:
                undo(result)

    try:
        threading.Thread(target=run, name="farside start", daemon=True).start()
    except RuntimeError:  # no more threads can be had, or no daemonic ones in this interpreter
        return defer_sigint(work, once=True)
    try:
        if not over.wait(seconds):
            raise TimeoutError
        if errors:
            raise errors.pop()  # its traceback refers to this
        return results[0]
    except BaseException:
        defer_sigint(undo_after_the_other)
        raise
