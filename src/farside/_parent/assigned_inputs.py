"""The inputs of a map that one worker was given, and what becomes of them when it dies. Pure.

A worker that dies leaves inputs that it has not answered. The one that it had begun is blamed. The
others go to its successor, in order. The blamed one goes there too if it may be tried again; else
it has failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from .._protocol.parent import ParentCore
from .batches import Batch, LeftOver, Plan
from .given_results import GivenResults
from .queues import Queue, arrived


class AssignedInputs:
    """The inputs that a worker was given, and after it the workers that have taken its place.

    Attributes:
        batches: the batches in which not all inputs are done.
        count: how many inputs it was given and has to answer.
        answered: of flat inputs: how many of them are done.
        read: of the next flat input: how many results were taken.
        left_over: results of flat inputs that have failed after these were sent.
        tries: for some inputs that are not done, how many workers they have cost.
    """

    __slots__ = ("answered", "batches", "count", "left_over", "read", "tries")

    def __init__(self) -> None:
        self.batches: deque[Batch] = deque()
        self.count = self.answered = self.read = 0
        self.left_over: deque[LeftOver] = deque()
        self.tries: dict[int, int] = {}

    @property
    def number(self) -> int:
        """Which input the next answer belongs to."""
        batch = self.batches[0]
        return batch.first + batch.done

    def add(self, batch: Batch) -> None:
        """Take in that the worker is given further inputs."""
        self.batches.append(batch)
        self.count += len(batch.entries)

    def take_back(self, number: int) -> tuple[Batch, int] | None:
        """Take in that an input, given by itself, goes to another worker; return it, and its tries.

        None: this worker does not have it.
        """
        for batch in self.batches:
            if batch.first == number:
                self.batches.remove(batch)
                self.count -= 1
                return batch, self.tries.pop(number, 0)
        return None

    def advance(self, count: int, progress: GivenResults) -> None:
        """Take in that so many inputs are done, by a result each."""
        while count:
            batch = self.batches[0]
            step = min(count, len(batch.entries) - batch.done)
            progress.took(self.number, step)
            self._pass(step)
            count -= step

    def pass_mark(self) -> int:
        """Take in that the next input is done, by a mark; return which one."""
        number = self.number
        self._pass(1)
        self.answered += 1
        self.read = 0
        if self.left_over:
            self.left_over = deque([each._replace(marks=each.marks - 1) for each in self.left_over])
        return number

    def _pass(self, count: int) -> None:
        """Take in that the next inputs are done. They are of one batch."""
        batch = self.batches[0]
        batch.done += count
        if batch.done == len(batch.entries):
            self.batches.popleft()

    def take_left_over(self, queue: Queue, most: int) -> tuple[int, list[Any]]:
        """Return the input whose left-over results come next, and some of these."""
        first = self.left_over.popleft()
        entries = queue.take(min(queue.run, most, first.results))
        if len(entries) < first.results:
            self.left_over.appendleft(first._replace(results=first.results - len(entries)))
        return first.number, entries

    def lose(
        self, core: ParentCore, queue: Queue, plan: Plan, later: int, before: Mapping[int, int]
    ) -> tuple[list[Batch], int | None]:
        """Return what the successor of a dead worker is given, and which input has failed with it.

        The last of its inputs, as many as `later` says, were not sent yet. `before` has, for some
        inputs, how many results the loop had before a resume.
        """
        came, partial = self._count(arrived(queue, tuple(core.inbox.frames)), flat=plan.flat)
        read = 0 if came else self.read
        kept, lost = self._cut(came, before)
        if lost:
            lost[0].skip += partial + read
        failed = self._blame(core, lost, later, plan.retries)
        if failed is not None:
            self.count -= 1
            if failed == lost[0].first:  # nothing has come of any other
                self.read -= read
                if partial:
                    self.left_over.append(LeftOver(came, partial, failed))
            lost = _without(failed, lost)
        self.batches = deque([*kept, *lost])
        return lost, failed

    def _count(self, runs: list[tuple[int, bool]], *, flat: bool) -> tuple[int, int]:
        """Return how many inputs not yet in a block are done, and how many results the next has."""
        if not flat:
            return sum([run + ended for run, ended in runs]), 0
        came = partial = 0
        for run, ended in runs:
            came, partial = (came + 1, 0) if ended else (came, partial + run)
        return came, partial - sum([each.results for each in self.left_over if each.marks == came])

    def _cut(self, came: int, before: Mapping[int, int]) -> tuple[list[Batch], list[Batch]]:
        """Return the inputs whose answers the loop has yet to get, and those without an answer."""
        kept: list[Batch] = []
        lost: list[Batch] = []
        for batch in self.batches:
            at = batch.done + came
            if at >= len(batch.entries):
                kept.append(batch)
                came -= len(batch.entries) - batch.done
                continue
            if came:
                answered = Batch(batch.first, batch.entries[:at], 0)
                answered.done = batch.done
                kept.append(answered)
            came, first = 0, batch.first + at
            lost.append(Batch(first, batch.entries[at:], batch.nbytes, before.get(first, 0)))
        return kept, lost

    def _blame(self, core: ParentCore, lost: list[Batch], later: int, retries: int) -> int | None:
        """Return the input that has cost the worker, if that is known and it isn't tried again."""
        begun = core.loss[2]
        if begun is None:
            if sum([len(batch.entries) for batch in lost]) - later != 1:
                return None
            begun = lost[0].first + 1
        begun -= 1
        if not any(batch.first <= begun < batch.first + len(batch.entries) for batch in lost):
            return None
        # Those before the first are done. An executor has one pass, and may lose workers for weeks.
        of_lost = {each: tries for each, tries in self.tries.items() if each >= lost[0].first}
        tries = of_lost[begun] = of_lost.get(begun, 0) + 1
        self.tries = of_lost
        return begun if tries > retries else None


def _without(number: int, lost: list[Batch]) -> list[Batch]:
    """Return batches without one of their inputs."""
    rest: list[Batch] = []
    for batch in lost:
        at = number - batch.first
        if not 0 <= at < len(batch.entries):
            rest.append(batch)
            continue
        if at:
            rest.append(Batch(batch.first, batch.entries[:at], batch.nbytes, batch.skip))
        if batch.entries[at + 1 :]:
            rest.append(Batch(number + 1, batch.entries[at + 1 :], batch.nbytes))  # not begun
    return rest
