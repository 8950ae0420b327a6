"""Sends the items that wait, when user code takes long to make the next one."""

from __future__ import annotations

import time

from .._in_c import RLock
from .._system.signals import with_lock
from ..errors import LinkClosedError, ProtocolError
from .threads import Bell, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

_DELAY = 0.002  # seconds an item may wait for others: waking so often costs under one per cent
_PATIENCE = 0.1  # seconds until an idle thread ends: it must not keep a worker blocked in C
_TRIES = 3
"""How often the caller tries to send what waits, if no thread can be started. The first try may
only find that something was just sent, and the second may find no room; the third waits for it."""


class Flusher:
    """A thread that is called when something waits to be sent, and sends it a little later.

    While items come fast, the thread that makes them has sent them long before, in large frames.
    While they come slowly, no item has to wait until the next one is made.
    """

    def __init__(self, send: Callable[[], bool]) -> None:
        self._send = send  # sends what waits, which may take long; tells whether more waits
        self._thread: Thread | None = None
        # Reentrant, since a finalizer may call in the middle of anything.
        self._changing = RLock()
        self._changing_here = False  # whether the thread that has the lock is in a change already
        self._called = Bell()
        self._over = False

    def call(self) -> None:
        """Let the thread know that something waits; if there can be no thread, send it here."""
        tries = 0 if with_lock(self._changing, self._call) else _TRIES
        while tries and self._send():
            tries -= 1

    def _call(self) -> bool:
        self._called.ring()
        return self._changing_here or self._thread is not None or self._over or self._start()

    def stop(self) -> None:
        self._over = True
        thread = self._thread
        if thread is not None:
            with_lock(self._changing, self._call)
            thread.join()

    def _start(self) -> bool:
        try:
            self._changing_here = True
            self._thread = start(self._run, "farside-flusher")
        except RuntimeError:
            return False
        finally:
            self._changing_here = False
        return True

    def _run(self) -> None:
        try:
            while self._called.wait(_PATIENCE) or not with_lock(self._changing, self._retire):
                more = True
                while more:
                    time.sleep(_DELAY)
                    if self._over:
                        return
                    more = self._send()
        except (LinkClosedError, ProtocolError):
            pass  # the thread that makes items finds that out too
        except MemoryError:  # the next call begins another thread
            self._thread = None  # by no call: there may be no memory for one either

    def _retire(self) -> bool:
        """Let the thread end unless there was a call just now; tell whether it ends."""
        try:
            self._changing_here = True
            this, self._thread = self._thread, None
            called = self._called.wait(0)
            if called:
                self._thread = this
        finally:
            self._changing_here = False
        return not called
