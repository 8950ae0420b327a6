"""Gives the tasks of an executor to workers, and their results to futures.

Short tasks are given ahead, since a worker that has to wait for each is slow. But one of them may
take long while another worker is free. So a worker that has been silent for a while is asked to
give back the tasks that it has not begun, and gets no others until it has sent a result. Its
listener gives them back at once, whatever user code runs, and the worker then no longer has them.
So each task is run by one worker alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from heapq import heapify, heappop, heapreplace
from math import inf
from time import monotonic

from ..._payload.decoder import decode
from ..._payload.one_line import one_line
from ..._protocol.parent import ParentCore
from ..._protocol.parent_machine import ParentState
from ...errors import NotPicklableError, RemoteTraceback
from ..notes import note
from ..passes.batches import Plan
from ..passes.given_results import NotRecorded
from ..passes.mapped import Mapped
from ..passes.queues import Block, Queue
from ..passes.supply import TAKE_SECONDS
from ..remote_failures import to_keep
from .pending import Pending, give

_SHORT_SECONDS, _SHORT_OF_MANY = 0.002, 0.0005
"""If calls are shorter than the first, a worker that has to wait for each loses a tenth or more of
its rate. So it has some ahead: as many as take it about so long. Many workers also wait for each
other at the parent, so with them, the limit is the second times their number."""

_MOST_AHEAD = 15  # how many calls a worker has ahead, at most
_SHARE = 4
"""All workers together have at most as many calls ahead as wait, divided by this, or one each. So
the last calls are shared among all."""

_SILENT_SECONDS, _MOST_SILENT_SECONDS = 0.005, 0.05
"""After so long without a result, a worker is asked for the calls that it has not begun; then again
after twice as long, and so on. If calls take longer, it is first asked after the time of three of
them, but at the latest after the second of these."""


class Submitted(Mapped):
    """Completes the futures of tasks. It has no blocks for a loop."""

    most_inputs = 1
    unit = "task"

    def __init__(self, plan: Plan, pending: Pending, most: int | None = None) -> None:
        super().__init__(plan, pending)
        self.progress = NotRecorded()
        self.pending = pending
        self._most_tasks = inf if most is None else most
        self._begun = [0] * plan.workers  # how many tasks each was given since it was started
        self.returned: deque[int] = deque()
        # From when on each worker counts as silent, and when to ask for the tasks it has ahead.
        self._silent, self._look = [0.0] * plan.workers, [0.0] * plan.workers

    def index_of(self, number: int) -> int:
        return self.pending.given[number].position

    @property
    def depth(self) -> int:
        """How many tasks a worker may have: one, and if they are short, one or more ahead."""
        latest = max(self._size.seconds, monotonic() - self._size.measured)
        short = max(_SHORT_SECONDS, _SHORT_OF_MANY * self.plan.workers)
        if latest >= short:
            return 1
        waiting = self.pending.waiting // (_SHARE * self.plan.workers)
        return 1 + max(1, min(waiting, int(short / latest), _MOST_AHEAD))

    @property
    def needs(self) -> Sequence[int]:
        """The workers that have tasks. While tasks wait, all: if one fails, these may never run."""
        return super().needs if self.pending.ended else range(len(self.queues))

    def added(self, index: int | None, count: int) -> None:
        assert index is not None  # no task is refused: `Pending` fails it
        self._begun[index] += count
        mine = self._assigned[index]
        mine.batches[-1].tries = self.pending.tries
        if len(mine.batches) == 1:
            self._begins(index)

    def _begins(self, index: int) -> None:
        """Note that a worker may begin a task now, so that it is not silent yet."""
        seconds = self._size.seconds
        usual = 0.0 if seconds == inf else min(3 * seconds, _MOST_SILENT_SECONDS)
        self._silent[index] = self._look[index] = monotonic() + max(usual, _SILENT_SECONDS)

    def take_silent(self) -> list[int]:
        """Return the workers that are to give back the tasks that they have not begun."""
        now = monotonic()
        found = [index for index in self._ahead() if now >= self._look[index]]
        for index in found:
            # Ask again later: it does not give back tasks that it is just receiving.
            self._look[index] = 2 * now - self._silent[index] + _SILENT_SECONDS
        return found

    @property
    def next_look(self) -> float:
        """When `take_silent` may next find a worker."""
        return min([self._look[index] for index in self._ahead()], default=inf)

    def _ahead(self) -> list[int]:
        """Return the workers that have tasks ahead, and may be asked for them."""
        # A single worker is not asked. No other could run its tasks, and they would lose their
        # order, as it may be given further ones while they are on their way back.
        several = self._assigned if self.plan.workers > 1 else ()
        return [index for index, each in enumerate(several) if len(each.batches) > 1]

    def _take_back(self) -> None:
        """Queue again the tasks that workers have given back."""
        if not self.returned:
            return  # as nearly always
        numbers = [self.returned.popleft() for _ in range(len(self.returned))]
        for number in sorted(numbers, reverse=True):  # each is queued before those after it
            for index, each in enumerate(self._assigned):
                batch = each.take_back(number)
                if batch is not None:
                    self._begun[index] -= 1
                    self.pending.put_back(batch)

    def refill(self, workers: Sequence[ParentCore]) -> None:
        left, depth, until = self._begin_to_give(workers), self.depth, monotonic() + TAKE_SECONDS
        free = self._free(workers, left, depth)
        heapify(free)
        while free:
            has, index = free[0]
            entries, nbytes = self.pending.take(1, 1)
            if not entries:
                return
            self.give(index, entries, nbytes)
            if self._may_have(index, has + 1, depth):
                heapreplace(free, (has + 1, index))
            else:
                heappop(free)
            if monotonic() >= until:
                break
        self.slow = bool(free)  # the tasks taken so far are sent first

    def _free(
        self, workers: Sequence[ParentCore], left: Sequence[int], depth: int
    ) -> list[tuple[int, int]]:
        """Return the workers that may be given a task: how many each has, and its index."""
        # A worker that is starting gets none, as another may be free sooner. A silent one gets
        # none, as tasks behind a long one would have to be taken back. Nor does one out of time.
        starting, now = ParentState.INITIALIZATION, monotonic()
        return [
            (has, index)
            for index, has in enumerate(left)
            if self._may_have(index, has, depth)
            and workers[index].state is not starting
            and workers[index].grace is None
            and (not has or now < self._silent[index])
        ]

    def _may_have(self, index: int, has: int, depth: int) -> bool:
        """Tell whether a worker that has so many tasks may be given one more."""
        free = has < depth and self._begun[index] < self._most_tasks
        return free and not (has and self.bytes_of(index) >= self.plan.nbytes)

    def take_spent(self) -> list[int]:
        """Return the workers that have done their full number of tasks."""
        if self._most_tasks == inf or (self.pending.closed and self.pending.ended):
            return []
        return [
            index
            for index, begun in enumerate(self._begun)
            if begun >= self._most_tasks and not self._assigned[index].batches
        ]

    def start_again(self, core: ParentCore, index: int) -> None:
        self._take_back()  # first, as the worker no longer has these
        super().start_again(core, index)
        self._begins(index)
        if index not in self._one_by_one:  # its tasks need not wait until its successor has started
            self.returned.extend([number for number, *_ in self.orders.pop(index, ())])
            self._take_back()
        self._begun[index] = len(self.orders.get(index, ())) + len(self._one_by_one.get(index, ()))

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        if self.cleared or self.returned or self._is_done():
            return True
        waits = not self.pending.ended
        for worker, mine in zip(workers, self._assigned, strict=True):
            if worker.inbox.frames or (worker.over and (waits or mine.batches)):
                return True
        return waits and bool(self._free(workers, self._left(workers), self.depth))

    def _is_done(self) -> bool:
        return self.pending.closed and not self.needs  # while tasks wait, all are needed

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        self.slow = False
        self._take_back()
        for number in list(self._settled):
            self._fail(number, self.settled(number)[0])
        for queue, worker in zip(self.queues, workers, strict=True):
            if worker.inbox.frames:  # results first, as workers that are done get the next tasks
                self._take_results(queue, worker)
        if self._one_by_one or not self.pending.ended:
            self.refill(workers)
        self.over = self._is_done()
        return None

    def _take_results(self, queue: Queue, worker: ParentCore) -> None:
        while queue.fill(worker):
            number = self._assigned[queue.index].number
            self._begins(queue.index)
            if queue.at_mark:
                self._fail(number, self.pass_mark(queue)[0])
            else:
                self._complete(number, queue)

    def _complete(self, number: int, queue: Queue) -> None:
        # The source first: if another thread calls `clear` meanwhile, the queue gets another one.
        source, entry = queue.source, self.take_entries(queue, 1)[0]
        if source.each:
            queue.taken += 1
        future = self.pending.given[number].future
        try:
            result = entry if source.plain else decode(entry, source.blocks)
        except BaseException as error:  # as in `Pending.take`
            why = f"the result of the task does not unpickle here ({one_line(error)})"
            made = NotPicklableError(why)
            made.__cause__ = error
            give(future.set_exception, to_keep(made))
        else:
            give(future.set_result, result)
        del self.pending.given[number]  # last: what is there fails with all where memory runs out

    def _fail(self, number: int, error: BaseException) -> None:
        cause = error.__cause__
        if isinstance(error, NotPicklableError) or cause is None or type(cause) is RemoteTraceback:
            cause = error
        elif getattr(error, "refused", ()) or getattr(error, "stage", "") == "input":
            with suppress(Exception):  # its class is the user's; and Python 3.10 has no notes
                note(cause, vars(error)["__notes__"][-1])  # the cure
        # Else the future gets the exception of the task itself, as with other executors.
        give(self.pending.given[number].future.set_exception, cause)
        del self.pending.given[number]
