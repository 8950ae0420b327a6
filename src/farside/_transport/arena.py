"""The worker's use of the shared memory: large payloads go there, until nobody needs them."""

from __future__ import annotations

import threading

from .blocks import Allocator
from .board import ARENA_PEAK, ARENA_USED
from .codec import size
from .frames import Ref
from .items import BLOCK_BYTES
from .memory import SLOTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .codec import Part
    from .grants import Grants
    from .memory import Mapping

_PATIENCE = 1.0
"""Seconds to wait for another thread that looks for a block. It takes far less, unless it is this
thread itself: a finalizer that calls `Arena.grant` may strike in the middle of that."""


class Arena:
    """Puts payloads into blocks, and takes back the blocks that the parent does not need any more.

    Blocks are stored by one thread at a time, and granted in any. There is no long wait: without
    room it says so.

    Attributes:
        grants: blocks that user code has; None before the first.
    """

    def __init__(self, mapping: Mapping) -> None:
        self.grants: Grants | None = None
        self._mapping = mapping
        self._memory = mapping.arena
        self._board = mapping.board
        self._peak = 0
        self._allocator = Allocator(mapping.arena_bytes, SLOTS, mapping.commit)
        self._lock = threading.Lock()  # held for microseconds, never while a payload is copied

    def store(self, parts: Sequence[Part]) -> Ref | None:
        """Copy a payload into a block; None when there is no room for it."""
        nbytes = size(parts)
        found = self._find(nbytes)
        if found is None:
            return None
        slot, offset = found
        position = offset
        for part in parts:
            end = position + (part.nbytes if isinstance(part, memoryview) else len(part))
            self._memory[position:end] = part
            position = end
        return Ref(slot, offset, nbytes)

    def free(self, ref: Ref) -> None:
        """Give a block back that the parent was not told of."""
        self._mapping.flags[ref.slot] = 1  # as the parent would

    def grant(self, nbytes: int) -> memoryview | None:
        """Give a block to user code; None when there is no room, or it is not worth it."""
        if nbytes < BLOCK_BYTES:
            return None  # it would be pickled with the item anyway
        try:
            from .grants import Grants  # not everybody needs it
        except ImportError:  # a Python built without libffi
            return None
        grants = self.grants or self._begin(Grants)
        found = None if grants is None else self._find(nbytes, grants)
        return None if grants is None or found is None else grants.open(*found, nbytes)

    def claim(self, view: memoryview) -> Ref | None:
        """Refer to contents that lie in a granted block; None when they have to be copied.

        They have to be if the parent still has what lies in the same block.
        """
        grants = self.grants
        if grants is None or view.readonly or not self._acquire():
            return None
        try:
            self._reclaim()
            return grants.claim(view)
        finally:
            self._lock.release()

    def _begin(self, make: Callable[[Mapping], Grants]) -> Grants | None:
        if self._acquire():
            try:
                self.grants = self.grants or make(self._mapping)
            finally:
                self._lock.release()
        return self.grants

    def _find(self, nbytes: int, grants: Grants | None = None) -> tuple[int, int] | None:
        """Return slot and offset of a free block, which may be for user code."""
        # What follows `or` is for the rare case: each call here is paid for by every block.
        if not (self._lock.acquire(False) or self._acquire()):
            return None
        try:
            self._reclaim()
            found = self._allocator.allocate(nbytes)
            if found is not None and grants is not None:
                grants.add(*found, nbytes)
            self._board[ARENA_USED] = used = self._allocator.used
            if used > self._peak:
                self._board[ARENA_PEAK] = self._peak = used
            return found
        finally:
            self._lock.release()

    def _acquire(self) -> bool:
        return self._lock.acquire(timeout=_PATIENCE)

    def _reclaim(self) -> None:
        """Free what nobody has any more."""
        mapping, grants = self._mapping, self.grants
        slot = mapping.find_flag(0)
        while slot >= 0:
            mapping.flags[slot] = 0
            if grants is None or grants.came_back(slot):
                self._allocator.free(slot)
            slot = mapping.find_flag(slot + 1)
        if grants is not None:
            for slot in grants.ended():
                self._allocator.free(slot)
