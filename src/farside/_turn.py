"""Mutual exclusion that finalizers and signal handlers can live with."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from ._transport.interrupts import held_back, try_lock, with_lock
from .errors import FarsideError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Turn:
    """A lock for short work, with notes for those who must not wait for it.

    A finalizer may run in the middle of anything, also in the thread that has the turn. So it
    does not take the turn: it leaves a note, and whoever has the turn reads it in the end. A
    signal handler may have to take it all the same (to close an iterable), so the lock is
    reentrant. KeyboardInterrupt is held back meanwhile; what an exception of another signal's
    handler has left half done is `torn`.

    Args:
        read: what to do with a note. It is called with the turn.

    Attributes:
        torn: whether any work was interrupted in the middle.

    Example:
        >>> seen = []
        >>> turn = Turn(seen.append)
        >>> turn.run(lambda: (turn.note(1), seen.append("work"))[1])
        >>> seen
        ['work', 1]
    """

    def __init__(self, read: Callable[[int], None]) -> None:
        self.torn = False
        self._read = read
        self._lock = threading.RLock()
        self._depth = 0
        self._notes: deque[int] = deque()

    def run(self, work: Callable[[], T]) -> T:
        """Take the turn for some work; return what it returns."""
        try:
            return held_back(lambda: with_lock(self._lock, lambda: self._do(work)))
        finally:
            self._read_notes()

    def note(self, value: int) -> None:
        """Leave a note; never waits."""
        self._notes.append(value)
        self._read_notes()

    def _do(self, work: Callable[[], T]) -> T:
        self._depth += 1
        try:
            return work()
        except FarsideError:
            raise
        except BaseException:
            self.torn = True
            raise
        finally:
            self._depth -= 1

    def _read_notes(self) -> None:
        # While somebody has the turn, be it further up in this thread, reading is up to them:
        # they look for notes after they have given it back.
        while self._notes and not self._depth:
            if not held_back(lambda: try_lock(self._lock, self._read_each)):
                return

    def _read_each(self) -> bool:
        while self._notes:
            self._do(lambda: self._read(self._notes.popleft()))
        return True
