"""Looks for a moment before a side sleeps, as adaptive mutexes do.

Being woken costs a side more than a small item does. If the other side is about to do what this one
waits for, it is faster to look a few more times. If not, looking wastes processor time. So it is
tried less and less often while it fails, and only where each side has a processor of its own: see
`_parent.options.Options.spins`.
"""

from __future__ import annotations

from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SPIN_NS = 60_000
"""For how many nanoseconds to look. Being woken takes about 15 µs, and each side works for 20 to 40
µs on a frame of few items. A side that looked for less time would sleep before the other is done.
"""

SPIN_ITEMS = 8
"""Up to this ``buffer_size``, looking pays: the sides wake each other every few items. With 16, it
is no faster, and both sides take a third more processor time."""

_MOST_SKIPPED = 63


class Spinning:
    """Decides whether to look, by whether that has helped before. One thread at a time uses it."""

    def __init__(self) -> None:
        self._to_skip = self._skipped = 0

    def spin(self, look: Callable[[], bool]) -> bool:
        """Call `look` until it returns True, for a moment at most; return whether it has."""
        if self._skipped < self._to_skip:
            self._skipped += 1
            return False
        end = monotonic_ns() + SPIN_NS
        while not look():
            if monotonic_ns() >= end:
                self._to_skip, self._skipped = min(2 * self._to_skip + 1, _MOST_SKIPPED), 0
                return False
        self._to_skip = 0
        return True
