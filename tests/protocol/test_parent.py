"""The parent's machine."""

from __future__ import annotations

import pytest

from farside._protocol.messages import Cmd, Status
from farside._protocol.parent import ParentMachine
from farside._protocol.tables import Age, ParentAction, ParentEvent, ParentState, WorkerEvent
from farside.errors import ProtocolError

START, STOP, CLOSE = ParentAction.START, ParentAction.STOP, ParentAction.CLOSE


def ready() -> ParentMachine:
    """Return a machine whose worker stands by."""
    machine = ParentMachine()
    machine.receive(Status.INITIALIZATION_SUCCEEDED, 0)
    return machine


def iterating(epoch: int = 1) -> ParentMachine:
    """Return a machine in a pass."""
    machine = ready()
    machine.epoch = epoch - 1
    machine.act(START)
    machine.receive(Status.ITERATION_STARTED, epoch)
    return machine


def test_it_begins_with_initialization_and_before_the_first_pass() -> None:
    machine = ParentMachine()
    assert machine.state is ParentState.INITIALIZATION
    assert machine.epoch == 0


def test_a_whole_life() -> None:
    machine = ParentMachine()
    assert machine.receive(Status.INITIALIZATION_SUCCEEDED, 0) is ParentEvent.READY
    assert machine.act(START) == [(Cmd.START_ITERATION, 1)]
    assert machine.receive(Status.ITERATION_STARTED, 1) is ParentEvent.PASS_STARTED
    assert machine.receive(Status.ITERATOR_SUCCESS, 1) is ParentEvent.ITEM
    assert machine.receive(Status.ITERATION_FINISHED, 1) is ParentEvent.PASS_FINISHED
    assert machine.act(START) == [(Cmd.START_ITERATION, 2)]
    assert machine.act(CLOSE) == [(Cmd.ABORT, 2)]
    assert machine.lost() is ParentEvent.DISCARDED
    assert machine.state is ParentState.DONE


# Epochs -------------------------------------------------------------------------------------------


def test_each_pass_has_the_next_epoch() -> None:
    machine = ready()
    for epoch in (1, 2, 3):
        machine.act(START)
        assert machine.epoch == epoch


def test_superseding_stops_the_older_pass_before_it_starts_the_newer() -> None:
    machine = iterating(4)
    assert machine.act(START) == [(Cmd.STOP_ITERATION, 4), (Cmd.START_ITERATION, 5)]


def test_a_pass_that_was_stopped_is_not_stopped_again() -> None:
    machine = iterating(4)
    assert machine.act(STOP) == [(Cmd.STOP_ITERATION, 4)]
    assert machine.act(START) == [(Cmd.START_ITERATION, 5)]


def test_a_pass_may_be_stopped_before_it_has_begun() -> None:
    machine = ready()
    machine.act(START)
    assert machine.act(STOP) == [(Cmd.STOP_ITERATION, 1)]
    assert machine.receive(Status.ITERATION_STARTED, 1) is ParentEvent.DISCARDED
    assert machine.receive(Status.ITERATION_FINISHED, 1) is ParentEvent.DISCARDED
    assert machine.state is ParentState.STAND_BY


@pytest.mark.parametrize("old", [1, 2, 3])
def test_what_earlier_passes_left_is_discarded_until_the_new_one_has_begun(old: int) -> None:
    machine = iterating(3)
    machine.act(START)
    for status in (Status.ITERATION_STARTED, Status.ITERATOR_SUCCESS, Status.ITERATION_FINISHED):
        assert machine.receive(status, old) is ParentEvent.DISCARDED
        assert machine.state is ParentState.STARTING
    assert machine.receive(Status.ITERATION_STARTED, 4) is ParentEvent.PASS_STARTED


def test_items_of_a_stopped_pass_are_discarded() -> None:
    machine = iterating()
    machine.act(STOP)
    assert machine.receive(Status.ITERATOR_SUCCESS, 1) is ParentEvent.DISCARDED
    assert machine.state is ParentState.STOPPING


def test_a_failure_of_a_pass_that_was_left_is_told() -> None:
    machine = iterating()
    machine.act(START)
    assert machine.receive(Status.ITERATOR_FAILED, 1) is ParentEvent.PASS_FAILED
    assert machine.state is ParentState.DONE


