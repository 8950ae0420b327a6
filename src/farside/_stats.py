"""Stats: where the time of a remote iterable goes, and how full its buffer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._session import Session

_TENTH = 0.1
"""Shares of the time that differ by less are taken for equal."""


@dataclass(frozen=True)
class Stats:
    """What `RemoteIterable.stats` returns: figures of one worker, from its start up to now.

    After a fallback has taken over, they are those of the subprocess alone. After the end of the
    worker they stay as they were.

    Attributes:
        items: how many items were taken, in all passes.
        bytes: how many bytes of items have arrived: pickles, and contents in shared memory.
        passes: how many passes were begun.
        elapsed_seconds: for how long passes were open, in all: from ``iter()`` until the iterator
            was at its end, was left or superseded.
        parent_wait_seconds: how much of it the loop has waited for items.
        worker_wait_seconds: how much of it the worker has waited until items were taken, since as
            many as may wait were waiting.
        startup_seconds: how long the worker took to start, initializers included.
        buffered_items: how many items have arrived in this process and were not taken.
        buffered_bytes: how many bytes wait: of items that have arrived and were not looked at, and
            what is in the pipe. (What the worker holds back for a moment, to send it with the next
            items, is not known here.)
        buffer_size: how many items may wait, as asked for; None if that goes by bytes.
        arena_bytes_used: how much of the shared memory is in use: on its way, or held by views of
            it. What was let go counts until the worker looks for memory again.
        arena_bytes_peak: the highest value of that.
        copies: how many contents were copied out of the shared memory when they arrived, since
            half of it was held by views.

    Example:
        >>> stats = Stats(items=100, elapsed_seconds=2.0, parent_wait_seconds=1.9)
        >>> stats.bottleneck
        'worker'
    """

    items: int = 0
    bytes: int = 0
    passes: int = 0
    elapsed_seconds: float = 0.0
    parent_wait_seconds: float = 0.0
    worker_wait_seconds: float = 0.0
    startup_seconds: float = 0.0
    buffered_items: int = 0
    buffered_bytes: int = 0
    buffer_size: int | None = None
    arena_bytes_used: int = 0
    arena_bytes_peak: int = 0
    copies: int = 0

    @property
    def bottleneck(self) -> str:
        """Which side the other one waits for.

        ``"worker"`` if the parent waits longer than the worker, by more than a tenth of the elapsed
        time; ``"parent"`` the other way round; else ``"balanced"``.
        """
        difference = self.parent_wait_seconds - self.worker_wait_seconds
        if abs(difference) <= _TENTH * self.elapsed_seconds:
            return "balanced"
        return "worker" if difference > 0 else "parent"

    def __str__(self) -> str:
        """Return the figures as a text of some lines, for people."""
        rate = self.items / self.elapsed_seconds if self.elapsed_seconds else 0.0
        limit = "goes by bytes" if self.buffer_size is None else _count(self.buffer_size, "item")
        waited = f"the parent waited {self._share('parent')}, the worker {self._share('worker')}"
        wait = f"{_count(self.buffered_items, 'item')} and {_size(self.buffered_bytes)} wait"
        used, peak = _size(self.arena_bytes_used), _size(self.arena_bytes_peak)
        return (
            f"{_count(self.items, 'item')} ({_size(self.bytes)}) in "
            f"{_count(self.passes, 'pass', 'passes')}, "
            f"{_time(self.elapsed_seconds)}, {rate:.0f} items/s\n"
            f"bottleneck: {self.bottleneck} ({waited})\n"
            f"buffer: {wait}; limit: {limit}\n"
            f"arena: {used} used, {peak} at most; {_count(self.copies, 'copy', 'copies')}\n"
            f"start: {_time(self.startup_seconds)}"
        )

    def _share(self, side: str) -> str:
        seconds: float = getattr(self, f"{side}_wait_seconds")
        share = seconds / self.elapsed_seconds if self.elapsed_seconds else 0.0
        return f"{_time(seconds)}, {share:.0%}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _size(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:  # noqa: PLR2004  a size has no other meaning
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.3g} GiB"


def collect(session: Session, buffer_size: int | None) -> Stats:
    """Collect the figures of a worker, in any thread."""
    ledger, gauges = session.ledger, session.worker.channel.gauges()
    totals, this = ledger.totals, ledger.present
    return Stats(
        items=totals.items,
        bytes=totals.nbytes,
        passes=this.epoch,
        elapsed_seconds=totals.seconds,
        parent_wait_seconds=ledger.waits.seconds(),
        worker_wait_seconds=gauges.worker_waited,
        startup_seconds=ledger.startup_seconds,
        buffered_items=this.waiting,
        buffered_bytes=sum(len(frame.body) for frame in tuple(this.inbox)) + gauges.unread,
        buffer_size=buffer_size,
        arena_bytes_used=gauges.arena_used,
        arena_bytes_peak=gauges.arena_peak,
        copies=gauges.copies,
    )
