"""Delivers the items of several workers in an order that does not depend on their number."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from operator import itemgetter, le
from typing import Any

from ..._protocol.order import Place, Ranges, Turns, with_numbers
from ..._protocol.parent import ParentCore
from .delivery import MOST, Delivery
from .queues import Block, Queue, join

_KEPT = 1500
"""How many items before the present block are remembered at least, for `InTurn.place`: a thousand,
and those that a thread has taken ahead of the loop."""

_SLOTS = 64
"""With up to this many slots, the turns are copied at each end of a shard; with up to n times as
many slots, at each nth end. A copy grows with the number of slots, so all copies together take
about the same memory for any number."""


class InTurn(Delivery):
    """Gives the loop one item of each slot in turn, whichever workers read them.

    Whole rounds over the slots are merged by slices, so an item costs no more Python code than with
    one worker.
    """

    def __init__(self, turns: Turns, count: int, ended: Ranges = (), *, counting: bool) -> None:
        super().__init__(count, counting=counting)
        self.over = turns.over
        self.front = turns  # whose turn it is after the present block
        self._past = PastTurns(turns)
        self._first_round = len(turns.live)  # how many items it has
        self.ended_before = ended  # the shards that had ended when the pass was resumed
        self._ended = turns.heads, ended  # the latest heads in `place`, and the ended shards then
        # A cache: where in `Turns.live` the slots of each worker are.
        self._shares: tuple[Any, list[tuple[Queue, list[int]]]] = (None, [])

    @property
    def needs(self) -> Sequence[int]:
        return () if self.front.over else (self.owner(self.front.slot),)

    def owner(self, slot: int) -> int:
        return slot % len(self.queues)

    def place(self, given: int) -> Place | None:
        turns = self._past.find(given)
        if turns is None:
            return None
        # Very many shards may have ended, and states are asked for far more often than a shard
        # ends. So the ended shards that the last call found are kept, and the others added.
        known, ended = self._ended
        if known != turns.heads:
            if not all(map(le, known, turns.heads)):  # an earlier place is asked for
                known, ended = (), self.ended_before
            ended = with_numbers(ended, turns.ended_since(known))
            self._ended = turns.heads, ended
        return turns.place_after(ended)

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        self._begin_block()
        turns, count, before = self.front, 0, self.block[0]
        begins = True  # whether the next part begins the block, or a shard
        parts = list[tuple[list[Any], Any]]()
        while count < MOST and not turns.over:
            queue = self.queues[self.owner(turns.slot)]
            if not queue.fill(workers[queue.index]):
                break
            if queue.at_mark:
                if count and self.counting:
                    break  # the mark must not count as taken before the loop gets there
                queue.pass_mark()
                turns, begins = turns.end(), True
                self._past.add(before + count, turns)
                continue
            part = self._merge(turns, workers)
            first = self.anchors.verify and before + count < self._first_round
            due = first or (begins and self.anchors.due)
            if due or not self.snapshots.empty:
                self._anchor_round(turns, part, due=due)
            begins = False
            parts.append(part)
            count += len(part[0])
            turns = turns.advance(len(part[0]))
        self.front, self.over = turns, turns.over
        if not count:
            return None
        self._past.forget(before - _KEPT)
        return self._end_block(*join(parts))

    def _anchor_round(self, turns: Turns, part: tuple[list[Any], Any], *, due: bool) -> None:
        """Take the digests of some items of each slot; see `Delivery._take_anchors`."""
        (entries, sources), step = part, len(turns.live)
        for position in range(min(step, len(entries))):
            now = turns.advance(position)
            shard, first = now.shard, now.next_index
            self._take_anchors(shard, first, entries, sources, due=due, at=position, step=step)

    def _merge(self, turns: Turns, workers: Sequence[ParentCore]) -> tuple[list[Any], Any]:
        """Take the entries of whole rounds, or else of one turn; return them, and their sources."""
        shares, rounds = self._shares_of(turns.live), MOST
        for queue, slots in shares:
            queue.fill(workers[queue.index])
            rounds = min(rounds, queue.run // len(slots))
        if len(shares) == 1 or not rounds:
            first = self.queues[self.owner(turns.slot)]
            source = first.source
            taken = first.take(min(first.run, MOST) if len(shares) == 1 else 1)
            return taken, source.needed
        step = len(turns.live)
        begin = (turns.at + turns.ahead) % step
        entries: list[Any] = [None] * (rounds * step)
        sources: list[Any] | None = None
        if True in [queue.source.needed is not None for queue, _ in shares]:
            sources = [None] * (rounds * step)
        for queue, slots in shares:
            source, taken = queue.source, queue.take(rounds * len(slots))
            first_slot = bisect_left(slots, begin)
            for number, slot in enumerate(slots[first_slot:] + slots[:first_slot]):
                position = (slot - begin) % step
                entries[position::step] = taken[number :: len(slots)]
                if sources is not None:
                    sources[position::step] = [source] * rounds
        return entries, sources

    def _shares_of(self, live: tuple[int, ...]) -> list[tuple[Queue, list[int]]]:
        """Return each worker's queue, and the indices in `live` of the slots that it reads."""
        known, shares = self._shares
        if known is not live:
            found: dict[int, list[int]] = {}
            for index, slot in enumerate(live):
                found.setdefault(self.owner(slot), []).append(index)
            shares = [(self.queues[owner], slots) for owner, slots in found.items()]
            self._shares = live, shares
        return shares


class PastTurns:
    """Tells whose turn it was some items ago, for a state that the loop asks for as of then.

    It keeps copies of the turns, and the places in the pass where further shards ended. From a copy
    and these places it computes all later turns. One thread adds to it, and any may ask.
    """

    def __init__(self, turns: Turns) -> None:
        # For each copy: how many items the loop was given before it, the turns, and the numbers of
        # items at which shards have ended since.
        self._copies: deque[tuple[int, Turns, list[int]]] = deque([(0, turns, [])])

    def add(self, at: int, turns: Turns) -> None:
        """Record that a shard ends after `at` items, and the turns from then on."""
        first, _, ends = self._copies[-1]
        if (len(ends) + 1) * _SLOTS < len(turns.chains):
            ends.append(at)
        elif first == at:  # no item came since the last copy, so nobody will ask for that
            self._copies[-1] = at, turns, []
        else:
            self._copies.append((at, turns, []))

    def forget(self, at: int) -> None:
        """Forget what is only needed for places before `at` items."""
        while len(self._copies) > 1 and self._copies[1][0] <= at:
            self._copies.popleft()

    def find(self, given: int) -> Turns | None:
        """Return whose turn it was when `given` items were given; None if that is not known."""
        copies = self._copies.copy()  # by one call: another thread may change the deque meanwhile
        number = bisect_right(copies, given, key=itemgetter(0))
        if not number:
            return None
        at, turns, ends = copies[number - 1]
        for end in ends:
            if end > given:
                break
            turns, at = turns.advance(end - at).end(), end
        return turns.advance(given - at)
