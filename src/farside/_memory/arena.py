"""The shared memory of the side that sends: payloads lie there until nobody needs them."""

from __future__ import annotations

from .._in_c import Lock, partial
from .._system.signals import here, try_lock
from .blocks import Allocator
from .mapping import SLOTS
from .parts import BLOCK_BYTES, Ref, Scattered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from .allocations import Allocations
    from .mapping import Mapping

ARENA_USED = 40
"""A word of the control block, from the worker: bytes of the arena that are in use.

Blocks that were given back count until the worker looks for them, which it does when it needs
memory and when it sends a status."""

ARENA_PEAK = 48  # a word too: the highest value of ``ARENA_USED`` so far
_PATIENCE = 1.0
"""Seconds to wait for another thread that looks for a block. That takes far less time, unless it is
this thread itself: a finalizer that calls `Arena.grant` may run in the middle of the search."""


class Arena:
    """Puts payloads into blocks, and takes back the blocks that the other side has given back.

    Only one thread at a time may store payloads; any thread may be granted a block. Neither waits
    for room. In a forked child, an arena gives no blocks: the process that forked still uses them.
    """

    lends = False  # what is stored is copied at once

    def __init__(self, mapping: Mapping) -> None:
        self.allocations: Allocations | None = None  # blocks that user code has
        self._mapping = mapping
        self._owner = here.pid
        self._memory = mapping.arena
        self._control = mapping.control
        self._peak = 0
        self._allocator = self._make_allocator()
        self._lock = Lock()  # held for microseconds, never while a payload is copied
        # Each step tries to take the lock, and yields whether it has. Python looks for no signals
        # between the step of a `for` and its body, so no exception of a handler leaves it locked.
        take = partial(self._lock.acquire, True, _PATIENCE)
        self._taking: Iterator[bool] = iter(take, None)

    def store(self, parts: Sequence[Any], nbytes: int) -> Ref | None:
        """Copy a payload into a block, unless it lies in a granted one; None: there is no room."""
        if self.allocations is not None and len(parts) == 1 and type(parts[0]) is memoryview:
            claimed = self.claim(parts[0])
            if claimed is not None:
                return claimed
        found = self._find(nbytes)
        if found is None:
            return None
        slot, position = found
        ref = Ref(slot, position, nbytes)
        try:
            for part in parts:
                end = position + len(part)
                if type(part) is Scattered:
                    part.copy_to(self._memory[position:end])
                else:
                    self._memory[position:end] = part
                position = end
        except BaseException:  # of a signal handler: to copy takes long
            self.free(ref)
            raise
        return ref

    def free(self, ref: Ref) -> None:
        """Give back a block that was not sent."""
        self._mapping.flags[ref.slot] = 1  # as the other side would

    def grant(self, nbytes: int) -> memoryview | None:
        """Give a block to user code; None: there is no room, or so small a block is of no use."""
        # So few bytes would be pickled with the item anyway. A forked child imports nothing: the
        # import may have been locked at the fork.
        if nbytes < BLOCK_BYTES or here.pid != self._owner:
            return None
        try:
            from .allocations import Allocations  # not everybody needs it
        except (ImportError, OSError):  # a Python built without libffi; no descriptors are left
            return None
        found = self._find(nbytes, Allocations)
        if found is None or self.allocations is None:
            return None
        return self.allocations.open(*found, nbytes)

    def claim(self, view: memoryview) -> Ref | None:
        """Refer to a view in a granted block; None: it is in none, or the parent still has that."""
        allocations = self.allocations
        if allocations is None or view.readonly or here.pid != self._owner:
            return None
        for taken in self._taking:
            if not taken:
                break
            try:
                self._reclaim()
                return allocations.claim(view)
            finally:
                self._lock.release()
        return None

    def _find(self, nbytes: int, kind: type[Allocations] | None = None) -> tuple[int, int] | None:
        """Return slot and offset of a free block; with `kind`, of one for user code."""
        if here.pid != self._owner:
            return None
        for taken in self._taking:
            if not taken:
                break
            try:
                if kind is not None and self.allocations is None:
                    self.allocations = kind(self._mapping)
                found = self._allocator.reuse(nbytes)
                if found is None:  # to look for what was given back costs as much as all of this
                    self._reclaim()
                    found = self._allocator.allocate(nbytes)
                if found is not None and kind is not None and self.allocations is not None:
                    # 0: such a block is not free yet when the parent gives it back.
                    self._mapping.sizes[found[0]] = 0
                    self.allocations.add(*found, nbytes)
                self._control[ARENA_USED] = used = self._allocator.used
                if used > self._peak:
                    self._control[ARENA_PEAK] = self._peak = used
                return found
            finally:
                self._lock.release()
        return None

    def settle(self) -> None:
        """Take back the blocks that were given back, and update ``ARENA_USED``."""
        if self._control[ARENA_USED]:
            self._locked(self._settle)

    def _settle(self) -> None:
        self._reclaim()
        self._control[ARENA_USED] = self._allocator.used

    def trim(self) -> bool:
        """Give the memory back to the system; False: somebody still has some of it."""
        return bool(self._locked(self._trim))

    def _trim(self) -> bool:
        self._reclaim()
        free = not self._allocator.used
        if free and self._mapping.release():
            self._allocator = self._make_allocator()
        return free

    def _make_allocator(self) -> Allocator:
        mapping = self._mapping
        return Allocator(mapping.arena_bytes, SLOTS, mapping.commit, mapping.sizes)

    def _locked(self, work: Callable[[], object]) -> object:
        return try_lock(self._lock, work, _PATIENCE) if here.pid == self._owner else None

    def _reclaim(self) -> None:
        """Free the blocks that neither side has any more."""
        mapping, allocations = self._mapping, self.allocations
        for slot in mapping.flagged():
            mapping.flags[slot] = 0
            if allocations is None or allocations.came_back(slot):
                self._allocator.free(slot)
        if allocations is not None:
            for slot, sent in allocations.ended():
                mapping.sizes[slot] = self._allocator.size_of(slot)
                if not sent:
                    self._allocator.free(slot)
