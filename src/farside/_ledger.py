"""What is counted of the passes over one worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ._transport.stopwatch import Stopwatch

if TYPE_CHECKING:
    from ._pass import Pass


class Totals(NamedTuple):
    """Sums over passes: items that were taken, bytes that have arrived, seconds."""

    items: int = 0
    nbytes: int = 0
    seconds: float = 0.0

    def and_of(self, this: Pass) -> Totals:
        """Add a pass."""
        return Totals(
            self.items + this.delivered, self.nbytes + this.nbytes, self.seconds + this.seconds
        )


class Ledger:
    """Counts the passes. Whoever has the turn turns the page; any thread may read.

    Attributes:
        waits: runs while somebody waits for an item.
        startup_seconds: how long the worker took to stand by for the first time.
    """

    def __init__(self, first: Pass) -> None:
        self.waits = Stopwatch()
        self.startup_seconds = 0.0
        self._page: tuple[Totals, Pass] = (Totals(), first)  # read and written at once

    @property
    def present(self) -> Pass:
        """The running or latest pass."""
        return self._page[1]

    @property
    def totals(self) -> Totals:
        """The sums up to now."""
        before, this = self._page
        return before.and_of(this) if this.epoch else before

    def turn_page(self, this: Pass) -> None:
        """Go on to a new pass; the one before is over."""
        self._page = self.totals, this
