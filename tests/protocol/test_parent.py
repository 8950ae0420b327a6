"""The parent's cores, as plain values: events in, effects out."""

from __future__ import annotations

import struct
import tracemalloc
from collections import deque
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from farside._protocol.effects import (
    BROKEN,
    CLOSED,
    DIED,
    FAILED,
    REFUSED,
    RETIRED,
    TIMED_OUT,
    Answer,
    Drop,
    End,
    Ending,
    Fail,
    Launch,
    Log,
    Send,
)
from farside._protocol.group import GroupCore
from farside._protocol.inbox import Inbox
from farside._protocol.messages import CONTINUED, EXHAUSTED, UNKNOWN, Cmd, Status
from farside._protocol.parent import ParentCore
from farside._protocol.parent_machine import (
    Age,
    ParentEvent,
    ParentMachine,
    ParentState,
)
from farside._protocol.recovery import NO_LIMITS, STACK_SECONDS, Limits
from farside._protocol.worker import WorkerEvent
from farside.errors import ProtocolError

START, STOP, CLOSE = ParentEvent.START, ParentEvent.STOP, ParentEvent.CLOSE


class Frame(NamedTuple):
    """A frame that a worker has sent."""

    kind: int
    epoch: int = 0
    body: bytes = b""
    items: int = 1
    blocks: tuple[memoryview, ...] = ()


class Failure(NamedTuple):
    """What a frame tells of a failure."""

    refused: tuple[str, ...] = ()
    refused_module: str | None = None


REFUSAL = Failure(("module",), "module")
READY = Frame(Status.INITIALIZATION_SUCCEEDED)


def item(epoch: int = 1, body: bytes = b"item") -> Frame:
    """Return a frame with an item."""
    return Frame(Status.ITERATOR_SUCCESS, epoch, body)


def effects_of(core: ParentCore) -> list[Any]:
    """Take away what a core wants done."""
    effects, core.effects = core.effects, ()
    return list(effects)


def ready_core(limits: Limits = NO_LIMITS) -> ParentCore:
    """Return a core whose worker stands by."""
    core = ParentCore(limits)
    core.receive(READY)
    return core


def iterating_core(epoch: int = 1, limits: Limits = NO_LIMITS) -> ParentCore:
    """Return a core in a pass."""
    core = ready_core(limits)
    core.start(epoch)
    core.receive(Frame(Status.ITERATION_STARTED, epoch))
    effects_of(core)
    return core


def state_of(value: Any) -> dict[str, Any]:
    """Return all that a core holds."""
    return dict(vars(value))


# The machine --------------------------------------------------------------------------------------


def iterating(epoch: int = 1) -> ParentMachine:
    """Return a machine in a pass."""
    machine = ParentMachine()
    machine.hear(Status.INITIALIZATION_SUCCEEDED, 0)
    machine.act(START, epoch)
    machine.hear(Status.ITERATION_STARTED, epoch)
    return machine


def test_a_whole_life() -> None:
    machine = ParentMachine()
    assert (machine.state, machine.epoch) == (ParentState.INITIALIZATION, 0)
    assert machine.hear(Status.INITIALIZATION_SUCCEEDED, 0) is Status.INITIALIZATION_SUCCEEDED
    assert machine.act(START, 1) == [(Cmd.START_ITERATION, 1)]
    assert machine.hear(Status.ITERATION_STARTED, 1) is Status.ITERATION_STARTED
    assert machine.hear(Status.ITERATOR_SUCCESS, 1) is Status.ITERATOR_SUCCESS
    assert machine.hear(Status.ITERATION_FINISHED, 1) is Status.ITERATION_FINISHED
    assert machine.act(START, 2) == [(Cmd.START_ITERATION, 2)]
    assert machine.act(CLOSE) == [(Cmd.ABORT, 2)]
    assert machine.act(CLOSE) == []
    assert machine.act(ParentEvent.WORKER_LOST) == []
    assert machine.state is ParentState.DONE


def test_superseding_stops_the_older_pass_before_it_starts_the_newer() -> None:
    machine = iterating(4)
    assert machine.act(START, 7) == [(Cmd.STOP_ITERATION, 4), (Cmd.START_ITERATION, 7)]


def test_a_pass_that_was_stopped_is_not_stopped_again() -> None:
    machine = iterating(4)
    assert machine.act(STOP) == [(Cmd.STOP_ITERATION, 4)]
    assert machine.act(START, 5) == [(Cmd.START_ITERATION, 5)]


@pytest.mark.parametrize("old", [1, 2, 3])
def test_what_earlier_passes_left_is_discarded_until_the_new_one_has_begun(old: int) -> None:
    machine = iterating(3)
    machine.act(START, 4)
    for status in (Status.ITERATION_STARTED, Status.ITERATOR_SUCCESS, Status.ITERATION_FINISHED):
        assert machine.hear(status, old) is None
        assert machine.state is ParentState.STARTING
    assert machine.hear(Status.ITERATION_STARTED, 4) is Status.ITERATION_STARTED


@pytest.mark.parametrize("status", [Status.ITERATOR_SUCCESS, Status.ITERATION_FINISHED])
def test_an_older_pass_may_not_speak_once_a_newer_has_begun(status: Status) -> None:
    machine = iterating(2)
    with pytest.raises(
        ProtocolError, match=rf"^a parent in state ITERATION does not expect {status.name} OLD$"
    ):
        machine.hear(status, 1)
    assert machine.state is ParentState.ITERATION


@pytest.mark.parametrize("state", ParentState)
@pytest.mark.parametrize("status", Status)
def test_a_status_from_the_future_is_an_error_in_every_state(
    state: ParentState, status: Status
) -> None:
    machine = ParentMachine()
    machine.state, machine.epoch = state, 2
    with pytest.raises(
        ProtocolError, match=rf"^the worker sent {status.name} for pass 3; the latest is 2$"
    ):
        machine.hear(status, 3)
    assert machine.state is state


@pytest.mark.parametrize("kind", [0, 15, 29, 255, -1, Cmd.ABORT, WorkerEvent.ITEM_MADE, Age.OLD])
@pytest.mark.parametrize("state", ParentState)
def test_an_unknown_number_is_an_error_in_every_state(state: ParentState, kind: int) -> None:
    machine = ParentMachine()
    machine.state = state
    with pytest.raises(ProtocolError, match=rf"^the worker sent {kind}, which is no status$"):
        machine.hear(kind, 0)
    assert machine.state is state


