"""The tables, against a second statement of the protocol that was written by hand.

The statement below says in plain words what each side may meet in each state, what it then does,
and where that leads. It shares no code with the tables.
"""

from __future__ import annotations

import itertools

import pytest

from farside._protocol.messages import Cmd, Status
from farside._protocol.parent_machine import (
    PARENT,
    Age,
    ParentEvent,
    ParentMachine,
    ParentState,
)
from farside._protocol.worker import WORKER, WorkerEvent, WorkerMachine, WorkerState, WorkerStep
from farside.errors import ProtocolError

# Each line: what happens -> what is pushed (- is nothing), the next state (= is the same).
WORKER_STATEMENT = """
INITIALIZATION
    INITIALIZED             -> INITIALIZATION_SUCCEEDED  STAND_BY
    INITIALIZATION_RAISED   -> INITIALIZATION_FAILED     DONE
    PARENT_LOST             -> -                         DONE
    REPORT_STACK            -> STACK_REPORTED            =
    RETURN_TASKS            -> TASKS_RETURNED            =
    RECORD_EMITTED          -> RECORDS_EMITTED           =
STAND_BY
    START_ITERATION         -> ITERATION_STARTED         ITERATION
    STOP_ITERATION          -> -                         STAND_BY
    CALL                    -> -                         CALL
    GIVE_TASKS              -> -                         STAND_BY
    ABORT                   -> -                         DONE
    UNKNOWN_CMD             -> UNEXPECTED_CMD_RECEIVED   DONE
    PARENT_LOST             -> -                         DONE
    REPORT_STACK            -> STACK_REPORTED            =
    RETURN_TASKS            -> TASKS_RETURNED            =
    RECORD_EMITTED          -> RECORDS_EMITTED           =
ITERATION
    STOP_ITERATION          -> ITERATION_FINISHED        STAND_BY
    GIVE_TASKS              -> -                         ITERATION
    ABORT                   -> -                         DONE
    START_ITERATION         -> UNEXPECTED_CMD_RECEIVED   DONE
    CALL                    -> UNEXPECTED_CMD_RECEIVED   DONE
    UNKNOWN_CMD             -> UNEXPECTED_CMD_RECEIVED   DONE
    ITEM_MADE               -> ITERATOR_SUCCESS          ITERATION
    PROGRESS_MADE           -> PROGRESS_REPORTED         ITERATION
    ITERATOR_EXHAUSTED      -> ITERATION_FINISHED        STAND_BY
    ITERATOR_RAISED         -> ITERATOR_FAILED           DONE
    PARENT_LOST             -> -                         DONE
    REPORT_STACK            -> STACK_REPORTED            =
    RETURN_TASKS            -> TASKS_RETURNED            =
    RECORD_EMITTED          -> RECORDS_EMITTED           =
CALL
    CALL_RETURNED           -> CALL_SUCCEEDED            STAND_BY
    CALL_RAISED             -> CALL_FAILED               STAND_BY
    PARENT_LOST             -> -                         DONE
    REPORT_STACK            -> STACK_REPORTED            =
    RETURN_TASKS            -> TASKS_RETURNED            =
    RECORD_EMITTED          -> RECORDS_EMITTED           =
DONE
    RECORD_EMITTED          -> RECORDS_EMITTED           =
"""

