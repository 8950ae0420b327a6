"""The order of shards, by hand: what several workers must come to, whatever they are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from farside._protocol.order import Turns


def simulate(
    lengths: Sequence[int], cycle: int, order: Sequence[int] | None = None
) -> Iterator[tuple[int, int]]:
    """Yield each shard and the number of the item in it, in the order of the description."""
    waiting = list(range(len(lengths)) if order is None else order)
    slots = [waiting[slot::cycle] for slot in range(cycle)]
    read = Counter[int]()
    while any(slots):
        for slot in slots:
            while slot and read[slot[0]] == lengths[slot[0]]:
                slot.pop(0)  # it goes on with the next one in the same turn
            if slot:
                yield slot[0], read[slot[0]]
                read[slot[0]] += 1


def walk(turns: Turns, lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the same by `Turns`: what is said is the end of a shard, when it is asked for more."""
    while not turns.over:
        shard = turns.shard
        number = turns.read_of(shard)
        if number == lengths[shard]:
            turns = turns.end()
        else:
            yield shard, number
            turns = turns.advance(1)


def reach(turns: Turns, lengths: Sequence[int], count: int) -> Turns:
    """Go on by so many items, or to the end."""
    while count and not turns.over:
        if turns.read_of(turns.shard) == lengths[turns.shard]:
            turns = turns.end()
        else:
            turns, count = turns.advance(1), count - 1
    return turns
