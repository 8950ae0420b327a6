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
        begun: three numbers, 0 at first, in which the worker notes what `Link.begun` tells. They
            are in memory that both sides share, or a list.
        attention: its only element is not 0 while the parent waits for items, and after `alert`.
        alerted: its only element is not 0 after `alert`; it may be `attention`.
        arena: memory that the parent shares, or what is in its place, or None.
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
            kind: what it is.
            epoch: the pass that it speaks of.
            parts: its body.
            count: how many items it carries.
            refs: blocks of the arena that belong to it.
            wait: for room; else what finds none waits in memory, as in `post`.

        Returns:
            Whether nothing waits. If something does, `flush` has to be called later.

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
        """Send a frame up together with the next one, which the caller sends at once; as `send`.

        So the parent is woken for both, and not for each. Or send it now, as this does.
        """
        return self.send(kind, epoch, parts, count=count, refs=refs)

    @abstractmethod
    def post(self, kind: int, epoch: int, parts: Sequence[Part], patience: float) -> bool:
        """Send a frame up without waiting: what finds no room goes ahead of the next frame.

        When too much waits already, it waits for room, for `patience` seconds at most.

        Returns:
            What `send` does.

        Raises:
            BlockingIOError: too much waits still; the frame is dropped.
            LinkClosedError: the parent does not receive any more.
        """

    @abstractmethod
    def flush(self) -> None:
        """Send what waits in memory; wait for the parent to make room.

        Raises:
            LinkClosedError: the parent does not receive any more.
        """

    @abstractmethod
    def retire(self) -> None:
        """Send nothing any more: whoever owns the stream is about to close it."""

    @abstractmethod
    def receive(self, into: deque[Frame]) -> None:
        """Wait for frames and append them.

        Raises:
            LinkClosedError: the parent is gone.
            ProtocolError: what came is no frame.
        """

    @abstractmethod
    def alert(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        """Let `attention` ask for a look by itself, or not so any more."""

    @abstractmethod
    def parent_waits(self) -> bool:
        """Tell whether the parent waits, and no frame was sent to it since it began to."""

    @abstractmethod
    def acknowledged(self, epoch: int) -> int:
        """Return how many items of a pass were taken so far."""

    def revoked(self, epoch: int) -> bool:  # noqa: ARG002
        """Tell whether the parent has sent a command that ends a pass, where it need not be asked.

        The command itself may take its time to be heard.
        """
        return False

    def spin_for_credit(self, epoch: int, total: int) -> bool:  # noqa: ARG002
        """Look for a moment whether so many items of a pass were taken; tell whether they were.

        Only a link that need not ask the parent for that does so.
        """
        return False

    @abstractmethod
    def wait_for_credit(self, epoch: int, total: int) -> bool:
        """Wait until so many items of a pass were taken.

        Returns:
            False when the wait is over because a command was sent, or the parent is gone.
        """

    @abstractmethod
    def wait_for_parent(self, epoch: int, made: int) -> bool:
        """Wait until the parent waits, and has taken so many items: all that a pass has made.

        Returns:
            What `wait_for_credit` does.
        """
