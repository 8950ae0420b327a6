"""The transports that the contract suites run, each as a factory.

A further transport is a further entry of `LINKS`.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from farside._link.opening import WorkerEnds, open_link
from farside._link.worker_pipes import PipeWorkerLink
from farside._system.descriptors import Descriptor
from farside.testing import LinkPair

ARENA = 1 << 22
"""Bytes; small enough to be filled by a test."""

Make: TypeAlias = Callable[[], LinkPair]


def make_pipes() -> LinkPair:
    """Make a link over OS pipes, both sides in this process."""
    parent, ends = open_link(ARENA)
    return LinkPair(parent, pipe_worker(ends), lambda: close_all(ends))


def pipe_worker(ends: WorkerEnds) -> PipeWorkerLink:
    """Make the worker's side from its ends, as the entry points do from their numbers."""
    return PipeWorkerLink(*(end.fileno() for end in ends))


def close_all(ends: Iterable[Descriptor]) -> None:
    """Close the worker's ends, as the end of its process does."""
    for end in ends:
        end.close()


LINKS: dict[str, Make] = {"pipes": make_pipes}
