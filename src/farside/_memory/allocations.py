"""Blocks of shared memory that user code of the worker has, to make items in.

Such a block belongs to the worker while any view of it lives there, and to the parent from when it
is sent until the parent gives it back; so it may belong to both. It is sent without a copy. As the
parent has only one flag to set for it, it is not sent again before it has come back.

The views are leases, as in `leases`, so only C code that takes no lock runs at their end. That code
records the slot, for the next call of `Arena`.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from functools import partial

from .mapping import SLOTS, Mapping
from .parts import Ref
from .views import Views


class Allocations:
    """Tracks the blocks that were granted. Only `open` may be called by several threads at once."""

    def __init__(self, mapping: Mapping) -> None:
        self._base = _address(mapping.arena)
        self._views = Views(mapping.arena)
        self._ended: deque[int] = deque()  # slots
        self._held: dict[int, tuple[int, int]] = {}  # slot: offset and length, if views live here
        self._starts: list[tuple[int, int]] = []  # offset and slot of each that is held, sorted
        self._sent: set[int] = set()  # slots that the parent has

    def add(self, slot: int, offset: int, nbytes: int) -> None:
        """Record a block, before it is opened."""
        self._held[slot] = offset, nbytes
        insort(self._starts, (offset, slot))

    def open(self, slot: int, offset: int, nbytes: int) -> memoryview:
        """Return a writable view of a block."""
        view = self._views.open(slot, partial(self._ended.append, slot))
        return view[offset : offset + nbytes]

    def claim(self, view: memoryview) -> Ref | None:
        """Give the block of a view to the parent; None: there is none, or the parent has it."""
        offset = _address(view) - self._base
        at = bisect_right(self._starts, (offset, SLOTS)) - 1
        if at < 0:
            return None
        start, slot = self._starts[at]
        if offset + view.nbytes > start + self._held[slot][1] or slot in self._sent:
            return None
        self._sent.add(slot)
        return Ref(slot, offset, view.nbytes)

    def came_back(self, slot: int) -> bool:
        """Record that the parent has given a block back; return whether it is free now."""
        self._sent.discard(slot)
        return slot not in self._held

    def ended(self) -> Iterator[tuple[int, bool]]:
        """Yield each block that user code has released, and whether the parent has it."""
        self._views.drop_ended_children()
        while self._ended:
            slot = self._ended.popleft()
            offset, _ = self._held.pop(slot)
            self._starts.remove((offset, slot))
            yield slot, slot in self._sent


def _address(view: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(view))
