"""Counts items, bytes and seconds of the passes over one remote iterable, for `stats`."""

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

    before: Totals  # of the passes before it, except what was taken in the last of them
    last: Delivery | None  # of the pass before: a loop may still take from it as this one begins
    epoch: int
    delivery: Delivery | None
    began: float
    ended: list[float]  # when its iterator was at its end, or closed: the first one counts


class Counters:
    """Counts the passes. Any thread may read.

    Attributes:
        waits: runs while somebody waits for an item.
        latest: what `next` has returned for the latest pass.
    """

    def __init__(self) -> None:
        self.waits = Stopwatch()
        self.latest = _Latest(Totals(), None, 0, None, 0.0, [])

    def next(self, core: GroupCore, delivery: Delivery) -> _Latest:
        """Return the new `latest` for a pass that begins, whose items `delivery` will bring."""
        latest = self.latest
        sums = _sums(core, latest, latest.last)
        return _Latest(sums, latest.delivery, core.epoch + 1, delivery, monotonic(), [])

    def end(self, epoch: int) -> None:
        """Record that the iterator of a pass is at its end, or was closed."""
        latest = self.latest
        if latest.epoch == epoch and not latest.ended:
            latest.ended.append(monotonic())

    def totals(self, core: GroupCore) -> Totals:
        latest = self.latest
        return _sums(core, latest, latest.last, latest.delivery)


def _sums(core: GroupCore, latest: _Latest, *taken: Delivery | None) -> Totals:
    """Return the sums up to now, with what loops have taken from these deliveries."""
    items, nbytes, seconds, failed = latest.before
    for delivery in taken:
        if delivery is not None:
            items, failed = items + delivery.had, failed + delivery.failed_inputs
    if latest.epoch == core.epoch and latest.delivery is not None:
        nbytes += sum([each.inbox.nbytes for each in core.workers])
        seconds += (latest.ended[0] if latest.ended else monotonic()) - latest.began
    return Totals(items, nbytes, seconds, failed)
