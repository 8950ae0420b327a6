"""An arena for tests: both sides of its memory, and what is in use."""

from collections.abc import Iterable

from farside._memory.arena import Arena
from farside._memory.creating import create
from farside._memory.leases import Leases
from farside._memory.mapping import Mapping
from farside._memory.parts import Ref


def lent(leases: Leases) -> int:
    """Return how many bytes are lent now."""
    leases._settle()
    return leases._held


class Blocks:
    """Shared memory in this process, with the worker's arena in it."""

    def __init__(self, nbytes: int) -> None:
        self._shared = create(nbytes)[0]
        self.mapping = Mapping(self._shared.fileno())
        self.arena = Arena(self.mapping)

    @property
    def used(self) -> int:
        """Bytes of blocks in use, after the worker has looked what was given back."""
        self.arena._reclaim()
        return self.arena._allocator.used

    def store(self, *parts: bytes | memoryview) -> Ref | None:
        """Copy a payload into a block, as the worker does."""
        return self.arena.store(parts, sum(map(len, parts)))

    def view(self, ref: Ref) -> memoryview:
        """Return a block as the parent sees it; it is not given back by itself."""
        return self.mapping.arena[ref.offset : ref.offset + ref.nbytes]

    def give_all_back(self, refs: Iterable[Ref]) -> None:
        """Give blocks back, as the parent does when nobody uses them any more."""
        for ref in refs:
            self.mapping.flags[ref.slot] = 1

    def close(self) -> None:
        """Close the descriptor, and let go of the memory: before 3.13 it has one of its own."""
        self._shared.close()
        del self.mapping, self.arena
