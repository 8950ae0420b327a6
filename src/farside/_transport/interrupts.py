"""Steps that Ctrl-C must not cut in two.

Python runs the handler of SIGINT in the main thread, between any two bytecodes, and by default it
raises KeyboardInterrupt there: after bytes were read and before they were decoded, for example.
Then the stream is out of step, and the worker is lost. So the few steps that change the state of
a stream or of the protocol hold the handler back, for microseconds. Waiting is never among them.
"""

from __future__ import annotations

import signal
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any


class HeldBack:
    """A context in which a handler of SIGINT that is written in Python does not run.

    It runs at the end instead, if the signal has come. Only the main thread has to do anything.

    Example:
        >>> try:
        ...     with HeldBack():
        ...         signal.raise_signal(signal.SIGINT)
        ...         print("not cut in two")
        ... except KeyboardInterrupt:
        ...     print("interrupted afterwards")
        not cut in two
        interrupted afterwards
    """

    __slots__ = ("_came", "_handler")

    def __init__(self) -> None:
        self._handler: Any = None
        self._came: list[FrameType | None] = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            signal.signal(signal.SIGINT, self._note)
            self._handler = handler

    def __exit__(self, *_: object) -> None:
        handler, self._handler = self._handler, None
        if handler is None:
            return
        signal.signal(signal.SIGINT, handler)
        if self._came:
            handler(signal.SIGINT, self._came[0])

    def _note(self, _number: int, frame: FrameType | None) -> None:
        self._came.append(frame)