@pytest.mark.parametrize("status", [Status.ITERATOR_SUCCESS, Status.ITERATION_FINISHED])
def test_an_older_pass_may_not_speak_once_a_newer_has_begun(status: Status) -> None:
    machine = iterating(2)
    with pytest.raises(
        ProtocolError, match=rf"^a parent in state ITERATION does not expect {status.name} OLD$"
    ):
        machine.receive(status, 1)
    assert machine.state is ParentState.ITERATION


@pytest.mark.parametrize("state", ParentState)
@pytest.mark.parametrize("status", Status)
def test_a_status_from_the_future_is_an_error_in_every_state(
    state: ParentState, status: Status
) -> None:
    machine = ParentMachine()
    machine.state = state
    machine.epoch = 2
    with pytest.raises(
        ProtocolError, match=rf"^the worker sent {status.name} for pass 3; the latest is 2$"
    ):
        machine.receive(status, 3)
    assert machine.state is state


# Statuses that are none ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0, 15, 27, 255, -1, Cmd.ABORT, WorkerEvent.ITEM_MADE, Age.OLD])
@pytest.mark.parametrize("state", ParentState)
def test_an_unknown_number_is_an_error_in_every_state(state: ParentState, kind: int) -> None:
    machine = ParentMachine()
    machine.state = state
    with pytest.raises(ProtocolError, match=rf"^the worker sent {kind}, which is no status$"):
        machine.receive(kind, 0)
    assert machine.state is state


@pytest.mark.parametrize("status", [Status.ITERATOR_SUCCESS, Status.ITERATION_FINISHED])
def test_a_plain_number_is_as_good_as_the_member(status: Status) -> None:
    assert iterating().receive(int(status), 1) is iterating().receive(status, 1)


# Actions ------------------------------------------------------------------------------------------


def test_no_pass_before_the_initialization_is_over() -> None:
    machine = ParentMachine()
    assert not machine.allows(START)
    with pytest.raises(
        ProtocolError, match=r"^a parent in state INITIALIZATION does not expect START$"
    ):
        machine.act(START)
    assert machine.epoch == 0


def test_no_pass_after_the_end_and_the_epoch_stays() -> None:
    machine = iterating(2)
    machine.lost()
    assert not machine.allows(START)
    with pytest.raises(ProtocolError, match="state DONE does not expect START"):
        machine.act(START)
    assert machine.epoch == 2


def test_there_is_nothing_to_stop_between_passes() -> None:
    machine = ready()
    assert not machine.allows(STOP)
    with pytest.raises(ProtocolError, match="state STAND_BY does not expect STOP"):
        machine.act(STOP)


@pytest.mark.parametrize("state", ParentState)
@pytest.mark.parametrize("action", ParentAction)
def test_allows_tells_whether_acting_would_raise(state: ParentState, action: ParentAction) -> None:
    machine = ParentMachine()
    machine.state = state
    if machine.allows(action):
        machine.act(action)
    else:
        with pytest.raises(ProtocolError):
            machine.act(action)


def test_closing_twice_sends_one_abort() -> None:
    machine = iterating()
    assert machine.act(CLOSE) == [(Cmd.ABORT, 1)]
    assert machine.act(CLOSE) == []


# The end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [state for state in ParentState if state is not ParentState.DONE])
def test_death_is_told_in_every_state_once(state: ParentState) -> None:
    machine = ParentMachine()
    machine.state = state
    assert machine.lost() is ParentEvent.WORKER_LOST
    assert machine.lost() is ParentEvent.DISCARDED


def test_a_refused_command_is_told_and_ends() -> None:
    machine = iterating()
    assert machine.receive(Status.UNEXPECTED_CMD_RECEIVED, 1) is ParentEvent.REFUSED
    assert machine.state is ParentState.DONE


def test_a_failed_initialization_ends() -> None:
    machine = ParentMachine()
    event = machine.receive(Status.INITIALIZATION_FAILED, 0)
    assert event is ParentEvent.INITIALIZATION_FAILED
    assert machine.state is ParentState.DONE


def test_it_holds_nothing_else() -> None:
    with pytest.raises(AttributeError):
        ParentMachine().other = 1  # type: ignore[attr-defined]
