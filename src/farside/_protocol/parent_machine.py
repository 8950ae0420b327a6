"""The parent's transition table, and the machine that looks its steps up in it.

The rules that hold for both tables are in `worker`.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn, TypeAlias

from ..errors import ProtocolError
from .codes import IntEnum
from .messages import Cmd, Status


class ParentState(IntEnum):
    """Where a parent is in the conversation with one worker."""

    INITIALIZATION = 64
    STAND_BY = 65
    STARTING = 66
    """START_ITERATION is sent; ITERATION_STARTED has not arrived."""
    ITERATION = 67
    STOPPING = 68
    """STOP_ITERATION is sent; ITERATION_FINISHED has not arrived."""
    CALLING = 69
    """CALL is sent; no answer has arrived."""
    DONE = 70


class ParentEvent(IntEnum):
    """What happens to a parent besides statuses: what its user wants, and the end of its worker."""

    START = 80
    STOP = 81
    CLOSE = 82
    CALL = 83
    ASK_FOR_STACK = 84
    GIVE = 85
    TAKE_BACK = 86
    WORKER_LOST = 87


class Age(IntEnum):
    """Whose pass a status belongs to: the latest one, or an earlier one."""

    OLD = 96
    CURRENT = 97


class ParentStep(NamedTuple):
    """What the parent does: its next state, and the commands to send."""

    state: ParentState
    send: tuple[Cmd, ...] = ()
    discards: bool = False
    """Whether the status is of a pass that nobody waits for."""


ParentInput: TypeAlias = ParentEvent | tuple[Status, Age]


def _parent_table() -> dict[tuple[ParentState, ParentInput], ParentStep]:
    s, e, to = ParentState, ParentEvent, ParentStep
    old, now = Age.OLD, Age.CURRENT
    stop, start, abort = Cmd.STOP_ITERATION, Cmd.START_ITERATION, Cmd.ABORT
    table: dict[tuple[ParentState, ParentInput], ParentStep] = {
        (s.INITIALIZATION, (Status.INITIALIZATION_SUCCEEDED, now)): to(s.STAND_BY),
        (s.INITIALIZATION, (Status.INITIALIZATION_FAILED, now)): to(s.DONE),
        (s.STAND_BY, e.START): to(s.STARTING, (start,)),
        (s.STAND_BY, e.CALL): to(s.CALLING, (Cmd.CALL,)),
        # Calling: the caller may have abandoned the call, so a pass may begin.
        (s.CALLING, (Status.CALL_SUCCEEDED, now)): to(s.STAND_BY),
        (s.CALLING, (Status.CALL_FAILED, now)): to(s.STAND_BY),
        (s.CALLING, e.START): to(s.STARTING, (start,)),
        (s.STARTING, (Status.ITERATION_STARTED, now)): to(s.ITERATION),
        (s.STARTING, e.START): to(s.STARTING, (stop, start)),
        (s.STARTING, e.STOP): to(s.STOPPING, (stop,)),
        # Iteration: nothing of an earlier pass can arrive any more.
        (s.ITERATION, (Status.ITERATOR_SUCCESS, now)): to(s.ITERATION),
        (s.ITERATION, (Status.PROGRESS_REPORTED, now)): to(s.ITERATION),
        (s.ITERATION, (Status.ITERATION_FINISHED, now)): to(s.STAND_BY),
        (s.ITERATION, (Status.ITERATOR_FAILED, now)): to(s.DONE),
        (s.ITERATION, e.START): to(s.STARTING, (stop, start)),
        (s.ITERATION, e.STOP): to(s.STOPPING, (stop,)),
        (s.ITERATION, e.TAKE_BACK): to(s.ITERATION, (Cmd.RETURN_TASKS,)),
        (s.ITERATION, (Status.TASKS_RETURNED, now)): to(s.ITERATION),
        # Stopping: nobody waits for this pass.
        (s.STOPPING, (Status.ITERATION_FINISHED, now)): to(s.STAND_BY, discards=True),
        (s.STOPPING, (Status.ITERATOR_FAILED, now)): to(s.DONE),
        (s.STOPPING, e.START): to(s.STARTING, (start,)),
        (s.DONE, e.CLOSE): to(s.DONE),
        (s.DONE, e.WORKER_LOST): to(s.DONE),
    }
    of_pass = (
        Status.ITERATION_STARTED, Status.ITERATOR_SUCCESS, Status.PROGRESS_REPORTED,
        Status.TASKS_RETURNED, Status.ITERATION_FINISHED,
    )  # fmt: skip
    for state, age in ((s.STARTING, old), (s.STOPPING, old), (s.STOPPING, now)):
        # These are left over from earlier passes. Of the stopped pass, only its end matters.
        for status in of_pass:
            table.setdefault((state, (status, age)), to(state, discards=True))
    for state in (s.STARTING, s.ITERATION):
        table[state, e.GIVE] = to(state, (Cmd.GIVE_TASKS,))
    for state in (s.STARTING, s.STOPPING):
        # A pass that the parent has left may still fail. That ends the worker, so it is reported.
        table[state, (Status.ITERATOR_FAILED, old)] = to(s.DONE)
        # A call that was under way when the pass was started; somebody may wait for it.
        table[state, (Status.CALL_SUCCEEDED, old)] = to(state)
        table[state, (Status.CALL_FAILED, old)] = to(state)
        table[state, (Status.STACK_REPORTED, old)] = to(state)
    for state in ParentState:
        if state is not s.DONE:
            table[state, e.CLOSE] = to(s.DONE, (abort,))
            table[state, e.ASK_FOR_STACK] = to(state, (Cmd.REPORT_STACK,))
            table[state, e.WORKER_LOST] = to(s.DONE)
            table[state, (Status.STACK_REPORTED, now)] = to(state)
        for age in Age:
            table[state, (Status.RECORDS_EMITTED, age)] = to(state)
    for state in (s.STAND_BY, s.CALLING, s.STARTING, s.ITERATION, s.STOPPING):
        for age in Age:
            table[state, (Status.UNEXPECTED_CMD_RECEIVED, age)] = to(s.DONE)
    return table


PARENT = _parent_table()
"""``(state, event, or (status, age)) → (next state, commands to send, discards)`` of the parent."""

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
    """Looks up what the parent does next.

    Attributes:
        state: where the parent is.
        epoch: the number of the running or latest pass; 0 before the first.

    Example:
        >>> machine = ParentMachine()
        >>> machine.hear(Status.INITIALIZATION_SUCCEEDED, 0).name
        'INITIALIZATION_SUCCEEDED'
        >>> [(cmd.name, epoch) for cmd, epoch in machine.act(ParentEvent.START, 1)]
        [('START_ITERATION', 1)]
    """

    def __init__(self) -> None:
        self.state = ParentState.INITIALIZATION
        self.epoch = 0

    def allows(self, event: ParentEvent) -> bool:
        """Tell whether the present state has a step for an event."""
        return (self.state, event) in PARENT

    def act(self, event: ParentEvent, epoch: int = 0) -> list[tuple[Cmd, int]]:
        """Handle an event; return the commands to send, in order, each with its epoch.

        The `epoch` of a pass to start is above those of all earlier passes. Raise ProtocolError if
        the present state does not allow the event.
        """
        before = self.epoch
        step = PARENT.get((self.state, event)) or self._refuse(event)
        self.state = step.state
        if event is ParentEvent.START:
            self.epoch = epoch
        return [(cmd, before if cmd is Cmd.STOP_ITERATION else self.epoch) for cmd in step.send]

    def hear(self, kind: int, epoch: int) -> Status | None:
        """Handle a status, given by its number; return it, or None if nobody waits for it.

        Raise ProtocolError if `kind` is no status, or the status may not come now.
        """
        status = _STATUSES.get(kind)
        if status is None:
            raise ProtocolError(f"the worker sent {kind}, which is no status")
        if epoch > self.epoch:
            raise ProtocolError(
                f"the worker sent {status.name} for pass {epoch}; the latest is {self.epoch}"
            )
        what = status, _CURRENT if epoch == self.epoch else _OLD
        step = PARENT.get((self.state, what)) or self._refuse(what)
        self.state = step.state
        return None if step.discards else status

    def _refuse(self, what: ParentInput) -> NoReturn:
        name = " ".join(part.name for part in (what if isinstance(what, tuple) else (what,)))
        raise ProtocolError(f"a parent in state {self.state.name} does not expect {name}")
