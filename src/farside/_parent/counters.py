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


class _Latest(NamedTuple):
    """The latest pass: one value, since another thread may begin the next one at any moment."""

    before: Totals  # of the passes before it
    epoch: int
    delivery: Delivery | None
    began: float
    ended: list[float]  # when its iterator was at its end, or closed: the first one counts


class Counters:
    """Counts the passes. Any thread may read."""

    def __init__(self) -> None:
        self.waits = Stopwatch()  # runs while somebody waits for an item
        self._latest = _Latest(Totals(), 0, None, 0.0, [])

    def begin(self, core: GroupCore, delivery: Delivery) -> None:
        """Take in that a pass is about to begin, whose items this delivery will bring."""
        self._latest = _Latest(self.totals(core), core.epoch + 1, delivery, monotonic(), [])

    def end(self, epoch: int) -> None:
        """Take in that an iterator is at its end, or was closed."""
        latest = self._latest
        if latest.epoch == epoch and not latest.ended:
            latest.ended.append(monotonic())

    def totals(self, core: GroupCore) -> Totals:
        before, epoch, delivery, began, ended = self._latest
        if epoch != core.epoch or delivery is None:
            return before
        nbytes = before.nbytes
        for each in core.workers:
            nbytes += each.inbox.nbytes
        seconds = before.seconds + (ended[0] if ended else monotonic()) - began
        failed = before.failed + delivery.failed_inputs
        return Totals(before.items + delivery.delivered, nbytes, seconds, failed)
