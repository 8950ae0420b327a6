"""The worker's machine."""

from __future__ import annotations

import pytest

from farside._protocol.messages import Cmd, Status
from farside._protocol.worker import ASIDES, WORKER, WorkerEvent, WorkerMachine, WorkerState
from farside.errors import ProtocolError


def standing_by() -> WorkerMachine:
    """Return a machine whose initialization is over."""
    machine = WorkerMachine()
    machine.fire(WorkerEvent.INITIALIZED)
    return machine


def iterating(epoch: int = 1) -> WorkerMachine:
    """Return a machine in a pass."""
    machine = standing_by()
    machine.command(Cmd.START_ITERATION, epoch)
    return machine


def test_it_begins_with_initialization_and_before_the_first_pass() -> None:
    machine = WorkerMachine()
    assert machine.state is WorkerState.INITIALIZATION
    assert machine.epoch == 0


def test_a_whole_life() -> None:
    machine = WorkerMachine()
    said = [
        machine.fire(WorkerEvent.INITIALIZED),
        machine.command(Cmd.START_ITERATION, 1),
        machine.fire(WorkerEvent.ITEM_MADE),
        machine.fire(WorkerEvent.ITERATOR_EXHAUSTED),
        machine.command(Cmd.START_ITERATION, 2),
        machine.fire(WorkerEvent.ITEM_MADE),
        machine.command(Cmd.STOP_ITERATION, 2),
        machine.command(Cmd.ABORT, 2),
    ]
    assert said == [
        Status.INITIALIZATION_SUCCEEDED,
        Status.ITERATION_STARTED,
        Status.ITERATOR_SUCCESS,
        Status.ITERATION_FINISHED,
        Status.ITERATION_STARTED,
        Status.ITERATOR_SUCCESS,
        Status.ITERATION_FINISHED,
        None,
    ]
    assert machine.state is WorkerState.DONE


# Epochs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 2, 1 << 63])
def test_a_pass_bears_the_epoch_of_its_start(epoch: int) -> None:
    assert iterating(epoch).epoch == epoch


def test_the_epoch_stays_until_the_next_start() -> None:
    machine = iterating(3)
    machine.fire(WorkerEvent.ITERATOR_EXHAUSTED)
    assert machine.epoch == 3
    machine.command(Cmd.START_ITERATION, 7)
    assert machine.epoch == 7


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_start_that_goes_back_or_repeats_is_refused(epoch: int) -> None:
    machine = iterating(2)
    machine.fire(WorkerEvent.ITERATOR_EXHAUSTED)
    assert machine.command(Cmd.START_ITERATION, epoch) is Status.UNEXPECTED_CMD_RECEIVED
    assert machine.state is WorkerState.DONE
    assert machine.epoch == 2


def test_a_first_start_of_epoch_0_is_refused() -> None:
    machine = standing_by()
    assert machine.command(Cmd.START_ITERATION, 0) is Status.UNEXPECTED_CMD_RECEIVED
    assert machine.state is WorkerState.DONE


def test_a_start_within_a_pass_is_refused_under_the_epoch_of_that_pass() -> None:
    machine = iterating(1)
    assert machine.command(Cmd.START_ITERATION, 2) is Status.UNEXPECTED_CMD_RECEIVED
    assert machine.state is WorkerState.DONE
    assert machine.epoch == 1


@pytest.mark.parametrize("epoch", [0, 1, 2, 9])
def test_stop_and_abort_are_obeyed_whatever_epoch_they_bear(epoch: int) -> None:
    machine = iterating(2)
    assert machine.command(Cmd.STOP_ITERATION, epoch) is Status.ITERATION_FINISHED
    assert machine.command(Cmd.ABORT, epoch) is None
    assert machine.epoch == 2


# Calls --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (WorkerEvent.CALL_RETURNED, Status.CALL_SUCCEEDED),
        (WorkerEvent.CALL_RAISED, Status.CALL_FAILED),
    ],
)
def test_a_call_leads_from_stand_by_back_to_it_however_it_ends(
    event: WorkerEvent, status: Status
) -> None:
    machine = iterating(3)
    machine.fire(WorkerEvent.ITERATOR_EXHAUSTED)
    assert machine.command(Cmd.CALL, 3) is None
    assert machine.state is WorkerState.CALL
    assert machine.fire(event) is status
    assert (machine.state, machine.epoch) == (WorkerState.STAND_BY, 3)


@pytest.mark.parametrize("cmd", [cmd for cmd in Cmd if cmd not in ASIDES])
def test_commands_wait_until_a_call_is_over(cmd: Cmd) -> None:
    machine = standing_by()
    machine.command(Cmd.CALL, 0)
    with pytest.raises(ProtocolError, match="a worker in state CALL does not expect"):
        machine.command(cmd, 1)


def test_the_stack_alone_is_reported_without_a_change_of_state() -> None:
    states = [state for state in WorkerState if state is not WorkerState.DONE]
    for cmd in Cmd:
        steps = [(state, WORKER.get((state, cmd))) for state in states]
        stays = all(step is not None and step.state is state for state, step in steps)
        assert (cmd in ASIDES) is stays
        if stays:
            assert {step.push for _, step in steps if step} == {ASIDES[cmd]}


# Commands that are none ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0, 8, 255, -1, Status.ITERATOR_SUCCESS, WorkerEvent.INITIALIZED])
def test_an_unknown_number_is_refused(kind: int) -> None:
    for machine in (standing_by(), iterating()):
        assert machine.command(kind, 5) is Status.UNEXPECTED_CMD_RECEIVED
        assert machine.state is WorkerState.DONE


@pytest.mark.parametrize("cmd", Cmd)
def test_a_plain_number_is_as_good_as_the_member(cmd: Cmd) -> None:
    by_member, by_number = iterating(), iterating()
    assert by_member.command(cmd, 2) is by_number.command(int(cmd), 2)
    assert by_member.state is by_number.state


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cmd", [cmd for cmd in Cmd if cmd not in ASIDES])
def test_commands_wait_until_the_initialization_is_over(cmd: Cmd) -> None:
    machine = WorkerMachine()
    with pytest.raises(
        ProtocolError, match=rf"^a worker in state INITIALIZATION does not expect {cmd.name}$"
    ):
        machine.command(cmd, 1)
    assert (machine.state, machine.epoch) == (WorkerState.INITIALIZATION, 0)


@pytest.mark.parametrize("what", {*WorkerEvent, *Cmd} - {WorkerEvent.RECORD_EMITTED})
def test_what_is_done_names_state_and_input(what: WorkerEvent | Cmd) -> None:
    machine = standing_by()
    machine.command(Cmd.ABORT, 0)
    with pytest.raises(
        ProtocolError, match=rf"^a worker in state DONE does not expect {what.name}$"
    ):
        machine.fire(what)


def test_an_unknown_number_where_no_commands_are_taken_is_named_as_such() -> None:
    with pytest.raises(ProtocolError, match=r"does not expect UNKNOWN_CMD$"):
        WorkerMachine().command(99, 1)


def test_it_holds_nothing_else() -> None:
    with pytest.raises(AttributeError):
        WorkerMachine().other = 1  # type: ignore[attr-defined]