# Each line: what happens -> what is sent (- is nothing), whether a status is heard or discarded (-
# is no status), the next state (= is the same). "old" statuses are of a pass that was left.
PARENT_STATEMENT = """
INITIALIZATION
    INITIALIZATION_SUCCEEDED     -> -                               HEARD      STAND_BY
    INITIALIZATION_FAILED        -> -                               HEARD      DONE
    CLOSE                        -> ABORT                           -          DONE
    WORKER_LOST                  -> -                               -          DONE
    ASK_FOR_STACK                -> REPORT_STACK                    -          =
    STACK_REPORTED               -> -                               HEARD      =
    RECORDS_EMITTED              -> -                               HEARD      =
    RECORDS_EMITTED old          -> -                               HEARD      =
STAND_BY
    START                        -> START_ITERATION                 -          STARTING
    CALL                         -> CALL                            -          CALLING
    CLOSE                        -> ABORT                           -          DONE
    UNEXPECTED_CMD_RECEIVED      -> -                               HEARD      DONE
    UNEXPECTED_CMD_RECEIVED old  -> -                               HEARD      DONE
    WORKER_LOST                  -> -                               -          DONE
    ASK_FOR_STACK                -> REPORT_STACK                    -          =
    STACK_REPORTED               -> -                               HEARD      =
    RECORDS_EMITTED              -> -                               HEARD      =
    RECORDS_EMITTED old          -> -                               HEARD      =
STARTING
    ITERATION_STARTED            -> -                               HEARD      ITERATION
    ITERATION_STARTED old        -> -                               DISCARDED  STARTING
    ITERATOR_SUCCESS old         -> -                               DISCARDED  STARTING
    PROGRESS_REPORTED old        -> -                               DISCARDED  STARTING
    ITERATION_FINISHED old       -> -                               DISCARDED  STARTING
    ITERATOR_FAILED old          -> -                               HEARD      DONE
    CALL_SUCCEEDED old           -> -                               HEARD      STARTING
    CALL_FAILED old              -> -                               HEARD      STARTING
    START                        -> STOP_ITERATION,START_ITERATION  -          STARTING
    GIVE                         -> GIVE_TASKS                      -          =
    STOP                         -> STOP_ITERATION                  -          STOPPING
    CLOSE                        -> ABORT                           -          DONE
    UNEXPECTED_CMD_RECEIVED      -> -                               HEARD      DONE
    UNEXPECTED_CMD_RECEIVED old  -> -                               HEARD      DONE
    WORKER_LOST                  -> -                               -          DONE
    ASK_FOR_STACK                -> REPORT_STACK                    -          =
    STACK_REPORTED               -> -                               HEARD      =
    STACK_REPORTED old           -> -                               HEARD      =
    TASKS_RETURNED old           -> -                               DISCARDED  =
    RECORDS_EMITTED              -> -                               HEARD      =
    RECORDS_EMITTED old          -> -                               HEARD      =
ITERATION
    ITERATOR_SUCCESS             -> -                               HEARD      ITERATION
    PROGRESS_REPORTED            -> -                               HEARD      ITERATION
    ITERATION_FINISHED           -> -                               HEARD      STAND_BY
    ITERATOR_FAILED              -> -                               HEARD      DONE
    START                        -> STOP_ITERATION,START_ITERATION  -          STARTING
    GIVE                         -> GIVE_TASKS                      -          =
    TAKE_BACK                    -> RETURN_TASKS                    -          =
    TASKS_RETURNED               -> -                               HEARD      =
    STOP                         -> STOP_ITERATION                  -          STOPPING
    CLOSE                        -> ABORT                           -          DONE
    UNEXPECTED_CMD_RECEIVED      -> -                               HEARD      DONE
    UNEXPECTED_CMD_RECEIVED old  -> -                               HEARD      DONE
    WORKER_LOST                  -> -                               -          DONE
    ASK_FOR_STACK                -> REPORT_STACK                    -          =
    STACK_REPORTED               -> -                               HEARD      =
    RECORDS_EMITTED              -> -                               HEARD      =
    RECORDS_EMITTED old          -> -                               HEARD      =
STOPPING
    ITERATION_STARTED            -> -                               DISCARDED  STOPPING
    ITERATION_STARTED old        -> -                               DISCARDED  STOPPING
    ITERATOR_SUCCESS             -> -                               DISCARDED  STOPPING
    ITERATOR_SUCCESS old         -> -                               DISCARDED  STOPPING
    PROGRESS_REPORTED            -> -                               DISCARDED  STOPPING
    PROGRESS_REPORTED old        -> -                               DISCARDED  STOPPING
    ITERATION_FINISHED           -> -                               DISCARDED  STAND_BY
    ITERATION_FINISHED old       -> -                               DISCARDED  STOPPING
    ITERATOR_FAILED              -> -                               HEARD      DONE
    ITERATOR_FAILED old          -> -                               HEARD      DONE
    CALL_SUCCEEDED old           -> -                               HEARD      STOPPING
    CALL_FAILED old              -> -                               HEARD      STOPPING
    START                        -> START_ITERATION                 -          STARTING
    CLOSE                        -> ABORT                           -          DONE
    UNEXPECTED_CMD_RECEIVED      -> -                               HEARD      DONE
    UNEXPECTED_CMD_RECEIVED old  -> -                               HEARD      DONE
    WORKER_LOST                  -> -                               -          DONE
    ASK_FOR_STACK                -> REPORT_STACK                    -          =
    STACK_REPORTED               -> -                               HEARD      =
    STACK_REPORTED old           -> -                               HEARD      =
    TASKS_RETURNED               -> -                               DISCARDED  =
    TASKS_RETURNED old           -> -                               DISCARDED  =
    RECORDS_EMITTED              -> -                               HEARD      =
    RECORDS_EMITTED old          -> -                               HEARD      =
CALLING
    CALL_SUCCEEDED               -> -                               HEARD      STAND_BY
    CALL_FAILED                  -> -                               HEARD      STAND_BY
    START                        -> START_ITERATION                 -          STARTING
    CLOSE                        -> ABORT                           -          DONE
    UNEXPECTED_CMD_RECEIVED      -> -                               HEARD      DONE
    UNEXPECTED_CMD_RECEIVED old  -> -                               HEARD      DONE
    WORKER_LOST                  -> -                               -          DONE
    ASK_FOR_STACK                -> REPORT_STACK                    -          =
    STACK_REPORTED               -> -                               HEARD      =
    RECORDS_EMITTED              -> -                               HEARD      =
    RECORDS_EMITTED old          -> -                               HEARD      =
DONE
    CLOSE                        -> -                               -          DONE
    WORKER_LOST                  -> -                               -          DONE
    RECORDS_EMITTED              -> -                               HEARD      =
    RECORDS_EMITTED old          -> -                               HEARD      =
"""

