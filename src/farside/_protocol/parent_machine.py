"""Where the parent is in its conversation with one worker: the table, and the place in it."""

from __future__ import annotations

from ..errors import ProtocolError
from .messages import Cmd, Status
from .tables import PARENT, Age, ParentAction, ParentEvent, ParentState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .tables import ParentInput, ParentStep

PUBLIC_STATES = {
    ParentState.INITIALIZATION: "initialization",
    ParentState.STAND_BY: "stand by",
    ParentState.STARTING: "iteration",
    ParentState.ITERATION: "iteration",
    ParentState.STOPPING: "stopping",
    ParentState.CALLING: "call",
    ParentState.DONE: "closed",
}
"""What users read in `RemoteIterable.state`."""

_STATUSES = {int(status): status for status in Status}
_CURRENT, _OLD = Age.CURRENT, Age.OLD


class ParentMachine:
    """Looks up what the parent does next, and what a status means.

    Attributes:
        state: where the parent is.
        epoch: the number of the running or latest pass; 0 before the first.

    Example:
        >>> machine = ParentMachine()
        >>> machine.hear(Status.INITIALIZATION_SUCCEEDED, 0).name
        'READY'
        >>> [(cmd.name, epoch) for cmd, epoch in machine.act(ParentAction.START, 1)]
        [('START_ITERATION', 1)]
    """

    def __init__(self) -> None:
        self.state = ParentState.INITIALIZATION
        self.epoch = 0

    def allows(self, action: ParentAction) -> bool:
        """Tell whether the present state has a step for an action."""
        return (self.state, action) in PARENT

    def act(self, action: ParentAction, epoch: int = 0) -> list[tuple[Cmd, int]]:
        """Do what the user wants; return the commands to send, in order, each with its epoch.

        A pass to start has a number above all before it. It is a ProtocolError if the present state
        does not allow the action.
        """
        before, step = self.epoch, self._step(action)
        if action is ParentAction.START:
            self.epoch = epoch
        return [(cmd, before if cmd is Cmd.STOP_ITERATION else self.epoch) for cmd in step.send]

    def hear(self, kind: int, epoch: int) -> ParentEvent:
        """Take a status of a pass in, by its number, and return what it means.

        It is a ProtocolError if it is no status, or not one that may come now.
        """
        status = _STATUSES.get(kind)
        if status is None:
            raise ProtocolError(f"the worker sent {kind}, which is no status")
        if epoch > self.epoch:
            raise ProtocolError(
                f"the worker sent {status.name} for pass {epoch}; the latest is {self.epoch}"
            )
        return self._event((status, _CURRENT if epoch == self.epoch else _OLD))

    def lost(self) -> ParentEvent:
        """Take in that the worker is gone: its end of the link has closed."""
        return self._event(ParentEvent.WORKER_LOST)

    def _event(self, what: ParentInput) -> ParentEvent:
        event = self._step(what).event
        assert event is not None  # only actions have none
        return event

    def _step(self, what: ParentInput) -> ParentStep:
        step = PARENT.get((self.state, what))
        if step is None:
            name = " ".join(part.name for part in (what if isinstance(what, tuple) else (what,)))
            raise ProtocolError(f"a parent in state {self.state.name} does not expect {name}")
        self.state = step.state
        return step
