"""The transition table of the worker, and what its keys are made of. See `tables`."""

from __future__ import annotations

from .._named_tuple import NamedTuple
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
            table[state, Cmd.REPORT_STACK] = to(state, Status.STACK_REPORTED)
        # Also when it is done: finalizers have something to say.
        table[state, e.RECORD_EMITTED] = to(state, Status.RECORDS_EMITTED)
    return table


WORKER = _worker_table()
"""``(state, command or event) → (next state, status to push)`` of the worker."""

ASIDES = {Cmd.REPORT_STACK: Status.STACK_REPORTED}
"""The commands that leave a worker where it is, whatever its state, and what each is answered with.
Any thread of the worker may answer them."""
