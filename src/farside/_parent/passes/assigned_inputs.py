"""The inputs of a map that one worker was given, and what becomes of them when it dies. Pure.

A worker that dies leaves inputs that it has not answered. The one that it had begun is blamed. The
others go to its successor, in order. So does the blamed one if it may be tried again. If not, it
has failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from ..._protocol.parent import ParentCore
from ...errors import ProtocolError
from .batches import Batch, Plan
from .given_results import GivenResults
from .queues import SURPLUS, Queue, arrived


class AssignedInputs:
    """The inputs given to a worker, or to those that have taken its place since."""

    __slots__ = ("answered", "batches", "count")

    def __init__(self) -> None:
        self.batches: deque[Batch] = deque()  # those that are not done, or have results left
        self.count = 0  # how many inputs were given in all, and have an answer or will get one
        self.answered = 0  # how many of these are done, if they are flat

    @property
    def number(self) -> int:
        """The number of the input that the next answer belongs to."""
        if not self.batches:
            raise ProtocolError(SURPLUS)
        batch = self.batches[0]
        return batch.first + batch.done

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.count += len(batch.entries)

    def take_back(self, number: int) -> Batch | None:
        """Take out a batch of one, which goes to another worker; return None if it is not here."""
        for batch in self.batches:
            if batch.first == number:
                self.batches.remove(batch)
                self.count -= 1
                return batch
        return None

    def advance(self, count: int, progress: GivenResults) -> None:
        """Record that the next `count` inputs are done, with one result each."""
        while count:
            number, batch = self.number, self.batches[0]
            step = min(count, len(batch.entries) - batch.done)
            progress.took(number, step)
            self._pass(step)
            count -= step

    def pass_mark(self) -> int:
        """Record that a mark has ended the next input; return its number."""
        number = self.number
        self._pass(1)
        self.answered += 1
        return number

    def _pass(self, count: int) -> None:
        """Record that the next `count` inputs are done, all of the first batch."""
        batch = self.batches[0]
        batch.done += count
        if batch.done == len(batch.entries):
            self.batches.popleft()

    def pass_left(self, count: int) -> None:
        """Record that `count` results of an input that has failed were taken."""
        batch = self.batches[0]
        batch.left -= count
        if not batch.left:
            self.batches.popleft()

    def lose(
        self, core: ParentCore, queue: Queue, plan: Plan, later: int, read: Mapping[int, int]
    ) -> tuple[list[Batch], int | None]:
        """Return the batches for a dead worker's successor, and which input has failed with it.

        The last `later` of its inputs had not been sent. For `read` see `GivenResults`.
        """
        came, partial = _count(arrived(queue, core.inbox.copied()), flat=plan.flat)
        kept, lost, partial = self._cut(came, partial)
        if lost:
            lost[0].skip = read.get(lost[0].first, 0) + partial
        failed = _blame(core.loss[2], lost, later, plan.retries)
        if failed is not None:
            self.count -= 1
            if failed is lost[0] and partial:  # no other lost input has results
                failed.left = partial
                kept.append(failed)
            lost.remove(failed)
        self.batches = deque([*kept, *lost])
        return lost, None if failed is None else failed.first

    def _cut(self, came: int, partial: int) -> tuple[list[Batch], list[Batch], int]:
        """Return inputs whose answers have yet to be taken, and inputs without an answer.

        And how many results of the first of the latter have arrived and have yet to be taken.
        """
        kept: list[Batch] = []
        lost: list[Batch] = []
        for batch in self.batches:
            at, end = batch.done + came, len(batch.entries)
            if batch.left:
                kept.append(batch)
                partial -= 0 if came else batch.left
            elif at >= end:
                kept.append(batch)
                came -= end - batch.done
            else:
                if came:
                    kept.append(batch.part(0, at))
                    kept[-1].done = batch.done
                lost.append(batch.part(at, end))
                came = 0
        return kept, lost, partial


def _count(runs: list[tuple[int, bool]], *, flat: bool) -> tuple[int, int]:
    """Return how many inputs are done by these runs, and how many results come after those."""
    if not flat:
        return sum([run + ended for run, ended in runs]), 0
    came = partial = 0
    for run, ended in runs:
        came, partial = (came + 1, 0) if ended else (came, partial + run)
    return came, partial


def _blame(begun: int | None, lost: list[Batch], later: int, retries: int) -> Batch | None:
    """Put the input that has cost the worker, if that is known, into a batch of its own.

    Return the batch if it may not be tried again. For `begun` see `ParentCore`, for `later` see
    `AssignedInputs.lose`.
    """
    if begun is None:
        if sum([len(batch.entries) for batch in lost]) - later != 1:
            return None
        begun = lost[0].first + 1
    for place, batch in enumerate(lost):
        at, end = begun - 1 - batch.first, len(batch.entries)
        if 0 <= at < end:
            cuts = batch.part(0, at), batch.part(at, at + 1), batch.part(at + 1, end)
            lost[place : place + 1] = [each for each in cuts if each.entries]
            cuts[1].tries += 1
            return cuts[1] if cuts[1].tries > retries else None
    return None
