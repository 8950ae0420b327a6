"""Items as they come: whichever worker is free reads the next shard."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ..._protocol.order import Place, gaps_of
from ..._protocol.parent import ParentCore
from ...errors import ProtocolError
from .batches import BATCH_SECONDS, BatchSize
from .delivery import Delivery
from .given_results import GivenResults
from .queues import SURPLUS, Block, Queue, arrived

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

    needs: Sequence[int] = ()
    _next = 0  # the worker that is looked at first

    def __init__(self, place: Place, shards: int, count: int, *, counting: bool) -> None:
        super().__init__(count, counting=counting)
        # Those that nobody has: as ranges, for there may be millions.
        self._shards = deque(gaps_of(place.ended, shards))
        self._left = sum([end - first for first, end in self._shards])
        self._under_way: list[deque[int]] = [deque() for _ in range(count)]
        self.progress = GivenResults(place, flat=True)
        self._size, self._passed = BatchSize(_MOST_AHEAD), 0
        # How often shards end, measured again when more have ended than all workers had before.
        self._pace, self._measure_at = BatchSize(1), 0
        self.deal()

    def deal(self) -> None:
        left = self._left // (_LEFT * len(self._under_way))
        short = self._pace.seconds < _OFTEN_SECONDS
        ahead = max(_AHEAD, min(self._size.inputs, left)) if short else _AHEAD
        if min(map(len, self._under_way)) > ahead // 2:
            return  # several are dealt at once; until then each worker has some
        for least in range(ahead):
            for index, under_way in enumerate(self._under_way):
                if len(under_way) == least and self._shards:
                    shard = self._next_shard()
                    under_way.append(shard)
                    told = shard, self.progress.read.get(shard, 0)
                    self.orders.setdefault(index, []).append(told)
        self.needs = [index for index, under_way in enumerate(self._under_way) if under_way]
        self.over = not self.needs

    def _next_shard(self) -> int:
        shard, end = self._shards.popleft()
        if shard + 1 < end:
            self._shards.appendleft((shard + 1, end))
        self._left -= 1
        return shard

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        self._begin_block()
        count = len(self.queues)
        for step in range(count):
            queue = self.queues[(self._next + step) % count]
            while queue.fill(workers[queue.index]):
                if queue.at_mark:
                    self._pass_mark(queue)
                    continue
                entries, source = queue.take(queue.run), queue.source
                shard, read = self.part_of(queue)
                if self.anchors.due:
                    self.anchors.add(shard, read, entries[0], source)
                self._anchor_snapshots(shard, read, entries, source)
                self.progress.took(shard, len(entries))
                self._next = (queue.index + 1) % count
                return self._end_block(entries, source.needed)
        return None

    def _pass_mark(self, queue: Queue) -> None:
        shard, _ = self.part_of(queue)
        queue.pass_mark()
        self._under_way[queue.index].popleft()
        self.progress.end(shard)
        self._passed += 1
        idle = sum([not each for each in self._under_way])
        self._size.measure(self._passed, len(self._under_way), idle)
        if self._passed > self._measure_at:
            self._pace.measure(self._passed, 1, 0)
            self._measure_at = self._passed + sum(map(len, self._under_way))
        self.deal()

    def place(self, behind: int = 0) -> Place | None:
        return self.progress.place(self.delivered - behind)

    def part_of(self, queue: Queue) -> tuple[int, int]:
        """Return which shard a worker is at, and how many of its items are in blocks."""
        if not self._under_way[queue.index]:
            raise ProtocolError(SURPLUS)
        shard = self._under_way[queue.index][0]
        return shard, self.progress.read.get(shard, 0)

    def left_of(self, index: int, frames: Sequence[Any]) -> list[tuple[int, int]]:
        """Return the shards that a worker has not finished, and how many items of each came."""
        left = [[shard, self.progress.read.get(shard, 0)] for shard in self._under_way[index]]
        for run, ended in arrived(self.queues[index], frames):
            left[0][1] += run
            if ended:
                left.pop(0)
        return [(shard, read) for shard, read in left]
