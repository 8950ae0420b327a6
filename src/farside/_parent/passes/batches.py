"""How a pass of a map runs its inputs: the plan, the batches, and their size."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._payload.items import for_order
from ..._system.cgroup import processors

if TYPE_CHECKING:
    from ..._payload.row_code import Keys
    from ..._payload.rows import Packed

BATCH_SECONDS = 0.002
"""How long a batch should take a worker: much longer than its frame costs. It is not shorter, since
workers seem slower than they are when they wait for the parent."""

MOST_INPUTS = 4000  # how many inputs a batch has at most
MOST_BATCHES = 8
"""How many batches a worker has at most, so that it has inputs while the parent gets no processor
for a moment. When half of them are left, it is given more, several in one message."""

BATCHES, LARGE_BYTES = 3, 1 << 20  # batches at most, once they have so many bytes: to fit a cache
GROWTH = 4  # a batch is at most so many times as large as the one before


class Plan(NamedTuple):
    """How the inputs of a pass are run."""

    workers: int
    flat: bool
    in_order: bool
    ahead: int | None
    """How many inputs may be taken whose results the loop does not have; None: `nbytes` limits."""
    nbytes: int  # how many bytes of inputs each worker may have
    on_error: str
    retries: int
    main_by_value: bool = False  # whether inputs carry classes of the main module: see `Encoder`


class Batch:
    """A run of consecutive inputs that a worker was given, with the index of the first one."""

    __slots__ = ("done", "entries", "first", "keys", "left", "nbytes", "skip", "tries")

    def __init__(
        self,
        first: int,
        entries: Sequence[Any],
        nbytes: int,
        skip: int = 0,
        keys: Keys | None = None,
    ) -> None:
        self.first, self.entries, self.nbytes = first, entries, nbytes
        self.keys = keys  # of the dictionaries for which the entries stand: see `_payload.rows`
        self.skip = skip  # how many results of the first one had arrived before
        self.done = 0  # for how many of the inputs the results are in blocks
        self.tries = 0  # how many workers the first one has cost
        # For a flat input that has failed with its worker: how many of the results that had arrived
        # are in no block yet. No mark comes after them.
        self.left = 0

    @property
    def order(self) -> tuple[int, int, bool, Sequence[Any] | Packed]:
        """What the worker is sent."""
        return self.first, self.skip, *for_order(self.entries, self.keys)

    def part(self, at: int, end: int) -> Batch:
        """Return a batch of some of the inputs."""
        entries = self.entries[at:end]
        nbytes = self.nbytes * len(entries) // len(self.entries)
        part = Batch(self.first + at, entries, nbytes, keys=self.keys)
        if not at:
            part.skip, part.tries = self.skip, self.tries
        return part

    def singles(self) -> list[Batch]:
        return [self.part(at, at + 1) for at in range(len(self.entries))]


class BatchSize:
    """How many inputs a worker is given at a time: about as many as take it `BATCH_SECONDS`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._processors = processors() or 1
        self.inputs, self.seconds = 1, inf  # how many, and how long a worker takes for one
        self.measured, self._answers = monotonic(), 0  # when, and after how many, it was measured

    def measure(self, answers: int, workers: int, idle: int) -> None:
        """Measure again. `answers` were given so far, and `idle` of the workers have no inputs."""
        # A worker without inputs waits for the parent, not for the function. Counting it would make
        # batches smaller, where larger ones are the cure. So if some are idle, only those workers
        # count that may have been busy all the time: no more than there are processors.
        more = answers - self._answers
        if more < self.inputs or (now := monotonic()) == self.measured:
            return
        if idle and self._most > 1:
            workers = max(1, min(workers - idle, self._processors))
        seconds = (now - self.measured) * workers / more
        wanted = int(BATCH_SECONDS / seconds)
        if wanted < self.inputs and now - self.measured < BATCH_SECONDS:
            return  # the time is too short: a process may have had no processor for a moment
        self.seconds, self.measured, self._answers = seconds, now, answers
        self.inputs = max(1, min(wanted, self.inputs * GROWTH, self._most))
