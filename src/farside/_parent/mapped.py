"""A pass of a map: which worker gets which inputs, and in which order the loop gets the results.

Inputs go down in *batches*: runs of inputs one after the other, each for one worker. A worker
answers its inputs in order, with one entry for each, or one mark if it has failed; with ``flat``,
with any number of entries and then a mark. So nothing needs a label here either: which input an
answer belongs to follows from what the worker was given.

A worker that has died had some inputs that it has not answered. One of them it had begun: that is
blamed. The others go to its successor, in order, and so does the blamed one if it may be tried
again; else it is *settled* here, and its failure takes its place. Where nobody knows which one it
was, the successor is given one at a time, until it is.
"""

from __future__ import annotations

from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._payload.failure import Failure
from . import messages_for_people
from .async_supply import AsyncSupply
from .batches import Batch, LeftOver, Plan, Settled
from .delivery import MOST, Delivery
from .given_results import GivenResults
from .queues import Queue, arrived
from .remote_failures import to_exception
from .supply import TAKE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._protocol.order import Place
    from .._protocol.parent import ParentCore
    from .queues import Block
    from .supply import Supply

BATCH_SECONDS = 0.001
"""How long a worker shall take for a batch: long beside what a frame costs."""

MOST_INPUTS = 1000
"""How many inputs a batch has at most."""

GROWTH = 4
"""How many times as large as before batches become, at most."""

_HOPE = 1 << 40