@pytest.mark.parametrize("status", [Status.ITERATOR_SUCCESS, Status.ITERATION_FINISHED])
def test_a_plain_number_is_as_good_as_the_member(status: Status) -> None:
    assert iterating().hear(int(status), 1) is iterating().hear(status, 1)


@pytest.mark.parametrize("state", ParentState)
@pytest.mark.parametrize("event", ParentEvent)
def test_allows_tells_whether_acting_would_raise(state: ParentState, event: ParentEvent) -> None:
    machine = ParentMachine()
    machine.state, machine.epoch = state, 3
    if machine.allows(event):
        machine.act(event, 4)
    else:
        with pytest.raises(ProtocolError, match=f"state {state.name} does not expect"):
            machine.act(event, 4)
        assert (machine.state, machine.epoch) == (state, 3)


@pytest.mark.parametrize("state", [state for state in ParentState if state is not ParentState.DONE])
def test_death_is_the_end_in_every_state(state: ParentState) -> None:
    machine = ParentMachine()
    machine.state = state
    for _ in range(2):  # the second time, nothing happens
        assert machine.act(ParentEvent.WORKER_LOST) == []
        assert machine.state is ParentState.DONE


# One conversation: passes -------------------------------------------------------------------------


def test_a_pass_from_its_start_to_its_end() -> None:
    core = ready_core()
    core.start(1)
    assert effects_of(core) == [Send(Cmd.START_ITERATION, 1)]
    core.receive(Frame(Status.ITERATION_STARTED, 1))
    frames = deque([item(), item(), Frame(Status.ITERATION_FINISHED, 1)])
    core.receive_items(frames)
    assert (len(core.inbox.frames), len(frames), core.last_index) == (2, 1, 1)
    core.receive(frames.popleft())
    assert (core.state, core.opened, core.over) == (ParentState.STAND_BY, True, True)
    assert (core.ending, effects_of(core)) == (None, [])


def test_a_pass_wanted_before_the_worker_stands_by_begins_then() -> None:
    core = ParentCore(NO_LIMITS)
    core.start(1)
    assert effects_of(core) == []
    core.receive(READY)
    assert effects_of(core) == [Send(Cmd.START_ITERATION, 1)]


@pytest.mark.parametrize("leave", [ParentCore.stop, ParentCore.close])
def test_a_pass_that_was_wanted_and_left_does_not_begin(leave: Any) -> None:
    core = ParentCore(NO_LIMITS)
    core.start(1)
    leave(core)
    core.receive(READY)
    assert Send(Cmd.START_ITERATION, 1) not in effects_of(core)


def test_a_new_pass_drops_what_the_older_has_left() -> None:
    core = iterating_core()
    core.receive_items(deque([item()]))
    left = core.inbox
    core.start(2)
    stop, start = Send(Cmd.STOP_ITERATION, 1), Send(Cmd.START_ITERATION, 2)
    assert effects_of(core) == [Drop(left), stop, start]
    assert core.inbox is not left
    assert core.last_index is None


def test_only_items_of_the_present_pass_are_moved() -> None:
    core = iterating_core(2)
    frames = deque([item(2), item(1), item(2)])
    core.receive_items(frames)
    assert [frame.epoch for frame in frames] == [1, 2]
    core.stop()
    frames = deque([item(2)])
    core.receive_items(frames)
    assert len(frames) == 1


def test_what_a_pass_tells_of_a_one_shot_iterator() -> None:
    core = ready_core()
    core.start(1)
    core.receive(Frame(Status.ITERATION_STARTED, 1, CONTINUED))
    assert core.continued
    core.receive(Frame(Status.ITERATION_FINISHED, 1, EXHAUSTED))
    assert core.used_up
    core.start(2)
    assert (core.continued, core.used_up) == (False, False)


@pytest.mark.parametrize(("body", "length"), [(b"", None), (b"0", 0), (b"123", 123)])
def test_the_length_comes_with_readiness(body: bytes, length: int | None) -> None:
    core = ParentCore(NO_LIMITS)
    core.receive(READY._replace(body=body))
    assert core.length == length
    core.tell_length(5)
    assert core.length == 5


@pytest.mark.parametrize("body", [b"-1", b"x", b"1" * 21])
def test_a_length_that_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="a length that is no number"):
        ParentCore(NO_LIMITS).receive(READY._replace(body=body))


# One conversation: calls and stacks ---------------------------------------------------------------


def test_a_call_is_made_as_soon_as_the_worker_stands_by() -> None:
    core, token = ParentCore(NO_LIMITS), object()
    core.ask(token, "reset")
    assert effects_of(core) == []
    core.receive(READY)
    assert effects_of(core) == [Send(Cmd.CALL, 0, token)]
    answer = Frame(Status.CALL_SUCCEEDED)
    core.receive(answer)
    assert effects_of(core) == [Answer(token, answer)]
    assert core.call is None


def test_a_call_that_fails_names_its_method() -> None:
    core, token, failure = ready_core(), object(), Failure()
    core.ask(token, "reset")
    effects_of(core)
    core.receive(Frame(Status.CALL_FAILED), failure)
    ending = Ending(FAILED, "stand by", None, failure, "reset")
    assert effects_of(core) == [Fail(token, ending)]
    assert core.failure is None  # the worker goes on


def test_the_answer_to_a_call_that_was_given_up_is_no_answer_to_the_next() -> None:
    core, first, second = ready_core(), object(), object()
    core.ask(first, "slow")
    core.give_up_call(second)
    assert core.call is first
    core.give_up_call(first)
    core.ask(second, "quick")
    effects_of(core)
    core.receive(Frame(Status.CALL_SUCCEEDED))
    assert effects_of(core) == [Send(Cmd.CALL, 0, second)]
    answer = Frame(Status.CALL_SUCCEEDED)
    core.receive(answer)
    assert effects_of(core) == [Answer(second, answer)]


@pytest.mark.parametrize("status", [Status.CALL_SUCCEEDED, Status.CALL_FAILED])
def test_nobody_is_told_how_a_call_that_was_given_up_has_ended(status: Status) -> None:
    core, token = ready_core(), object()
    core.ask(token, "slow")
    core.give_up_call(token)
    effects_of(core)
    core.receive(Frame(status), Failure() if status is Status.CALL_FAILED else None)
    assert effects_of(core) == []
    assert core.failure is None


