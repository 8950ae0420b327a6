"""Records which inputs of a map the loop was given the results of, now and some items ago. Pure.

For shards that are dealt, an input is a shard, and its results are the shard's items.

The record consists of *steps*. A step has a number of items, the inputs that had ended by then, how
many results of others were given, and which input the next item belongs to. From there on, each
item ends one input, or is one more result of a flat one. So a run of inputs needs only one step.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from operator import itemgetter
from typing import NamedTuple

from ..._protocol.order import BEGIN, Place, Ranges, with_range

KEPT = 2500
"""How many items are remembered at least: a thousand, those of a block, which are as many at most,
and those that a thread has taken ahead of the loop."""


class _Step(NamedTuple):
    at: int
    ended: Ranges
    read: dict[int, int]
    number: int  # the input that the next items belong to; -1: no further item is recorded here


class GivenResults:
    """The place of the loop in a pass. With `flat`, an input may have any number of results."""

    def __init__(self, place: Place = BEGIN, *, flat: bool = False) -> None:
        self.taken = 0  # how many items are in blocks
        self._flat = flat
        self._ended: Ranges = place.ended
        # For inputs that have not ended: how many results are in blocks. The dictionary is never
        # changed, but replaced.
        self.read = dict(place.begun)
        self._steps: deque[_Step] = deque([_Step(0, self._ended, self.read, -1)])

    def took(self, number: int, count: int) -> None:
        """Record the next `count` results: of one input if flat, else of one input each."""
        step = self._steps[-1]
        if number != (step.number if self._flat else step.number + self.taken - step.at):
            self._add(number)  # else the run goes on
        self.taken += count
        if self._flat:
            self.read = {**self.read, number: self.read.get(number, 0) + count}
        else:
            self._ended = with_range(self._ended, number, number + count)

    def end(self, number: int, count: int = 0) -> None:
        """Record that an input has ended. `count` is 1 if its failure is an item, else 0."""
        self.taken += count
        self._ended = with_range(self._ended, number, number + 1)
        self.read = {each: read for each, read in self.read.items() if each != number}
        self._add(-1)

    def _add(self, number: int) -> None:
        step = _Step(self.taken, self._ended, self.read, number)
        if self._steps[-1].at == self.taken:  # the last step holds for no item
            self._steps[-1] = step
        else:
            self._steps.append(step)
            while self._steps[1].at <= self.taken - KEPT:
                self._steps.popleft()

    def place(self, given: int) -> Place | None:
        """Return the place after `given` items; None if that is not known any more."""
        step = self._find(given)
        if step is None:
            return None
        _, ended, read, number = step
        more = given - step.at
        if more:
            if self._flat:
                read = {**read, number: read.get(number, 0) + more}
            else:
                ended = with_range(ended, number, number + more)
        return Place(ended, tuple(sorted(read.items())))

    def number(self, given: int) -> int:
        """Return the input of the item after `given` ones, which must be in the present block."""
        step = self._find(given)
        assert step is not None
        return step.number if self._flat else step.number + given - step.at

    def _find(self, given: int) -> _Step | None:
        """Return the step that the item after `given` ones belongs to."""
        steps = self._steps.copy()  # by one call: another thread may record further items
        number = bisect_right(steps, given, key=itemgetter(0))
        return steps[number - 1] if number else None


class NotRecorded(GivenResults):
    """Records nothing, for passes whose place is never asked for."""

    def took(self, number: int, count: int) -> None:
        pass

    def end(self, number: int, count: int = 0) -> None:
        pass
