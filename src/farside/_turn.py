"""Mutual exclusion that finalizers and signal handlers can live with."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Turn:
    """A lock for short work, with notes for those who must not wait for it.

    A finalizer may run in the middle of anything, also in the thread that has the turn. So it
    does not take the turn: it leaves a note, and whoever has the turn reads it in the end. A
    signal handler may have to take it all the same (to close an iterable), so the lock is
    reentrant.

    Args:
        read: what to do with a note. It is called with the turn.

    Example:
        >>> seen = []
        >>> turn = Turn(seen.append)
        >>> with turn:
        ...     turn.note(1)
        ...     seen.append("work")
        >>> seen
        ['work', 1]
    """

    def __init__(self, read: Callable[[int], None]) -> None:
        self._read = read
        self._lock = threading.RLock()
        self._depth = 0
        self._notes: deque[int] = deque()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        self._lock.release()
        self._read_notes()

    def note(self, value: int) -> None:
        """Leave a note; never waits."""
        self._notes.append(value)
        self._read_notes()

    def _read_notes(self) -> None:
        # While somebody has the turn, be it further up in this thread, reading is up to them:
        # they look for notes after they have given it back.
        while self._notes and not self._depth and self._lock.acquire(blocking=False):
            self._depth += 1
            try:
                while self._notes:
                    self._read(self._notes.popleft())
            finally:
                self._depth -= 1
                self._lock.release()
