"""What is counted of the passes over one remote iterable."""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

from .._link.control import Stopwatch
from .._protocol.group import GroupCore
from .passes.delivery import Delivery


class Totals(NamedTuple):
    """Sums over passes: items taken, bytes that have arrived, seconds, inputs that have failed."""

    items: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    failed: int = 0


class Counters:
    """Counts the passes. Any thread may read."""

    def __init__(self) -> None:
        self.waits = Stopwatch()  # runs while somebody waits for an item
        self._before = Totals()  # of the passes before the present one
        # The latest pass, when it was begun, and when its iterator was at its end, or closed.
        self._times: tuple[int, float, float | None] = 0, 0.0, None

    def begin(self, core: GroupCore, delivery: Delivery | None) -> None:
        """Take in that a pass is about to begin. The delivery, if any, is that of the last one."""
        self._before = self.totals(core, delivery)
        self._times = core.epoch + 1, monotonic(), None

    def end(self, epoch: int) -> None:
        """Take in that an iterator is at its end, or was closed."""
        latest, began, ended = self._times
        if latest == epoch and ended is None:
            self._times = epoch, began, monotonic()

    def totals(self, core: GroupCore, delivery: Delivery | None) -> Totals:
        before, (latest, began, ended) = self._before, self._times
        if latest != core.epoch or delivery is None:
            return before
        nbytes = before.nbytes
        for each in core.workers:
            nbytes += each.inbox.nbytes
        seconds = before.seconds + (monotonic() if ended is None else ended) - began
        failed = before.failed + delivery.failed_inputs
        return Totals(before.items + delivery.delivered, nbytes, seconds, failed)
