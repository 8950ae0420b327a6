"""What the worker has told by its replies, and how long these were on their way."""

from __future__ import annotations

from math import inf
from time import monotonic

from ..._link.control import Stopwatch, total_of
from .messages import Reply


class Heard:
    """The latest of what the worker has told, and what the parent knows of it."""

    def __init__(self) -> None:
        self.epoch = self.total = 0  # of which pass items were taken last, and how many
        self.waiting = False  # whether somebody waits for the worker
        self.awaited = 0  # the latest pass in which it is told so, since it has asked
        self.begun: tuple[int, float | None] = (0, None)  # which input it runs, and since when
        self._number = -1  # of the reply that has told it
        # Each is set in one place: a wish that is heard while another is granted is not lost.
        self._wish: tuple[int, int] | None = None  # the latest; see `Reply`
        self._granted: tuple[int, int] | None = None  # the latest that has come true

    @property
    def wish(self) -> tuple[int, int] | None:
        """For which total of which pass the worker waits, as far as it was not granted."""
        wish = self._wish  # the worker may not have known yet what was granted just now
        return None if wish == self._granted else wish

    def hear(self, reply: Reply) -> None:
        """Take note of a reply, unless a later one has come before."""
        if reply.number > self._number:
            self._number = reply.number
            self._wish = reply.wish
            word, age = reply.begun
            self.begun = word, None if age is None else monotonic() - age

    def grant(self) -> bool:
        """Tell whether what the worker waits for is so by now; it is told, and waits no more."""
        wish = self.wish
        if wish is None:
            return False
        epoch, total = wish
        asks = total < 0  # for somebody who waits
        taken = self.total if epoch == self.epoch else 0
        if taken < (~total if asks else total) or (asks and not self.waiting):
            return False
        if asks:
            self.awaited = epoch
        self._granted = wish
        return True

    def input(self, epoch: int) -> tuple[int | None, float | None]:
        """Return what `Link.begun` does."""
        word, since = self.begun
        total = total_of(word, epoch)
        return (total, since) if total else (None, None)


class Way:
    """Measures how long somebody waits while items are on their way from another machine.

    It does so by durations alone, since machines have clocks of their own.

    A call takes so long as this side sees. The worker tells for how much of it the call was there.
    The rest was the way: there, and back with items. Of a wait that ends with these items, no more
    than that was for the way.
    """

    def __init__(self) -> None:
        self.asking = Stopwatch()  # runs while somebody waits for the worker
        self.seconds = 0.0  # how much of it items were on their way, at most
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
