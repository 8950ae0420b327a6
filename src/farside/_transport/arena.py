"""The worker's use of the shared memory: large payloads go there, until nobody needs them."""

from __future__ import annotations

from .blocks import Allocator
from .codec import size
from .frames import Ref
from .memory import SLOTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .codec import Part
    from .memory import Mapping


class Arena:
    """Puts payloads into blocks, and takes back the blocks that the parent does not need any more.

    It is used by one thread at a time, and never waits: without room it says so.
    """

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._memory = mapping.arena
        self._allocator = Allocator(mapping.arena_bytes, SLOTS, mapping.commit)

    def store(self, parts: Sequence[Part]) -> Ref | None:
        """Copy a payload into a block; None when there is no room for it."""
        nbytes = size(parts)
        self._reclaim()
        found = self._allocator.allocate(nbytes)
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
        self._allocator.free(ref.slot)

    def _reclaim(self) -> None:
        """Free what the parent has given back since."""
        mapping = self._mapping
        slot = mapping.find_flag(0)
        while slot >= 0:
            mapping.flags[slot] = 0
            self._allocator.free(slot)
            slot = mapping.find_flag(slot + 1)
