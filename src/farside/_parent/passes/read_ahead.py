"""What a thread has taken of a pass and the loop has yet to get: see `in_thread`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, repeat
from sys import maxsize
from typing import Any
from weakref import WeakValueDictionary

from ..._in_c import deque, length_hint
from ..._system.weak_values import alive
from ..._worker.threads import Bell, wakers

_SECONDS = 1.0
"""Each wait ends after so long. Python can miss a signal that arrives as a wait begins. A handler
may fork, and nobody rings in the child. And without a GIL, some processors may let either side look
before the other one sees its change."""


class ReadAhead:
    """Holds the items between a thread, which takes them, and a loop, which gets them.

    Either side waits for the other by a bell. Who waits first says so, then looks once more, and
    waits. The other one first changes something, and then rings if somebody waits. So either the
    one finds the change, or the other finds that it has to ring. A bell that was rung lets the next
    wait return at once.

    `wake` wakes the thread if it waits for workers.

    Attributes:
        errors: what the thread has raised, until the loop raises that.
        of_user: whether that was raised by the user's `prepare`.
        left: whether the loop wants no more.
        over: whether the thread takes no more.
        whole: whether it has taken all that the pass has.
        failed: the worker whose failure the thread has met. The loop does what follows, if it gets
            that far.
    """

    def __init__(self, most: int, wake: Callable[[], object]) -> None:
        # Each item lies in an iterator of its own, which gives it. Only calls of C code take one
        # out, so a signal handler, or another thread, finds an item either here or in the loop.
        self._items: deque[Iterator[Any]] = deque()
        self._count = iter(range(maxsize))  # one step for each item that the loop was given
        # The loop gets an item only if the items were not cut before it was taken out: it may be a
        # later one, which the thread has put here since.
        self._uncut = [True]  # `cut` empties it
        steps = zip(iter(self._uncut.__len__, 0), self._count, strict=False)
        self._give = map(next, map(deque.popleft, repeat(self._items)), steps)
        self._most = self._room = most  # how many items may be taken in all, for now: `_room`
        self._taken = 0
        self.errors: list[BaseException] = []
        self.of_user = self.left = self.over = self.whole = False
        self.failed: int | None = None
        self._wake = wake
        self._loop_waits = self._thread_waits = False
        self._of_loop, self._of_thread = Bell(), Bell()
        _all[id(self)] = self

    @property
    def given(self) -> int:
        """How many items the loop was given. In any thread."""
        return maxsize - length_hint(self._count)

    @property
    def waiting(self) -> int:
        """How many items the loop has yet to get. In any thread."""
        return len(self._items)

    # The thread's side ----------------------------------------------------------------------

    def has_room(self) -> bool:
        """Tell whether the thread may take an item now; if not, first wait for a while."""
        if self._taken >= self._room:
            self._thread_waits = True
            if self._taken >= self._room:
                self._of_thread.wait(_SECONDS)
            self._thread_waits = False
        return self._taken < self._room

    def take(self, rest: Iterator[Any], prepare: Callable[[Any], Any] | None) -> bool:
        """Take the next item, and prepare it; return whether there was one."""
        for item in islice(rest, 1):
            if prepare is None:
                made = item
            else:
                self.of_user = True
                made = prepare(item)
                self.of_user = False
            self._items.append(iter((made,)))
            self._taken += 1
            if self._loop_waits:
                self._of_loop.ring()
            return True
        return False

    def end(self) -> None:
        """Let the loop know that the thread takes no more."""
        self.over = True
        self._of_loop.ring()

    # The loop's side ------------------------------------------------------------------------

    def ask(self) -> None:
        """Let the thread take one item more: the loop asks for the next."""
        self._room = self._most + self.given + 1
        if self._thread_waits:
            self._of_thread.ring()

    def give(self) -> Iterator[Any]:
        """Return what gives the next item, by a single call of C code, or raises IndexError."""
        return islice(self._give, 1)

    def wait(self) -> None:
        """Wait for an item, or for the end of the thread, for a while."""
        self._loop_waits = True
        try:
            if not (self._items or self.over):
                self._of_loop.wait(_SECONDS)
        finally:
            self._loop_waits = False

    def leave(self) -> None:
        """Let the thread end. Any thread may call this."""
        self.left = True
        self._of_thread.ring()
        self._wake()

    def drop(self) -> None:
        """Drop what the loop does not get: the user decides how long items live."""
        self._items.clear()
        self.errors.clear()  # their frames refer to the remote iterable

    # Others ---------------------------------------------------------------------------------

    def cut(self) -> None:
        """Drop the items, since the pass was ended, and let both sides look again."""
        self._uncut.clear()  # first: what the thread still adds must not be given
        self._items.clear()
        self.ring()

    def ring(self) -> None:
        """Let both sides look again, after a change elsewhere."""
        self._of_loop.ring()
        self._of_thread.ring()


_all: WeakValueDictionary[int, ReadAhead] = WeakValueDictionary()  # by `id`


def ring_all() -> None:
    """Let all who wait look again: what was raised in their threads is raised there now."""
    for each in alive(_all):
        each.ring()


def leave_all() -> None:
    """Let all threads end, as the interpreter does."""
    for each in alive(_all):
        each.leave()


wakers.append(ring_all)
