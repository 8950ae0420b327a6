"""Which bytes of the arena are in use. No I/O.

Blocks are whole pages of 4096 bytes. So buffers are aligned for every kind of data, what is copied
begins at a page, and a freed block fits many later ones. This wastes little: small payloads do not
come here (they travel by pipe), and there are only so many slots.

A freed block waits, whole, for the next request of its size: items are mostly alike, and the block
freed last is still in the processor's cache. If no block of that size waits, the lowest gap that is
large enough is taken. If there is none, all blocks that wait are merged with their free neighbours
into gaps. Only if that does not help, the used part of the arena grows. So that stays about as
small as what was in use at one time, and no sequence of sizes fragments it for good.
"""

from __future__ import annotations

from _bisect import bisect_left  # without the Python around it: that is start-up time

from ..errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

UNIT = 4096
_STEP = 1 << 20  # bytes committed at once: a system call for each block costs more than its copy


class Allocator:
    """Gives out ranges of ``[0, capacity)``, each with a slot: a number below `slots`.

    At each growth it calls `commit` to have memory for all before a position; False: there is none.
    Before a slot is given out, `sizes` has the size of its block.
    """

    __slots__ = (
        "_capacity", "_commit", "_end", "_gaps", "_idle", "_offsets", "_sizes", "_slots",
        "_starts", "_told", "_unused", "used",
    )  # fmt: skip

    def __init__(
        self, capacity: int, slots: int, commit: Callable[[int], bool], sizes: Any = None
    ) -> None:
        self._capacity = capacity // UNIT * UNIT
        self._commit = commit
        self._told: Any = {} if sizes is None else sizes
        self.used = 0  # bytes, in whole pages
        self._end = 0  # nothing at or after it is in use, idle, or a gap
        self._slots = slots
        # By slot, for those that were ever used: most workers need a few.
        self._offsets: list[int] = []
        self._sizes: list[int] = []  # 0: not in use
        self._unused: list[int] = []
        self._idle: dict[int, list[int]] = {}  # size: slots of the freed blocks, not merged yet
        self._starts: list[int] = []  # of the gaps, which never touch, sorted
        self._gaps: dict[int, int] = {}  # start: size

    def reuse(self, nbytes: int) -> tuple[int, int] | None:
        """Return slot and offset of a freed block of this size; None if none waits."""
        size = (nbytes + UNIT - 1) & -UNIT or UNIT
        idle = self._idle.get(size)
        if not idle:
            return None
        slot = idle.pop()
        self._sizes[slot] = size
        self.used += size
        return slot, self._offsets[slot]

    def allocate(self, nbytes: int) -> tuple[int, int] | None:
        """Return slot and offset of a block; None if there is no room, or no slot."""
        return self.reuse(nbytes) or (self.reuse(nbytes) if self._make(nbytes) else None)

    def free(self, slot: int) -> None:
        """Take a block back. Raise ProtocolError if it is not in use."""
        size = self._sizes[slot] if slot < len(self._sizes) else 0
        if not size:
            raise ProtocolError(f"slot {slot} is not in use")
        self._sizes[slot] = 0
        self.used -= size
        self._idle.setdefault(size, []).append(slot)

    def size_of(self, slot: int) -> int:
        """Return how many bytes a block has, which may be more than asked for; 0: not in use."""
        return self._sizes[slot] if slot < len(self._sizes) else 0

    def _make(self, nbytes: int) -> bool:
        """Make a block out of free space, which then waits; False: there is none, or no slot."""
        size = (nbytes + UNIT - 1) & -UNIT or UNIT
        # Idle blocks still have their slots.
        offset = self._take(size) if self._has_slot() else -1
        if offset < 0:
            self._merge()
            if not self._has_slot():
                return False
            offset = self._take(size)
            if offset < 0:
                offset = self._grow(size)
                if offset < 0:
                    return False
        if self._unused:
            slot = self._unused.pop()
            self._offsets[slot] = offset
        else:
            slot = len(self._sizes)
            self._offsets[slot:] = [offset]  # no `append`: an earlier call may have ended after it
            self._sizes.append(0)
        self._told[slot] = size
        self._idle.setdefault(size, []).append(slot)
        return True

    def _has_slot(self) -> bool:
        return bool(self._unused) or len(self._sizes) < self._slots

    def _take(self, size: int) -> int:
        """Take the beginning of the lowest gap that is large enough; return its offset, or -1."""
        gaps = self._gaps
        for at, start in enumerate(self._starts):
            room = gaps[start]
            if room >= size:
                del gaps[start]
                if room > size:
                    self._starts[at] = start + size
                    gaps[start + size] = room - size
                else:
                    del self._starts[at]
                return start
        return -1

    def _merge(self) -> None:
        """Make gaps of all idle blocks."""
        for size, slots in self._idle.items():
            for slot in slots:
                self._add_gap(self._offsets[slot], size)
            self._unused.extend(slots)
        self._idle.clear()
        if self._starts:
            last = self._starts[-1]
            if last + self._gaps[last] == self._end:
                self._end = last
                self._starts.pop()
                del self._gaps[last]

    def _add_gap(self, start: int, size: int) -> None:
        starts, gaps = self._starts, self._gaps
        at = bisect_left(starts, start)
        if at < len(starts) and starts[at] == start + size:
            size += gaps.pop(starts.pop(at))
        if at:
            before = starts[at - 1]
            if before + gaps[before] == start:
                gaps[before] += size
                return
        starts.insert(at, start)
        gaps[start] = size

    def _grow(self, size: int) -> int:
        """Take a block from what was not in use yet; return its offset, or -1."""
        offset, end = self._end, self._end + size
        if end > self._capacity:
            return -1
        ample = min(-(-end // _STEP) * _STEP, self._capacity)
        if not (self._commit(ample) or self._commit(end)):
            return -1
        self._end = end
        return offset
