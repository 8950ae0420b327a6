"""The two orders in which a loop can get the results of a map."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ..._protocol.parent import ParentCore
from .batches import Plan
from .mapped import Mapped
from .queues import Block, join
from .supply import Supply


class MappedInOrder(Mapped):
    """The results in the order of the inputs."""

    def __init__(self, plan: Plan, supply: Supply) -> None:
        super().__init__(plan, supply)
        # Runs of inputs, in order: the worker that has them, and how many. The worker is None if
        # they were already done when the pass was resumed, or could not be sent.
        self._order: deque[list[Any]] = deque()

    @property
    def needs(self) -> Sequence[int]:
        first = self._order[0][0] if self._order else None
        return () if first is None else (first,)

    def passed_over(self, count: int) -> None:
        self.added(None, count)

    def added(self, index: int | None, count: int) -> None:
        if self._order and self._order[-1][0] == index:
            self._order[-1][1] += count
        else:
            self._order.append([index, count])

    def take_next(self, workers: Sequence[ParentCore]) -> Block | None:
        count, parts = 0, list[tuple[list[Any], Any]]()
        while count < self._most and self._order:
            run = self._order[0]
            if self.front in self._settled and not self.has_left(self.front):
                if count:
                    break  # the loop has to reach the failed input first
                run[1] -= 1
                found: tuple[list[Any], Any] | None = (self.settled(self.front), None)
            else:
                most = min(run[1], min(self._settled) - self.front) if self._settled else run[1]
                found = self._take_run(run, most, count, workers)
            if found is None:
                break
            if found[0]:
                parts.append(found)
                count += len(found[0])
            if not run[1]:
                self._order.popleft()
        return self._end_block(*join(parts)) if count else None

    def _take_run(
        self, run: list[Any], inputs: int, count: int, workers: Sequence[ParentCore]
    ) -> tuple[list[Any], Any] | None:
        """Take results of the next inputs; None if none have arrived, or the block ends here."""
        if run[0] is None:
            self.front += inputs
            run[1] -= inputs
            return [], None
        queue = self.queues[run[0]]
        if not queue.fill(workers[queue.index]):
            return None
        if queue.at_mark:
            if count and (self.counting or queue.marks[0][1] is not None):
                return None  # the loop has to reach the mark first
            run[1] -= 1
            return self.pass_mark(queue), None
        most = self._most - count
        here = queue.run if self.plan.flat else min(inputs, queue.run)
        if count and here > most:
            return None  # the next block has it whole: cutting and joining would take longer
        entries = self.take_entries(queue, min(here, most))
        if not self.plan.flat:
            run[1] -= len(entries)
        return entries, queue.source.needed


class MappedAsTheyCome(Mapped):
    """The results as they come."""

    _next = 0  # the worker that is looked at first

    def take_next(self, workers: Sequence[ParentCore]) -> Block | None:
        for number in list(self._settled):
            if not self.has_left(number) and (found := self.settled(number)):
                return self._end_block(found, None)
        for queue in self.queues[self._next :] + self.queues[: self._next]:
            while queue.fill(workers[queue.index]):
                if queue.at_mark:
                    found, source = self.pass_mark(queue), None
                else:
                    found = self.take_entries(queue, min(queue.run, self._most))
                    source = queue.source.needed
                if found:
                    self._next = queue.index + 1
                    return self._end_block(found, source)
        return None
