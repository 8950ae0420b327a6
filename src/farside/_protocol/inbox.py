"""The items of one pass, from one worker, between their arrival and the user."""

from __future__ import annotations

from collections import deque
from struct import iter_unpack
from typing import Any

from ..errors import ProtocolError
from . import progress


class Inbox:
    """The frames of items of one pass that have arrived and were not opened.

    Frames are moved here by one call each, so that no exception can come in between. The user's
    thread takes them out, without a lock, opens one after the other, and puts them into the
    delivery: see `_parent.passes.delivery`.
    """

    __slots__ = ("at_end", "cleared", "delivery", "frames", "nbytes", "received", "skipped")

    def __init__(self, delivery: Any = None) -> None:
        self.delivery = delivery
        self.frames: deque[Any] = deque()
        self.received = self.nbytes = 0  # how many items and bytes have arrived
        self.skipped = progress.NOTHING  # how far the worker has got in making items again
        self.cleared = False  # whether what is here must not be taken any more
        self.at_end = False  # whether the user is at the end of the pass: who takes items says so

    @property
    def waiting(self) -> int:
        """How many items have arrived in frames that were not opened. In any thread."""
        unopened: int = sum([frame.items for frame in self.copied()])
        return unopened

    def copied(self) -> tuple[Any, ...]:
        """Return the frames that are here. In any thread."""
        # In C: without a GIL, another thread changes a deque also while Python goes through it.
        return tuple(self.frames.copy())

    @property
    def returned(self) -> deque[int] | None:
        """Where the tasks go that the worker gives back; None: it is not asked to."""
        returned: deque[int] | None = None if self.delivery is None else self.delivery.returned
        return returned

    def take_from(self, frames: deque[Any]) -> None:
        """Move the first of some frames here."""
        frame = frames[0]
        self.frames.extend(map(deque.popleft, (frames,)))
        self.received += frame.items
        self.nbytes += len(frame.body)
        for block in frame.blocks:
            self.nbytes += block.nbytes

    def take_progress(self, body: bytes | bytearray) -> None:
        """Take in where in the pass the worker is. It may be done twice."""
        told = progress.read(body)
        if isinstance(told, progress.Skipped):
            self.skipped = told
        elif self.delivery is not None:
            self.delivery.take_snapshot(told)

    def take_returned(self, body: bytes | bytearray) -> list[int]:
        """Take in which tasks the worker gives back. It may be done twice."""
        returned = self.returned
        if returned is None or len(body) % 8:
            raise ProtocolError("the worker gave back tasks that nobody asked for")
        numbers = [number for (number,) in iter_unpack("<Q", body)]
        returned.extend(numbers)
        return numbers

    def clear(self, *, with_delivery: bool = True) -> None:
        """Let nobody take the items any more, nor those that the delivery has."""
        self.cleared = True
        self.frames.clear()
        if with_delivery and self.delivery is not None:
            self.delivery.clear()
