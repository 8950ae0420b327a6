"""The interface of a link: what every kind of it must offer to the parent.

A link is two one-way streams of frames: commands go down, statuses and items come up. Beside
them, each side can tell what the other may want to know while it works: how many items were taken,
whether somebody waits. When one side is gone, the other gets `LinkClosedError`, at once and in
whatever it does. `worker_base` is what a link must offer to the worker.
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

    Seconds for which the worker has waited for the parent; bytes that were sent and not
    received; bytes of the arena in use, now and at most; blocks of it that were copied;
    seconds for which somebody here has waited while items were on their way.
    """

    worker_waited: float = 0.0
    unread: int = 0
    arena_used: int = 0
    arena_peak: int = 0
    copies: int = 0
    transfer: float = 0.0


class Link(ABC):
    """The parent's end. It never blocks, and knows no state.

    One thread at a time reads; any thread may do the rest. Whoever waits polls `filenos`, gives
    `notice` what became readable, and then reads.

    Attributes:
        arena: memory for large contents on their way down, or None.
        streaming: whether what came last looks like items of which many come at a time. Such a
            worker had better not be told at once that somebody waits: it would send each by itself.
        congested: whether commands wait for room: then `room_fileno` has to be waited for too.
        idle: whether a worker that runs in the thread that reads has nothing to do.
        to_be_looked_at: whether `filenos` do not tell all: then whoever waits calls `tell_waiting`
            each second.
    """

    arena: Arena | None = None
    streaming: bool = False
    congested: bool = False
    idle: bool = False
    to_be_looked_at: bool = False

    # Frames ---------------------------------------------------------------------------------

    @abstractmethod
    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> bool:
        """Send a frame down. What finds no room is kept, in order, until `flush`.

        A link with an `arena` takes `refs` too: the blocks of it that belong to the frame.

        Returns:
            Whether nothing is kept.

        Raises:
            LinkClosedError: the worker is gone, or this side is closed.
        """

    def flush(self) -> None:  # noqa: B027  most links always have room
        """Send of what is kept as much as there is room for.

        A worker that is gone is no error here: reading tells.
        """

    def go_on(self) -> None:  # noqa: B027  most workers do so by themselves
        """Let a worker in the thread that reads go on, until it has sent something or is idle.

        User code runs in this, so Ctrl-C is not held back, as it is in all else.

        Raises:
            ProtocolError: the worker and its parent wait for each other.
        """

    @abstractmethod
    def read(self, into: deque[Frame]) -> bool:
        """Append the frames that are there; tell whether a frame was complete.

        A large frame may take several calls, so that none takes long.

        Raises:
            LinkClosedError: the worker is gone and all that it sent was read, or this side is
                closed.
            ProtocolError: what came is no frame.
        """

    @abstractmethod
    def filenos(self) -> Sequence[int]:
        """Return the file descriptors that become readable when there may be something to read.

        They stay readable while something is left to read. None at all: the worker goes on when it
        is read from, in the thread that reads; or the way up is closed.
        """

    def room_fileno(self) -> int:
        """Return the file descriptor that becomes writable when there is room for commands.

        Only a link that is ever `congested` is asked.
        """
        raise NotImplementedError

    def notice(self, fd: int) -> None:  # noqa: B027  most links need not know which
        """Take in that one of the descriptors has become readable."""

    def watch(self, sentinel: int) -> None:
        """Take a file descriptor that becomes readable for the end of the worker; duplicate it.

        Needed beside the end of a stream, since a child of the worker may hold that open.
        """
        raise NotImplementedError

    # Beside the frames ----------------------------------------------------------------------

    @abstractmethod
    def tell_waiting(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        """Tell the worker whether somebody waits: then it sends each item as soon as it is made."""

    @abstractmethod
    def acknowledge(self, epoch: int, total: int) -> None:
        """Tell the worker how many items of a pass were taken so far.

        A worker that is gone is no error here, nor in `revoke`: reading tells.
        """

    @abstractmethod
    def revoke(self, epoch: int) -> None:
        """Let the worker not wait for credit of a pass any more: a command was sent."""

    def begun(self, epoch: int) -> tuple[int | None, float | None]:  # noqa: ARG002
        """Return which input of a map the worker has begun in a pass, and since when it runs.

        Returns:
            Its index plus one; 0: none; None: that is not known. And the time of a monotonic clock,
            or None. See `farside.backends.begun_input`. A link without this method knows neither,
            and then ``task_timeout`` is refused.
        """
        return None, None

    def gauges(self) -> Gauges:
        """Return what is known of the worker's side; the last values, once closed."""
        return Gauges()

    # The end --------------------------------------------------------------------------------

    def disown(self) -> None:  # noqa: B027  there may be no memory that the worker reads too
        """Write nothing any more that the worker reads: this is a forked child of the parent."""

    @abstractmethod
    def close_reading(self) -> None:
        """Close the way up only, while nobody reads. A worker that is blocked in sending wakes up.

        A command that waits for room would not be sent any more: then the way down is closed too.
        """

    @abstractmethod
    def close(self) -> None:
        """Close this end, once, while nobody reads."""
