"""What the worker has reported by its replies, and how long items were on their way."""

from __future__ import annotations

from math import inf
from time import monotonic

from ..._link.control import Stopwatch, total_of
from .messages import Reply


class Heard:
    """What the worker has reported last, and what the parent has to tell it."""

    def __init__(self) -> None:
        self.epoch = self.total = 0  # the pass of which items were taken last, and how many
        self.waiting = False  # whether somebody waits for the worker
        self.awaited = 0  # the latest pass in which it is told so, as it has asked
        self.begun: tuple[int, float | None] = (0, None)  # which input it runs, and since when
        self._number = -1  # of the latest reply
        # Each is set in one place only: a wish that arrives while another is granted is not lost.
        self._wish: tuple[int, int] | None = None  # the latest; see `Reply`
        self._granted: tuple[int, int] | None = None  # the latest wish that was granted

    @property
    def wish(self) -> tuple[int, int] | None:
        """The pass and the total for which the worker waits; None if it waits for none."""
        wish = self._wish  # the worker may repeat one that was granted just now
        return None if wish == self._granted else wish

    def hear(self, reply: Reply) -> None:
        """Record a reply, unless a later one has arrived before it."""
        if reply.number > self._number:
            self._number = reply.number
            self._wish = reply.wish
            word, age = reply.begun
            self.begun = word, None if age is None else monotonic() - age

    def grant(self) -> bool:
        """Grant the wish if it is fulfilled by now; return whether the worker has to be told."""
        wish = self.wish
        if wish is None:
            return False
        epoch, total = wish
        asks = total < 0  # it waits for somebody to wait
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

    It uses durations alone, since each machine has its own clock.

    This side measures how long a call takes, and the worker reports for how long it held the call.
    The rest was spent on the way there, and back with items. If a wait ends with these items, at
    most that much of it counts.
    """

    def __init__(self) -> None:
        self.asking = Stopwatch()  # runs while somebody waits for the worker
        self.seconds = 0.0  # for how much of that items were on their way, at most
        self._asked = 0.0  # the reading of `asking` when items arrived last

    @staticmethod
    def set_out(*, started: bool) -> float:
        """Return the time of a call; `inf`, which does not count, if no process has started."""
        return monotonic() if started else inf

    def arrive(self, called: float, held: float) -> None:
        """Record that a call has brought items, and that the worker held it for `held` seconds."""
        asked = self.asking.seconds()
        self.seconds += max(0.0, min(monotonic() - called - held, asked - self._asked))
        self._asked = asked
