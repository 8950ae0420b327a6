"""Steps that Ctrl-C must not cut in two.

Python runs the handler of SIGINT in the main thread, between any two bytecodes, and by default it
raises KeyboardInterrupt there: after bytes were read and before they were decoded, for example.
Then the stream is out of step, and the worker is lost. So the few steps that change the state of
a stream or of the protocol hold the handler back, for microseconds. Waiting is not among them.
"""

from __future__ import annotations

import threading
from signal import SIGINT

try:
    # What the functions of `signal` call. They make enumeration members of what they return, which
    # takes five times as long as the rest, and a loop over small items does this for each frame.
    from _signal import getsignal, signal  # type: ignore[import-not-found]
except ImportError:  # pragma: no cover  not CPython
    from signal import getsignal, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, TypeVar

    T = TypeVar("T")


class HeldBack:
    """A context in which a handler of SIGINT that is written in Python does not run.

    It runs at the end instead, if the signal has come. Only the main thread has to do anything.

    Args:
        once: do not hold back a second signal. For the steps that may have to wait after all: who
            presses Ctrl-C again means it.

    Example:
        >>> from signal import SIGINT, raise_signal
        >>> try:
        ...     with HeldBack():
        ...         raise_signal(SIGINT)
        ...         print("not cut in two")
        ... except KeyboardInterrupt:
        ...     print("interrupted afterwards")
        not cut in two
        interrupted afterwards
    """

    __slots__ = ("_came", "_handler", "_once")

    def __init__(self, *, once: bool = False) -> None:
        self._once = once
        self._handler: Any = None
        self._came: list[FrameType | None] = []

    def __enter__(self) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return
        handler = getsignal(SIGINT)
        if callable(handler):
            signal(SIGINT, self._note)
            self._handler = handler

    def __exit__(self, *_: object) -> None:
        handler, self._handler = self._handler, None
        if handler is None:
            return
        signal(SIGINT, handler)
        if self._came:
            handler(SIGINT, self._came[0])

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._once and self._came and self._handler is not None:
            self._handler(number, frame)
        else:
            self._came.append(frame)


def with_lock(lock: threading.Lock | threading.RLock, work: Callable[[], T]) -> T:
    """Do some work that may wait, under a lock that Ctrl-C cannot leave locked.

    ``with lock:`` does not do: Python 3.14 looks for signals after it has taken the lock and
    before it knows that it has to release it.

    Args:
        lock: the lock; waiting for it can be interrupted.
        work: what to do; waiting in it can be interrupted.

    Returns:
        What the work returns.

    Example:
        >>> with_lock(threading.Lock(), lambda: "done")
        'done'
    """
    held: list[bool] = []
    try:
        held.extend(map(lock.acquire, [True]))  # one call of C code takes the lock and tells of it
        return work()
    finally:
        if held:
            lock.release()
