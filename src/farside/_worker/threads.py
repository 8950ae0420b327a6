"""Threads of farside's own in a worker."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Thread(Protocol):
        """A thread that has begun."""

        def join(self, timeout: float | None = None, /) -> None:
            """Wait for its end, for so many seconds at most."""


def start(run: Callable[[], object], name: str, *, daemon: bool) -> Thread:
    """Begin a thread; without the module `threading` where nothing else has imported that.

    With what it imports it takes a subinterpreter some 300 KiB. Where it is there, debuggers and
    the like may have told it what to do in each thread.

    Raises:
        RuntimeError: no more threads can be had.
    """
    if sys.version_info >= (3, 13) and "threading" not in sys.modules:
        from _thread import start_joinable_thread

        return start_joinable_thread(run, daemon=daemon)
    from threading import Thread

    thread = Thread(target=run, name=name, daemon=daemon)
    thread.start()
    return thread