NOTHING = "-"


def read_statement(text: str) -> dict[tuple[str, str], list[str]]:
    """Return what happens for each pair of state and input."""
    rows = {}
    state = ""
    for line in text.strip().splitlines():
        if line.startswith(" "):
            what, _, outcome = line.partition("->")
            assert (state, what.strip()) not in rows
            rows[state, what.strip()] = outcome.replace("=", state).split()
        else:
            state = line
    return rows


WORKER_ROWS = read_statement(WORKER_STATEMENT)
PARENT_ROWS = read_statement(PARENT_STATEMENT)

WORKER_INPUTS = [*WorkerEvent, *Cmd]
PARENT_INPUTS = [
    *ParentEvent,
    *itertools.product(Status, Age),
]


# The worker ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", WorkerState)
@pytest.mark.parametrize("what", WORKER_INPUTS)
def test_worker_in_every_state_meets_every_input(
    state: WorkerState, what: WorkerEvent | Cmd
) -> None:
    machine = WorkerMachine()
    machine.state = state
    row = WORKER_ROWS.get((state.name, what.name))
    if row is None:
        with pytest.raises(ProtocolError):
            machine.fire(what)
        assert machine.state is state
    else:
        status = machine.fire(what)
        assert [status.name if status else NOTHING, machine.state.name] == row


@pytest.mark.parametrize("state", WorkerState)
def test_inputs_that_a_worker_allows(state: WorkerState) -> None:
    allowed = {what.name for where, what in WORKER if where is state}
    assert allowed == {what for where, what in WORKER_ROWS if where == state.name}


def test_a_worker_that_is_done_lets_user_code_have_its_say_and_does_nothing_more() -> None:
    rows = {what: step for (state, what), step in WORKER.items() if state is WorkerState.DONE}
    step = WorkerStep(WorkerState.DONE, Status.RECORDS_EMITTED)
    assert rows == {WorkerEvent.RECORD_EMITTED: step}


