"""Takes the answers to the inputs of a map: results, ends, and failures. `mapped` builds on it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ..._payload.remote_errors import read_failure
from ..._payload.true_parts import traceback_of
from ..._protocol.order import Place
from ...errors import NotPicklableError
from ..remote_failures import to_exception, without_frames
from .assigned_inputs import AssignedInputs
from .batches import Plan
from .delivery import MOST, Delivery
from .given_results import GivenResults
from .queues import Queue


class Answers(Delivery):
    """Takes the answers of workers out of their queues. `front` inputs are done."""

    unit = "input"  # what messages call an input

    def __init__(self, plan: Plan, place: Place) -> None:
        super().__init__(plan.workers, counting=plan.ahead is not None)
        self.plan = plan
        self.front = 0
        self.progress = GivenResults(place, flat=plan.flat)
        self._assigned = [AssignedInputs() for _ in range(plan.workers)]
        self._most = 1 if self.counting else MOST

    @property
    def needs(self) -> Sequence[int]:
        return [index for index, each in enumerate(self._assigned) if each.batches]

    def place(self, given: int) -> Place | None:
        return self.progress.place(given + bisect_right(self.left_out, given))

    def pass_mark(self, queue: Queue) -> list[Any]:
        """Take out a mark: the end of a flat input, or a failure. Return what `failed` returns."""
        failure, number = queue.pass_mark(), self._assigned[queue.index].pass_mark()
        self.front += 1
        return self.failed(number, None if failure is None else self._made(failure, queue, number))

    def _made(self, failure: Any, queue: Queue, number: int) -> BaseException:
        name = self.members[queue.index].name
        error = to_exception(read_failure(failure), name, unit=self.unit)
        vars(error)["input_index"] = self.index_of(number)  # its note names it already
        return error

    def index_of(self, number: int) -> int:
        """Return the index by which users know an input, given the number that workers know."""
        return number

    def failed(self, number: int, error: BaseException | None) -> list[Any]:
        """Return what the loop gets for an input that has failed or ended; or raise its failure."""
        try:
            found = [] if error is None else self._told(error)
        finally:
            del error  # its traceback has this frame: a variable would make that a cycle
        self.progress.end(number, len(found))
        return found

    def not_here(self, why: str, error: Exception) -> list[Any]:
        number = self.progress.number(self.passed)
        text = f"the result of the input of index {number} {why}"
        made = NotPicklableError(text, item_index=number)
        made.__cause__, made.input_index = error, number
        try:
            return self._told(made)
        finally:
            del error, made  # as in `failed`

    def _told(self, error: BaseException) -> list[Any]:
        """Return what the loop gets for a failure, or raise that."""
        if self.plan.on_error == "raise":
            self.failure = error
            try:
                raise error
            finally:
                del error  # as in `failed`
        self.failed_inputs += 1
        if self.plan.on_error == "skip":
            return []
        cause = error.__cause__
        if cause is not None and traceback_of(cause) is not None:
            without_frames(cause)  # whoever keeps it must not keep our frames, and so the pass
        return [error]

    def take_entries(self, queue: Queue, count: int) -> list[Any]:
        """Take entries of a worker out. There must be as many before the next mark."""
        mine = self._assigned[queue.index]
        entries = queue.take(count)
        if self.plan.flat:
            self.progress.took(mine.number, count)
            if mine.batches[0].left:  # a dead worker's last results: nothing follows in the frame
                mine.pass_left(count)
        else:
            self.front += count
            mine.advance(count, self.progress)
        return entries
