"""Words in shared memory by which each side informs the other. No I/O but the clock.

A pipe is needed to wake a side that waits. For a side that is at work, a word in memory is enough,
and costs no system call. Each word but ``ATTENTION`` has one writer, and is written in one step.

A worker that is about to wait writes ``WANTED``, and then reads ``ACKNOWLEDGED``. The parent writes
``ACKNOWLEDGED``, and then reads ``WANTED``. A processor may delay a write behind a read that
follows it, so for a short time both may miss each other's word. So the worker first waits for a
millisecond only, and looks again; by then it sees the parent's word.
"""

from __future__ import annotations

from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

ATTENTION = 0
"""Non-zero while the worker should look up: one byte tells that the parent waits for items, another
that there may be a command."""

ACKNOWLEDGED = 8
"""From the parent: the pass that it takes items of, and how many so far; `acknowledged_word`."""

REVOKED = 16  # from the parent: the latest pass for which it has sent a command that ends it
WANTED = 24
"""From the worker: the value of ``ACKNOWLEDGED`` that it waits for, or ``NOTHING``.

If it waits for the parent to wait, that is ``NEVER``: more items than are ever taken."""

WORKER_WAITED = 32
"""From the worker: how long it has waited for the parent to take items, or to make room for them
(see `Stopwatch`)."""

# The words at 40 and 48 are those of `_memory.arena`.

BEGUN = 56
"""From a worker that runs inputs of a map: three words. The first and the third together tell which
it has begun (see `begin_batch`), the second when (`time.monotonic_ns`; 0 while none runs)."""

PARENT_WAITS = 0
COMMAND_CAME = 1
"""Bytes of ``ATTENTION``. Single ones, so that writing one leaves the other alone. Both sides write
the former: the parent sets it when it begins to wait, and the worker clears it when it sends
something. If the worker clears it just after the parent has set it, the parent gets that frame."""

NOTHING = (1 << 64) - 1

_COUNT_BITS = 44
_COUNT = (1 << _COUNT_BITS) - 1
_EPOCH = (1 << 64 - _COUNT_BITS) - 1

NEVER = _COUNT - 1  # so many items are never taken (with one more, a word might be ``NOTHING``)


def acknowledged_word(epoch: int, total: int) -> int:
    """Put a pass and a number of its items into one word.

    Example:
        >>> total_of(acknowledged_word(3, 7), 3), total_of(acknowledged_word(3, 7), 4)
        (7, 0)
    """
    return (epoch & _EPOCH) << _COUNT_BITS | total


def total_of(word: int, epoch: int) -> int:
    """Return how many items of a pass were taken, by a word; 0 if that is of another pass."""
    return word & _COUNT if word >> _COUNT_BITS == epoch & _EPOCH else 0


def begin_batch(begun: Any, epoch: int, first: int, made: int) -> None:
    """Write to the words at ``BEGUN`` that inputs from the index `first` on come next.

    When the worker begins the first of them, it sets the third word to `made`, then to one more for
    each further input. (A small number is written in half of the time.) The sum of the first word
    and the third is the index plus one of the input begun last. Until the first of these inputs is
    begun, the sum tells the input before; but it tells `first` if the pass has made nothing.
    """
    begun[2] = max(0, made - 1)
    begun[0] = acknowledged_word(epoch, first + 1 - made & _COUNT)


def begun_word(begun: Sequence[int]) -> int:
    """Return the `acknowledged_word` of a pass, with the index of the input begun last plus one.

    Example:
        >>> words = [0, 0, 0]
        >>> begin_batch(words, epoch=3, first=70, made=20)
        >>> words[2] = 21
        >>> total_of(begun_word(words), 3)
        72
    """
    base, number = begun[0], begun[2]
    while base != begun[0]:  # the worker has just begun another batch
        base, number = begun[0], begun[2]
    return base & ~_COUNT | base + number & _COUNT


def begun_input(words: Sequence[int], epoch: int) -> tuple[int, float | None]:
    """Return what `Link.begun` does, from the three numbers of `WorkerLink.begun`.

    Args:
        words: the numbers, or memory that both sides share, in which the worker writes them.
        epoch: the number of the pass.

    Example:
        >>> words = [0, 0, 0]
        >>> begin_batch(words, epoch=3, first=70, made=20)
        >>> words[1], words[2] = 2_500_000_000, 21
        >>> begun_input(words, 3), begun_input(words, 4)
        ((72, 2.5), (0, 2.5))
    """
    total, since = total_of(begun_word(words), epoch), words[1]
    return total, since / 1e9 if since else None


class Stopwatch:
    """Tells how long one side has waited, in all. Any thread may read it, and the other side too.

    It runs while somebody waits. The clock is read only when a wait begins or ends.

    Its state is one word, which is read in one step. The lowest bit tells whether it runs. The
    others are nanoseconds: how long it has run; or, while it runs, the time at which it would have
    been started if it had never stopped. All processes of a machine have the same clock.
    """

    __slots__ = ("_at", "_words")

    def __init__(self, words: list[int] | memoryview[int] | None = None, at: int = 0) -> None:
        self._words: list[int] | memoryview[int] = [0] if words is None else words
        self._at = at

    def begin(self) -> None:
        word = self._words[self._at]
        if not word & 1:
            self._words[self._at] = (monotonic_ns() - (word >> 1)) << 1 | 1

    def end(self) -> None:
        word = self._words[self._at]
        if word & 1:
            self._words[self._at] = (monotonic_ns() - (word >> 1)) << 1

    def seconds(self) -> float:
        word = self._words[self._at]
        return (monotonic_ns() - (word >> 1) if word & 1 else word >> 1) / 1e9
