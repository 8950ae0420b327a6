"""The transition table of the parent, and its place in the conversation with one worker.

`worker` has what holds for both tables.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from ..errors import ProtocolError
from .codes import IntEnum
from .messages import Cmd, Status


class ParentState(IntEnum):
    """Where a parent is."""

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


class ParentAction(IntEnum):
    """What the parent's user wants."""

    START = 80
    STOP = 81
    CLOSE = 82
    CALL = 83
    ASK_FOR_STACK = 84
    GIVE = 85
    TAKE_BACK = 86


class Age(IntEnum):
    """Whose pass a status belongs to: the latest one, or an earlier one."""

    OLD = 96
    CURRENT = 97


class ParentEvent(IntEnum):
    """What a status (or the loss of the worker) means to the parent."""

    READY = 112
    INITIALIZATION_FAILED = 113
    PASS_STARTED = 114
    ITEM = 115
    PASS_FINISHED = 116
    PASS_FAILED = 117
    DISCARDED = 118
    """It belongs to a pass that nobody waits for."""
    REFUSED = 119
    """The worker got a command that it did not expect, and ended."""
    WORKER_LOST = 120
    CALL_RETURNED = 121
    CALL_FAILED = 122
    STACK = 123
    NOTED = 124
    """Something for the user's loggers, whatever else is going on."""
    PROGRESS = 125
    RETURNED = 126
    """Tasks that the worker has not begun, and will not."""


class ParentStep(NamedTuple):
    """What the parent does."""

    state: ParentState
    send: tuple[Cmd, ...]
    event: ParentEvent | None


ParentInput: TypeAlias = ParentAction | tuple[Status, Age] | ParentEvent


def _parent_table() -> dict[tuple[ParentState, ParentInput], ParentStep]:
    s, a, e, to = ParentState, ParentAction, ParentEvent, ParentStep
    old, now = Age.OLD, Age.CURRENT
    stop, start, abort = Cmd.STOP_ITERATION, Cmd.START_ITERATION, Cmd.ABORT
    table: dict[tuple[ParentState, ParentInput], ParentStep] = {
        (s.INITIALIZATION, (Status.INITIALIZATION_SUCCEEDED, now)): to(s.STAND_BY, (), e.READY),
        (s.INITIALIZATION, (Status.INITIALIZATION_FAILED, now)): to(
            s.DONE, (), e.INITIALIZATION_FAILED
        ),
        (s.STAND_BY, a.START): to(s.STARTING, (start,), None),
        (s.STAND_BY, a.CALL): to(s.CALLING, (Cmd.CALL,), None),
        # Calling: whoever has made the call may have given up on it, so a pass may begin.
        (s.CALLING, (Status.CALL_SUCCEEDED, now)): to(s.STAND_BY, (), e.CALL_RETURNED),
        (s.CALLING, (Status.CALL_FAILED, now)): to(s.STAND_BY, (), e.CALL_FAILED),
        (s.CALLING, a.START): to(s.STARTING, (start,), None),
        # Starting: what earlier passes left behind is discarded until this one has begun.
        (s.STARTING, (Status.ITERATION_STARTED, now)): to(s.ITERATION, (), e.PASS_STARTED),
        (s.STARTING, (Status.ITERATION_STARTED, old)): to(s.STARTING, (), e.DISCARDED),
        (s.STARTING, (Status.ITERATOR_SUCCESS, old)): to(s.STARTING, (), e.DISCARDED),
        (s.STARTING, (Status.PROGRESS_REPORTED, old)): to(s.STARTING, (), e.DISCARDED),
        (s.STARTING, (Status.TASKS_RETURNED, old)): to(s.STARTING, (), e.DISCARDED),
        (s.STARTING, (Status.ITERATION_FINISHED, old)): to(s.STARTING, (), e.DISCARDED),
        (s.STARTING, a.START): to(s.STARTING, (stop, start), None),
        (s.STARTING, a.STOP): to(s.STOPPING, (stop,), None),
        # Iteration: nothing of an earlier pass can arrive any more.
        (s.ITERATION, (Status.ITERATOR_SUCCESS, now)): to(s.ITERATION, (), e.ITEM),
        (s.ITERATION, (Status.PROGRESS_REPORTED, now)): to(s.ITERATION, (), e.PROGRESS),
        (s.ITERATION, (Status.ITERATION_FINISHED, now)): to(s.STAND_BY, (), e.PASS_FINISHED),
        (s.ITERATION, (Status.ITERATOR_FAILED, now)): to(s.DONE, (), e.PASS_FAILED),
        (s.ITERATION, a.START): to(s.STARTING, (stop, start), None),
        (s.ITERATION, a.STOP): to(s.STOPPING, (stop,), None),
        (s.ITERATION, a.TAKE_BACK): to(s.ITERATION, (Cmd.RETURN_TASKS,), None),
        (s.ITERATION, (Status.TASKS_RETURNED, now)): to(s.ITERATION, (), e.RETURNED),
        # Stopping: nobody waits for this pass; only its end matters.
        (s.STOPPING, (Status.ITERATION_STARTED, now)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATION_STARTED, old)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATOR_SUCCESS, now)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATOR_SUCCESS, old)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.PROGRESS_REPORTED, now)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.PROGRESS_REPORTED, old)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.TASKS_RETURNED, now)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.TASKS_RETURNED, old)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATION_FINISHED, now)): to(s.STAND_BY, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATION_FINISHED, old)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATOR_FAILED, now)): to(s.DONE, (), e.PASS_FAILED),
        (s.STOPPING, a.START): to(s.STARTING, (start,), None),
        (s.DONE, a.CLOSE): to(s.DONE, (), None),
        (s.DONE, e.WORKER_LOST): to(s.DONE, (), e.DISCARDED),
    }
    for state in (s.STARTING, s.ITERATION):
        table[state, a.GIVE] = to(state, (Cmd.GIVE_TASKS,), None)
    for state in (s.STARTING, s.STOPPING):
        # A pass that the parent has left may still fail; that ends the worker, so it is told.
        table[state, (Status.ITERATOR_FAILED, old)] = to(s.DONE, (), e.PASS_FAILED)
        # A call that was under way when the pass was started; somebody may wait for it.
        table[state, (Status.CALL_SUCCEEDED, old)] = to(state, (), e.CALL_RETURNED)
        table[state, (Status.CALL_FAILED, old)] = to(state, (), e.CALL_FAILED)
        table[state, (Status.STACK_REPORTED, old)] = to(state, (), e.STACK)
    for state in ParentState:
        if state is not s.DONE:
            table[state, a.CLOSE] = to(s.DONE, (abort,), None)
            table[state, a.ASK_FOR_STACK] = to(state, (Cmd.REPORT_STACK,), None)
            table[state, e.WORKER_LOST] = to(s.DONE, (), e.WORKER_LOST)
            table[state, (Status.STACK_REPORTED, now)] = to(state, (), e.STACK)
        for age in Age:
            table[state, (Status.RECORDS_EMITTED, age)] = to(state, (), e.NOTED)
    for state in (s.STAND_BY, s.CALLING, s.STARTING, s.ITERATION, s.STOPPING):
        for age in Age:
            table[state, (Status.UNEXPECTED_CMD_RECEIVED, age)] = to(s.DONE, (), e.REFUSED)
    return table


PARENT = _parent_table()
"""``(state, action, or (status, age)) → (next state, commands to send, event)`` of the parent."""

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
