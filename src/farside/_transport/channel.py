"""The interface of a channel: what a transport must offer to each side.

A channel is two one-way streams of frames: commands go down, statuses and items come up. Beside
them, each side can tell what the other may want to know while it works: how many items were taken,
whether somebody waits. When one side is gone, the other gets `ChannelClosedError`, at once and in
whatever it does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence
    from typing import NamedTuple

    from .arena import Arena
    from .codec import Part
    from .frames import Frame, Ref
    from .readiness import Readiness
    from .stopwatch import Stopwatch

    class Gauges(NamedTuple):
        """What a channel knows of the traffic on it.

        Seconds for which the worker has waited for the parent; bytes that were sent and not
        received; bytes of the arena in use, now and at most; blocks of it that were copied.
        """

        worker_waited: float = 0.0
        unread: int = 0
        arena_used: int = 0
        arena_peak: int = 0
        copies: int = 0

else:
    Gauges = namedtuple(
        "Gauges",
        ["worker_waited", "unread", "arena_used", "arena_peak", "copies"],
        defaults=(0.0, 0, 0, 0, 0),
    )


class ParentChannel(ABC):
    """The parent's side. One thread at a time receives; any thread may do the rest.

    An event loop receives without waiting: it waits itself for what `readiness` returns, calls
    `receive_now`, and says by `ask` that it waits. It gives the worker `patience` seconds before.

    Attributes:
        waits: runs while `receive` waits, if it is set.
    """

    waits: Stopwatch | None = None

    @abstractmethod
    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        """Send a frame down; never wait.

        What finds no room is sent while this side receives, in order.

        Raises:
            ChannelClosedError: the worker is gone, or this side is closed.
        """

    @abstractmethod
    def receive(self, into: deque[Frame], timeout: float | None) -> bool:
        """Wait for frames and append them.

        While it waits, the worker sends each item as soon as it is made.

        Args:
            into: where they go.
            timeout: seconds to wait; None waits as long as it takes.

        Returns:
            False when the time was up before a frame was complete.

        Raises:
            ChannelClosedError: the worker is gone and all that it sent was received, or this
                side is closed.
            ProtocolError: what came is no frame.
        """

    @abstractmethod
    def receive_now(self, into: deque[Frame]) -> bool:
        """Append the frames that are there; never wait.

        A large frame may take several calls, so that none takes long.

        Args:
            into: where they go.

        Returns:
            Whether a frame was complete. Also False while another thread receives.

        Raises:
            ChannelClosedError, ProtocolError: see `receive`.
        """

    @abstractmethod
    def readiness(self) -> Readiness:
        """Return what an event loop waits for: it is readable while there is something to receive.

        Each caller gets one of its own. When this side is closed it does not become readable.

        Raises:
            ChannelClosedError: this side is closed.
            OSError: no file descriptors are left.
        """

    @abstractmethod
    def patience(self) -> float:
        """Tell for how many seconds an event loop should wait before it asks.

        A worker that sends many items at a time had better not be told to send each at once.
        """

    def congested(self) -> bool:
        """Tell whether commands wait for room: then `receive_now` has to be called now and then."""
        return False

    @abstractmethod
    def ask(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        """Say whether an event loop waits; `receive` does so by itself.

        While it does, the worker sends each item as soon as it is made.
        """

    @abstractmethod
    def take(self, epoch: int, total: int) -> None:
        """Tell the worker how many items of a pass were taken so far.

        A worker that is gone is no error here, nor in `revoke`: the next `receive` tells.
        """

    @abstractmethod
    def revoke(self, epoch: int) -> None:
        """Let the worker not wait for items of a pass to be taken: a command was sent."""

    def gauges(self) -> Gauges:
        """Return what is known of the worker's side; the last values, once closed."""
        return Gauges()

    @abstractmethod
    def watch(self, sentinel: int) -> None:
        """Take a file descriptor that becomes readable for the end of the worker; duplicate it.

        Needed beside the end of the stream, since a child of the worker may hold that open.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Let a thread that is in `receive`, or the next one, return at once: True, for nothing."""

    @abstractmethod
    def stop_receiving(self) -> None:
        """Close the upward stream only.

        A worker that is blocked in sending wakes up, and so does a thread in `receive`. A command
        that waits for room would not be sent any more: it closes the whole side then.
        """

    @abstractmethod
    def close(self) -> None:
        """Close this side, once; never waits."""


class WorkerChannel(ABC):
    """The worker's side. One thread works, another listens for commands; any thread may send.

    Attributes:
        attention: its only element is not 0 while the parent waits for items, and after `alert`.
        arena: memory that the parent shares, or None.
    """

    attention: Sequence[int]
    arena: Arena | None

    @abstractmethod
    def send(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part] = (),
        *,
        count: int = 0,
        refs: Sequence[Ref] = (),
    ) -> None:
        """Send a frame up; wait for the parent to make room.

        Args:
            kind: what it is.
            epoch: the pass that it speaks of.
            parts: its body.
            count: how many items it carries.
            refs: blocks of the arena that belong to it.

        Raises:
            ChannelClosedError: the parent does not receive any more.
        """

    @abstractmethod
    def post(self, kind: int, epoch: int, parts: Sequence[Part], patience: float) -> bool:
        """Send a frame up without waiting for the parent.

        What finds no room waits in memory, and goes ahead of the next frame.

        Args:
            kind: what it is.
            epoch: the pass that it speaks of.
            parts: its body.
            patience: seconds to wait for room when too much waits already.

        Returns:
            Whether nothing waits. If something does, `flush` has to be called by and by.

        Raises:
            BlockingIOError: too much waits still; the frame is dropped.
            ChannelClosedError: the parent does not receive any more.
        """

    @abstractmethod
    def flush(self) -> None:
        """Send what was posted and waits; wait for the parent to make room.

        Raises:
            ChannelClosedError: the parent does not receive any more.
        """

    @abstractmethod
    def retire(self) -> None:
        """Send nothing any more: whoever owns the stream is about to close it."""

    @abstractmethod
    def receive(self, into: deque[Frame]) -> None:
        """Wait for frames and append them.

        Raises:
            ChannelClosedError: the parent is gone.
            ProtocolError: what came is no frame.
        """

    @abstractmethod
    def alert(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        """Let `attention` ask for a look by itself, or not so any more."""

    @abstractmethod
    def parent_waits(self) -> bool:
        """Tell whether the parent waits, and no frame was sent to it since it began to."""

    @abstractmethod
    def taken(self, epoch: int) -> int:
        """Return how many items of a pass were taken so far."""

    @abstractmethod
    def await_taken(self, epoch: int, total: int) -> bool:
        """Wait until so many items of a pass were taken.

        Returns:
            False when the wait is over because a command was sent, or the parent is gone.
        """
