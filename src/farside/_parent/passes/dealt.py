"""Delivers items as they come, and deals the next shard to whichever worker has room."""

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
"""How many shards a worker has: the one that it reads, and one that waits, so that it is never idle
between two."""

_MOST_AHEAD = 16
"""How many shards a worker has at most. If they are short, dealing each by itself would take longer
than reading it. So the worker has about as many as it can read in `BATCH_SECONDS`."""

_OFTEN_SECONDS = BATCH_SECONDS / 2
"""Shards that end less often than this, on average, are not short. If several end at once, that may
be because the loop was busy, or because the workers are in step."""

_LEFT = 4
"""If workers may have more than `_AHEAD` shards, then for each worker at least so many times that
number are not dealt yet. While a long shard holds one worker up, the others have these to read."""


class Dealt(Delivery):
    """Deals shards to the workers that have room for them; the loop gets items as they come."""

    needs: Sequence[int] = ()
    _next = 0  # the worker that is looked at first

    def __init__(self, place: Place, shards: int, count: int, *, counting: bool) -> None:
        super().__init__(count, counting=counting)
        # The shards that no worker has, as ranges, since there may be millions.
        self._shards = deque(gaps_of(place.ended, shards))
        self._left = sum([end - first for first, end in self._shards])
        self._under_way: list[deque[int]] = [deque() for _ in range(count)]
        self.progress = GivenResults(place, flat=True)
        self._size, self._passed = BatchSize(_MOST_AHEAD), 0
        # How often shards end. Measured again when all that workers had the last time have ended.
        self._pace, self._measure_at = BatchSize(1), 0
        self.deal()

    def deal(self) -> None:
        left = self._left // (_LEFT * len(self._under_way))
        short = self._pace.seconds < _OFTEN_SECONDS
        ahead = max(_AHEAD, min(self._size.inputs, left)) if short else _AHEAD
        if min(map(len, self._under_way)) > ahead // 2:
            return  # each worker still has some, and it is cheaper to deal several at once
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
        for queue in self.queues[self._next :] + self.queues[: self._next]:
            while queue.fill(workers[queue.index]):
                if queue.at_mark:
                    self._pass_mark(queue)
                    continue
                entries, source = queue.take(queue.run), queue.source
                shard, read = self.part_of(queue)
                self._take_anchors(shard, read, entries, source, due=self.anchors.due)
                self.progress.took(shard, len(entries))
                self._next = (queue.index + 1) % len(self.queues)
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

    def place(self, given: int) -> Place | None:
        return self.progress.place(given)

    def part_of(self, queue: Queue) -> tuple[int, int]:
        """Return which shard a worker is at, and how many of its items are in blocks."""
        if not self._under_way[queue.index]:
            raise ProtocolError(SURPLUS)
        shard = self._under_way[queue.index][0]
        return shard, self.progress.read.get(shard, 0)

    def left_of(self, index: int, frames: Sequence[Any]) -> list[tuple[int, int]]:
        """Return the shards that a worker has not finished, and how many items of each arrived."""
        left = [[shard, self.progress.read.get(shard, 0)] for shard in self._under_way[index]]
        for run, ended in arrived(self.queues[index], frames):
            left[0][1] += run
            if ended:
                left.pop(0)
        return [(shard, read) for shard, read in left]
