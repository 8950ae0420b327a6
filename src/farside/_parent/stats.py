"""Stats: where the time of a remote iterable goes, and how full its buffer is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .._link.base import Gauges
from .._protocol.credit import UNLIMITED
from .client import Client
from .member import Member

_TENTH = 0.1  # shares of the time that differ by less are taken for equal


@dataclass(frozen=True)
class Stats:
    """What `RemoteIterable.stats` returns: figures of one worker, from its start up to now.

    After a fallback has taken over, they are those of the subprocess alone, except
    `startup_seconds`. After the end of the worker they stay as they were.

    Attributes:
        items: how many items were taken, in all passes.
        bytes: how many bytes of items have arrived: pickles, and contents in shared memory.
        passes: how many passes were begun.
        elapsed_seconds: for how long passes were open, in all: from ``iter()`` until the iterator
            was at its end, was left or superseded.
        parent_wait_seconds: for how much of that the loop has waited for items.
        worker_wait_seconds: for how much of that the worker has waited, as its buffer was full.
        transfer_seconds: for how much of `parent_wait_seconds` items were on their way from
            another machine. The parent measures how long a call took, and the worker how long it
            held the call. The difference counts, so both directions are in it. 0 except with
            ``backend="ray"``.
        startup_seconds: how long the worker took to start: imports, initializers and ``fn``, and
            what was tried in a subinterpreter before a fallback. Of several workers, the slowest.
        buffered_items: how many items have arrived in this process and were not taken.
        buffered_bytes: how many bytes wait: those of items that have arrived and were not opened,
            and those in the pipe. (Items that the worker holds back for a moment, to send them with
            the next ones, are not known here.)
        buffer_size: how many items may wait, as asked for; None if the limit is in bytes, and -1 if
            there is no limit.
        arena_bytes_used: how much of the shared memory is in use: on its way, or held by views of
            it, here or in the worker.
        arena_bytes_peak: the highest value of that.
        copies: how many contents were copied out of the shared memory when they arrived, since
            half of it was held by views.
        restarts: how many times workers were started again, in all passes.
        failed_inputs: how many inputs of a map have failed, in all passes, and did not end it: see
            ``on_error``.
        skipped_items: how many items of the present pass were made again and dropped, by workers
            that continue where another one was. They report this now and then.
        items_to_skip: how many such items are left, as far as workers have reported.
        skip_seconds: how long that has taken so far: of several workers, the slowest.
        workers: with several workers, the figures of each: its name, its wait, its buffered items,
            its shared memory, `transfer_seconds`, and what it makes again. The others stay 0, so
            its `bottleneck` says nothing: see `slowest`. The figures above are those of all
            together; `worker_wait_seconds` is the mean.
        name: the name of one of several workers.

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
    transfer_seconds: float = 0.0
    startup_seconds: float = 0.0
    buffered_items: int = 0
    buffered_bytes: int = 0
    buffer_size: int | None = None
    arena_bytes_used: int = 0
    arena_bytes_peak: int = 0
    copies: int = 0
    restarts: int = 0
    failed_inputs: int = 0
    skipped_items: int = 0
    items_to_skip: int = 0
    skip_seconds: float = 0.0
    workers: tuple[Stats, ...] = field(default=(), repr=False)
    name: str = ""

    @property
    def slowest(self) -> str:
        """The name of the worker that the loop waits for most: it has waited least itself.

        Empty if `workers` is empty.
        """
        by_wait = sorted(self.workers, key=lambda each: each.worker_wait_seconds)
        return by_wait[0].name if by_wait else ""

    @property
    def bottleneck(self) -> Literal["worker", "parent", "transfer", "balanced"]:
        """Which side the other one waits for.

        ``"worker"`` if the parent waits longer than the worker, by more than a tenth of the elapsed
        time; ``"parent"`` the other way round; else ``"balanced"``. `transfer_seconds` do not count
        for either. If they exceed both waits and the time in which the parent is at work, by more
        than that tenth, it is ``"transfer"``.
        """
        least = _TENTH * self.elapsed_seconds
        for_worker = self.parent_wait_seconds - self.transfer_seconds
        for_parent = max(0.0, self.worker_wait_seconds - self.transfer_seconds)
        at_work = self.elapsed_seconds - self.parent_wait_seconds
        if self.transfer_seconds - max(for_worker, for_parent, at_work) > least:
            return "transfer"
        difference = for_worker - for_parent
        if abs(difference) <= least:
            return "balanced"
        return "worker" if difference > 0 else "parent"

    def __str__(self) -> str:
        """Return the figures as a text of some lines, for people."""
        if self.name:  # one of several workers: only some of its figures are known
            return self._of_one_worker()
        rate = self.items / self.elapsed_seconds if self.elapsed_seconds else 0.0
        waited = f"the parent waited {self._share(self.parent_wait_seconds)}"
        if self.transfer_seconds:
            waited += f" (of it for the way: {self._share(self.transfer_seconds)})"
        waited += f", the worker {self._share(self.worker_wait_seconds)}"
        longer = self.passes > 0 and self.startup_seconds > self.elapsed_seconds
        keep = ", longer than all passes: keep the worker" if longer else ""
        return (
            f"{_count(self.items, 'item')} ({size_text(self.bytes)}) in "
            f"{_count(self.passes, 'pass', 'passes')}, "
            f"{_time(self.elapsed_seconds)}, {rate:.0f} items/s\n"
            f"bottleneck: {self.bottleneck} ({waited})\n"
            f"buffer: {self._of_buffer()}; limit: {_limit(self.buffer_size)}\n"
            f"arena: {self._of_arena()}\n"
            f"start: {_time(self.startup_seconds)}{keep}{self._of_skips()}{self._of_workers()}"
        )

    def _of_one_worker(self) -> str:
        way = f", and {_time(self.transfer_seconds)} were for the way of its items"
        waited = f"it waited {_time(self.worker_wait_seconds)}{way * bool(self.transfer_seconds)}"
        memory = f"buffer: {self._of_buffer()}\narena: {self._of_arena()}"
        return f"{self.name}: {waited}\n{memory}{self._of_skips()}"

    def _of_buffer(self) -> str:
        here, size = _count(self.buffered_items, "item"), size_text(self.buffered_bytes)
        return f"{here} here, {size} here or on their way"  # how many are on their way is unknown

    def _of_arena(self) -> str:
        used, peak = size_text(self.arena_bytes_used), size_text(self.arena_bytes_peak)
        return f"{used} used, {peak} at most; {_count(self.copies, 'copy', 'copies')}"

    def _of_skips(self) -> str:
        if not self.skipped_items:
            return ""
        rate = self.skipped_items / self.skip_seconds if self.skip_seconds else 0.0
        return (
            f"\nskipped: {_count(self.skipped_items, 'item')} in {_time(self.skip_seconds)}, "
            f"{rate:.0f} items/s; {self.items_to_skip} left"
        )

    def _of_workers(self) -> str:
        if not self.workers:
            return ""
        restarts = f"; {_count(self.restarts, 'restart')}" if self.restarts else ""
        failed = f"; {_count(self.failed_inputs, 'failed input')}" if self.failed_inputs else ""
        workers = _count(len(self.workers), "worker")
        slowest = f"; slowest: the {self.slowest}" if len(self.workers) > 1 else ""
        return f"\n{workers}{slowest}{restarts}{failed}"

    def _share(self, seconds: float) -> str:
        share = seconds / self.elapsed_seconds if self.elapsed_seconds else 0.0
        return f"{_time(seconds)}, {share:.0%}"


