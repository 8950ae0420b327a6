"""Notes what parents and workers say to each other."""

from __future__ import annotations

import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from .._backends import registry
from .._protocol.messages import Cmd, Status

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from .._backends.base import Worker
    from .._transport.codec import Part
    from .._transport.frames import Frame
    from .._transport.stopwatch import Stopwatch

_NAMES = {int(each): each.name for kind in (Cmd, Status) for each in kind}


class Record(NamedTuple):
    """One command or status.

    Example:
        >>> print(Record(0.25, "down", "START_ITERATION", 1, 0, 0, "subprocess (pid 4711)"))
          0.250000 down START_ITERATION          pass 1                        subprocess (pid 4711)
    """

    seconds: float
    """Since the recording began, when the parent sent or received it."""
    direction: str
    """``"down"`` to the worker, ``"up"`` to the parent."""
    name: str
    """Of the command or status."""
    epoch: int
    """Number of the pass."""
    items: int
    """How many items it carried."""
    nbytes: int
    """Bytes of its contents, those in shared memory included."""
    worker: str
    """Backend and worker."""

    def __str__(self) -> str:
        """Show it in one line."""
        contents = f"{self.items:5} items {self.nbytes:>8,} B" if self.nbytes else ""
        return (
            f"{self.seconds:10.6f} {self.direction:4} {self.name:24} pass {self.epoch} "
            f"{contents:22} {self.worker}".rstrip()
        )


class Recording:
    """What `record` collects.

    Attributes:
        records: all commands and statuses so far, in the order in which the parent sent and
            received them.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self.records: list[Record] = []
        self._file = file
        self._begin = time.perf_counter()

    def names(self) -> list[str]:
        """Return the names of the commands and statuses, in order."""
        return [each.name for each in self.records]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        """Iterate on the records so far."""
        return iter(list(self.records))

    def __str__(self) -> str:
        """Show one line for each."""
        return "\n".join(map(str, self))

    def note(
        self, direction: str, worker: str, kind: int, epoch: int, *, items: int = 0, nbytes: int = 0
    ) -> None:
        """Add a command or status, by its number."""
        made = Record(
            time.perf_counter() - self._begin,
            direction,
            _NAMES.get(kind, f"{kind}?"),
            epoch,
            items,
            nbytes,
            worker,
        )
        self.records.append(made)
        if self._file is not None:
            print(made, file=self._file)


@contextmanager
def record(file: TextIO | None = None) -> Iterator[Recording]:
    """Note what parents and workers say to each other.

    All workers count that are started inside the block, in any thread; they are noted for as long
    as they live, also after the block.

    Args:
        file: where each command and status is printed to as it comes, such as ``sys.stderr``.
            None: nothing is printed.

    Yields:
        The recording.

    Example:
        >>> from functools import partial
        >>> from farside import iterate_in_worker
        >>> from farside.testing import record
        >>> with record() as log:
        ...     with iterate_in_worker(partial(range, 3), backend="inline") as numbers:
        ...         total = sum(numbers)
        >>> log.names()[:3]
        ['INITIALIZATION_SUCCEEDED', 'START_ITERATION', 'ITERATION_STARTED']
        >>> sum(each.items for each in log)
        3
    """
    log = Recording(file)

    def wrap(backend: str, worker: Worker) -> None:
        channel: Any = _RecordingChannel(backend, worker, log)
        worker.channel = channel

    registry.on_start.append(wrap)
    try:
        yield log
    finally:
        registry.on_start.remove(wrap)


class _RecordingChannel:
    """A parent's side of a channel that notes what goes through it; all else is the channel's."""

    def __init__(self, backend: str, worker: Worker, log: Recording) -> None:
        self._channel = worker.channel
        self._backend = backend
        self._worker = weakref.ref(worker)  # the worker refers to its channel
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    @property
    def waits(self) -> Stopwatch | None:
        return self._channel.waits

    @waits.setter
    def waits(self, watch: Stopwatch | None) -> None:
        self._channel.waits = watch

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        self._channel.send(kind, epoch, parts)
        self._log.note("down", self._name(), kind, epoch)

    def receive(self, into: deque[Frame], timeout: float | None) -> bool:
        before = len(into)
        came = self._channel.receive(into, timeout)
        for frame in list(into)[before:]:
            nbytes = len(frame.body) + sum(block.nbytes for block in frame.blocks)
            self._log.note(
                "up", self._name(), frame.kind, frame.epoch, items=frame.items, nbytes=nbytes
            )
        return came

    def _name(self) -> str:
        worker = self._worker()  # a subinterpreter has no number at first
        return f"{self._backend} ({worker.label})" if worker else self._backend