def test_a_pass_does_not_overtake_a_call_that_waits_for_the_end_of_the_one_before() -> None:
    core, call = iterating_core(), object()
    core.stop()
    core.ask(call, "reset")
    effects_of(core)
    core.start(2)
    assert effects_of(core) == []
    core.receive(Frame(Status.ITERATION_FINISHED, 1))
    assert effects_of(core) == [Send(Cmd.CALL, 1, call), Send(Cmd.START_ITERATION, 2)]
    answer = Frame(Status.CALL_SUCCEEDED, 1)
    core.receive(answer)
    core.receive(Frame(Status.ITERATION_STARTED, 2))
    assert effects_of(core) == [Answer(call, answer)]
    assert core.state is ParentState.ITERATION


def test_a_pass_does_not_overtake_a_call_that_waits_for_another_one() -> None:
    core, first, second = ready_core(), object(), object()
    core.ask(first, "slow")
    core.give_up_call(first)
    core.ask(second, "quick")
    effects_of(core)
    core.start(1)
    assert effects_of(core) == []
    core.receive(Frame(Status.CALL_SUCCEEDED))
    assert effects_of(core) == [Send(Cmd.CALL, 0, second), Send(Cmd.START_ITERATION, 1)]


def test_a_pass_that_waits_for_a_call_is_superseded_when_that_was_given_up() -> None:
    core, first, second = ready_core(), object(), object()
    core.ask(first, "slow")
    core.give_up_call(first)
    core.ask(second, "quick")
    core.start(1)
    core.give_up_call(second)
    effects_of(core)
    core.start(2)
    core.receive(Frame(Status.CALL_SUCCEEDED))
    starts = [each for each in effects_of(core) if isinstance(each, Send)]
    assert starts == [Send(Cmd.START_ITERATION, 2)]


def test_stacks_are_told_to_whoever_asked_in_order() -> None:
    core, first, second = ready_core(), object(), object()
    core.ask_for_stack(first)
    core.ask_for_stack(second)
    assert effects_of(core) == [Send(Cmd.REPORT_STACK, 0)] * 2
    report = Frame(Status.STACK_REPORTED)
    core.receive(report)
    core.receive(report)
    core.receive(report)  # nobody has asked
    assert effects_of(core) == [Answer(first, report), Answer(second, report)]


def test_records_are_logged_in_every_state() -> None:
    for state in ParentState:
        core = ParentCore(NO_LIMITS)
        core.state = state
        core.receive(Frame(Status.RECORDS_EMITTED, body=b"text"))
        assert effects_of(core) == [Log(b"text")]
        assert core.state is state


# One conversation: ends ---------------------------------------------------------------------------


def test_closing_ends_the_pass_and_whatever_was_asked() -> None:
    core, call, stack = ParentCore(NO_LIMITS), object(), object()
    core.start(1)
    core.ask(call, "reset")
    core.ask_for_stack(stack)
    effects_of(core)
    core.close()
    assert effects_of(core) == [
        Drop(core.inbox),
        Send(Cmd.ABORT, 0),
        Fail(call, Ending(CLOSED)),
        Fail(stack, Ending(CLOSED)),
    ]
    assert (core.done, core.over, core.ending, core.failure) == (True, True, Ending(CLOSED), None)
    core.close()
    assert not any(isinstance(effect, (Send, Fail)) for effect in effects_of(core))


def test_closing_spoils_a_pass_that_has_finished_and_was_not_taken() -> None:
    core = iterating_core()
    core.receive(Frame(Status.ITERATION_FINISHED, 1))
    core.close()
    assert core.ending == Ending(CLOSED)


def test_a_lost_worker_fails_what_was_asked_and_leaves_its_items() -> None:
    core, token = iterating_core(), object()
    core.receive_items(deque([item()]))
    core.ask(token, "reset")
    core.lose("killed")
    ending = Ending(DIED, "iteration", 0, "killed", "reset")
    assert effects_of(core) == [Fail(token, ending), End(kill=False)]
    assert (core.failure, core.ending, core.done) == (ending, ending, True)
    assert core.inbox.waiting == 1
    core.lose("again")
    assert effects_of(core) == []


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (Frame(Status.ITERATOR_FAILED, 1), FAILED),
        (Frame(Status.UNEXPECTED_CMD_RECEIVED, 1), REFUSED),
    ],
)
def test_a_worker_that_ends_by_itself_is_not_killed(frame: Frame, cause: str) -> None:
    core = iterating_core()
    core.receive(frame, Failure())
    assert effects_of(core) == [End(kill=False)]
    assert core.failure is not None
    assert core.failure.cause == cause


def test_a_worker_of_no_use_is_killed_once() -> None:
    core = iterating_core()
    core.fail(BROKEN, "why")
    assert effects_of(core) == [Send(Cmd.ABORT, 1), End(kill=True)]
    assert core.failure == Ending(BROKEN, "iteration", None, "why")
    core.fail(BROKEN, "why else")
    assert effects_of(core) == []


def test_nothing_but_records_is_taken_in_after_the_end() -> None:
    core = iterating_core()
    core.close()
    effects_of(core)
    core.receive(item())
    core.receive(Frame(Status.ITERATION_FINISHED, 1))
    assert effects_of(core) == []


# Time ---------------------------------------------------------------------------------------------


def test_without_limits_there_is_no_deadline() -> None:
    core = iterating_core()
    core.waits_since = 1.0
    assert core.deadline is None
    core.expire(1e9)
    assert effects_of(core) == []


def test_the_start_counts_from_the_launch_and_answers_from_the_wait() -> None:
    core = ParentCore(Limits(10.0, 3.0))
    core.launched = 100.0
    assert core.deadline == 110.0
    core.receive(READY)
    assert core.deadline is None
    core.waits_since = 200.0
    assert core.deadline == 203.0
    core.sleep_through(5.0)
    assert (core.deadline, core.launched) == (208.0, 105.0)
    core.sleep_through(1.0, 204.0)
    assert (core.deadline, core.launched) == (208.0, 106.0)


def test_whatever_comes_ends_the_wait() -> None:
    core = iterating_core(limits=Limits(None, 3.0))
    core.waits_since = 1.0
    core.receive(Frame(Status.RECORDS_EMITTED))
    assert core.waits_since == 1.0
    core.receive_items(deque([item()]))
    assert core.waits_since is None


def expired_core() -> ParentCore:
    """Return a core whose worker has run out of time, and was asked where it is."""
    core = iterating_core(limits=Limits(None, 3.0))
    core.waits_since = 1.0
    core.expire(3.9)
    assert effects_of(core) == []
    core.expire(4.0)
    assert effects_of(core) == [Send(Cmd.REPORT_STACK, 1)]
    assert core.deadline == 4.0 + STACK_SECONDS
    return core