def _limit(buffer_size: int | None) -> str:
    if buffer_size is None:
        return "buffer_bytes"
    return "none" if buffer_size == UNLIMITED else _count(buffer_size, "item")


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def size_text(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 999.5:  # noqa: PLR2004  four digits become the next unit
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.3g} GiB"


def collect(client: Client) -> Stats:
    """Collect the figures of a client's workers, in any thread."""
    core, counters, delivery = client.core, client.counters, client.delivery  # the core first
    totals = counters.totals(core)
    each = tuple(_of_worker(client, member) for member in client.members)
    opened = 0 if delivery is None else delivery.waiting
    waited = counters.waits.seconds()
    return Stats(
        items=totals.items,
        bytes=totals.nbytes,
        passes=core.epoch,
        elapsed_seconds=totals.seconds,
        parent_wait_seconds=waited,
        worker_wait_seconds=sum([one.worker_wait_seconds for one in each]) / len(each),
        # Items of several workers may be on their way at the same time.
        transfer_seconds=min(waited, sum([one.transfer_seconds for one in each])),
        startup_seconds=max([each.startup_seconds for each in client.members]),
        buffered_items=sum([one.buffered_items for one in each]) + opened,
        buffered_bytes=sum([one.buffered_bytes for one in each]),
        buffer_size=client.options.buffer_size,
        arena_bytes_used=sum([one.arena_bytes_used for one in each]),
        arena_bytes_peak=sum([one.arena_bytes_peak for one in each]),
        copies=sum([one.copies for one in each]),
        restarts=core.restarts,
        failed_inputs=totals.failed,
        skipped_items=sum([one.skipped_items for one in each]),
        items_to_skip=sum([one.items_to_skip for one in each]),
        skip_seconds=max([one.skip_seconds for one in each]),
        workers=each if client.sequence.several else (),
    )


def _of_worker(client: Client, member: Member) -> Stats:
    gauges = Gauges() if member.link is None else member.link.gauges()
    inbox = client.core.workers[member.index].inbox
    done, total, seconds = inbox.skipped
    frames = inbox.copied()
    waiting = sum([len(frame.body) for frame in frames])
    if member.link is not None and member.link.arena is None:  # else it tells of their blocks
        waiting += sum([block.nbytes for frame in frames for block in frame.blocks])
    return Stats(
        name=member.name,
        worker_wait_seconds=gauges.worker_waited,
        transfer_seconds=gauges.transfer,
        buffered_items=inbox.waiting,
        buffered_bytes=waiting + gauges.unread,
        arena_bytes_used=gauges.arena_used,
        arena_bytes_peak=gauges.arena_peak,
        copies=gauges.copies,
        skipped_items=done,
        items_to_skip=total - done,
        skip_seconds=seconds,
    )
