"""The allocator of the arena.

Run ``python tests/fuzz/fuzz_blocks.py -max_total_time=600``.
"""

from __future__ import annotations

from tests.fuzz.source import Source, fuzz

PAGE = 4096
PAGES = 64
SLOTS = 16


class Model:
    """An allocator, and what must hold for it."""

    def __init__(self) -> None:
        from farside._memory.blocks import Allocator

        self.limit = self.committed = 0
        self.live: dict[int, tuple[int, int]] = {}
        self.allocator = Allocator(PAGES * PAGE + 1, SLOTS, self._commit)

    def _commit(self, upto: int) -> bool:
        assert 0 < upto <= PAGES * PAGE
        if upto > self.limit:
            return False
        self.committed = max(self.committed, upto)
        return True

    def allocate(self, nbytes: int) -> None:
        found = self.allocator.allocate(nbytes)
        if found is not None:
            slot, offset = found
            assert 0 <= slot < SLOTS
            assert slot not in self.live
            self.live[slot] = offset, max(nbytes, 1)

    def free(self, slot: int) -> None:
        if slot in self.live:
            self.allocator.free(slot)
            del self.live[slot]
            return
        from farside.errors import ProtocolError

        try:
            self.allocator.free(slot)
        except ProtocolError:
            return
        raise AssertionError("a block that was not in use was freed")

    def check(self) -> None:
        """Check that blocks are apart, and where there is memory."""
        end = 0
        for offset, nbytes in sorted(self.live.values()):
            assert offset >= end
            assert not offset % PAGE
            end = offset + nbytes
        assert end <= self.committed
        assert self.allocator.used == sum(
            -(-nbytes // PAGE) * PAGE for _, nbytes in self.live.values()
        )

    def end(self) -> None:
        """Check that what was given back can be had again, as a whole."""
        self.limit = PAGES * PAGE
        for slot in list(self.live):
            self.free(slot)
        self.check()
        assert self.allocator.allocate(PAGES * PAGE) is not None
        assert self.allocator.allocate(1) is None


def check(source: Source) -> None:
    """Check that an allocator keeps its promises, whatever it is asked."""
    model = Model()
    while source:
        act = source.number(7)
        if act == 0:
            model.limit = source.number(PAGES) * PAGE
        elif act < 5:
            model.allocate(source.choice([source.edge(18), source.number(5) * PAGE]))
        else:
            model.free(source.number(SLOTS - 1))
        model.check()
    model.end()


if __name__ == "__main__":
    fuzz(check, "farside._memory.blocks")
