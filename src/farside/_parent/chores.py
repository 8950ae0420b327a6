"""Chores of a client: work that takes time or runs user code, and is therefore done unlocked.

A thread that waits for the workers does them in its wait. For a task that waits, another thread
does them, beside the event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from operator import itemgetter
from threading import local
from time import monotonic

Chore = Callable[[], object]

_DEEPEST = 8  # how deep the chores of a thread may be nested


class Chores:
    """A queue of chores, each of which is done once, in order. Any thread may use it."""

    def __init__(self) -> None:
        self._now: deque[Chore] = deque()
        self._later: dict[int, tuple[float, Chore]] = {}
        self._nested = local()  # how deep this thread is in calls of `see_to`

    def add(self, chore: Chore) -> None:
        """Add a chore, to be done as soon as somebody waits."""
        self._now.append(chore)

    def add_later(self, worker: int, due: float, chore: Chore) -> None:
        """Add a chore, to be done at the time `due`. Each worker has one such chore at most."""
        self._later[worker] = due, chore

    @property
    def due(self) -> float | None:
        """When the next chore of `add_later` is due."""
        later = self._later
        return min([due for due, _ in [*later.values()]], default=None) if later else None

    @property
    def pending(self) -> bool:
        if self._later:
            self._take_due()
        return bool(self._now)

    def _take_due(self) -> None:
        now = monotonic()
        for worker, (due, _) in [*self._later.items()]:
            if due <= now:
                with suppress(KeyError):  # another thread has done so
                    # One call, so that no exception of a signal handler comes in between.
                    self._now.extend(map(itemgetter(1), map(self._later.pop, (worker,))))

    def see_to(self) -> None:
        """Do all chores in the queue."""
        # A chore may wait, and a wait does chores. When many workers end at once, these would nest
        # ever deeper. So beyond `_DEEPEST`, the chores are left to the outer waits.
        depth = getattr(self._nested, "depth", 0)
        try:
            self._nested.depth = depth + 1
            if depth < _DEEPEST:
                self._do_each()
        finally:
            self._nested.depth = depth

    def _do_each(self) -> None:
        while self._now:  # not in the `try`: see `Steps._take_each`
            taken: list[Chore] = []
            try:
                with suppress(IndexError):  # another thread has taken it
                    taken.extend(map(deque.popleft, (self._now,)))
                for chore in taken:
                    chore()
            except BaseException:
                self._now.extendleft(taken)  # to be done again: a chore skips what it has done
                raise