def test_a_worker_out_of_time_is_given_up_with_its_stack() -> None:
    core, report = expired_core(), Frame(Status.STACK_REPORTED, 1)
    core.receive(report)
    assert effects_of(core) == [Send(Cmd.ABORT, 1), End(kill=True)]
    assert core.failure == Ending(TIMED_OUT, "iteration", None, report, limit="timeout")
    assert core.deadline is None


@pytest.mark.parametrize(
    ("waits_since", "task_since", "at", "limit"),
    [
        (1.0, None, 4.0, "timeout"),
        (1.0, 1.5, 3.5, "task_timeout"),
        (1.0, 2.5, 4.0, "timeout"),
        (None, 1.5, 3.5, "task_timeout"),
    ],
)
def test_the_core_says_which_limit_has_passed(
    waits_since: float | None, task_since: float | None, at: float, limit: str
) -> None:
    core = iterating_core(limits=Limits(None, 3.0, 2.0))
    core.waits_since = waits_since
    core.look_at_task(None if task_since is None else 1, task_since)
    assert core.deadline == at
    core.expire(at)
    core.look_at_task(None, None)  # it was done just then
    core.expire(at + STACK_SECONDS)
    assert core.failure is not None
    assert (core.failure.cause, core.failure.limit) == (TIMED_OUT, limit)


def test_a_worker_that_runs_another_input_when_it_has_told_where_it_is_is_spared() -> None:
    """It was ended, and the other input, which nobody blamed, was run once more."""
    core = iterating_core(limits=Limits(task=2.0))
    core.look_at_task(1, 1.0)
    core.expire(3.0)
    core.look_at_task(2, 3.1)
    core.receive(Frame(Status.STACK_REPORTED, 1))
    assert core.failure is None
    assert (core.begun, core.deadline) == (2, 5.1)
    core.expire(5.1)
    core.expire(5.1 + STACK_SECONDS)
    assert core.failure is not None
    assert (core.failure.cause, core.begun) == (TIMED_OUT, 2)


def test_a_worker_out_of_time_gives_back_what_it_has_not_begun_before_it_tells_where_it_is() -> (
    None
):
    core = iterating_core(limits=Limits(task=2.0))
    core.inbox.delivery = SimpleNamespace(returned=deque())
    core.look_at_task(1, 1.0)
    core.expire(3.0)
    assert effects_of(core) == [Send(Cmd.RETURN_TASKS, 1), Send(Cmd.REPORT_STACK, 1)]


def test_a_start_that_takes_too_long_is_one_even_where_it_ends_while_its_stack_is_awaited() -> None:
    core = ParentCore(Limits(10.0, 3.0))
    core.launched = 100.0
    core.expire(110.0)
    core.receive(Frame(Status.INITIALIZATION_SUCCEEDED))
    core.receive(Frame(Status.STACK_REPORTED))
    assert core.failure is not None
    assert core.failure.limit == "init_timeout"


def test_a_worker_out_of_time_that_says_nothing_is_given_up_too() -> None:
    core = expired_core()
    core.sleep_through(1.0)
    core.expire(5.0)
    assert core.failure is None
    core.expire(5.5)
    assert core.failure == Ending(TIMED_OUT, "iteration", limit="timeout")


def test_a_worker_out_of_time_that_dies_meanwhile_has_run_out_of_time() -> None:
    core = expired_core()
    core.lose("killed")
    assert core.failure == Ending(TIMED_OUT, "iteration", limit="timeout")


# Copies -------------------------------------------------------------------------------------------


def change(core: ParentCore) -> None:
    """Change about everything."""
    core.ask_for_stack(object())
    core.ask(object(), "reset")
    core.start(9)
    core.tell_length(3)
    core.fail(BROKEN, "why")
    core.sleep_through(1.0)


def test_a_copy_is_equal_and_stays_as_it_is() -> None:
    core = iterating_core(limits=Limits(1.0, 2.0))
    core.ask(object(), "reset")
    copy = core.copy()
    before = state_of(core)
    assert state_of(copy) == before
    change(core)
    assert state_of(copy) == before
    assert state_of(core) != before


def test_a_copy_of_a_group_is_equal_and_stays_as_it_is() -> None:
    core = GroupCore(Limits(1.0, 2.0), "subprocess", count=2)
    core.start()
    copy = core.copy()
    before = [state_of(copy), *map(state_of, copy.workers)]
    assert before[1:] == [*map(state_of, core.workers)]
    core.receive(1, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=False)
    core.close()
    assert [state_of(copy), *map(state_of, copy.workers)] == before


def test_a_copy_that_is_to_be_changed_in_one_worker_has_the_others_themselves() -> None:
    core = GroupCore(count=3)
    before = state_of(core.workers[1])
    copy = core.copy(1)
    assert [mine is its for mine, its in zip(core.workers, copy.workers, strict=True)] == [
        True, False, True,
    ]  # fmt: skip
    copy.receive(1, READY)
    assert state_of(core.workers[1]) == before


# The group ----------------------------------------------------------------------------------------


def test_what_the_user_wants_concerns_all_workers() -> None:
    core = GroupCore(count=2)
    for index in range(2):
        core.receive(index, READY)
    assert core.start() == 1
    assert [effects_of(each) for each in core.workers] == [[Send(Cmd.START_ITERATION, 1)]] * 2
    core.stop(0)
    assert [effects_of(each) for each in core.workers] == [[], []]
    core.stop(1)
    assert all(Send(Cmd.STOP_ITERATION, 1) in effects_of(each) for each in core.workers)
    assert not core.over
    core.close()
    assert core.over
    assert all(Send(Cmd.ABORT, 1) in effects_of(each) for each in core.workers)


def test_one_worker_that_fails_ends_the_group() -> None:
    core = GroupCore(count=2)
    core.lose(1, "killed")
    assert core.over
    assert core.failure == core.workers[1].failure
    assert not core.workers[0].done


def test_the_deadline_of_a_group_is_the_first_of_its_workers() -> None:
    core = GroupCore(Limits(10.0, 3.0), count=2)
    for index in range(2):
        core.launch(index, 100.0)
    assert core.has_limits
    core.receive(0, READY)
    assert core.deadline == 110.0
    core.begin_to_wait(101.0)
    core.begin_to_wait(102.0)
    assert core.deadline == 104.0
    core.sleep_through(1.0)
    core.expire(105.0)
    assert effects_of(core.workers[0]) == [Send(Cmd.REPORT_STACK, 0)]
    assert effects_of(core.workers[1]) == []
    assert not GroupCore().has_limits


