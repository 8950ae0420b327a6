"""The interface of a link: what every kind of it must offer to the worker. See `base` too."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence
    from typing import Any

    from .._memory.parts import Part, Ref, Store
    from .frames import Frame


class WorkerLink(ABC):
    """The worker's side. One thread works, another listens for commands; any thread may send.

    Attributes:
        begun: three numbers, 0 at first, in which the worker notes what `Link.begun` returns. They
            lie in memory that both sides share, or are a list.
        attention: one number, which is not 0 while the parent waits for items, and after `alert`.
        alerted: one number, which is not 0 after `alert`. It may be `attention` itself.
        arena: memory shared with the parent, or a `Store` that replaces it, or None.
    """

    attention: Sequence[int]
    alerted: Sequence[int]
    arena: Store | None
    begun: Any

    @abstractmethod
    def send(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part] = (),
        *,
        count: int = 0,
        refs: Sequence[Ref] = (),
        wait: bool = True,
    ) -> bool:
        """Send a frame up.

        Args:
            kind: the kind of the frame.
            epoch: the pass that it is about.
            parts: its body.
            count: how many items it carries.
            refs: blocks of the arena that belong to it.
            wait: whether to wait for room. If not, what does not fit is kept, as in `post`.

        Returns:
            Whether all was sent. If something is kept, `flush` has to be called later.

        Raises:
            LinkClosedError: the parent does not receive any more.
        """

    def send_soon(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part] = (),
        *,
        count: int = 0,
        refs: Sequence[Ref] = (),
    ) -> bool:
        """Send a frame up as `send` does, together with the next one, which follows right away.

        The parent is then woken once for both. A link may also send the frame now, as this does.
        """
        return self.send(kind, epoch, parts, count=count, refs=refs)

    @abstractmethod
    def post(self, kind: int, epoch: int, parts: Sequence[Part], patience: float) -> bool:
        """Send a frame up without waiting; what does not fit is kept, and sent before the next one.

        Only if too much is kept already, this waits for room, `patience` seconds at most.

        Returns:
            What `send` does.

        Raises:
            BlockingIOError: too much is still kept; the frame is dropped.
            LinkClosedError: the parent does not receive any more.
        """

    @abstractmethod
    def flush(self) -> None:
        """Send all that is kept, and wait for the parent to make room.

        Raises:
            LinkClosedError: the parent does not receive any more.
        """

    @abstractmethod
    def retire(self) -> None:
        """Send nothing from now on: the owner of the stream is about to close it."""

    @abstractmethod
    def receive(self, into: deque[Frame]) -> None:
        """Wait for frames and append them.

        Raises:
            LinkClosedError: the parent is gone.
            ProtocolError: what came is no frame.
        """

    @abstractmethod
    def alert(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        """Make `attention` and `alerted` non-zero whatever the parent does, or take that back."""

    @abstractmethod
    def parent_waits(self) -> bool:
        """Return whether the parent has begun to wait, and no frame was sent since."""

    @abstractmethod
    def acknowledged(self, epoch: int) -> int:
        """Return how many items of a pass were taken so far."""

    def revoked(self, epoch: int) -> bool:  # noqa: ARG002
        """Return whether the parent has sent a command that ends a pass, if this side can see that.

        The command itself may be received only later.
        """
        return False

    def spin_for_credit(self, epoch: int, total: int) -> bool:  # noqa: ARG002
        """Look for a moment until `total` items of a pass were taken; return whether they were.

        Only a link that can see this without asking the parent does so; others return False.
        """
        return False

    @abstractmethod
    def wait_for_credit(self, epoch: int, total: int) -> bool:
        """Wait until the parent has taken `total` items of a pass.

        Returns:
            False if the wait has ended because a command was sent, or the parent is gone.
        """

    @abstractmethod
    def wait_for_parent(self, epoch: int, made: int) -> bool:
        """Wait until the parent waits and has taken `made` items: all that the pass has sent.

        Returns:
            What `wait_for_credit` does.
        """
