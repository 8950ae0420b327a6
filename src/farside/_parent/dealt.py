"""Items as they come: whichever worker is free reads the next shard."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from .._protocol.order import Place, numbers_of, with_numbers
from .._protocol.parent import ParentCore
from .batches import BATCH_SECONDS, BatchSize
from .delivery import KEPT, Delivery
from .queues import Block, Queue, arrived

_AHEAD = 2
"""How many shards a worker has: the one that it reads, and one that waits, so that it never stands
still between two."""

_MOST_AHEAD = 16
"""How many it has at most where shards are short: to deal each by itself would take longer than to
read it. They are about as many as take it `BATCH_SECONDS`."""

_OFTEN_SECONDS = BATCH_SECONDS / 2
"""Shards that end less often than this, on average, are not short, even if several end at once: the
loop may have been away, or the workers in step."""

_LEFT = 4
"""For each shard that waits for a worker to end another one, so many for each worker are not dealt
yet: if that is a long one, other workers read them."""


class Dealt(Delivery):
    """Deals shards to the workers that have room for them; the loop gets items as they come."""

    _next = 0  # the worker that is looked at first

    def __init__(self, place: Place, shards: int, count: int, *, counting: bool) -> None:
        super().__init__(count, counting=counting)
        ended = numbers_of(place.ended)
        self._shards = deque(shard for shard in range(shards) if shard not in ended)
        self._under_way: list[deque[int]] = [deque() for _ in range(count)]
        # Of each shard that has ended: how many items came before its end, the shard, its items.
        self._ends: list[tuple[int, int, int]] = []
        # One tuple, for other threads ask: a number of items; of each open shard, how many items
        # are in blocks by then (the dictionary is never changed); and how many shards have ended.
        self._now: tuple[int, dict[int, int], int] = (0, dict(place.begun), 0)
        self._ended_before = place.ended
        self._ended = 0, place.ended
        self._runs: deque[tuple[int, int, int]] = deque([(0, -1, 0)], KEPT)
        self.over = not self._shards
        self._size, self._passed = BatchSize(_MOST_AHEAD), 0
        # How often shards end, measured again when more have ended than all workers had before.
        self._pace, self._measure_at = BatchSize(1), 0

    @property
    def _read(self) -> dict[int, int]:
        return self._now[1]

    def deal(self) -> None:
        """Deal shards to the workers that have room for them."""
        left = len(self._shards) // (_LEFT * len(self._under_way))
        short = self._pace.seconds < _OFTEN_SECONDS
        ahead = max(_AHEAD, min(self._size.inputs, left)) if short else _AHEAD
        if min(map(len, self._under_way)) > ahead // 2:
            return  # several are dealt at once
        for least in range(ahead):
            for index, under_way in enumerate(self._under_way):
                if len(under_way) == least and self._shards:
                    shard = self._shards.popleft()
                    under_way.append(shard)
                    told = shard, self._read.get(shard, 0)
                    self.orders.setdefault(index, []).append(told)

    @property
    def needs(self) -> Sequence[int]:
        return [index for index, under_way in enumerate(self._under_way) if under_way]

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        self._begin_block()
        queues = self.queues
        for _ in queues:
            queue = queues[self._next]
            while queue.fill(workers[queue.index]):
                if queue.at_mark:
                    self._pass_mark(queue)
                    continue
                entries, source = queue.take(queue.run), queue.source
                shard, read = self.part_of(queue)
                if self.anchors.due:
                    self.anchors.add(shard, read, entries[0], source)
                count = len(entries)
                now = self._before + count, {**self._read, shard: read + count}, len(self._ends)
                self._runs.append((self._before, shard, count))
                self._now = now
                self._next = (queue.index + 1) % len(queues)
                return self._end_block(entries, source.needed)
            self._next = (queue.index + 1) % len(queues)
        return None

    def _pass_mark(self, queue: Queue) -> None:
        queue.pass_mark()
        shard = self._under_way[queue.index].popleft()
        # In this order: another thread may ask for the place just now.
        read = dict(self._read)
        self._ends.append((self._before, shard, read.pop(shard, 0)))
        self._now = self._before, read, len(self._ends)
        self._passed += 1
        idle = sum([not each for each in self._under_way])
        self._size.measure(self._passed, len(self._under_way), idle)
        if self._passed > self._measure_at:
            self._pace.measure(self._passed, 1, 0)
            self._measure_at = self._passed + sum(map(len, self._under_way))
        self.deal()
        self.over = not (self._shards or any(self._under_way))

    def place(self, behind: int = 0) -> Place | None:
        given = self.delivered - behind
        now, last, ends = self._now  # after `given`: so it is what holds then, or later
        number = bisect_right(self._ends, given, hi=ends, key=itemgetter(0))
        read = dict(last)
        known, ended = self._ended
        if known != number:
            if known > number:
                known, ended = 0, self._ended_before
            ended = with_numbers(ended, [shard for _, shard, _ in self._ends[known:number]])
            self._ended = number, ended
        read.update({shard: count for _, shard, count in self._ends[number:ends]})
        for at, shard, count in reversed(tuple(self._runs)):
            if at >= now and count:
                continue  # it was added since
            if at + count <= given:
                begun = sorted((shard, count) for shard, count in read.items() if count)
                return Place(ended, tuple(begun))
            read[shard] -= at + count - max(at, given)
        return None

    def part_of(self, queue: Queue) -> tuple[int, int]:
        """Return which shard a worker is at, and how many of its items are in blocks."""
        shard = self._under_way[queue.index][0]
        return shard, self._read.get(shard, 0)

    def left_of(self, index: int, frames: Sequence[Any]) -> list[tuple[int, int]]:
        """Return the shards that a worker has not finished, and how many items of each came."""
        left = [[shard, self._read.get(shard, 0)] for shard in self._under_way[index]]
        for run, ended in arrived(self.queues[index], frames):
            left[0][1] += run
            if ended:
                left.pop(0)
        return [(shard, read) for shard, read in left]
