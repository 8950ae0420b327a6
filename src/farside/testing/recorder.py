"""Records the commands and statuses that parents and workers exchange: `record`."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TextIO

from .._backends import registry
from .._backends.base import Worker
from .._protocol.messages import Cmd, Status

_NAMES = {int(each): each.name for kind in (Cmd, Status) for each in kind}


class Record(NamedTuple):
    """One command or status.

    Example:
        >>> print(Record(0.25, "down", "START_ITERATION", 1, 0, 0, "subprocess (pid 4711)"))
          0.250000 down START_ITERATION          pass 1                        subprocess (pid 4711)
    """

    seconds: float
    """The time from the start of the recording until the parent sent or received it."""
    direction: str
    """``"down"`` to the worker, ``"up"`` to the parent."""
    name: str
    """The name of the command or status."""
    epoch: int
    """Number of the pass."""
    items: int
    """How many items it carried. Where there are shards, the end of each counts as one."""
    nbytes: int
    """How many bytes of contents it had, those in shared memory included."""
    worker: str
    """The backend and the worker."""

    def __str__(self) -> str:
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
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self.records))

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def note(
        self, direction: str, worker: str, kind: int, epoch: int, *, items: int = 0, nbytes: int = 0
    ) -> None:
        """Add a command or status, given by its number."""
        seconds, name = time.perf_counter() - self._begin, _NAMES.get(kind, f"{kind}?")
        made = Record(seconds, direction, name, epoch, items, nbytes, worker)
        self.records.append(made)
        if self._file is not None:
            try:
                print(made, file=self._file)
            except (OSError, ValueError):  # full, or closed; the worker must not fail for that
                self._file = None


@contextmanager
def record(file: TextIO | None = None) -> Iterator[Recording]:
    """Record the commands and statuses that parents and workers exchange.

    All workers that any thread starts inside the block are recorded, for as long as they live, even
    after the block.

    Args:
        file: a file such as ``sys.stderr``, to which each command and status is printed as it
            comes, as long as the file can be written to. None: nothing is printed.

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

    def observe(backend: str, worker: Worker) -> None:
        known = weakref.ref(worker)  # the worker refers to its observer
        others = worker.observer  # of a recording around this one

        def note(direction: str, kind: int, epoch: int, items: int, nbytes: int) -> None:
            if others is not None:
                others(direction, kind, epoch, items, nbytes)
            here = known()  # asked each time: a subinterpreter has no number at first
            name = f"{backend} ({here.label})" if here else backend
            log.note(direction, name, kind, epoch, items=items, nbytes=nbytes)

        worker.observer = note

    registry.on_start.append(observe)
    try:
        yield log
    finally:
        registry.on_start.remove(observe)
