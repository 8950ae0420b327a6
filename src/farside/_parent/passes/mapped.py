"""The base of both deliveries of a map (`mapped_orders`): decides which worker gets which inputs.

Inputs are sent in *batches*: runs of consecutive inputs, each for one worker. A worker answers its
inputs in order: with one entry for each, or one mark if the input has failed; with ``flat``, with
any number of entries and then a mark. So answers need no label: the input that one belongs to
follows from what the worker was given.

`assigned_inputs` has what a worker was given, and decides what goes to its successor when it dies.
An input that is not tried again is *settled*: its failure takes the place of its result. If nobody
knows which input has cost the worker, the successor is given one at a time until that is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from sys import maxsize
from time import monotonic
from typing import Any

from ..._protocol.parent import ParentCore
from .. import messages_for_people
from .answers import Answers
from .async_supply import AsyncSupply
from .batches import BATCHES, LARGE_BYTES, MOST_BATCHES, MOST_INPUTS, Batch, BatchSize, Plan
from .queues import PLAIN, Block
from .supply import TAKE_SECONDS, Supply

_DEPTH = 3  # how many inputs each worker has at least, unless the map ends soon
_LONG_SECONDS = 0.01
"""If inputs take so long, it pays to give each to the worker that is free first, although a worker
then waits some 0.3 ms for its next one."""

_LAST = 4
"""So many inputs for each worker count as the last ones. If inputs take long, each of these goes to
a worker that has none. Else it might wait behind the longest input, while other workers have
nothing to do. In a simulation with 2 to 16 workers, and times whose logarithms are normally
distributed, a map then takes at most 1.02 times as long as if each input went to the worker that is
free first. With `_DEPTH` until the end, it takes up to 1.2 times as long."""

_LEAST = 8  # towards the end, a batch has at least the usual number of inputs, divided by this


class Mapped(Answers):
    """The results of a map: the base of both orders."""

    most_inputs = MOST_INPUTS  # how many inputs a batch has at most

    def __init__(self, plan: Plan, supply: Supply) -> None:
        super().__init__(plan, supply.place)
        self._supply = supply
        self.source = supply if isinstance(supply, AsyncSupply) else None
        self._numbered = 0  # how many inputs were given to workers, passed over, or refused
        self._settled: dict[int, BaseException] = {}  # why inputs have failed, by their numbers
        # For each worker that gets one input at a time: the batches still to be sent.
        self._one_by_one: dict[int, deque[Batch]] = {}
        self._size = BatchSize(self.most_inputs)
        # What `_left` was as the latest `refill` found no room; None: something else has ended it.
        self._filled: list[int] | None = None

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        self._begin_block()
        while True:
            front, slow, self.slow = self.front, self.slow, False
            block = self.take_next(workers) if slow else None  # before an input, which may be slow
            if block is None:
                self.refill(workers)
                block = self.take_next(workers)
            if block is not None:
                return block
            if self.front == front:
                self.end()
                return None
            # Some inputs are done, and gave the loop nothing. So there may be room for others.

    def take_next(self, workers: Sequence[ParentCore]) -> Block | None:
        """Return the next block; None if nothing has arrived that the loop gets."""
        raise NotImplementedError

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        if self.cleared or super().ready(workers):
            return True
        # While the loop waits for the next result, workers that answer can be given inputs. (No
        # check for a settled input is needed: `take` would have found it just now.)
        if self._supply.ended or not (self.source is None or self.source.has_come):
            return False
        left = self._left(workers)
        return left != self._filled and self.room(left) is not None

    # What workers are given -----------------------------------------------------------------

    def refill(self, workers: Sequence[ParentCore]) -> None:
        """Take inputs, and give them to the workers that have the fewest."""
        plan, supply = self.plan, self._supply
        begun, left = monotonic(), self._begin_to_give(workers)
        self._filled = None
        while not supply.ended and (room := self.room(left)) is not None:
            index, share = room
            if done := supply.pass_over():
                self.passed_over(done)
                self._numbered += done
                continue
            if supply.ended:
                break
            skip = supply.read.get(self._numbered, 0)
            entries, nbytes = supply.take(share, max(1, plan.nbytes // 4))
            if entries:
                if self.anchors.due:
                    self.anchors.add(self._numbered, 0, supply.first_of(entries), PLAIN)
                self.give(index, entries, nbytes, skip)
                left[index] += len(entries)
            if supply.refused is not None:
                self._settled[self._numbered], supply.refused = supply.refused, None
                self.added(None, 1)
                self._numbered += 1
                break  # refused inputs take no room, so they might keep this loop going for ever
            if not entries:
                break
            if not supply.steady or monotonic() - begun >= TAKE_SECONDS:
                self.slow = True  # send these inputs first: the next one may take long to come
                break
        else:
            self._filled = left

    def _begin_to_give(self, workers: Sequence[ParentCore]) -> list[int]:
        """Send inputs that go one by one, measure the workers' speed, and return `_left`."""
        if self._one_by_one:
            self._give_next(workers)
        left, given = self._left(workers), sum([each.count for each in self._assigned])
        self._size.measure(given - sum(left), self.plan.workers, left.count(0))
        return left

    def give(self, index: int, entries: Sequence[Any], nbytes: int, skip: int = 0) -> None:
        """Assign the next inputs to a worker, and queue the order that sends them."""
        count = len(entries)
        batch = Batch(self._numbered, entries, nbytes, skip, self._supply.keys)
        self._assigned[index].add(batch)
        if index in self._one_by_one:
            self._one_by_one[index].extend(batch.singles())
        else:
            self.orders.setdefault(index, []).append(batch.order)
        self._numbered += count
        self.added(index, count)

    def room(self, left: Sequence[int]) -> tuple[int, int] | None:
        """Return which worker is given inputs next, and how many; None if there is no room."""
        ahead, workers = self.plan.ahead, self.plan.workers
        room = maxsize if ahead is None else ahead - (self._numbered - self.front)
        index = left.index(min(left))
        # Towards the end shares are smaller: the inputs may take much longer than those before.
        wanted, rest = self._size.inputs, self._inputs_left() // (_LAST * workers)
        share = max(1, min(wanted, room // workers, max(rest, wanted // _LEAST)))
        nbytes = self.bytes_of(index)
        if nbytes >= LARGE_BYTES:
            batches = BATCHES
        else:  # refilled once half are left, in one message, since each message wakes the worker
            batches = MOST_BATCHES if self.orders else MOST_BATCHES // 2
        last = rest == 0 and self._size.seconds >= _LONG_SECONDS
        enough = left[index] >= (1 if last else max(_DEPTH, batches * (share - 1)))
        return None if room <= 0 or enough or nbytes >= self.plan.nbytes else (index, share)

    def _inputs_left(self) -> int:
        """Return how many inputs are unassigned; `maxsize` if unknown, or for a single worker."""
        total = self._supply.total if self.plan.workers > 1 else None
        left = -1 if total is None else total - self._numbered
        return left if left >= 0 else maxsize  # `items` may have more than its length says

    def bytes_of(self, index: int) -> int:
        """Return about how many bytes of inputs a worker has."""
        return sum([batch.nbytes for batch in self._assigned[index].batches])

    def _give_next(self, workers: Sequence[ParentCore]) -> None:
        """Queue the next single input for each worker that has answered the one before."""
        for index, later in list(self._one_by_one.items()):
            if self._left(workers)[index] > len(later):
                continue
            if later:
                self.orders.setdefault(index, []).append(later.popleft().order)
            else:
                del self._one_by_one[index]

    def _left(self, workers: Sequence[ParentCore]) -> list[int]:
        """Return how many inputs each worker has yet to answer."""
        if self.plan.flat:
            return [each.count - each.answered for each in self._assigned]
        return [
            each.count - worker.inbox.received
            for each, worker in zip(self._assigned, workers, strict=True)
        ]

    def start_again(self, core: ParentCore, index: int) -> None:
        """Assign the inputs that a worker has left to the one that takes its place."""
        later = self._one_by_one.pop(index, ())
        lost, failed = self._assigned[index].lose(
            core, self.queues[index], self.plan, len(later), self.progress.read
        )
        if failed is not None:
            ending, member, _ = core.loss
            error = messages_for_people.death_at(self.index_of(failed), self.unit, ending, member)
            self._settled[failed] = error
        elif lost and core.loss[2] is None:  # it is unknown which one it was: one at a time
            singles = deque([single for batch in lost for single in batch.singles()])
            lost, self._one_by_one[index] = [singles.popleft()], singles
        if lost:  # else nothing is sent: a worker without tasks is known to have begun none
            self.orders[index] = [batch.order for batch in lost]
        else:
            self.orders.pop(index, None)

    def passed_over(self, count: int) -> None:
        """Skip `count` inputs that were already done when this pass was resumed."""
        self.front += count

    def added(self, index: int | None, count: int) -> None:
        """Note that a worker was given the next `count` inputs; None if no worker gets them."""

    def has_left(self, number: int) -> bool:
        """Tell whether the loop has yet to get results that came before an input has failed."""
        batches = (batch for mine in self._assigned for batch in mine.batches)
        return any(each.left and each.first == number for each in batches)

    def settled(self, number: int) -> list[Any]:
        """Return what the loop gets for an input that has cost a worker or could not be sent."""
        self.front += 1
        return self.failed(number, self._settled.pop(number))

    # The end --------------------------------------------------------------------------------

    def end(self) -> None:
        """End the pass if all inputs are done, or raise what the user's iterator has raised."""
        if self._supply.ended and self.front == self._supply.taken:
            if self._supply.error is not None:
                self.failure = self._supply.error
                raise self._supply.error
            self.over = True

    def clear(self) -> None:
        super().clear()
        if self.source is not None:
            self.source.stop()

    def release(self) -> None:
        self._supply.release()
        self.failure = None  # frames of its traceback, and of the causes below, refer to `self`
        for error in [*self._settled.values()]:
            error.__cause__ = None
        self.orders.clear()
        self._one_by_one.clear()
        for each in self._assigned:
            each.batches.clear()