@pytest.mark.parametrize(
    ("limits", "shortest"),
    [
        (NO_LIMITS, STACK_SECONDS),
        (Limits(10.0, 3.0), STACK_SECONDS),
        (Limits(10.0, None, STACK_SECONDS / 2), STACK_SECONDS / 2),
    ],
)
def test_no_time_is_up_sooner_than_the_shortest_limit(limits: Limits, shortest: float) -> None:
    assert GroupCore(limits).shortest_limit == shortest


def test_a_group_is_in_a_pass_as_long_as_any_of_its_workers() -> None:
    core = GroupCore(count=2)
    assert not core.opened
    core.start()
    for each in core.workers:
        assert core.opened
        each.inbox.at_end = True
    assert not core.opened


def test_another_worker_goes_on_with_what_is_left_to_do() -> None:
    core, call, stack = GroupCore(Limits(10.0, None), "subprocess"), object(), object()
    core.start()
    old = core.workers[0]
    old.ask(call, "reset")
    old.ask_for_stack(stack)
    effects_of(old)
    core.receive(0, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=False, now=50.0)
    new = core.workers[0]
    assert effects_of(new) == [
        Fail(stack, Ending(CLOSED)),
        Drop(old.inbox, with_delivery=False),
        Launch("subprocess", Ending(FAILED, "initialization", None, REFUSAL)),
    ]
    assert (new.state, new.deadline) == (ParentState.INITIALIZATION, None)
    core.receive(0, READY)
    assert effects_of(new) == [Send(Cmd.START_ITERATION, 1)]
    core.receive(0, Frame(Status.ITERATION_STARTED, 1))
    core.receive(0, Frame(Status.ITERATION_FINISHED, 1))
    assert effects_of(new) == [Send(Cmd.CALL, 1, call)]


def test_a_pass_of_which_the_user_has_got_nothing_begins_again_even_if_it_had_finished() -> None:
    core, call = GroupCore(fallback="subprocess"), object()
    core.workers[0].ask(call, "reset")
    core.start()
    core.receive(0, READY)
    core.receive(0, Frame(Status.ITERATION_STARTED, 1))
    core.workers[0].receive_items(deque([item()]))
    core.receive(0, Frame(Status.ITERATION_FINISHED, 1))
    core.receive(0, Frame(Status.CALL_FAILED, 1), REFUSAL, used=False)
    new = core.workers[0]
    assert (new.opened, new.over, new.call) == (True, False, call)
    effects_of(new)
    core.receive(0, READY)
    assert effects_of(new) == [Send(Cmd.START_ITERATION, 1)]


def test_a_worker_is_replaced_once() -> None:
    core = GroupCore(fallback="subprocess", count=2)
    for index in range(2):
        core.receive(index, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=False)
        assert core.workers[index].state is ParentState.INITIALIZATION
    assert len(core.workers) == 2
    core.receive(0, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=False)
    assert core.failure == Ending(FAILED, "closed", None, REFUSAL)


@pytest.mark.parametrize(("fallback", "used"), [(None, False), ("subprocess", True)])
def test_a_refusal_is_the_failure_where_no_other_backend_may_take_over(
    fallback: str | None, *, used: bool
) -> None:
    core = GroupCore(fallback=fallback)
    core.receive(0, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=used)
    assert core.failure == Ending(FAILED, "closed", None, REFUSAL)
    assert effects_of(core.workers[0]) == [End(kill=False)]


def test_a_worker_of_another_backend_that_dies_in_its_first_start_is_started_again() -> None:
    core = GroupCore(fallback="subprocess", max_restarts=1)
    core.receive(0, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=False)
    core.lose(0, "killed")
    assert core.failure is None


def test_who_has_closed_gets_no_other_worker() -> None:
    core = GroupCore(fallback="subprocess")
    core.close()
    effects_of(core.workers[0])
    core.receive(0, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=False)
    assert effects_of(core.workers[0]) == []


def test_a_refusal_that_may_not_come_now_changes_nothing() -> None:
    core = GroupCore(fallback="subprocess")
    worker = core.workers[0]
    with pytest.raises(ProtocolError, match="does not expect ITERATOR_FAILED"):
        core.receive(0, Frame(Status.ITERATOR_FAILED), REFUSAL, used=False)
    assert core.workers[0] is worker
    assert not worker.done


# Several workers, and restarts --------------------------------------------------------------------


def plan_of(*slots: int) -> Any:
    """Return what a worker is told that reads shards, as far as a core looks at it."""
    return 0, 0, (0, 0), (slots,)


def restarting(count: int = 1, restarts: int = 1, delivery: Any = None) -> GroupCore:
    """Return a group in a pass, each worker of which has sent an item."""
    core = GroupCore(count=count, max_restarts=restarts)
    for index in range(count):
        core.receive(index, READY)
    core.start([plan_of(index) for index in range(count)], delivery)
    for index, each in enumerate(core.workers):
        core.receive(index, Frame(Status.ITERATION_STARTED, 1))
        each.receive_items(deque([item()]))
        effects_of(each)
    return core


def test_each_worker_is_told_its_own_plan() -> None:
    core = GroupCore(count=2)
    core.receive(0, READY)
    core.start(["one", "other"])
    assert effects_of(core.workers[0]) == [Send(Cmd.START_ITERATION, 1, None, "one")]
    assert effects_of(core.workers[1]) == []
    core.receive(1, READY)
    assert effects_of(core.workers[1]) == [Send(Cmd.START_ITERATION, 1, None, "other")]


def test_a_worker_is_waited_for_by_itself() -> None:
    core = GroupCore(Limits(None, 3.0), count=2)
    for index in range(2):
        core.receive(index, READY)
    core.begin_to_wait(100.0, [1])
    assert [each.waits_since for each in core.workers] == [None, 100.0]


def test_a_worker_that_has_died_is_started_again_and_told_where_to_go_on() -> None:
    core = restarting()
    before = core.workers[0]
    core.lose(0, "killed")
    after = core.workers[0]
    assert core.failure is None
    assert not core.over
    assert (after.inbox, after.opened, after.over) == (before.inbox, True, False)
    assert after.inbox.waiting == 1
    assert core.awaiting == {0}
    (*said, launch) = effects_of(after)
    assert said == []
    assert isinstance(launch, Launch)
    assert (launch.backend, launch.ending.cause, launch.kill) == (None, DIED, False)
    core.continue_pass(0, 1, plan_of(7))
    core.continue_pass(0, 1, plan_of(8))  # it is told once
    assert not core.awaiting
    assert effects_of(after) == []
    core.receive(0, READY)
    assert effects_of(after) == [Send(Cmd.START_ITERATION, 1, None, plan_of(7))]


