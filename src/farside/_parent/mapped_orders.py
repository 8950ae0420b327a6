"""In which order the loop gets the results of a map."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .mapped import Mapped
from .queues import join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._protocol.parent import ParentCore
    from .batches import Plan, Settled
    from .queues import Block
    from .supply import Supply


class MappedInOrder(Mapped):
    """The results in the order of the inputs."""

    def __init__(self, plan: Plan, supply: Supply) -> None:
        super().__init__(plan, supply)
        # Runs of inputs, in order: the worker that has them, and how many. None in its place: the
        # input is settled, or they were done before the pass began here.
        self._order: deque[list[Any]] = deque()

    @property
    def needs(self) -> Sequence[int]:
        return (self._order[0][0],) if self._order and self._order[0][0] is not None else ()

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        return bool(self._order and self._order[0][0] is None) or super().ready(workers)

    def passed_over(self, count: int) -> None:
        self._order.append([None, count])

    def added(self, index: int, count: int) -> None:
        if self._order and self._order[-1][0] == index:
            self._order[-1][1] += count
        else:
            self._order.append([index, count])

    def settle(self, number: int, settled: Settled) -> None:
        super().settle(number, settled)
        at = self.front
        if number == self._numbered:
            self._order.append([None, 1])
            return
        order: deque[list[Any]] = deque()
        for worker, count in self._order:
            place = number - at
            at += count
            if worker is None or not 0 <= place < count:
                order.append([worker, count])
                continue
            order.extend(
                [who, many]
                for who, many in ((worker, place), (None, 1), (worker, count - place - 1))
                if many
            )
        self._order = order

    def take_next(self, workers: Sequence[ParentCore]) -> Block | None:
        count, parts = 0, list[tuple[list[Any], Any]]()
        while count < self._most and self._order:
            run = self._order[0]
            if run[0] is None:
                found = self._take_settled(count, workers)
            else:
                found = self._take_next(run, count, workers)
            if found is None:
                break
            if found[0]:
                parts.append(found)
                count += len(found[0])
            if not run[1]:
                self._order.popleft()
        if not count:
            return None
        block = join(parts)
        self._end_block(block[0])
        return block

    def _take_next(
        self, run: list[Any], count: int, workers: Sequence[ParentCore]
    ) -> tuple[list[Any], Any] | None:
        """Take what has come of the next inputs; None: nothing, or the block ends here."""
        queue = self.queues[run[0]]
        if not queue.fill(workers[queue.index]):
            return None
        if queue.at_mark:
            if count and (self.counting or queue.marks[0][1] is not None):
                return None  # the loop has to get there first
            run[1] -= 1
            return self.pass_mark(queue), None
        most = self._most - count
        entries = self.take_entries(queue, most if self.plan.flat else min(run[1], most))
        if not self.plan.flat:
            run[1] -= len(entries)
        return entries, queue.source.needed

    def _take_settled(
        self, count: int, workers: Sequence[ParentCore]
    ) -> tuple[list[Any], Any] | None:
        settled = self._settled.get(self.front)
        if settled is None:
            self.front += self._order[0][1]
            self._order[0][1] = 0
            return [], None
        if settled.worker is not None and self._comes_first(settled.worker):
            queue = self.queues[settled.worker]
            if not queue.fill(workers[queue.index]):
                return None
            entries = self.take_entries(queue, self._most - count)
            return entries, queue.source.needed
        if count:
            return None
        number = self.front
        del self._settled[number]
        self._order[0][1] = 0
        self.front += 1
        return self.failed(number, settled.error), None

    def _comes_first(self, worker: int) -> bool:
        """Tell whether left-over results of the next input come next from a worker."""
        left_over = self._assigned[worker].left_over
        return bool(left_over) and left_over[0].number == self.front


class MappedAsTheyCome(Mapped):
    """The results as they come."""

    _next = 0  # the worker that is looked at first

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        return bool(self._settled) or super().ready(workers)

    def take_next(self, workers: Sequence[ParentCore]) -> Block | None:
        coming = {each.number for worker in self._assigned for each in worker.left_over}
        for number in [each for each in self._settled if each not in coming]:
            settled = self._settled.pop(number)
            self.front += 1
            found = self.failed(number, settled.error)
            if found:
                self._end_block(found)
                return found, None
        for step in range(len(self.queues)):
            queue = self.queues[(self._next + step) % len(self.queues)]
            while queue.fill(workers[queue.index]):
                if queue.at_mark:
                    found, source = self.pass_mark(queue), None
                else:
                    found = self.take_entries(queue, self._most)
                    source = queue.source.needed
                if found:
                    self._next = queue.index + 1
                    self._end_block(found)
                    return found, source
        return None
