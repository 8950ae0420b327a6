"""A heartbeat that measures how long the thread that owns it is held up."""

import math
import time
from collections.abc import Sequence


class Heartbeat:
    """Beats that are due at fixed times, `period` apart, from the moment it is made.

    Attributes:
        period: Seconds from one due time to the next.
        lateness: For each beat so far, the seconds from its due time to the beat.
    """

    def __init__(self, period: float) -> None:
        self.period = period
        self.lateness: list[float] = []
        self._start = time.perf_counter()

    @property
    def next_due(self) -> float:
        """When the next beat is due, on the clock of `time.perf_counter`."""
        return self._start + self.period * (len(self.lateness) + 1)

    def catch_up(self) -> None:
        """Do every beat that is due by now."""
        now = time.perf_counter()
        while (due := self.next_due) <= now:
            self.lateness.append(now - due)

    def beat(self) -> None:
        """Sleep until a beat is due, then do it, and all others that are due by then."""
        time.sleep(max(0.0, self.next_due - time.perf_counter()))
        self.catch_up()


def percent_on_time(lateness: Sequence[float], period: float) -> float:
    """Return the percentage of beats that came before the next one was due."""
    return 100 * sum(late < period for late in lateness) / len(lateness)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of the values that at least `percent` % of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