def test_a_worker_that_has_done_its_tasks_ends_by_itself_and_is_started_again() -> None:
    core = restarting()
    core.retire(0)
    (abort, launch) = effects_of(core.workers[0])
    assert abort == Send(Cmd.ABORT, 1)
    assert (launch.ending.cause, launch.kill) == (RETIRED, False)
    assert core.awaiting == {0}
    assert core.workers[0].launched is None, "the one before it is ended first"
    core.launch(0, 5.0)
    assert core.workers[0].launched == 5.0
    core.close()
    core.retire(0)
    assert core.workers[0].launched == 5.0, "nothing is started any more"


def test_workers_that_do_their_share_may_be_replaced_for_ever() -> None:
    core = restarting(restarts=1000)
    for _ in range(20):
        core.workers[0].begun = 0  # it was looked at before its first task began
        core.retire(0)
        assert core.workers[0].failure is None
        core.launch(0, 0.0)
        core.receive(0, READY)
        core.continue_pass(0, 1, plan_of(0))
        core.receive(0, Frame(Status.ITERATION_STARTED, 1))


def test_one_that_dies_in_its_start_is_started_again_if_the_one_before_did_its_share() -> None:
    core = restarting(restarts=1000)
    core.retire(0)
    core.launch(0, 0.0)
    core.lose(0, "killed")
    assert core.workers[0].failure is None
    core.launch(0, 0.0)
    core.lose(0, "killed")  # and so was the one before it
    assert core.workers[0].failure is not None


def test_the_time_of_a_start_begins_with_it() -> None:
    core = GroupCore(Limits(init=1.0), max_restarts=1)
    core.receive(0, READY)
    core.start([plan_of(0)])
    core.lose(0, "killed", 100.0)
    assert core.deadline is None, "the one before it is ended first"
    core.launch(0, 105.0)
    assert core.deadline == 106.0


def test_the_index_of_the_last_item_counts_those_of_an_earlier_life() -> None:
    core = ready_core()
    core.start(1, (0, 7, (0, 0), [5, [], None, False]))
    assert core.last_index == 4
    core.receive(Frame(Status.ITERATION_STARTED, 1))
    core.receive_items(deque([item()]))
    assert core.last_index == 5
    core.start(2)
    assert core.last_index is None


def test_only_the_time_counts_in_which_a_task_waits() -> None:
    core = GroupCore(Limits(answer=5.0))
    core.receive(0, READY)
    core.start()
    core.begin_to_wait(100.0)
    core.pause(102.0)
    core.pause(103.0)
    assert core.deadline is None
    core.begin_to_wait(200.0)
    assert core.deadline == 203.0, "two of five seconds are over"
    core.pause(201.0)
    core.receive(0, Frame(Status.ITERATION_STARTED, 1))
    core.begin_to_wait(300.0)
    assert core.deadline == 305.0
    core.pause(301.0)
    core.end_to_wait()
    core.begin_to_wait(400.0)
    assert core.deadline == 405.0


def test_the_time_of_an_input_stops_with_the_process() -> None:
    core = ready_core(Limits(task=5.0))
    core.look_at_task(1, 100.0)
    core.sleep_through(10.0)
    core.look_at_task(1, 100.0)
    assert core.deadline == 115.0
    core.look_at_task(2, 120.0)
    assert core.deadline == 125.0
    core.look_at_task(0, None)
    assert core.deadline is None


def test_a_worker_that_is_ready_is_told_at_once_where_to_go_on() -> None:
    core = restarting()
    core.lose(0, "killed")
    effects_of(core.workers[0])
    core.receive(0, READY)
    assert effects_of(core.workers[0]) == []
    core.continue_pass(0, 1, plan_of(7))
    assert effects_of(core.workers[0]) == [Send(Cmd.START_ITERATION, 1, None, plan_of(7))]


@pytest.mark.parametrize("tells", [True, False])
def test_a_worker_that_was_ended_for_its_time_is_started_again_and_killed_before(
    *, tells: bool
) -> None:
    core = GroupCore(Limits(None, 3.0), max_restarts=1)
    core.receive(0, READY)
    core.start([plan_of(0)])
    core.begin_to_wait(100.0)
    core.expire(103.0)
    if tells:
        core.receive(0, Frame(Status.STACK_REPORTED))
    else:
        core.expire(103.0 + STACK_SECONDS)
    launch = effects_of(core.workers[0])[-1]
    assert isinstance(launch, Launch)
    assert (launch.ending.cause, launch.kill) == (TIMED_OUT, True)
    assert core.awaiting == {0}


def test_workers_are_started_again_so_many_times_in_a_pass() -> None:
    core = restarting(2, restarts=2)
    for index in (0, 1):
        core.lose(index, "killed")
        core.receive(index, READY)
        core.continue_pass(index, 1, plan_of(index))
        assert core.failure is None
    failed = core.copy()
    failed.lose(1, "killed")
    assert failed.failure is not None
    core.start([plan_of(0), plan_of(1)])
    core.lose(1, "killed")
    assert core.failure is None


def test_a_worker_that_dies_in_its_second_start_is_given_up() -> None:
    core = restarting(restarts=5)
    core.lose(0, "killed")
    core.lose(0, "killed")
    assert core.failure is not None
    assert core.failure.cause == DIED


def test_a_worker_whose_second_start_takes_too_long_is_given_up() -> None:
    core = GroupCore(Limits(init=10.0), max_restarts=5)
    core.lose(0, "killed")
    core.launch(0, 100.0)
    core.expire(110.0)
    core.expire(110.0 + STACK_SECONDS)
    assert core.failure is not None
    assert core.failure.cause == TIMED_OUT


@pytest.mark.parametrize("left", [True, False], ids=["left", "finished"])
def test_a_worker_that_dies_after_its_pass_waits_for_no_plan(*, left: bool) -> None:
    core = restarting()
    if left:
        core.stop(1)
    else:
        core.receive(0, Frame(Status.ITERATION_FINISHED, 1))
    core.lose(0, "killed")
    assert core.failure is None
    assert core.awaiting == set()
    worker = core.workers[0]
    assert (worker.opened, worker.over) == (not left, True)
    core.receive(0, READY)
    effects_of(worker)
    core.continue_pass(0, 1, plan_of(0))
    assert effects_of(worker) == []


