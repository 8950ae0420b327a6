"""How long one side has waited, in all. Any thread may read it, and the other side too."""

from __future__ import annotations

from time import monotonic_ns


class Stopwatch:
    """Runs while somebody waits. The clock is read when it begins and when it ends.

    All is in one word, so that it is read at once. The lowest bit says whether it runs. The others
    are nanoseconds: how long it has run; or, while it runs, the moment at which it would have begun
    without pauses. All processes of a machine have the same clock.

    Args:
        words: where its word is: a list, or shared memory.
        at: which of the words.

    Example:
        >>> watch = Stopwatch()
        >>> watch.begin()
        >>> watch.end()
        >>> 0 < watch.seconds() == watch.seconds() < 1
        True
    """

    __slots__ = ("_at", "_words")

    def __init__(self, words: list[int] | memoryview[int] | None = None, at: int = 0) -> None:
        self._words: list[int] | memoryview[int] = [0] if words is None else words
        self._at = at

    def begin(self) -> None:
        """Run, unless it does."""
        word = self._words[self._at]
        if not word & 1:
            self._words[self._at] = (monotonic_ns() - (word >> 1)) << 1 | 1

    def end(self) -> None:
        """Stop, unless it has."""
        word = self._words[self._at]
        if word & 1:
            self._words[self._at] = (monotonic_ns() - (word >> 1)) << 1

    def seconds(self) -> float:
        return seconds_of(self._words[self._at])


def seconds_of(word: int) -> float:
    return (monotonic_ns() - (word >> 1) if word & 1 else word >> 1) / 1e9