def test_a_record_changes_nothing_on_either_side() -> None:
    for state in WorkerState:
        assert WORKER[state, WorkerEvent.RECORD_EMITTED].state is state
    for parent_state, age in itertools.product(ParentState, Age):
        step = PARENT[parent_state, (Status.RECORDS_EMITTED, age)]
        assert step == (parent_state, (), False)


def test_every_end_of_a_worker_is_told_or_was_the_wish_of_the_parent() -> None:
    silent = {
        what
        for (_, what), step in WORKER.items()
        if step.state is WorkerState.DONE and step.push is None
    }
    assert silent == {Cmd.ABORT, WorkerEvent.PARENT_LOST}


def test_a_worker_hears_commands_wherever_it_waits_or_loops() -> None:
    for state in (WorkerState.STAND_BY, WorkerState.ITERATION):
        assert all((state, cmd) in WORKER for cmd in Cmd)


# The parent ---------------------------------------------------------------------------------------


def name_of(what: ParentEvent | tuple[Status, Age]) -> str:
    """Name an input as the statement does."""
    if not isinstance(what, tuple):
        return what.name
    status, age = what
    return status.name if age is Age.CURRENT else f"{status.name} old"


def apply(machine: ParentMachine, what: ParentEvent | tuple[Status, Age]) -> list[str]:
    """Give an input to a machine, and return what came of it, as the statement puts it."""
    sent, meant = NOTHING, NOTHING
    if isinstance(what, tuple):
        status, age = what
        heard = machine.hear(status, machine.epoch - (age is Age.OLD))
        assert heard in {status, None}
        meant = "HEARD" if heard else "DISCARDED"
    else:
        sent = ",".join(cmd.name for cmd, _ in machine.act(what, machine.epoch + 1)) or NOTHING
    return [sent, meant, machine.state.name]


@pytest.mark.parametrize("state", ParentState)
@pytest.mark.parametrize("what", PARENT_INPUTS, ids=name_of)
def test_parent_in_every_state_meets_every_input(
    state: ParentState, what: ParentEvent | tuple[Status, Age]
) -> None:
    machine = ParentMachine()
    machine.state = state
    machine.epoch = 2
    row = PARENT_ROWS.get((state.name, name_of(what)))
    if row is None:
        with pytest.raises(ProtocolError):
            apply(machine, what)
        assert (machine.state, machine.epoch) == (state, 2)
    else:
        assert apply(machine, what) == row


@pytest.mark.parametrize("state", ParentState)
def test_inputs_that_a_parent_allows(state: ParentState) -> None:
    allowed = {name_of(what) for where, what in PARENT if where is state}
    assert allowed == {what for where, what in PARENT_ROWS if where == state.name}


def test_a_parent_that_is_done_stays_so_and_sends_nothing() -> None:
    steps = [step for (state, _), step in PARENT.items() if state is ParentState.DONE]
    assert steps
    assert all(step.state is ParentState.DONE and not step.send for step in steps)


def test_closing_and_death_are_possible_in_every_state() -> None:
    for state in ParentState:
        assert PARENT[state, ParentEvent.CLOSE].state is ParentState.DONE
        assert PARENT[state, ParentEvent.WORKER_LOST].state is ParentState.DONE


def test_only_events_send_and_only_statuses_are_discarded() -> None:
    for (_, what), step in PARENT.items():
        if isinstance(what, ParentEvent):
            assert not step.discards
        else:
            assert not step.send


def test_items_are_delivered_while_a_pass_runs_and_only_its_own() -> None:
    items = itertools.product(ParentState, itertools.product([Status.ITERATOR_SUCCESS], Age))
    delivering = [key for key in items if key in PARENT and not PARENT[key].discards]
    assert delivering == [(ParentState.ITERATION, (Status.ITERATOR_SUCCESS, Age.CURRENT))]
