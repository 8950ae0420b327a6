"""What follows when a worker has ended before its time."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import pytest

from farside._backends.base import ExitStatus
from farside._protocol.effects import (
    BROKEN,
    CLOSED,
    CUT_OFF,
    DIED,
    FAILED,
    REFUSED,
    RETIRED,
    TIMED_OUT,
    Ending,
    Launch,
)
from farside._protocol.group import GroupCore
from farside._protocol.messages import Status
from farside._protocol.recovery import (
    LONGEST_PAUSE,
    MOST_WITHOUT_INPUT,
    PAUSE_SECONDS,
    STACK_SECONDS,
    STEADY_SECONDS,
    Limits,
    may_hand_over,
    may_restart,
    pause_before,
)

from .side import Frame


class Failure(NamedTuple):
    """What a worker tells of a failure, as far as it matters here."""

    refused: tuple[str, ...] = ()
    refused_module: str | None = None


SWALLOWED = Failure(("module",))
CERTAIN = Failure(("module",), "module")


@pytest.mark.parametrize("failure", [SWALLOWED, CERTAIN])
def test_another_backend_takes_over_after_a_refusal(failure: Failure) -> None:
    assert may_hand_over(Ending(FAILED, detail=failure), used=False)


@pytest.mark.parametrize("failure", [SWALLOWED, CERTAIN])
def test_no_other_backend_takes_over_where_the_user_has_got_something(failure: Failure) -> None:
    assert not may_hand_over(Ending(FAILED, detail=failure), used=True)


def test_no_other_backend_takes_over_after_a_failure_of_user_code() -> None:
    assert not may_hand_over(Ending(FAILED, detail=Failure()), used=False)


@pytest.mark.parametrize("cause", [DIED, TIMED_OUT, REFUSED, BROKEN, CLOSED])
def test_no_other_backend_takes_over_after_what_is_no_failure(cause: str) -> None:
    assert not may_hand_over(Ending(cause, detail=CERTAIN), used=False)


@pytest.mark.parametrize("cause", [DIED, CUT_OFF, TIMED_OUT, RETIRED])
@pytest.mark.parametrize(
    ("left", "again", "initialized", "may"),
    [
        (1, False, True, True),
        (1, False, False, True),
        (1, True, True, True),
        (1, True, False, False),
        (0, False, True, False),
        (0, True, True, False),
        (5, True, False, False),
    ],
)
def test_a_worker_is_started_again(
    cause: str, left: int, *, again: bool, initialized: bool, may: bool
) -> None:
    ending = Ending(cause, "stand by" if initialized else "initialization")
    assert may_restart(ending, left, again=again, struck=False) is may


@pytest.mark.parametrize("cause", [DIED, CUT_OFF])
@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("initialized", [True, False])
def test_what_something_outside_has_ended_is_started_again_as_long_as_it_may(
    cause: str, *, again: bool, initialized: bool
) -> None:
    ending = Ending(cause, "iteration" if initialized else "initialization")
    for left in (0, 1, 5):
        assert may_restart(ending, left, again=again, struck=True) is (left > 0)


@pytest.mark.parametrize("cause", [FAILED, REFUSED, BROKEN, CLOSED])
def test_what_has_failed_for_a_reason_is_not_started_again(cause: str) -> None:
    for struck in (True, False):
        assert not may_restart(Ending(cause, "iteration"), 5, again=False, struck=struck)


@pytest.mark.parametrize("again", [True, False])
def test_where_no_other_worker_could_be_started_none_is(*, again: bool) -> None:
    core = GroupCore(max_restarts=3)
    core.receive(0, Frame(Status.INITIALIZATION_SUCCEEDED, 0))
    core.start()
    core.lose(0, ExitStatus("it was ended, since this process exits", again=again))
    launched = [each for each in core.workers[0].effects if isinstance(each, Launch)]
    assert len(launched) == again


# Pauses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("without_item", "times"),
    [(0, 0), (1, 1), (2, 2), (3, 4), (100, LONGEST_PAUSE / PAUSE_SECONDS)],
)
def test_pauses_grow_where_nothing_comes(without_item: int, times: float) -> None:
    ending = Ending(DIED, without_input=9, without_item=without_item)
    assert pause_before(ending, gets_inputs=False) == pytest.approx(times * PAUSE_SECONDS)


@pytest.mark.parametrize(("without_input", "times"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4)])
def test_pauses_of_a_map_grow_where_no_input_is_begun(without_input: int, times: float) -> None:
    ending = Ending(DIED, without_input=without_input, without_item=9)
    assert pause_before(ending, gets_inputs=True) == pytest.approx(times * PAUSE_SECONDS)


def test_a_worker_that_was_started_again_and_sends_nothing_is_counted() -> None:
    core = GroupCore(Limits(), max_restarts=NO_END)
    core.start(["plan"])
    live(core)
    told = []
    for items in (2, 0, 0, 1, 0):
        begin(core)
        if items:
            frame = Frame(Status.ITERATOR_SUCCESS, core.epoch, items=items)
            core.workers[0].receive_items(deque([frame]))
        core.lose(0, "killed")
        told.append(launched(core).ending.without_item)
        live(core)
    assert told == [0, 1, 2, 0, 1]
    core.start(["plan"])
    core.lose(0, "killed")
    assert launched(core).ending.without_item == 0


def begin(core: GroupCore) -> None:
    """Let a worker say that it has begun the pass."""
    core.receive(0, Frame(Status.ITERATION_STARTED, core.epoch))


def launched(core: GroupCore) -> Launch:
    """Return what is wanted last: that a worker is started again."""
    effect = core.workers[0].effects[-1]
    assert isinstance(effect, Launch)
    return effect


# A worker of a map that dies before it has begun an input -----------------------------------------

NO_END = 1 << 62

NOW = 100 * STEADY_SECONDS
"""When workers stand by: a long time after the clock was 0."""


def mapping(count: int = 1, limits: Limits | None = None) -> GroupCore:
    """Return a group in a pass of a map, where only inputs count what they cost."""
    core = GroupCore(limits or Limits(), count=count, max_restarts=NO_END)
    core.start(["plan"] * count)
    for index in range(count):
        live(core, index)
    return core


def live(core: GroupCore, index: int = 0, now: float = NOW) -> None:
    """Let a worker stand by, and be told what to do."""
    core.receive(index, Frame(Status.INITIALIZATION_SUCCEEDED, 0), now=now)
    core.continue_pass(index, core.epoch, "plan")


def die(core: GroupCore, times: int, *, begun: int | None = 0, seconds: float = 0.0) -> None:
    """Let worker 0 die again and again, each time so long after it has stood by."""
    for _ in range(times):
        core.lose(0, "killed", NOW + seconds, begun)
        if core.failure is None:
            live(core)


def test_who_dies_again_and_again_before_any_input_is_given_up() -> None:
    core = mapping(2)
    die(core, MOST_WITHOUT_INPUT)
    assert core.failure is None
    die(core, 1)
    assert core.failure is not None
    assert (core.failure.cause, core.failure.without_input) == (DIED, MOST_WITHOUT_INPUT + 1)
    assert core.restarts == MOST_WITHOUT_INPUT
    assert core.workers[1].failure is None


@pytest.mark.parametrize("begun", [3, None], ids=["input", "unknown"])
def test_a_death_that_an_input_counts_begins_the_count_anew(begun: int | None) -> None:
    core = mapping()
    for _ in range(3):
        die(core, MOST_WITHOUT_INPUT)
        die(core, 1, begun=begun)
    assert core.failure is None


@pytest.mark.parametrize("cause", [DIED, CUT_OFF])
def test_a_worker_of_a_map_whose_starts_are_cut_off_again_and_again_is_given_up(cause: str) -> None:
    core, now = mapping(), 10 * STEADY_SECONDS
    for _ in range(2):
        core.lose(0, "killed", begun=3)  # as one that it has begun counts it
        for number in range(MOST_WITHOUT_INPUT):
            core.give(core.epoch, [(0, "input")])  # it is told as soon as it stands by
            core.lose(0, "killed", now, cause=cause, gets_inputs=True, struck=True)
            assert launched(core).ending.without_input == number + 1
        live(core)
    core.lose(0, "killed", begun=3)
    for _ in range(MOST_WITHOUT_INPUT + 1):
        assert core.failure is None
        core.lose(0, "killed", now, cause=cause, gets_inputs=True, struck=True)
    assert core.failure is not None
    assert (core.failure.cause, core.failure.without_input) == (cause, MOST_WITHOUT_INPUT + 1)


def test_pauses_grow_from_start_to_start_that_is_cut_off() -> None:
    core, pauses = GroupCore(Limits(), max_restarts=5), list[float]()
    for _ in range(5):
        core.lose(0, "killed", cause=CUT_OFF, struck=True)
        pauses.append(pause_before(launched(core).ending, gets_inputs=False))
    assert pauses == [0.0] + [PAUSE_SECONDS * times for times in (1, 2, 4, 8)]
    core.lose(0, "killed", cause=CUT_OFF, struck=True)
    assert core.failure is not None
    assert core.failure.cause == CUT_OFF


def test_what_a_worker_has_cost_is_not_forgotten_when_the_next_one_is_killed_in_its_start() -> None:
    core = mapping()
    die(core, 1, begun=3)
    core.lose(0, "killed", begun=4)
    core.workers[0].loss = "the input of index 3"
    core.lose(0, "killed", gets_inputs=True, struck=True)
    assert core.workers[0].loss == "the input of index 3"
    live(core)
    core.lose(0, "killed", begun=5)
    assert core.workers[0].loss is None


@pytest.mark.parametrize("given", [True, False])
def test_who_was_given_no_input_has_begun_none_though_nobody_can_tell(*, given: bool) -> None:
    core = mapping()
    for _ in range(MOST_WITHOUT_INPUT + 1):
        assert core.failure is None
        if given:
            core.give(core.epoch, [(0, "input")])
        core.lose(0, "killed", gets_inputs=True)
        if core.failure is None:
            live(core)
    assert (core.failure is None) is given


def test_many_deaths_of_inputs_are_for_the_inputs_to_count() -> None:
    core = mapping()
    die(core, 10 * MOST_WITHOUT_INPUT, begun=3)
    assert core.failure is None


def test_who_has_stood_by_for_long_is_started_again_however_often() -> None:
    core = mapping()
    die(core, 10 * MOST_WITHOUT_INPUT, seconds=STEADY_SECONDS)
    assert core.failure is None
    core.lose(0, "killed", NOW + STEADY_SECONDS, begun=0)
    assert launched(core).ending.without_input == 1
    live(core)
    die(core, MOST_WITHOUT_INPUT, seconds=STEADY_SECONDS / 2)
    assert core.failure is not None


def test_each_pass_begins_the_count_anew() -> None:
    core = mapping()
    for _ in range(3):
        die(core, MOST_WITHOUT_INPUT)
        core.start(["plan"])
    assert core.failure is None


def test_who_runs_out_of_time_again_and_again_before_any_input_is_given_up() -> None:
    core, now = mapping(limits=Limits(None, 3 * STEADY_SECONDS)), 0.0
    for _ in range(MOST_WITHOUT_INPUT + 1):
        assert core.failure is None
        core.workers[0].look_at_task(0, None)
        core.begin_to_wait(now)
        core.expire(now := now + 3 * STEADY_SECONDS)
        core.expire(now := now + STACK_SECONDS)
        live(core, now=now)
    assert core.failure is not None
    assert core.failure.cause == TIMED_OUT
