"""The items of several workers in an order that their number does not change."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Sequence
from operator import itemgetter, le
from typing import Any

from ..._protocol.order import Place, Ranges, Turns, with_numbers
from ..._protocol.parent import ParentCore
from .delivery import MOST, Delivery
from .queues import PLAIN, Block, Queue, join

_KEPT = 1000  # how many items before the present block are remembered at least, for `InTurn.place`
_SLOTS = 64
"""With fewer slots than twice this, the turns are copied at each end of a shard; with n times as
many, at each nth end. A copy takes as much memory as there are slots, so all copies together take
about the same for any number of slots."""


class InTurn(Delivery):
    """Gives the loop one item of each slot in turn, whichever workers read them.

    Whole rounds over the slots are merged by slices, so an item takes no more Python code than with
    one worker.
    """

    def __init__(self, turns: Turns, count: int, ended: Ranges = (), *, counting: bool) -> None:
        super().__init__(count, counting=counting)
        self.over = turns.over
        self.front = turns  # whose turn it is after the present block
        self._past = PastTurns(turns)
        self._first_round = len(turns.live)  # so many items
        self.ended_before = ended  # shards, before the pass began here
        self._ended = turns.heads, ended
        # Of the slots that have shards, how many each worker reads; and where in a round they are.
        self._shares: tuple[Any, list[tuple[Queue, int]]] = (None, [])
        self._positions: tuple[Any, list[tuple[Queue, list[int]]]] = (None, [])

    @property
    def needs(self) -> Sequence[int]:
        return () if self.front.over else (self.owner(self.front.slot),)

    def owner(self, slot: int) -> int:
        return slot % len(self.queues)

    def place(self, behind: int = 0) -> Place | None:
        turns = self.turns(behind)
        if turns is None:
            return None
        # The shards that have ended may be very many, and states are asked for far more often than
        # one ends: so those that were found last are kept, and extended.
        known, ended = self._ended
        if known != turns.heads:
            if not all(map(le, known, turns.heads)):  # it is asked how it was before
                known, ended = (), self.ended_before
            ended = with_numbers(ended, turns.ended_since(known))
            self._ended = turns.heads, ended
        return turns.place_after(ended)

    def turns(self, behind: int = 0) -> Turns | None:
        """Return whose turn it is, or was some items ago; None: that is not known."""
        return self._past.find(self.delivered - behind)

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        self._begin_block()
        turns, count, before = self.front, 0, self.block[0]
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
            if not self.snapshots.empty:
                self._anchor_each(turns, part)
            begins = False
            parts.append(part)
            count += len(part[0])
            turns = turns.advance(len(part[0]))
        self.front, self.over = turns, turns.over
        if not count:
            return None
        self._past.forget(before - _KEPT)
        return self._end_block(*join(parts))

    def _anchor_round(self, turns: Turns, part: tuple[list[Any], Any]) -> None:
        """Take the digests of the first items, one for each slot."""
        entries, sources = part
        for position, entry in enumerate(entries[: len(turns.live)]):
            at = turns.advance(position)
            source = sources[position] if type(sources) is list else sources
            self.anchors.add(at.shard, at.next_index, entry, source or PLAIN)

    def _anchor_each(self, turns: Turns, part: tuple[list[Any], Any]) -> None:
        """Take the digests of the items that come after snapshots, of all shards."""
        (entries, sources), step = part, len(turns.live)
        for position in range(min(step, len(entries))):
            at = turns.advance(position) if position else turns
            shard, first = at.shard, at.next_index
            self._anchor_snapshots(shard, first, entries, sources, at=position, step=step)

    def _merge(self, turns: Turns, workers: Sequence[ParentCore]) -> tuple[list[Any], Any]:
        """Take the entries of whole rounds, or else of one turn; return them, and their sources."""
        shares, rounds = self._shares_of(turns.live), MOST
        for queue, slots in shares:
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


class PastTurns:
    """Whose turn it was, some items ago: a state may be asked for as it was then.

    It keeps turns, and where in the pass shards have ended after them, which leads to the next. One
    thread adds to it. Any thread may ask.
    """

    def __init__(self, turns: Turns) -> None:
        # How many items were given when they were copied, the turns, and at how many items shards
        # have ended since.
        self._copies: deque[tuple[int, Turns, list[int]]] = deque([(0, turns, [])])
        # Where the latest search ended, to go on from there: a list of ends, how many of them it
        # has taken in, and the turns after these.
        self._found = (self._copies[0][2], 0, 0, turns)

    def add(self, at: int, turns: Turns) -> None:
        """Take note of a shard that ends at a number of items, and of the turns after that."""
        first, _, ends = self._copies[-1]
        if (len(ends) + 1) * _SLOTS < len(turns.chains):
            ends.append(at)
        elif first == at:  # nobody asks for what was before, at the same number
            self._copies[-1] = at, turns, []
        else:
            self._copies.append((at, turns, []))

    def forget(self, at: int) -> None:
        """Forget what is only about fewer items than so many."""
        while len(self._copies) > 1 and self._copies[1][0] <= at:
            self._copies.popleft()

    def find(self, given: int) -> Turns | None:
        """Return whose turn it was when so many items were given; None: that is not known."""
        copies = self._copies.copy()  # at once: which another thread may change meanwhile
        number = bisect_right(copies, given, key=itemgetter(0))
        return self._after(*copies[number - 1], given) if number else None

    def _after(self, at: int, turns: Turns, ends: list[int], given: int) -> Turns:
        done, found = 0, self._found  # which another thread may change meanwhile
        if found[0] is ends and found[2] <= given:  # states are asked for one by one
            _, done, at, turns = found
        for end in ends[done:]:
            if end > given:
                break
            turns = turns.advance(end - at).end()
            at, done = end, done + 1
        self._found = ends, done, at, turns
        return turns.advance(given - at)
