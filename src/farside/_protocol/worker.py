"""The worker's half of the protocol, without I/O: its transition table, and its machine.

Two rules hold for this table and for that of the parent (`parent_machine`). First, the tables alone
decide what may follow what: the machines look steps up, and the shells that do I/O carry them out.
Second, a missing key is a protocol error. (Items, progress and records are too many to look each
up. They change no state, and tests check that they are sent and handled only where the tables list
them.)

``docs/make_diagrams.py`` draws the state diagrams of the documentation from these tables.
"""

from __future__ import annotations

from .._named_tuple import NamedTuple
from ..errors import ProtocolError
from .codes import IntEnum
from .messages import Cmd, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias


class WorkerState(IntEnum):
    """Where a worker is."""

    INITIALIZATION = 32
    STAND_BY = 33
    ITERATION = 34
    CALL = 35
    DONE = 36


class WorkerEvent(IntEnum):
    """What happens to a worker besides commands."""

    INITIALIZED = 48
    INITIALIZATION_RAISED = 49
    ITEM_MADE = 50
    ITERATOR_EXHAUSTED = 51
    ITERATOR_RAISED = 52
    UNKNOWN_CMD = 53
    PARENT_LOST = 54
    CALL_RETURNED = 55
    CALL_RAISED = 56
    RECORD_EMITTED = 57
    """In any thread."""
    PROGRESS_MADE = 58


if TYPE_CHECKING:
    WorkerInput: TypeAlias = WorkerEvent | Cmd


class WorkerStep(NamedTuple):
    state: WorkerState
    push: Status | None


ASIDES = {Cmd.REPORT_STACK: Status.STACK_REPORTED, Cmd.RETURN_TASKS: Status.TASKS_RETURNED}
"""The commands that change no state, and the status that answers each. They are allowed in every
state but DONE, and any thread of the worker may answer them."""


def _worker_table() -> dict[tuple[WorkerState, WorkerInput], WorkerStep]:
    s, e, to = WorkerState, WorkerEvent, WorkerStep
    table: dict[tuple[WorkerState, WorkerInput], WorkerStep] = {
        # Initialization: commands that change the state wait until it is over.
        (s.INITIALIZATION, e.INITIALIZED): to(s.STAND_BY, Status.INITIALIZATION_SUCCEEDED),
        (s.INITIALIZATION, e.INITIALIZATION_RAISED): to(s.DONE, Status.INITIALIZATION_FAILED),
        # Stand By: blocks for a command.
        (s.STAND_BY, Cmd.START_ITERATION): to(s.ITERATION, Status.ITERATION_STARTED),
        (s.STAND_BY, Cmd.STOP_ITERATION): to(s.STAND_BY, None),
        (s.STAND_BY, Cmd.CALL): to(s.CALL, None),
        (s.STAND_BY, Cmd.GIVE_TASKS): to(s.STAND_BY, None),  # of a pass that is over
        (s.STAND_BY, Cmd.ABORT): to(s.DONE, None),
        (s.STAND_BY, e.UNKNOWN_CMD): to(s.DONE, Status.UNEXPECTED_CMD_RECEIVED),
        # Iteration: a waiting command comes first, then the next item.
        (s.ITERATION, Cmd.STOP_ITERATION): to(s.STAND_BY, Status.ITERATION_FINISHED),
        (s.ITERATION, Cmd.GIVE_TASKS): to(s.ITERATION, None),
        (s.ITERATION, Cmd.ABORT): to(s.DONE, None),
        (s.ITERATION, Cmd.START_ITERATION): to(s.DONE, Status.UNEXPECTED_CMD_RECEIVED),
        (s.ITERATION, Cmd.CALL): to(s.DONE, Status.UNEXPECTED_CMD_RECEIVED),
        (s.ITERATION, e.UNKNOWN_CMD): to(s.DONE, Status.UNEXPECTED_CMD_RECEIVED),
        (s.ITERATION, e.ITEM_MADE): to(s.ITERATION, Status.ITERATOR_SUCCESS),
        (s.ITERATION, e.PROGRESS_MADE): to(s.ITERATION, Status.PROGRESS_REPORTED),
        (s.ITERATION, e.ITERATOR_EXHAUSTED): to(s.STAND_BY, Status.ITERATION_FINISHED),
        (s.ITERATION, e.ITERATOR_RAISED): to(s.DONE, Status.ITERATOR_FAILED),
        # Call: commands that change the state wait until it is over.
        (s.CALL, e.CALL_RETURNED): to(s.STAND_BY, Status.CALL_SUCCEEDED),
        (s.CALL, e.CALL_RAISED): to(s.STAND_BY, Status.CALL_FAILED),
    }
    for state in WorkerState:
        if state is not s.DONE:
            table[state, e.PARENT_LOST] = to(s.DONE, None)
            for aside, answer in ASIDES.items():
                table[state, aside] = to(state, answer)
        # In DONE too: finalizers may log.
        table[state, e.RECORD_EMITTED] = to(state, Status.RECORDS_EMITTED)
    return table


WORKER = _worker_table()
"""``(state, command or event) → (next state, status to push)`` of the worker."""

_COMMANDS = {int(cmd): cmd for cmd in Cmd}


class WorkerMachine:
    """Looks up what a worker does next.

    Attributes:
        state: where the worker is.
        epoch: the number of the running or latest pass; 0 before the first.

    Example:
        >>> machine = WorkerMachine()
        >>> machine.fire(WorkerEvent.INITIALIZED).name
        'INITIALIZATION_SUCCEEDED'
        >>> machine.command(Cmd.START_ITERATION, 1).name, machine.state.name, machine.epoch
        ('ITERATION_STARTED', 'ITERATION', 1)
    """

    __slots__ = ("epoch", "state")

    def __init__(self) -> None:
        self.state = WorkerState.INITIALIZATION
        self.epoch = 0

    def command(self, kind: int, epoch: int) -> Status | None:
        """Obey a command, given by its number; return the status to push, or None.

        Raises:
            ProtocolError: the table has no such step, as when the present state takes no commands.
        """
        cmd = _COMMANDS.get(kind)
        starts = cmd is Cmd.START_ITERATION
        # Epochs only grow; a START that goes back would let old frames pass for new ones.
        if cmd is None or (starts and epoch <= self.epoch):
            return self.fire(WorkerEvent.UNKNOWN_CMD)
        before = self.state
        status = self.fire(cmd)
        if starts and before is WorkerState.STAND_BY:
            self.epoch = epoch
        return status

    def fire(self, event: WorkerInput) -> Status | None:
        """Take one step; return the status to push, or None.

        Raises:
            ProtocolError: the table has no such step.
        """
        step = WORKER.get((self.state, event))
        if step is None:
            raise ProtocolError(f"a worker in state {self.state.name} does not expect {event.name}")
        self.state = step.state
        return step.push
