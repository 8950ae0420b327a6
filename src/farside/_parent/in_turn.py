"""The items of several workers in an order that their number does not change."""

from __future__ import annotations

from collections import Counter
from operator import le
from typing import TYPE_CHECKING, Any

from .._protocol.order import with_numbers
from .delivery import KEPT, MOST, Delivery
from .past_turns import PastTurns
from .queues import join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._protocol.order import Place, Ranges, Turns
    from .._protocol.parent import ParentCore
    from .queues import Block, Queue


class InTurn(Delivery):
    """Gives the loop one item of each slot in turn, whichever workers read them.

    Whole rounds over the slots are merged by slices, so an item takes no more Python code than with
    one worker.

    Args:
        own: the shards that there are, in order.

    Attributes:
        front: whose turn it is after the present block.
    """

    def __init__(
        self, turns: Turns, count: int, own: Sequence[int] = (), *, counting: bool
    ) -> None:
        super().__init__(count, counting=counting)
        self.own = own
        self.over = turns.over
        self.front = turns
        self._past = PastTurns(turns)
        self._first_round = len(turns.live)  # so many items
        whole = sum(map(len, turns.chains)) == len(own)
        self._ended = turns.heads, (() if whole else turns.ended(own))
        # Of the slots that have shards, how many each worker reads; and where in a round they are.
        self._shares: tuple[Any, list[tuple[Queue, int]]] = (None, [])
        self._positions: tuple[Any, list[tuple[Queue, list[int]]]] = (None, [])

    @property
    def needs(self) -> Sequence[int]:
        return () if self.front.over else (self.owner(self.front.slot),)

    def owner(self, slot: int) -> int:
        """Return the worker that reads a slot."""
        return slot % len(self.queues)

    def place(self, behind: int = 0) -> Place | None:
        turns = self.turns(behind)
        if turns is None:
            return None
        return turns.place_after(self._ended_at(turns))

    def _ended_at(self, turns: Turns) -> Ranges:
        """Return the shards that have ended. The last result is kept, and extended.

        There may be very many, and states are asked for far more often than a shard ends.
        """
        known, ended = self._ended
        if known != turns.heads:
            if known and all(map(le, known, turns.heads)):
                slices = zip(turns.chains, known, turns.heads)  # noqa: B905  equal
                new = [shard for chain, first, end in slices for shard in chain[first:end]]
                ended = with_numbers(ended, new)
            else:
                ended = turns.ended(self.own)
            self._ended = turns.heads, ended
        return ended

    def turns(self, behind: int = 0) -> Turns | None:
        """Return whose turn it is, or was some items ago; None: that is not known."""
        return self._past.find(self.delivered - behind)

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        self._begin_block()
        turns, count, before = self.front, 0, self._before
        begins = True  # the block, or a shard
        parts = list[tuple[list[Any], Any]]()
        while count < MOST and not turns.over:
            queue = self.queues[self.owner(turns.slot)]
            if not queue.fill(workers[queue.index]):
                break
            if queue.at_mark:
                if count and self.counting:
                    break  # the mark counts as taken only when the loop gets there
                queue.pass_mark()
                turns, begins = turns.end(), True
                self._past.add(before + count, turns)
                continue
            part = self._merge(turns, workers)
            first = self.anchors.verify and before + count < self._first_round
            if first or (begins and self.anchors.due):
                self._anchor_round(turns, part)
            begins = False
            parts.append(part)
            count += len(part[0])
            turns = turns.advance(len(part[0]))
        self.front, self.over = turns, turns.over
        if not count:
            return None
        self._past.forget(before - KEPT)
        block = join(parts)
        self._end_block(block[0])
        return block

    def _anchor_round(self, turns: Turns, part: tuple[list[Any], Any]) -> None:
        """Take the digests of the first items, one for each slot."""
        entries, sources = part
        for position, entry in enumerate(entries[: len(turns.live)]):
            at = turns.advance(position)
            source = sources[position] if type(sources) is list else sources
            self.anchors.add(at.shard, at.next_index, entry, source)

    def _merge(self, turns: Turns, workers: Sequence[ParentCore]) -> tuple[list[Any], Any]:
        """Take the entries of whole rounds, or else of one turn; return them, and their sources."""
        shares, rounds = self._shares_of(turns.live), MOST
        for queue, slots in shares:
            if not queue.run and not queue.marks:
                queue.fill(workers[queue.index])
            rounds = min(rounds, queue.run // slots)
        if len(shares) == 1 or not rounds:
            first = self.queues[self.owner(turns.slot)]
            source = first.source
            taken = first.take(min(first.run, MOST) if len(shares) == 1 else 1)
            return taken, source.needed
        step = len(turns.live)
        entries: list[Any] = [None] * (rounds * step)
        sources: list[Any] | None = None
        if True in [queue.source.needed is not None for queue, _ in shares]:
            sources = [None] * (rounds * step)
        for queue, positions in self._positions_in(turns.rotation):
            source, taken = queue.source, queue.take(rounds * len(positions))
            for number, position in enumerate(positions):
                entries[position::step] = taken[number :: len(positions)]
                if sources is not None:
                    sources[position::step] = [source] * rounds
        return entries, sources

    def _shares_of(self, live: tuple[int, ...]) -> list[tuple[Queue, int]]:
        """Return each worker's queue, and how many of the slots that have shards are its own."""
        known, shares = self._shares
        if known is not live:
            owners = Counter(map(self.owner, live))
            shares = [(self.queues[index], slots) for index, slots in owners.items()]
            self._shares = live, shares
        return shares

    def _positions_in(self, rotation: tuple[int, ...]) -> list[tuple[Queue, list[int]]]:
        """Return each worker's queue, and where in a round its entries go."""
        known, shares = self._positions
        if known != rotation:
            found: dict[int, list[int]] = {}
            for position, slot in enumerate(rotation):
                found.setdefault(self.owner(slot), []).append(position)
            shares = [(self.queues[index], positions) for index, positions in found.items()]
            self._positions = rotation, shares
        return shares
