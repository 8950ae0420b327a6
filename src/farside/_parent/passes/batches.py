"""How a pass of a map runs its inputs: the plan, the batches and their size, and failed inputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import Any, NamedTuple

from ..._payload.items import for_order
from ..._system.cgroup import processors

BATCH_SECONDS = 0.002
"""How long a batch should take a worker: much longer than its frame costs. It is not less, since
workers seem slower than they are where they wait for the parent."""

MOST_INPUTS = 4000  # how many inputs a batch has at most
MOST_BATCHES = 8
"""How many batches a worker has at most: a parent that has no processor for a moment should not
leave it without inputs. It is given more when half of them are left, several in one message."""

BATCHES, LARGE_BYTES = 3, 1 << 20  # if they have more bytes in all, which should stay in a cache
GROWTH = 4  # a batch is at most so many times as large as the one before


class Plan(NamedTuple):
    """How the inputs of a pass are run."""

    workers: int
    flat: bool
    in_order: bool
    ahead: int | None
    """How many inputs may be taken whose results the loop does not have; None: as `nbytes` says."""
    nbytes: int  # how many bytes of inputs each worker may have
    on_error: str
    retries: int
    main_by_value: bool = False  # inputs take classes of the main module along: see `Encoder`


class Batch:
    """Inputs that a worker was given, one after the other: from the index of the first one on."""

    __slots__ = ("done", "entries", "first", "left", "nbytes", "skip", "tries")

    def __init__(self, first: int, entries: Sequence[Any], nbytes: int, skip: int = 0) -> None:
        self.first, self.entries, self.nbytes = first, entries, nbytes
        self.skip = skip  # how many results of the first one had arrived before
        self.done = 0  # how many of them the loop has the results of
        self.tries = 0  # how many workers the first one has cost
        # Of a flat input that has failed with its worker: how many of the results that had been
        # sent the loop has yet to get. No mark comes after them.
        self.left = 0

    @property
    def order(self) -> tuple[int, int, bool, Sequence[Any]]:
        """What the worker is told."""
        return self.first, self.skip, *for_order(self.entries)

    def part(self, at: int, end: int) -> Batch:
        """Return a batch of some of the inputs."""
        entries = self.entries[at:end]
        part = Batch(self.first + at, entries, self.nbytes * len(entries) // len(self.entries))
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
        self.measured, self._answers = monotonic(), 0  # when that was found

    def measure(self, answers: int, workers: int, idle: int) -> None:
        """Take in how many inputs were answered so far, and how many workers have none left."""
        # A worker without inputs waits for the parent, and not for the function. To count it would
        # make batches smaller, where larger ones are the cure. So only workers count that may have
        # been busy all the time: no more than there are processors.
        now, more = monotonic(), answers - self._answers
        if more < self.inputs or now == self.measured:
            return
        if idle and self._most > 1:
            workers = max(1, min(workers - idle, self._processors))
        seconds = (now - self.measured) * workers / more
        wanted = int(BATCH_SECONDS / seconds)
        if wanted < self.inputs and now - self.measured < BATCH_SECONDS:
            return  # too short a time: it may be a process that had no processor for a moment
        self.seconds, self.measured, self._answers = seconds, now, answers
        self.inputs = max(1, min(wanted, self.inputs * GROWTH, self._most))