def test_who_has_closed_gets_no_worker_started_again() -> None:
    core = restarting()
    core.close()
    effects_of(core.workers[0])
    core.lose(0, "killed")
    assert effects_of(core.workers[0]) == []


def test_a_pass_that_is_left_awaits_nothing() -> None:
    core = restarting()
    core.lose(0, "killed")
    core.stop(1)
    assert core.awaiting == set()
    effects_of(core.workers[0])
    core.continue_pass(0, 1, plan_of(0))
    core.receive(0, READY)
    assert effects_of(core.workers[0]) == []


def test_a_new_pass_begins_in_a_worker_that_was_started_again() -> None:
    core = restarting()
    core.lose(0, "killed")
    core.start([plan_of(3)])
    assert core.awaiting == set()
    effects_of(core.workers[0])
    core.continue_pass(0, 1, plan_of(0))
    core.receive(0, READY)
    assert effects_of(core.workers[0]) == [Send(Cmd.START_ITERATION, 2, None, plan_of(3))]


def test_a_worker_is_not_told_where_to_go_on_with_a_pass_before() -> None:
    core = restarting()
    core.start([plan_of(3)])
    core.lose(0, "killed")
    core.receive(0, READY)
    effects_of(core.workers[0])
    core.continue_pass(0, 1, plan_of(0))
    assert effects_of(core.workers[0]) == []
    core.continue_pass(0, 2, plan_of(4))
    assert effects_of(core.workers[0]) == [Send(Cmd.START_ITERATION, 2, None, plan_of(4))]


def test_calls_are_made_again_before_the_pass_goes_on() -> None:
    core, tokens, stack = restarting(), [object(), object()], object()
    core.lose(0, "killed")
    effects_of(core.workers[0])
    core.workers[0].call_again(tokens)
    core.continue_pass(0, 1, plan_of(0))
    core.workers[0].ask_for_stack(stack)
    effects_of(core.workers[0])
    core.receive(0, READY)
    assert effects_of(core.workers[0]) == [Send(Cmd.CALL, 0, tokens[0])]
    core.receive(0, Frame(Status.CALL_SUCCEEDED))
    assert effects_of(core.workers[0]) == [Send(Cmd.CALL, 0, tokens[1])]
    core.receive(0, Frame(Status.CALL_SUCCEEDED))
    assert effects_of(core.workers[0]) == [Send(Cmd.START_ITERATION, 1, None, plan_of(0))]


def test_calls_are_made_again_without_a_copy_of_all_the_others() -> None:
    """A job of weeks may have made a hundred thousand: one for each pass."""
    core, answer = restarting(), Frame(Status.CALL_SUCCEEDED)
    core.lose(0, "killed")
    core.workers[0].call_again([object()] * 10_000)
    core.receive(0, READY)
    core.receive(0, answer)  # what is made once is there
    tracemalloc.start()
    try:
        core.receive(0, answer)
        assert tracemalloc.get_traced_memory()[1] < 10_000  # bytes
    finally:
        tracemalloc.stop()


def test_a_call_that_fails_when_it_is_made_again_ends_the_worker() -> None:
    core = restarting()
    core.lose(0, "killed")
    core.workers[0].call_again([SimpleNamespace(method="load"), object()])
    core.continue_pass(0, 1, plan_of(0))
    core.receive(0, READY)
    effects_of(core.workers[0])
    core.receive(0, Frame(Status.CALL_FAILED), Failure())
    assert core.failure is not None
    assert core.failure.method == "load"
    assert core.workers[0].done
    assert effects_of(core.workers[0])[-1] == End(kill=True)


def test_a_call_of_the_user_is_made_after_those_that_are_made_again() -> None:
    core, again, asked = restarting(), object(), object()
    core.stop(1)
    core.lose(0, "killed")
    core.workers[0].call_again([again])
    worker = core.workers[0]
    worker.ask(asked, "reset")
    effects_of(worker)
    core.receive(0, READY)
    assert effects_of(worker) == [Send(Cmd.CALL, 0, again)]
    core.receive(0, Frame(Status.CALL_SUCCEEDED))
    assert effects_of(worker) == [Send(Cmd.CALL, 0, asked)]
    answer = Frame(Status.CALL_SUCCEEDED)
    core.receive(0, answer)
    assert effects_of(worker) == [Answer(asked, answer)]


def test_tasks_are_asked_for_where_a_worker_may_have_some_to_give_back() -> None:
    core = ready_core()
    for delivery, asked in ((SimpleNamespace(returned=None, clear=list), 0), (Returning(), 1)):
        core.start(core.epoch + 1, plan_of(0), delivery)
        core.take_back()  # it has not begun
        core.receive(Frame(Status.ITERATION_STARTED, core.epoch))
        effects_of(core)
        core.take_back()
        assert effects_of(core) == [Send(Cmd.RETURN_TASKS, core.epoch)] * asked
        core.receive(Frame(Status.ITERATION_FINISHED, core.epoch))
        core.take_back()  # it stands by
        assert effects_of(core) == []


class Returning(SimpleNamespace):
    """A delivery that takes tasks back."""

    returned: Any = ()
    clear = list


def test_tasks_are_given_in_the_pass_alone() -> None:
    core = restarting()
    core.give(1, [(0, "tasks")])
    assert effects_of(core.workers[0]) == [Send(Cmd.GIVE_TASKS, 1, None, "tasks")]
    core.give(0, [(0, "tasks of an earlier pass")])
    core.stop(1)
    effects_of(core.workers[0])
    core.give(1, [(0, "tasks")])
    assert effects_of(core.workers[0]) == []


def test_tasks_are_given_when_the_worker_is_ready() -> None:
    core = GroupCore()
    core.start([plan_of(0)])
    core.give(1, [(0, "first")])
    core.give(1, [(0, "second")])
    assert effects_of(core.workers[0]) == []
    core.receive(0, READY)
    assert [each.content for each in effects_of(core.workers[0])] == [plan_of(0), "first", "second"]


def test_tasks_are_not_lost_while_a_worker_is_started_again() -> None:
    core = restarting()
    core.lose(0, "killed")
    core.continue_pass(0, 1, plan_of(0))
    effects_of(core.workers[0])
    core.give(1, [(0, "tasks")])
    core.receive(0, READY)
    assert [each.content for each in effects_of(core.workers[0])] == [plan_of(0), "tasks"]


def test_tasks_from_before_a_plan_are_in_the_plan() -> None:
    core = restarting()
    core.lose(0, "killed")
    effects_of(core.workers[0])
    core.give(1, [(0, "tasks")])
    core.continue_pass(0, 1, plan_of(0))
    core.receive(0, READY)
    assert [each.content for each in effects_of(core.workers[0])] == [plan_of(0)]


