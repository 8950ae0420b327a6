"""The interface of a channel: what a transport must offer to each side.

A channel is two one-way streams of frames: commands go down, statuses and items come up. Credit
goes down beside them, on a stream of its own, since it is awaited by another thread of the worker
than commands are. When one side is gone, the other gets `ChannelClosedError`, at once and in
whatever it does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from .codec import Part
    from .frames import Frame

REVOKED = (1 << 64) - 1
"""Said in place of a number of items: a command is on its way, do not wait for credit."""


class ParentChannel(ABC):
    """The parent's side. One thread at a time receives; any thread may do the rest."""

    @abstractmethod
    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        """Send a frame down.

        Raises:
            ChannelClosedError: the worker is gone, or this side is closed.
        """

    @abstractmethod
    def receive(self, into: deque[Frame], timeout: float | None) -> bool:
        """Wait for frames and append them.

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
    def grant(self, epoch: int, total: int) -> None:
        """Tell the worker how many items of the pass were taken so far, or `REVOKED`.

        A worker that is gone is no error here: the next `receive` tells.
        """

    @abstractmethod
    def watch(self, sentinel: int) -> None:
        """Take a file descriptor that becomes readable for the end of the worker.

        Needed beside the end of the stream, since a child of the worker may hold that open.
        """

    @abstractmethod
    def stop_receiving(self) -> None:
        """Close the upward stream only.

        A worker that is blocked in sending wakes up, and so does a thread in `receive`.
        """

    @abstractmethod
    def close(self) -> None:
        """Close this side, once; never waits."""


class WorkerChannel(ABC):
    """The worker's side. One thread works and sends, another listens for commands."""

    @abstractmethod
    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        """Send a frame up; wait for the parent to make room.

        Raises:
            ChannelClosedError: the parent does not receive any more.
        """

    @abstractmethod
    def receive(self, into: deque[Frame]) -> None:
        """Wait for frames and append them.

        Raises:
            ChannelClosedError: the parent is gone.
            ProtocolError: what came is no frame.
        """

    @abstractmethod
    def credit(self, epoch: int, *, wait: bool) -> int:
        """Read what credit has come.

        Args:
            epoch: the pass; what was granted to earlier ones is dropped.
            wait: whether to wait when there is none.

        Returns:
            How many items of the pass were taken so far (0: not known yet), or `REVOKED`.
        """
