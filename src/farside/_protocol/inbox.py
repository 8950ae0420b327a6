"""Holds the items of one pass that have arrived from one worker, until the loop opens them."""

from __future__ import annotations

from collections import deque
from struct import iter_unpack
from typing import Any

from ..errors import ProtocolError
from . import progress


class Inbox:
    """The frames of items of one pass that have arrived and were not opened.

    Each frame is moved here by a single call, so that no exception can strike in between. The
    user's thread takes the frames out without a lock, opens one after the other, and puts their
    items into the delivery: see `_parent.passes.delivery`.
    """

    __slots__ = ("at_end", "cleared", "delivery", "frames", "nbytes", "received", "skipped")

    def __init__(self, delivery: Any = None) -> None:
        self.delivery = delivery
        self.frames: deque[Any] = deque()
        self.received = self.nbytes = 0  # how many items and bytes have arrived
        self.skipped = progress.NOTHING  # how far the worker has got in making items again
        self.cleared = False  # whether these frames must not be taken any more
        self.at_end = False  # whether the user has reached the end of the pass; set by the loop

    @property
    def waiting(self) -> int:
        """How many items the unopened frames have. Any thread may ask."""
        unopened: int = sum([frame.items for frame in self.copied()])
        return unopened

    def copied(self) -> tuple[Any, ...]:
        """Return the unopened frames. Any thread may ask."""
        # `copy` is C code: without a GIL, another thread may change a deque as Python iterates it.
        return tuple(self.frames.copy())

    @property
    def returned(self) -> deque[int] | None:
        """The queue for tasks that the worker gives back; None: it is never asked for any."""
        returned: deque[int] | None = None if self.delivery is None else self.delivery.returned
        return returned

    def take_from(self, frames: deque[Any]) -> None:
        """Move the first of `frames` into this inbox."""
        frame = frames[0]
        self.frames.extend(map(deque.popleft, (frames,)))
        self.received += frame.items
        self.nbytes += nbytes_of(frame)

    def take_progress(self, body: bytes | bytearray) -> None:
        """Apply a report of the worker's progress. Doing so twice does no harm."""
        told = progress.read(body)
        if isinstance(told, progress.Skipped):
            self.skipped = told
        elif self.delivery is not None:
            self.delivery.take_snapshot(told)

    def take_returned(self, body: bytes | bytearray) -> list[int]:
        """Record, and return, the numbers of the tasks given back. Doing so twice does no harm."""
        returned = self.returned
        if returned is None or len(body) % 8:
            raise ProtocolError("the worker gave back tasks that nobody asked for")
        numbers = [number for (number,) in iter_unpack("<Q", body)]
        returned.extend(numbers)
        return numbers

    def clear(self, *, with_delivery: bool = True) -> None:
        """Discard the items, and those that the delivery has."""
        self.cleared = True
        self.frames.clear()
        if with_delivery and self.delivery is not None:
            self.delivery.clear()


def nbytes_of(frame: Any) -> int:
    """Return how many bytes a frame has, with its shared memory."""
    nbytes: int = len(frame.body)
    for block in frame.blocks:
        nbytes += block.nbytes
    return nbytes