class Mapped(Delivery):
    """The results of a map: the base of both orders.

    Args:
        plan: how the inputs are run.
        supply: where they come from.
        progress: the place where the pass begins; default: the beginning.
        counting: whether the workers have to know of each result that was taken.

    Attributes:
        front: how many inputs are done: the loop has their results.
        number: that of the pass.
    """

    depth = 3  # how many inputs each worker has at least
    batches = True  # whether it is given several at a time

    def __init__(
        self, plan: Plan, supply: Supply, progress: GivenResults | None = None, *, counting: bool
    ) -> None:
        super().__init__(plan.workers, counting=counting)
        self.plan = plan
        self.front = 0
        self.number = 0
        self.progress = progress or GivenResults(flat=plan.flat)
        self._supply = supply
        self.source = supply if isinstance(supply, AsyncSupply) else None
        self._numbered = 0  # how many inputs were given to workers, or settled
        self._given: list[deque[Batch]] = [deque() for _ in range(plan.workers)]
        self._counts = [0] * plan.workers  # how many inputs each was given and has to answer
        self._answered = [0] * plan.workers  # how many of them are done
        self._read = [0] * plan.workers  # of a flat input: how many results are done
        self._left_over: list[deque[LeftOver]] = [deque() for _ in range(plan.workers)]
        self._settled: dict[int, Settled] = {}
        self._tries: dict[int, int] = {}
        # What those workers are given later that are given one input at a time.
        self._one_by_one: dict[int, deque[Batch]] = {}
        self._batch, self._each = 1, inf  # inputs at a time, and the seconds that one takes
        self._measured = (monotonic(), 0)
        self._most = 1 if plan.ahead is not None else MOST

    @property
    def needs(self) -> Sequence[int]:
        return [index for index, given in enumerate(self._given) if given]

    def place(self, behind: int = 0) -> Place | None:
        return self.progress.place(self.delivered - behind)

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        self._begin_block()
        self.progress.begin_block()
        while True:
            front, slow, self.slow = self.front, self.slow, False
            block = self.take_next(workers) if slow else None  # what has come is not held back
            if block is None:
                self.refill(workers)
                block = self.take_next(workers)
            if block is not None:
                return block
            if self.front == front:
                break
            # Inputs were done of which the loop gets nothing: there may be room for others.
        self.end()
        return None

    def take_next(self, workers: Sequence[ParentCore]) -> Block | None:
        """Return the next block; None: nothing has come that the loop gets."""
        raise NotImplementedError

    # What workers are given -----------------------------------------------------------------

    def refill(self, workers: Sequence[ParentCore]) -> None:
        """Take inputs, and give them to the workers that have fewest."""
        plan, supply = self.plan, self._supply
        self._give_next(workers)
        begun, left = monotonic(), self._left(workers)
        self._measure(sum(self._counts) - sum(left))
        while not supply.ended and (room := self.room(left)) is not None:
            index, share = room
            done = supply.pass_over()
            if done:
                self.passed_over(done)
                self._numbered += done
                continue
            if supply.ended:
                break
            skip = supply.read.get(self._numbered, 0)
            entries, nbytes = supply.take(share, max(1, plan.nbytes // 4))
            if entries:
                batch = Batch(self._numbered, entries, nbytes, skip)
                self._given[index].append(batch)
                self._counts[index] += len(entries)
                if index in self._one_by_one:
                    self._one_by_one[index].extend(batch.singles())
                else:
                    self.orders.setdefault(index, []).append(batch.order)
                self._numbered += len(entries)
                self.added(index, len(entries))
                left = self._left(workers)
            if supply.refused is not None:
                error, supply.refused = supply.refused, None
                self.settle(self._numbered, Settled(error))
                self._numbered += 1
                break  # it takes no room, so an endless number of them could be taken
            if not entries:
                break
            if not supply.steady or monotonic() - begun >= TAKE_SECONDS:
                self.slow = True  # what was taken is sent first: the next may take long to come
                break

    def room(self, left: Sequence[int]) -> tuple[int, int] | None:
        """Return which worker is given inputs next, and how many; None: there is no room for any.

        Args:
            left: how many inputs each worker has yet to answer.
        """
        plan = self.plan
        room = _HOPE if plan.ahead is None else plan.ahead - (self._numbered - self.front)
        index = left.index(min(left))
        share = max(1, min(self._batch, room // plan.workers)) if self.batches else 1
        if room <= 0 or left[index] >= max(self.depth, 3 * (share - 1)):
            return None
        held = sum([batch.nbytes for batch in self._given[index]])
        return None if held >= plan.nbytes else (index, share)

    def _give_next(self, workers: Sequence[ParentCore]) -> None:
        for index, later in list(self._one_by_one.items()):
            if Mapped._left(self, workers)[index] > len(later):
                continue
            if later:
                self.orders.setdefault(index, []).append(later.popleft().order)
            else:
                del self._one_by_one[index]

    def _left(self, workers: Sequence[ParentCore]) -> list[int]:
        """Return how many inputs each worker has yet to answer."""
        if self.plan.flat:
            return [given - done for given, done in zip(self._counts, self._answered, strict=True)]
        return [
            given - worker.inbox.received
            for given, worker in zip(self._counts, workers, strict=True)
        ]

    def _measure(self, answers: int) -> None:
        """Take in how many inputs were answered up to now."""
        now, (before, known) = monotonic(), self._measured
        if answers - known < (self._batch if self.batches else 1) or now == before:
            return
        self._each = (now - before) * self.plan.workers / (answers - known)
        self._measured = now, answers
        wanted = int(BATCH_SECONDS / self._each)
        self._batch = max(1, min(wanted, self._batch * GROWTH, MOST_INPUTS))

    def passed_over(self, count: int) -> None:
        """Take in that the next inputs were done before the pass began here."""
        self.front += count

    def added(self, index: int, count: int) -> None:
        """Take in that a worker was given the next inputs."""

    def settle(self, number: int, settled: Settled) -> None:
        """Take in that an input has failed."""
        self._settled[number] = settled

    # What has come --------------------------------------------------------------------------

    def number_of(self, index: int) -> int:
        """Return which input the next answer of a worker belongs to."""
        batch = self._given[index][0]
        return batch.first + batch.done

    def _advance(self, index: int, count: int, *, items: bool) -> None:
        """Take in that so many inputs of a worker are done, and whether by a result each."""
        given = self._given[index]
        self._answered[index] += count
        self.front += count
        while count:
            batch = given[0]
            step = min(count, len(batch.entries) - batch.done)
            if items:
                self.progress.took(batch.first + batch.done, step)
            batch.done += step
            count -= step
            if batch.done == len(batch.entries):
                given.popleft()

    def pass_mark(self, queue: Queue) -> list[Any]:
        """Take a mark out: the end of a flat input, or a failure. Return what the loop gets.

        Raises:
            BaseException: the failure, if it ends the pass.
        """
        index = queue.index
        number, failure = self.number_of(index), queue.pass_mark()
        self._advance(index, 1, items=False)
        self._read[index] = 0
        left_over = self._left_over[index]
        if left_over:
            later = [each._replace(marks=each.marks - 1) for each in left_over]
            self._left_over[index] = deque(later)
        error = None if failure is None else self._error_of(index, number, failure)
        return self.failed(number, error)

    def _error_of(self, index: int, number: int, fields: tuple[Any, ...]) -> BaseException:
        error = to_exception(Failure(*fields), self.members[index].name)
        vars(error)["input_index"] = number  # its note names it already
        return error

    def failed(self, number: int, error: BaseException | None) -> list[Any]:
        """Return what the loop gets for an input that has failed, or has ended: None.

        Raises:
            BaseException: the failure, if it ends the pass.
        """
        if error is not None and self.plan.on_error == "raise":
            self.failure = error
            raise error
        self.failed_inputs += error is not None
        found = [] if error is None or self.plan.on_error == "skip" else [error]
        self.progress.end(number, len(found))
        return found

    def take_entries(self, queue: Queue, most: int) -> list[Any]:
        """Take entries of a worker out, up to the next mark."""
        left_over = self._left_over[queue.index]
        if left_over and not left_over[0].marks:
            first = left_over.popleft()
            entries = queue.take(min(queue.run, most, first.results))
            if len(entries) < first.results:
                left_over.appendleft(first._replace(results=first.results - len(entries)))
            self.progress.took(first.number, len(entries))
            return entries
        entries = queue.take(min(queue.run, most))
        if self.plan.flat:
            self._read[queue.index] += len(entries)
            self.progress.took(self.number_of(queue.index), len(entries))
        else:
            self._advance(queue.index, len(entries), items=True)
        return entries

    def end(self) -> None:
        """Take in that nothing more comes, or raise what the user's iterator has raised."""
        if self._supply.ended and self.front == self._supply.taken:
            if self._supply.error is not None:
                self.failure = self._supply.error
                raise self._supply.error
            self.over = True

    def let_go(self) -> None:
        self._supply.let_go()
        self.orders.clear()
        self._one_by_one.clear()
        for given in self._given:
            given.clear()

    # A worker that has died -----------------------------------------------------------------

    def start_again(self, core: ParentCore, index: int) -> None:
        """Take in that another worker goes on in the place of one that has died."""
        queue, frames = self.queues[index], tuple(core.inbox.frames)
        runs = arrived(queue, frames)
        if self.plan.flat:
            came = sum([ended for _, ended in runs])
            since = len(runs) - next(
                (i for i, run in enumerate(reversed(runs)) if run[1]), len(runs)
            )
            partial = sum([run for run, ended in runs[since:] if not ended])
            partial += 0 if came else self._read[index]
            partial -= sum([each.results for each in self._left_over[index] if each.marks == came])
        else:
            came, partial = sum([run + ended for run, ended in runs]), 0
        kept, lost = self._cut(index, came, partial)
        later = len(self._one_by_one.pop(index, ()))
        blamed = self._blame(core, lost, later)
        if blamed is not None:
            # What the loop has got of an input is of the first that is lost.
            read = 0 if came or blamed != lost[0].first else self._read[index]
            lost = self._cut_out(index, lost, blamed, core, read)
            if read:
                self._read[index] = 0
            if self.plan.flat and self._settled[blamed].partial:
                left_over = LeftOver(came, self._settled[blamed].partial, blamed)
                self._left_over[index].append(left_over)
        self._given[index] = deque([*kept, *lost])
        self.orders[index] = [batch.order for batch in lost]
        if not lost:
            del self.orders[index]
        elif blamed is None and core.loss[2] is None:
            singles = deque([single for batch in lost for single in batch.singles()])
            self.orders[index], self._one_by_one[index] = [singles.popleft().order], singles

    def _cut(self, index: int, came: int, partial: int) -> tuple[list[Batch], list[Batch]]:
        """Return what a worker was given and has answered, and what it has not."""
        kept: list[Batch] = []
        lost: list[Batch] = []
        for batch in self._given[index]:
            at = batch.done + came
            if at >= len(batch.entries):
                kept.append(batch)
                came -= len(batch.entries) - batch.done
                continue
            if came:
                before = Batch(batch.first, batch.entries[:at], 0)
                before.done = batch.done
                kept.append(before)
            came = 0
            first = batch.first + at
            lost.append(Batch(first, batch.entries[at:], batch.nbytes, self._read_before(first)))
        if lost:
            lost[0].skip += partial
        return kept, lost

    def _read_before(self, number: int) -> int:
        """Return how many results of an input the loop had when the pass began here."""
        return self._supply.read.get(number, 0)

    def _blame(self, core: ParentCore, lost: list[Batch], later: int) -> int | None:
        """Return the input that has cost a worker, if that is known and it may not be tried again.

        Args:
            core: what is known of the worker.
            lost: what it has not answered,
            later: and how many inputs of that it was not given yet.
        """
        begun = core.loss[2]
        if begun is None:
            if sum([len(batch.entries) for batch in lost]) - later != 1:
                return None
            begun = lost[0].first + 1
        begun -= 1
        if not any(batch.first <= begun < batch.first + len(batch.entries) for batch in lost):
            return None
        tries = self._tries[begun] = self._tries.get(begun, 0) + 1
        return begun if tries > self.plan.retries else None

    def _cut_out(
        self, index: int, lost: list[Batch], number: int, core: ParentCore, read: int
    ) -> list[Batch]:
        """Settle an input that is not tried again."""
        ending, member, _ = core.loss
        error = messages_for_people.error_of(ending, member, member.options)
        vars(error)["input_index"] = number
        if hasattr(error, "add_note"):  # Python 3.11+
            error.add_note(f"the input of index {number}")
        self._counts[index] -= 1
        rest: list[Batch] = []
        for batch in lost:
            at = number - batch.first
            if not 0 <= at < len(batch.entries):
                rest.append(batch)
                continue
            partial = batch.skip - self._read_before(number) - read if not at else 0
            self.settle(number, Settled(error, index, partial if self.plan.flat else 0))
            if at:
                rest.append(Batch(batch.first, batch.entries[:at], batch.nbytes, batch.skip))
            if batch.entries[at + 1 :]:
                rest.append(Batch(number + 1, batch.entries[at + 1 :], batch.nbytes))  # not begun
        return rest
