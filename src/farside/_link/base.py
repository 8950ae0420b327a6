"""The interface of a link: what every kind of it must offer to the parent.

A link is two one-way streams of frames: commands go down, statuses and items come up. Beside them,
each side can tell the other, even while that one is busy, how many items were taken and whether
somebody waits. When one side has ended, the other learns it at once: sending raises
`LinkClosedError`, and so does receiving, once all that was sent before has been read.
`worker_base` is what a link must offer to the worker.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from .._memory.arena import Arena
from .._memory.parts import Part
from .._named_tuple import NamedTuple
from .frames import Frame


class Gauges(NamedTuple):
    """What a link knows of the traffic on it.

    In this order: seconds for which the worker has waited for the parent; bytes sent up that were
    not read yet; bytes of the arena in use, and their peak; how many of its blocks were copied on
    arrival; seconds for which somebody here has waited while items were on their way.
    """

    worker_waited: float = 0.0
    unread: int = 0
    arena_used: int = 0
    arena_peak: int = 0
    copies: int = 0
    transfer: float = 0.0


class Link(ABC):
    """The parent's end of a link. It never blocks, and knows no state of the protocol.

    Only one thread at a time may read; any thread may call the rest. To wait for frames, poll
    `filenos`, pass each descriptor that became readable to `notice`, and then `read`.

    Attributes:
        arena: memory for large contents on their way down, or None.
        streaming: whether the latest frame looks like one of many that come fast. Such a worker
            should not be told at once that somebody waits: it would send each item by itself.
        congested: whether commands wait for room. A wait then has to include `room_fileno`.
        idle: whether a worker that runs in the thread that reads has nothing to do.
        to_be_looked_at: whether something may happen that makes none of `filenos` readable. Then
            whoever waits has to call `tell_waiting` each second.
    """

    arena: Arena | None = None
    streaming: bool = False
    congested: bool = False
    idle: bool = False
    to_be_looked_at: bool = False

    # Frames ---------------------------------------------------------------------------------

    @abstractmethod
    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> bool:
        """Send a frame down. What does not fit is kept, in order, for `flush`.

        A link with an `arena` also takes `refs`: the arena's blocks that belong to the frame.

        Returns:
            Whether all was sent, so that nothing is kept.

        Raises:
            LinkClosedError: the worker is gone, or this side is closed.
        """

    def flush(self) -> None:  # noqa: B027  most links always have room
        """Send as much of what is kept as there is room for.

        This does not raise if the worker is gone: `read` does.
        """

    def go_on(self) -> None:  # noqa: B027  most workers do so by themselves
        """Run a worker in the thread that reads, until it has sent something or is idle.

        User code runs in this, so Ctrl-C is not held back, as it is while frames are read.

        Raises:
            ProtocolError: the worker and its parent wait for each other.
        """

    @abstractmethod
    def read(self, into: deque[Frame]) -> bool:
        """Append the frames that have arrived; return whether any was complete.

        A large frame may take several calls, so that no call takes long.

        Raises:
            LinkClosedError: the worker is gone and all that it sent was read, or this side is
                closed.
            ProtocolError: the bytes that arrived are no frame, or an exception has struck in the
                middle of an earlier call.
        """

    @abstractmethod
    def filenos(self) -> Sequence[int]:
        """Return the file descriptors that become readable when there may be something to read.

        They stay readable while something is left to read. There are none if the worker runs in the
        thread that reads (see `go_on`), or if the way up is closed.
        """

    def room_fileno(self) -> int:
        """Return the file descriptor that becomes writable when there is room for commands.

        It is called only while the link is `congested`.
        """
        raise NotImplementedError

    def notice(self, fd: int) -> None:  # noqa: B027  most links need not know which
        """Record that one of `filenos` has become readable."""

    def watch(self, sentinel: int) -> None:
        """Duplicate a descriptor that becomes readable when the worker ends, and watch that.

        The end of the worker's stream is not enough: a child of the worker may hold that open.
        """
        raise NotImplementedError

    # Beside the frames ----------------------------------------------------------------------

    @abstractmethod
    def tell_waiting(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        """Tell the worker whether somebody waits: then it sends each item as soon as it is made."""

    @abstractmethod
    def acknowledge(self, epoch: int, total: int) -> None:
        """Tell the worker how many items of a pass were taken so far.

        Neither this nor `revoke` raises if the worker is gone: `read` does.
        """

    @abstractmethod
    def revoke(self, epoch: int) -> None:
        """Let the worker wait for credit of a pass no longer: a command that ends it was sent."""

    def begun(self, epoch: int) -> tuple[int | None, float | None]:  # noqa: ARG002
        """Return which input of a map the worker has begun in a pass, and since when it runs.

        Returns:
            The input's index plus one (0 if none was begun, None if unknown), and the time of a
            monotonic clock, or None. See `farside.backends.begun_input`. A link without this method
            knows neither, and then ``task_timeout`` is refused.
        """
        return None, None

    def gauges(self) -> Gauges:
        """Return what is known of the traffic; after `close`, the last values."""
        return Gauges()

    # The end --------------------------------------------------------------------------------

    def disown(self) -> None:  # noqa: B027  there may be no memory that the worker reads too
        """Stop writing to memory that the worker reads: this is a forked child of the parent."""

    @abstractmethod
    def close_reading(self) -> None:
        """Close only the way up, while nobody reads. A worker that is blocked in sending wakes up.

        If a command waits for room, nobody would send it any more, so the way down is closed too.
        """

    @abstractmethod
    def close(self) -> None:
        """Close this end, once, while nobody reads."""
