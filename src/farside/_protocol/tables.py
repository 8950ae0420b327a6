"""The transition tables of the worker and of the parent: the whole protocol, as data.

Two rules hold for this file. All that decides what may follow what is here: the machines in
`worker` and `parent` only look steps up, and the shells that do I/O only carry them out. And a
missing key is a protocol error: what is not written here does not happen.

``docs/make_diagrams.py`` draws the state diagrams of the documentation from these tables.
"""

from __future__ import annotations

from collections import namedtuple
from enum import IntEnum

from .messages import Cmd, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple, TypeAlias


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


class Age(IntEnum):
    """Whose pass a status belongs to: the present one, or one that the parent has left."""

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


if TYPE_CHECKING:
    WorkerInput: TypeAlias = WorkerEvent | Cmd
    ParentInput: TypeAlias = ParentAction | tuple[Status, Age] | ParentEvent

    class WorkerStep(NamedTuple):
        state: WorkerState
        push: Status | None

    class ParentStep(NamedTuple):
        state: ParentState
        send: tuple[Cmd, ...]
        event: ParentEvent | None
else:
    # typing costs a worker some milliseconds of start-up, so the classes are made without it.
    WorkerStep = namedtuple("WorkerStep", ["state", "push"])
    ParentStep = namedtuple("ParentStep", ["state", "send", "event"])


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
        (s.STAND_BY, Cmd.ABORT): to(s.DONE, None),
        (s.STAND_BY, e.UNKNOWN_CMD): to(s.DONE, Status.UNEXPECTED_CMD_RECEIVED),
        # Iteration: a waiting command comes first, then the next item.
        (s.ITERATION, Cmd.STOP_ITERATION): to(s.STAND_BY, Status.ITERATION_FINISHED),
        (s.ITERATION, Cmd.ABORT): to(s.DONE, None),
        (s.ITERATION, Cmd.START_ITERATION): to(s.DONE, Status.UNEXPECTED_CMD_RECEIVED),
        (s.ITERATION, Cmd.CALL): to(s.DONE, Status.UNEXPECTED_CMD_RECEIVED),
        (s.ITERATION, e.UNKNOWN_CMD): to(s.DONE, Status.UNEXPECTED_CMD_RECEIVED),
        (s.ITERATION, e.ITEM_MADE): to(s.ITERATION, Status.ITERATOR_SUCCESS),
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


def _asides() -> dict[Cmd, Status]:
    asides: dict[Cmd, Status] = {}
    for cmd in Cmd:
        for state in (each for each in WorkerState if each is not WorkerState.DONE):
            step = WORKER.get((state, cmd))
            if step is None or step.state is not state or step.push is None:
                asides.pop(cmd, None)
                break
            asides[cmd] = step.push
    return asides


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
        (s.STARTING, (Status.ITERATION_FINISHED, old)): to(s.STARTING, (), e.DISCARDED),
        (s.STARTING, a.START): to(s.STARTING, (stop, start), None),
        (s.STARTING, a.STOP): to(s.STOPPING, (stop,), None),
        # Iteration: nothing of an earlier pass can arrive any more.
        (s.ITERATION, (Status.ITERATOR_SUCCESS, now)): to(s.ITERATION, (), e.ITEM),
        (s.ITERATION, (Status.ITERATION_FINISHED, now)): to(s.STAND_BY, (), e.PASS_FINISHED),
        (s.ITERATION, (Status.ITERATOR_FAILED, now)): to(s.DONE, (), e.PASS_FAILED),
        (s.ITERATION, a.START): to(s.STARTING, (stop, start), None),
        (s.ITERATION, a.STOP): to(s.STOPPING, (stop,), None),
        # Stopping: nobody waits for this pass; only its end matters.
        (s.STOPPING, (Status.ITERATION_STARTED, now)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATION_STARTED, old)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATOR_SUCCESS, now)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATOR_SUCCESS, old)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATION_FINISHED, now)): to(s.STAND_BY, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATION_FINISHED, old)): to(s.STOPPING, (), e.DISCARDED),
        (s.STOPPING, (Status.ITERATOR_FAILED, now)): to(s.DONE, (), e.PASS_FAILED),
        (s.STOPPING, a.START): to(s.STARTING, (start,), None),
        (s.DONE, a.CLOSE): to(s.DONE, (), None),
        (s.DONE, e.WORKER_LOST): to(s.DONE, (), e.DISCARDED),
    }
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


WORKER = _worker_table()
"""``(state, command or event) → (next state, status to push)`` of the worker."""

ASIDES = _asides()
"""The commands that leave a worker where it is, whatever its state, and what each is answered with.
Any thread of the worker may answer them."""

PARENT = _parent_table()
"""``(state, action, or (status, age)) → (next state, commands to send, event)`` of the parent."""
