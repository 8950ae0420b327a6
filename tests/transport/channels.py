"""The transports that the contract suites run, each as a factory.

A further transport is a further entry of `TRANSPORTS`.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from farside._transport.channel import ParentChannel, WorkerChannel
from farside._transport.descriptors import Descriptor
from farside._transport.pipes import WorkerEnds, open_channel
from farside._transport.worker_pipes import PipeWorkerChannel


class Pair(NamedTuple):
    """Both sides of a channel, and what takes them away."""

    parent: ParentChannel
    worker: WorkerChannel
    end_worker: Callable[[], None]
    """Does what the end of a worker does: its side is gone. It may be called again."""

    def cleanup(self) -> None:
        """Close both sides."""
        self.parent.close()
        self.end_worker()


ARENA = 1 << 22
"""Bytes; small enough to be filled by a test."""

Make: TypeAlias = Callable[[], Pair]


def make_pipes() -> Pair:
    """Make a channel over OS pipes, both sides in this process."""
    parent, ends = open_channel(ARENA)
    return Pair(parent, pipe_worker(ends), lambda: close_all(ends))


def pipe_worker(ends: WorkerEnds) -> PipeWorkerChannel:
    """Make the worker's side from its ends, as the entry points do from their numbers."""
    return PipeWorkerChannel(*(end.fileno() for end in ends))


def close_all(ends: Iterable[Descriptor]) -> None:
    """Close the worker's ends, as the end of its process does."""
    for end in ends:
        end.close()


TRANSPORTS: dict[str, Make] = {"pipes": make_pipes}
