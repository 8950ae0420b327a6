"""Whose turn it was, some items ago: a state may be asked for as it was then."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._protocol.order import Turns

_SLOTS = 64
"""With fewer slots than twice this, the turns are copied at each end of a shard; with n times as
many, at each nth end. A copy takes as much memory as there are slots, so all copies together take
about the same for any number of slots."""


class PastTurns:
    """Keeps turns, and where in the pass shards have ended after them, which leads to the next.

    One thread adds to it. Any thread may ask.
    """

    def __init__(self, turns: Turns) -> None:
        # How many items were given when they were copied, the turns, and at how many items shards
        # have ended since.
        self._copies: deque[tuple[int, Turns, list[int]]] = deque([(0, turns, [])])
        # The latest that was asked for: those ends, how many were taken in, and what they led to.
        self._found = (self._copies[0][2], 0, 0, turns)

    def add(self, at: int, turns: Turns) -> None:
        """Take note of a shard that ends at a number of items, and of the turns after that."""
        first, _, ends = self._copies[-1]
        if (len(ends) + 1) * _SLOTS < len(turns.chains):
            ends.append(at)
        elif first == at:  # nobody asks for what was before, at the same number
            self._copies[-1] = at, turns, []
        else:
            self._copies.append((at, turns, []))

    def forget(self, at: int) -> None:
        """Forget what is only about fewer items than so many."""
        while len(self._copies) > 1 and self._copies[1][0] <= at:
            self._copies.popleft()

    def find(self, given: int) -> Turns | None:
        """Return whose turn it was when so many items were given; None: that is not known."""
        copies = tuple(self._copies)  # which another thread may change meanwhile
        number = bisect_right(copies, given, key=itemgetter(0))
        return self._after(*copies[number - 1], given) if number else None

    def _after(self, at: int, turns: Turns, ends: list[int], given: int) -> Turns:
        done = 0
        if self._found[0] is ends and self._found[2] <= given:  # states are asked for one by one
            _, done, at, turns = self._found
        for end in ends[done:]:
            if end > given:
                break
            turns = turns.advance(end - at).end()
            at, done = end, done + 1
        self._found = ends, done, at, turns
        return turns.advance(given - at)
