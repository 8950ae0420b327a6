"""Blocks of shared memory as the parent's user has them: the worker hears when each is done with.

What is handed out is a view of a *lease*. Slices, casts and arrays made of the view keep the lease
alive, so its end is the end of the last of them. That may come in any thread, in the middle of
anything, in a garbage collection or at exit. So all that happens then is C code that takes no
lock: a Python ``__del__`` could be entered by a signal handler, and an interrupt that is raised
there is lost (and the block with it).
"""

from __future__ import annotations

import os
from collections import deque
from functools import partial
from itertools import repeat
from weakref import WeakSet

from ..errors import ProtocolError
from .memory import SLOTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from .memory import Mapping

    End: TypeAlias = Callable[[], object]
    Open: TypeAlias = Callable[[End], memoryview]

_markers: WeakSet[partial[None]] = WeakSet()
"""What sets the flags of each mapping. Leases keep it alive, and may outlive their lessor."""


_NOTHING = memoryview(b"")


class Lessor:
    """Lends blocks of a mapping to the user.

    Args:
        mapping: where the blocks lie; a block's flag becomes 1 when nobody uses it any more.
        limit: bytes which may be lent at once; what is beyond is copied.
    """

    __slots__ = (
        "_arena", "_ended", "_ends", "_held", "_limit", "_mark", "_open", "_sizes", "copies",
    )  # fmt: skip

    def __init__(self, mapping: Mapping, limit: int) -> None:
        self._arena = mapping.arena
        self._limit = limit
        self._open: Open | None = None
        # A partial, for in a forked child it is made to call something else.
        self._mark = partial(mapping.flags.__setitem__)
        _markers.add(self._mark)
        self._ends: list[End | None] = [None] * SLOTS
        self._ended: deque[int] = deque()  # slots
        self._sizes = [0] * SLOTS  # 0: not lent
        self._held = 0
        self.copies = 0
        """How many blocks were copied, since too much was lent."""

    @property
    def held(self) -> int:
        """Bytes that are lent now. To be asked where `lend` is called."""
        self._settle()
        return self._held

    def lend(self, slot: int, offset: int, nbytes: int) -> memoryview:
        """Return a writable view of a block, or of a copy of it.

        What a signal handler raises in here may lose the block: see `interrupts.held_back`.

        Raises:
            ProtocolError: the block is lent already.
        """
        if self._ended:
            self._settle()
        if self._sizes[slot]:
            raise ProtocolError(f"a block that was not given back: slot {slot}")
        if self._open is None:
            self._begin()
        if self._open is None or self._held + nbytes > self._limit:
            return self._copy(slot, offset, nbytes)
        # Booked first: whatever is raised from here on, the account matches what ends.
        self._sizes[slot] = nbytes
        self._held += nbytes
        return self._open(self._ends[slot] or self._end_of(slot))[offset : offset + nbytes]

    def give_back(self, slot: int) -> None:
        """Tell the worker that nobody wants a block."""
        self._mark(slot, 1)

    def close(self) -> None:
        """Let go of the mapping: what is lent keeps it, and nothing is lent any more."""
        self._arena = _NOTHING
        self._open = None
        self._mark = partial(bytearray(SLOTS).__setitem__)
        self._ends = []

    def _begin(self) -> None:
        try:
            self._open = opener(self._arena)
        except (ImportError, OSError):
            pass  # all is copied, or what comes while no descriptors are left for the import

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
        """Return what is called when a lease of the slot ends.

        Each call of this iterator's ``__next__`` draws one item of each `map`, which makes two
        calls: book the slot, then set its flag.
        """
        booked = map(self._ended.append, repeat(slot))
        marked = map(self._mark, repeat(slot), repeat(1))
        end = self._ends[slot] = zip(booked, marked).__next__  # noqa: B905  both have no end
        return end


def opener(arena: memoryview) -> Open:
    """Return what makes a view of the arena that calls a function when it ends.

    A lease is a ctypes array. A class with ``__buffer__`` (PEP 688) would not do: NumPy's
    ``ndarray(…, buffer=view)`` keeps the object behind a view and gives the view up, and then
    such an object has ended. And Python 3.12 may crash where it is collected in a cycle.

    ctypes keeps array types for ever: all leases use the one for the whole arena.

    Raises:
        ImportError: Python was built without libffi.
    """
    import ctypes  # not everybody needs it

    class Array(ctypes.c_ubyte * arena.nbytes):  # type: ignore[misc]
        # As a slot, __del__ holds a C function for each lease.
        __slots__ = ("__del__",)

    from_buffer: Callable[[memoryview], Any] = Array.from_buffer

    def open_lease(end: End) -> memoryview:
        lease = from_buffer(arena)
        lease.__del__ = end
        return memoryview(lease).cast("B")

    return open_lease


def _part_in_child() -> None:
    """Set no flag in a forked child: its parent may still use the block."""
    for mark in list(_markers):
        private: Any = bytearray(SLOTS).__setitem__
        exchange: Any = mark.__setstate__  # type: ignore[attr-defined]
        exchange((private, (), {}, None))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_part_in_child)
