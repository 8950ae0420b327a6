"""The transports that the contract suites run, each as a factory.

A further transport is a further entry of `TRANSPORTS`.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from farside._transport.descriptors import Descriptor
from farside._transport.opening import WorkerEnds, open_channel
from farside._transport.worker_pipes import PipeWorkerChannel
from farside.testing import ChannelPair

ARENA = 1 << 22
"""Bytes; small enough to be filled by a test."""

Make: TypeAlias = Callable[[], ChannelPair]


def make_pipes() -> ChannelPair:
    """Make a channel over OS pipes, both sides in this process."""
    parent, ends = open_channel(ARENA)
    return ChannelPair(parent, pipe_worker(ends), lambda: close_all(ends))


def pipe_worker(ends: WorkerEnds) -> PipeWorkerChannel:
    """Make the worker's side from its ends, as the entry points do from their numbers."""
    return PipeWorkerChannel(*(end.fileno() for end in ends))


def close_all(ends: Iterable[Descriptor]) -> None:
    """Close the worker's ends, as the end of its process does."""
    for end in ends:
        end.close()


TRANSPORTS: dict[str, Make] = {"pipes": make_pipes}
