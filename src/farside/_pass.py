"""One pass over a remote iterable: what the parent knows of it."""

from __future__ import annotations

from collections import deque
from operator import length_hint
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weakref import ReferenceType

    from ._loops import Waiter
    from ._transport.frames import Frame


class Pass:
    """One pass, as the parent sees it.

    Attributes:
        epoch: its number.
        inbox: frames of items that have arrived and were not opened.
        entries: what is left of the frame that is open.
        over: whether nothing more will arrive.
        error: what to raise when everything was taken and the pass is over; None ends the loop.
        received: how many items have arrived.
        taken: how many items the worker may take for taken by the user.
        cancelled: whether what has arrived must not be taken any more.
        used_up: the worker says that an earlier pass had used the iterator up, or
        continued: that an earlier one has left it, until the user was told.
        nbytes: how much has arrived: bytes.
        began: when the parent asked for it, and
        ended: when its iterator was at its end, or closed, or None: moments of `monotonic`.
        left: the entries of the open frame that were not taken, as something that has a length.
        waiter: a task that waits for something to change. It is weak: a task that its loop has left
            behind must not be kept by what it waits for.
    """

    __slots__ = (
        "_dropped",
        "began",
        "cancelled",
        "continued",
        "ended",
        "entries",
        "epoch",
        "error",
        "inbox",
        "left",
        "nbytes",
        "over",
        "received",
        "taken",
        "used_up",
        "waiter",
    )

    def __init__(self, epoch: int, began: float) -> None:
        self.epoch = epoch
        self.inbox: deque[Frame] = deque()
        self.entries: list[Any] = []
        self.over = False
        self.cancelled = False
        self.error: Exception | None = None
        self.received = 0
        self.taken = 0
        self.used_up = self.continued = False
        self.waiter: ReferenceType[Waiter] | None = None
        self.nbytes = 0
        self.began = began
        self.ended: float | None = None
        self.left: Any = ()
        self._dropped = 0  # items that had arrived and were never taken

    @property
    def waiting(self) -> int:
        """How many items have arrived and were not taken. In any thread."""
        return sum(frame.items for frame in tuple(self.inbox)) + length_hint(self.left)

    @property
    def delivered(self) -> int:
        """How many items were taken. In any thread."""
        return self.received - self._dropped - self.waiting

    @property
    def seconds(self) -> float:
        """For how long it has been open."""
        return (monotonic() if self.ended is None else self.ended) - self.began

    @property
    def last_index(self) -> int | None:
        """Index of the last item that has arrived."""
        return self.received - 1 if self.received else None

    @property
    def open(self) -> bool:
        """Whether its iterator is neither at its end nor closed."""
        return self.epoch > 0 and not self.cancelled

    @property
    def ready(self) -> bool:
        """Whether there is no reason to wait."""
        return bool(self.inbox) or self.over

    def arrive(self, frame: Frame) -> None:
        """Take in a frame of items."""
        self.received += frame.items
        self.nbytes += len(frame.body)
        for block in frame.blocks:
            self.nbytes += block.nbytes
        self.inbox.append(frame)
        self._tell()

    def finish(self, error: Exception | None) -> None:
        """Let nothing more arrive; what has arrived can still be taken."""
        if not self.over:
            self.error = error
            self.over = True
            self._tell()

    def cancel(self, error: Exception) -> None:
        """Let nothing more arrive, and drop what was not taken.

        A pass that has finished is not over for its user before the last item was taken: it too
        must not end as if all had been.
        """
        if self.error is None:
            self.error = error
        if self.ended is None:
            self.ended = monotonic()
        self.over = self.cancelled = True
        self._dropped += self.waiting
        self.inbox.clear()
        self.entries.clear()
        self.left = ()
        self._tell()

    def pop_error(self) -> Exception:
        """Return the error, to be raised, and forget it.

        Its traceback will hold the frames of whoever iterates, and what they hold: another iterator
        over the same iterable, perhaps, which would stay open until a garbage collection.
        """
        error, self.error = self.error, None
        assert error is not None
        return error

    def _tell(self) -> None:
        waiter = None if self.waiter is None else self.waiter()
        if waiter is not None:
            waiter.wake()  # in whatever thread this is
