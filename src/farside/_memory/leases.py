"""Lends received blocks of shared memory to user code; their sender learns when each is free.

User code gets a view of a *lease*. Slices, casts and arrays made of the view keep the lease alive,
so it ends with the last of them. It may end in any thread, in the middle of anything, in a garbage
collection or at exit. So only C code that takes no lock runs then. A signal handler could run in a
``__del__`` written in Python, and what it raised there would be lost, and the block with it.
"""

from __future__ import annotations

import os
from collections import deque
from functools import partial
from itertools import repeat, takewhile
from weakref import WeakSet

from .._in_c import FREE_THREADED
from .._system.signals import at_fork
from ..errors import ProtocolError
from .mapping import SLOTS, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .views import End, Views

_markers: WeakSet[partial[None]] = WeakSet()
"""For each mapping, the function that sets its flags. Views, which keep it alive, may outlive their
`Leases`."""


class Leases:
    """Lends blocks of a mapping to the user. A block's flag becomes 1 when nobody uses it any more.

    At most `limit` bytes are lent at once; further blocks are copied.
    """

    __slots__ = (
        "_arena", "_arena_bytes", "_ended", "_ends", "_held", "_limit", "_mark", "_sizes", "_views",
        "copies",
    )  # fmt: skip

    def __init__(self, mapping: Mapping, limit: int) -> None:
        self._arena, self._arena_bytes = mapping.arena, mapping.arena_bytes
        self._limit = limit
        self._views: Views | None = None
        # A partial, since `_detach` replaces the function that it calls.
        self._mark = partial(mapping.flags.__setitem__)
        _markers.add(self._mark)
        self._ends: dict[int, End] = {}
        self._ended: deque[int] = deque()  # slots
        self._sizes: dict[int, int] = {}  # by slot, of those that were lent; 0: not lent now
        self._held = 0
        self.copies = 0  # blocks that were copied, since too much was lent

    def lend(self, slot: int, offset: int, nbytes: int) -> memoryview:
        """Return a writable view of a block, or of a copy of it.

        An exception of a signal handler in here may lose the block: see `signals.defer_signals`.
        """
        if slot >= SLOTS or offset + nbytes > self._arena_bytes:
            raise ProtocolError(f"no block: slot {slot}, {nbytes} bytes at {offset}")
        if self._ended:
            self._settle()
        if self._sizes.get(slot):
            raise ProtocolError(f"a block that was not given back: slot {slot}")
        if self._views is None:
            self._begin()
        if self._views is None or self._held + nbytes > self._limit:
            return self._copy(slot, offset, nbytes)
        # Counted first: whatever is raised from here on, each lease that ends was counted.
        self._sizes[slot] = nbytes
        self._held += nbytes
        view = self._views.open(slot, self._ends.get(slot) or self._end_of(slot))
        return view[offset : offset + nbytes]

    def close(self) -> None:
        """Release the mapping, and lend nothing more. Blocks that are lent keep the mapping."""
        self._arena = memoryview(b"")
        # The worker may still run, and must not use the blocks again: a forked child may have them.
        _detach(self._mark)
        self._views = None  # so nothing has to be kept for such a child
        self._ends = {}

    def drop_ended_children(self) -> None:
        """Release what was kept for forked children that have ended."""
        if self._views is not None:
            self._views.drop_ended_children()

    def _begin(self) -> None:
        try:
            from .views import Views  # not everybody needs it

            self._views = Views(self._arena)
        except (ImportError, OSError):
            pass  # then blocks are copied: all, or as long as no descriptors are left to import it

    def _settle(self) -> None:
        ended, sizes = self._ended, self._sizes
        while ended:
            slot = ended.popleft()
            self._held -= sizes[slot]
            sizes[slot] = 0

    def _copy(self, slot: int, offset: int, nbytes: int) -> memoryview:
        self.copies += 1
        try:
            return memoryview(bytearray(self._arena[offset : offset + nbytes]))
        finally:
            self._mark(slot, 1)

    def _end_of(self, slot: int) -> End:
        """Return the function to call when a lease of the slot ends.

        It is the ``__next__`` of an iterator. Each call draws one item of each `map`, and so makes
        two calls: the first records the slot, the second sets its flag.
        """
        booked = map(self._ended.append, repeat(slot))
        marked = map(self._mark, repeat(slot), repeat(1))
        end: End = zip(booked, marked).__next__  # noqa: B905  both have no end
        if FREE_THREADED:
            # A thread may have dropped a lease of another thread, which has yet to free it. A fork
            # may then end the lease in the child before `_detach_in_child` runs. So in the child,
            # this must make no call at all.
            here = takewhile(os.getpid().__eq__, iter(os.getpid, None))
            end = partial(next, zip(here, booked, marked), None)  # noqa: B905  as above
        self._ends[slot] = end
        return end


def _detach(mark: partial[None]) -> None:
    """Let leases that end from now on set a flag that nobody reads."""
    mark.__setstate__((bytearray(SLOTS).__setitem__, (), {}, None))  # type: ignore[attr-defined]


def _detach_in_child() -> None:
    """Set no flag in a forked child: its parent may still use the block."""
    for mark in list(_markers):
        _detach(mark)


at_fork(after_in_child=_detach_in_child)
