"""How long somebody waits while items are on their way from another machine."""

from __future__ import annotations

from math import inf
from time import monotonic

from ..._link.stopwatch import Stopwatch


class Way:
    """Measures that by durations alone, since machines have clocks of their own.

    A call takes so long as this side sees. The worker tells for how much of it the call was there.
    The rest was the way: there, and back with items. Of a wait that ends with these items, no more
    than that was for the way.

    Attributes:
        asking: runs while somebody waits for the worker.
        seconds: how much of it items were on their way, at most.
    """

    def __init__(self) -> None:
        self.asking = Stopwatch()
        self.seconds = 0.0
        self._asked = 0.0  # what it showed when items arrived last

    @staticmethod
    def set_out(*, started: bool) -> float:
        """Return when a call was made. One that waits for a process to start tells nothing."""
        return monotonic() if started else inf

    def arrive(self, called: float, held: float) -> None:
        """Take in that a call has brought items, and was there for `held` seconds."""
        asked = self.asking.seconds()
        self.seconds += max(0.0, min(monotonic() - called - held, asked - self._asked))
        self._asked = asked