def test_tasks_of_a_pass_before_are_forgotten() -> None:
    core = GroupCore()
    core.start([plan_of(0)])
    core.give(1, [(0, "tasks")])
    core.start([plan_of(1)])
    effects_of(core.workers[0])
    core.receive(0, READY)
    assert [each.content for each in effects_of(core.workers[0])] == [plan_of(1)]


def test_another_backend_is_given_the_tasks_too() -> None:
    core = GroupCore(fallback="subprocess")
    core.start([plan_of(0)])
    core.give(1, [(0, "tasks")])
    core.receive(0, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=False)
    effects_of(core.workers[0])
    core.receive(0, READY)
    assert [each.content for each in effects_of(core.workers[0])] == [plan_of(0), "tasks"]


def test_another_backend_is_not_given_the_tasks_that_came_back() -> None:
    """Others do them by then."""
    core, returned = GroupCore(fallback="subprocess"), deque[int]()
    core.receive(0, READY)
    core.start([plan_of(0)], SimpleNamespace(returned=returned, clear=list))
    core.give(1, [(0, [(0, "a"), (1, "b")]), (0, [(2, "c")])])
    core.receive(0, Frame(Status.ITERATION_STARTED, 1))
    core.take_back(0)
    assert effects_of(core.workers[0])[-1] == Send(Cmd.RETURN_TASKS, 1)
    core.receive(0, Frame(Status.TASKS_RETURNED, 1, struct.pack("<2Q", 2, 1)))
    assert returned == deque([2, 1])
    core.receive(0, Frame(Status.ITERATOR_FAILED, 1), REFUSAL, used=False)
    effects_of(core.workers[0])
    core.receive(0, READY)
    given = [each.content for each in effects_of(core.workers[0])]
    assert given[0] == plan_of(0)
    assert [task for tasks in given[1:] for task in tasks] == [(0, "a")]


@pytest.mark.parametrize("late", ["given late", "started again"])
def test_another_backend_cannot_go_on_in_the_middle(late: str) -> None:
    core = GroupCore(fallback="subprocess", max_restarts=1)
    core.receive(0, READY)
    core.start([plan_of(0)])
    core.receive(0, Frame(Status.ITERATION_STARTED, 1))
    core.workers[0].receive_items(deque([item()]))
    if late == "given late":
        core.give(1, [(0, "tasks")])
    else:
        core.lose(0, "killed")
        core.receive(0, READY)
        core.continue_pass(0, 1, plan_of(0))
        core.receive(0, Frame(Status.ITERATION_STARTED, 1))
    core.receive(0, Frame(Status.ITERATOR_FAILED, 1), REFUSAL, used=False)
    assert core.failure is not None
    assert core.failure.cause == FAILED


def test_tasks_are_let_go_when_no_other_backend_may_be_given_them() -> None:
    core = GroupCore(fallback="subprocess")
    core.receive(0, READY)
    core.start([plan_of(0)])
    core.receive(0, Frame(Status.ITERATION_STARTED, 1))
    core.give(1, [(0, "first")])
    core.workers[0].receive_items(deque([item()]))
    assert [*core.workers[0]._given] == ["first"]
    core.give(1, [(0, "second")])
    assert [*core.workers[0]._given] == []


def test_another_backend_does_not_clear_where_its_own_items_go() -> None:
    delivery = ["kept"]
    core = GroupCore(fallback="subprocess")
    core.start([plan_of(0)], delivery)
    inbox = core.workers[0].inbox
    core.receive(0, Frame(Status.INITIALIZATION_FAILED), REFUSAL, used=False)
    (drop,) = [each for each in effects_of(core.workers[0]) if isinstance(each, Drop)]
    drop.inbox.clear(with_delivery=drop.with_delivery)
    assert drop.inbox is inbox
    assert inbox.cleared
    assert delivery == ["kept"]
    assert core.workers[0].inbox.delivery is delivery


def test_when_one_has_failed_the_others_are_ended() -> None:
    core = restarting(2, restarts=0)
    core.lose(0, "killed")
    effects_of(core.workers[0])
    core.end()
    assert effects_of(core.workers[0]) == []
    assert effects_of(core.workers[1]) == [
        Drop(core.workers[1].inbox),
        Send(Cmd.ABORT, 1),
        End(kill=False),
    ]
    assert core.workers[1].failure is None


def test_who_leaves_a_pass_that_has_failed_ends_the_others() -> None:
    core = restarting(2, restarts=0)
    core.lose(0, "killed")
    core.stop(1)
    assert core.workers[1].done


def test_the_index_of_an_item_is_not_known_where_shards_are_read() -> None:
    core = restarting(restarts=0)
    core.lose(0, "killed")
    assert core.failure is not None
    assert core.failure.last_index == UNKNOWN


# The inbox ----------------------------------------------------------------------------------------


def test_an_inbox_counts_what_comes_and_goes() -> None:
    inbox = Inbox()
    frames = deque([Frame(21, 1, b"123", 2, (memoryview(b"12"),)), Frame(21, 1, b"4", 1)])
    inbox.take_from(frames)
    inbox.take_from(frames)
    assert (inbox.received, inbox.nbytes, inbox.waiting) == (3, 6, 3)
    inbox.frames.popleft()
    assert (inbox.received, inbox.nbytes, inbox.waiting) == (3, 6, 1)


def test_a_cleared_inbox_gives_nothing_and_clears_what_was_taken_out_of_it() -> None:
    delivery = ["taken out"]
    inbox = Inbox(delivery)
    inbox.take_from(deque([Frame(21, 1, b"", 2)]))
    inbox.clear()
    assert (inbox.cleared, inbox.waiting, inbox.received) == (True, 0, 2)
    assert (delivery, list(inbox.frames)) == ([], [])


def test_a_stack_is_no_sign_that_the_worker_goes_on() -> None:
    core = iterating_core(limits=Limits(None, 3.0))
    core.begin_to_wait(10.0)
    core.ask_for_stack(object())
    core.receive(Frame(Status.STACK_REPORTED, 1))
    assert core.deadline == 13.0


def test_a_pass_after_one_that_was_left_is_begun_without_waiting() -> None:
    core = iterating_core()
    core.stop()
    core.start(2)
    sent = [each.cmd for each in effects_of(core) if isinstance(each, Send)]
    assert sent == [Cmd.STOP_ITERATION, Cmd.START_ITERATION]
