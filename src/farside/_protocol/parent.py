"""The parent's half of the protocol, without I/O."""

from __future__ import annotations

from ..errors import ProtocolError
from .messages import Cmd, Status
from .tables import PARENT, Age, ParentAction, ParentEvent, ParentState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .tables import ParentInput, ParentStep

_STATUSES = {int(status): status for status in Status}


class ParentMachine:
    """Looks up what the parent does next, and what a status means.

    Attributes:
        state: where the parent is.
        epoch: the number of the running or latest pass; 0 before the first.

    Example:
        >>> machine = ParentMachine()
        >>> machine.receive(Status.INITIALIZATION_SUCCEEDED, 0).name
        'READY'
        >>> [(cmd.name, epoch) for cmd, epoch in machine.act(ParentAction.START)]
        [('START_ITERATION', 1)]
    """

    __slots__ = ("epoch", "state")

    def __init__(self) -> None:
        self.state = ParentState.INITIALIZATION
        self.epoch = 0

    def allows(self, action: ParentAction) -> bool:
        """Tell whether the present state has a step for an action."""
        return (self.state, action) in PARENT

    def act(self, action: ParentAction) -> list[tuple[Cmd, int]]:
        """Do what the user wants.

        Args:
            action: start a pass, stop it, or close.

        Returns:
            The commands to send, in order, each with its epoch.

        Raises:
            ProtocolError: the present state does not allow it.
        """
        step = self._step(action)
        before = self.epoch
        if action is ParentAction.START:
            self.epoch += 1
        self.state = step.state
        return [(cmd, before if cmd is Cmd.STOP_ITERATION else self.epoch) for cmd in step.send]

    def receive(self, kind: int, epoch: int) -> ParentEvent:
        """Take a status in.

        Args:
            kind: the status's number, as the channel brought it.
            epoch: the pass that it speaks of.

        Returns:
            What it means.

        Raises:
            ProtocolError: it is no status, or not one that may come now.
        """
        status = _STATUSES.get(kind)
        if status is None:
            raise ProtocolError(f"the worker sent {kind}, which is no status")
        if epoch > self.epoch:
            raise ProtocolError(
                f"the worker sent {status.name} for pass {epoch}; the latest is {self.epoch}"
            )
        return self._take((status, Age.CURRENT if epoch == self.epoch else Age.OLD))

    def lost(self) -> ParentEvent:
        """Take in that the worker is gone: its end of the channel has closed."""
        return self._take(ParentEvent.WORKER_LOST)

    def _take(self, what: ParentInput) -> ParentEvent:
        step = self._step(what)
        self.state = step.state
        assert step.event is not None  # only actions have none
        return step.event

    def _step(self, what: ParentInput) -> ParentStep:
        step = PARENT.get((self.state, what))
        if step is None:
            name = " ".join(part.name for part in (what if isinstance(what, tuple) else (what,)))
            raise ProtocolError(f"a parent in state {self.state.name} does not expect {name}")
        return step
