"""What a thread has taken of a pass and the loop has yet to get: see `in_thread`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from weakref import WeakValueDictionary

from ..._in_c import deque
from ..._system.weak_values import alive
from ..._worker.threads import Bell, wakers


class ReadAhead:
    """Holds the items between a thread, which takes them, and a loop, which gets them.

    Either side waits for the other by a bell. The other changes something, and rings. Who waits
    looks first, and looks again after each wait. A bell that was rung lets the next wait return at
    once, so no change is missed.

    Attributes:
        items: those that were taken, were prepared, and were not given: `most` at most.
        given: how many items the loop was given.
        left: whether the loop wants no more.
        over: whether the thread takes no more.
        whole: whether it has taken all that the pass has.
        failed: whether a worker has failed. The loop does what follows, if it gets that far.
        errors: what the thread has raised, until the loop raises that.
        came: rung after `items` or `over` has changed.
        room: rung after the loop has got an item, or wants no more.
    """

    def __init__(self, most: int, prepare: Callable[[Any], Any] | None = None) -> None:
        self.items: deque[Any] = deque()
        self.given = 0
        self.left = self.over = self.whole = self.failed = False
        self.errors: list[BaseException] = []
        self.came, self.room = Bell(), Bell()
        self._most, self._prepare = most, prepare
        _all[id(self)] = self

    @property
    def is_full(self) -> bool:
        return len(self.items) >= self._most

    def take(self, rest: Iterator[Any]) -> bool:
        """Take the next item, and prepare it; return whether there was one."""
        for item in islice(rest, 1):
            self.items.append(item if self._prepare is None else self._prepare(item))
            self.came.ring()
            return True
        return False

    def leave(self) -> None:
        """Let the thread end. Any thread may call this."""
        self.left = True
        self.room.ring()

    def leaves_failure(self) -> bool:
        """Return whether the thread is stepping the pass: it leaves failures to the loop."""
        self.failed = not self.over
        return self.failed

    def drop(self) -> None:
        """Drop what the loop does not get: the user decides how long items live."""
        self.items.clear()
        self.errors.clear()  # their frames refer to the remote iterable

    def wake(self) -> None:
        """Let both sides look again, after a change elsewhere."""
        self.came.ring()
        self.room.ring()


_all: WeakValueDictionary[int, ReadAhead] = WeakValueDictionary()  # by `id`


def wake_all() -> None:
    """Let all who wait look again: what was raised in their threads is raised there now."""
    for each in alive(_all):
        each.wake()


def leave_all() -> None:
    """Let all threads end, as the interpreter does."""
    for each in alive(_all):
        each.leave()


wakers.append(wake_all)
