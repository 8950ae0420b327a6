"""Blocks that both sides hold and drop.

Run ``python tests/fuzz/fuzz_arena.py -max_total_time=600``.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from tests.fuzz.source import Source, fuzz
from tests.memory.blocks_of import lent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farside._memory.parts import Ref

ARENA = 1 << 19
SMALL = 1 << 13


class Sides:
    """The worker's arena and the parent's leases, and what each has.

    Each block is filled with a stamp of its own. Whoever still has it must find that, and nothing
    else: no block may be given out while anybody has it.
    """

    def __init__(self) -> None:
        from farside._memory.arena import Arena
        from farside._memory.creating import create
        from farside._memory.leases import Leases
        from farside._memory.mapping import Mapping

        memory = create(ARENA)[0]
        mapping = Mapping(memory.fileno())
        self._memory = memory
        self.arena = Arena(mapping)
        self.leases = Leases(Mapping(memory.fileno()), ARENA // 2)
        self._stamps = count(1)
        self.granted: list[tuple[memoryview, bytes]] = []
        self.sent: list[tuple[Ref, bytes]] = []
        self.lent: list[tuple[memoryview, bytes]] = []

    def _stamp(self, nbytes: int) -> bytes:
        return next(self._stamps).to_bytes(4, "little") * (nbytes // 4)

    def store(self, nbytes: int) -> None:
        stamp = self._stamp(nbytes)
        ref = self.arena.store([stamp], len(stamp))
        if ref is not None:
            self.sent.append((ref, stamp))

    def grant(self, nbytes: int) -> None:
        stamp = self._stamp(nbytes)
        view = self.arena.grant(len(stamp))
        if view is not None:
            view[:] = stamp
            self.granted.append((view, stamp))

    def claim(self, which: int, start: int, end: int) -> None:
        view, stamp = pick(self.granted, which)
        ref = self.arena.claim(view[start:end])
        if ref is not None:
            self.sent.append((ref, stamp[start:end]))

    def give_up(self, which: int) -> None:
        ref, _ = self.sent.pop(which % len(self.sent))
        self.arena.free(ref)

    def lend(self, which: int) -> None:
        ref, stamp = self.sent.pop(which % len(self.sent))
        self.lent.append((self.leases.lend(*ref), stamp))
        assert lent(self.leases) <= ARENA // 2

    def check(self) -> None:
        for view, stamp in (*self.granted, *self.lent):
            assert view == stamp, "a block was given out twice"

    def end(self) -> None:
        self.check()
        for ref, _ in self.sent:
            self.arena.free(ref)
        self.granted.clear()
        self.lent.clear()
        assert lent(self.leases) == 0
        self.arena._reclaim()
        assert self.arena._allocator.used == 0, "a block was lost"
        self._memory.close()


def pick(values: Sequence[tuple[memoryview, bytes]], which: int) -> tuple[memoryview, bytes]:
    return values[which % len(values)]


def check(source: Source) -> None:
    """Check that no block is given out while anybody has it, and that none is lost."""
    sides = Sides()
    while source:
        act, which = source.number(6), source.number(255)
        if act == 0:
            sides.store(SMALL + 4 * source.number(1 << 15))
        elif act == 1:
            sides.grant(SMALL + 4 * source.number(1 << 15))
        elif act == 2 and sides.granted:
            start = 4 * source.number(100)
            sides.claim(which, start, start + source.choice([SMALL, 1 << 20]))
        elif act == 3 and sides.sent:
            sides.give_up(which)
        elif act == 4 and sides.sent:
            sides.lend(which)
        elif act == 5 and sides.granted:
            sides.granted.pop(which % len(sides.granted))
        elif act == 6 and sides.lent:
            sides.lent.pop(which % len(sides.lent))
    sides.end()


if __name__ == "__main__":
    fuzz(
        check,
        "farside._memory.arena",
        "farside._memory.blocks",
        "farside._memory.allocations",
        "farside._memory.leases",
    )
