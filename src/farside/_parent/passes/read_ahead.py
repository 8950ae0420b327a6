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

    Either side waits for the other by a bell. Who waits first says so, then looks once more, and
    waits. The other one first changes something, and then rings if somebody waits. So either the
    one finds the change, or the other finds that it has to ring. A bell that was rung lets the next
    wait return at once.

    Attributes:
        items: those that were taken, were prepared, and were not given.
        most: how many of them there may be.
        given: how many items the loop was given.
        left: whether the loop wants no more.
        over: whether the thread takes no more.
        whole: whether it has taken all that the pass has.
        failed: whether a worker has failed. The loop does what follows, if it gets that far.
        errors: what the thread has raised, until the loop raises that.
        thread_waits: whether the thread waits for room. The loop then rings after each item.
        room: the thread's bell.
    """

    def __init__(self, most: int, prepare: Callable[[Any], Any] | None = None) -> None:
        self.items: deque[Any] = deque()
        self.most = most
        self.given = 0
        self.left = self.over = self.whole = self.failed = False
        self.errors: list[BaseException] = []
        self.thread_waits, self.room = False, Bell()
        self._loop_waits, self._came = False, Bell()  # the same for the loop, which waits for items
        self._prepare = prepare
        _all[id(self)] = self

    def take(self, rest: Iterator[Any]) -> bool:
        """Take the next item, and prepare it; return whether there was one."""
        for item in islice(rest, 1):
            self.items.append(item if self._prepare is None else self._prepare(item))
            if self._loop_waits:
                self._came.ring()
            return True
        return False

    def wait_for_less(self, count: int) -> None:
        """Let the thread wait until there are fewer items, or until the bell is rung."""
        self.thread_waits = True
        if len(self.items) >= count:
            self.room.wait()
        self.thread_waits = False

    def wait_for_items(self, seconds: float) -> None:
        """Let the loop wait for an item, for the end of the thread, or for so long."""
        self._loop_waits = True
        try:
            if not (self.items or self.over):
                self._came.wait(seconds)
        finally:
            self._loop_waits = False

    def end(self) -> None:
        """Let the loop know that the thread takes no more."""
        self.over = True
        self._came.ring()

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
        self._came.ring()
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
