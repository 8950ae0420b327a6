"""The client and the loop over items, against a scripted worker."""

from __future__ import annotations

import gc
import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from farside import (
    BackendFallbackWarning,
    BackendUnavailableError,
    FarsideError,
    IterableClosedError,
    NotPicklableError,
    PassSupersededError,
    ProtocolError,
    WorkerDiedError,
    WorkerInitializationError,
    WorkerIterationError,
    WorkerTimeoutError,
)
from farside._parent import closing, messages_for_people, one_pass, starting
from farside._parent.calls import Question, call_method
from farside._parent.client import Client
from farside._parent.options import check
from farside._parent.passes import delivery
from farside._parent.passes.sequence import Part
from farside._parent.results import drain, enter_iteration_mode, iterate_results
from farside._protocol.effects import BROKEN, Ending
from farside._protocol.group import GroupCore
from farside._protocol.messages import EXHAUSTED, Status
from farside._protocol.parent_machine import ParentState
from farside._system.signals import here
from farside.errors import LinkClosedError
from farside.testing.checks import take
from tests.background import Background
from tests.parent import scripted
from tests.parent.scripted import (
    ScriptedWorker,
    failure,
    finished,
    items,
    iterate,
    launching,
    ready,
    refusal,
    started,
    state,
    status,
    worker_of,
)

if TYPE_CHECKING:
    from farside._parent.member import Member


def test_a_pass() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"), items(1, "b"), finished(1))
    assert list(iterate(client)) == ["a", "b"]
    assert state(client) is ParentState.STAND_BY
    assert link.told == [("START_ITERATION", 1)]


def test_the_error_of_a_superseded_pass_is_not_kept() -> None:
    client, link = scripted.client()
    older = iterate(client)
    newer = iterate(client)
    gc.disable()  # what it would have to collect is what this is about
    try:
        with pytest.raises(PassSupersededError) as caught:
            next(older)
        error = weakref.ref(caught.value)
        del caught
        assert error() is None
    finally:
        gc.enable()
    newer.close()
    link.script.clear()


def test_leftovers_of_earlier_passes_are_discarded() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "old"))
    older = iterate(client)
    assert next(older) == "old"
    link.then(items(1, "old"), finished(1))
    link.then(started(2), items(2, "new"), finished(2))
    newer = iterate(client)
    with pytest.raises(PassSupersededError):
        next(older)
    assert list(newer) == ["new"]
    assert link.told == [
        ("START_ITERATION", 1),
        ("STOP_ITERATION", 1),
        ("revoke", 1),
        ("START_ITERATION", 2),
    ]


def test_drain_waits_for_the_start_and_no_longer() -> None:
    client, link = scripted.client()
    link.then(started(1), None, items(1, "kept"))
    this = enter_iteration_mode(client)
    drain(this)
    assert state(client) is ParentState.ITERATION
    assert len(link.script) == 2


def test_items_that_come_with_the_start_are_taken_in_with_it() -> None:
    """Nobody has to wait for them once more."""
    client, link = scripted.client()
    link.then(started(1), items(1, "early"))
    drain(enter_iteration_mode(client))
    assert client.core.workers[0].inbox.received == 1
    assert not link.script


def test_a_worker_that_has_finished_is_not_told_what_was_taken() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"), finished(1))
    this = enter_iteration_mode(client)
    drain(this)
    assert client.waiting.look_if_free(client)
    assert list(iterate_results(this))[1:] == ["a"]
    assert link.acknowledged == []


def test_leaving_stops_the_pass_and_revokes_the_credit() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"))
    results = iterate(client)
    next(results)
    results.close()
    assert link.told[1:] == [("STOP_ITERATION", 1), ("revoke", 1)]
    assert state(client) is ParentState.STOPPING


def test_an_iterator_that_is_dropped_before_its_first_item_stops_the_pass() -> None:
    client, link = scripted.client()
    iterate(client)
    assert link.told[1:] == [("STOP_ITERATION", 1), ("revoke", 1)]


def test_each_item_that_is_taken_is_told_where_buffer_size_counts_items() -> None:
    client, link = scripted.client(buffer_size=8)
    link.then(started(1), items(1, 0, 1), items(1, 2), finished(1))
    got = [(number, link.acknowledged[-1]) for number in iterate(client)]
    assert got == [(0, (1, 1)), (1, (1, 2)), (2, (1, 3))]


def test_a_frame_is_told_when_the_loop_has_all_of_it_where_bytes_count() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, 0, 1), items(1, 2), items(1, 3, 4), finished(1))
    got = [(number, link.acknowledged[-1:]) for number in iterate(client)]
    assert got == [(0, []), (1, []), (2, [(1, 3)]), (3, [(1, 3)]), (4, [(1, 3)])]


def test_what_a_block_has_passed_over_is_told_as_the_loop_begins_with_it() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, 0, 1), finished(1))
    this = enter_iteration_mode(client)
    this.delivery.without_tasks = False  # as one that has marks
    (queue,) = this.delivery.queues
    queue.taken, queue.given = 1, 2  # a mark counts already, and the items of the block do not
    assert [*this._open([3, 4], None)] == []
    assert link.acknowledged == [(1, 1)]
    this.leave()


def test_what_was_taken_is_told_once_before_waiting() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, 0, 1))
    results = iterate(client)
    assert [next(results), next(results)] == [0, 1]
    link.acknowledged.clear()
    link.then(items(1, 2))
    next(results)
    assert link.acknowledged == [(1, 2), (1, 3)]


def test_what_was_taken_is_told_again_if_an_exception_has_struck_meanwhile() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, 0, 1))
    this = enter_iteration_mode(client)
    drain(this)
    assert [*(this.step() or ())] == [0, 1]
    member, acknowledge = client.members[0], client.members[0].acknowledge

    def strike(*_: int) -> None:
        member.acknowledge = acknowledge
        raise KeyError

    member.acknowledge = strike
    with pytest.raises(KeyError):
        this.step()
    assert link.acknowledged == []
    assert this.step() is None
    assert link.acknowledged == [(1, 2)]
    this.leave()


def test_a_frame_of_another_number_of_items_is_a_protocol_error() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, 0, 1)._replace(items=3))
    got, error = take(iterate(client))
    assert got == []
    assert isinstance(error, ProtocolError)
    assert worker_of(client).killed


@pytest.mark.parametrize("how", ["superseded", "closed"])
@pytest.mark.parametrize("values", [(0, 1, 2), ("x" * 300, [], {})], ids=["atoms", "pickles"])
def test_what_is_left_of_an_open_frame_is_not_delivered(how: str, values: Any) -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, *values))
    results = iterate(client)
    assert next(results) == values[0]
    if how == "closed":
        closing.close(client, kill=False)
    else:
        enter_iteration_mode(client)
    with pytest.raises(IterableClosedError if how == "closed" else PassSupersededError):
        next(results)


def test_a_pass_that_is_superseded_while_it_looks_for_items_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"))
    this = enter_iteration_mode(client)
    take_next = this.delivery.take

    def take_while_another_thread_begins_a_pass(workers: Any) -> Any:
        enter_iteration_mode(client)
        return take_next(workers)

    monkeypatch.setattr(this.delivery, "take", take_while_another_thread_begins_a_pass)
    with pytest.raises(PassSupersededError):
        this.step()


def test_what_another_thread_clears_where_there_is_no_gil_is_whole_as_long_as_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (one_pass, delivery):
        monkeypatch.setattr(module, "FREE_THREADED", True)
    client, _ = scripted.client(started(1))
    this = enter_iteration_mode(client)
    [queue] = this.delivery.queues
    queue.entries = [1, 2]
    seen: list[list[object]] = []

    def take(_: object) -> None:
        this.delivery.clear()
        seen.append([*queue.entries])

    monkeypatch.setattr(this.delivery, "take", take)
    with pytest.raises(IterableClosedError):
        this.step()
    assert (seen, queue.entries) == ([[1, 2]], [])


def test_an_item_that_does_not_unpickle_is_not_named_for_what_another_thread_met_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, link = scripted.client()
    link.then(started(1))
    this, member = enter_iteration_mode(client), client.members[0]
    give_up = client.give_up

    def give_up_later(*why: Any) -> None:
        client.fail(member, BROKEN, "it sent garbage")
        give_up(*why)

    monkeypatch.setattr(client, "give_up", give_up_later)
    spoilt = NotPicklableError("an item")
    this.spoilt(spoilt)
    assert client.core.failure is not None
    error = client.make_error(client.core.failure, member)
    assert error is not spoilt
    assert "it sent garbage" in str(error)


def test_death_is_told_after_what_had_arrived() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"))
    got, error = take(iterate(client))
    assert got == ["a"]
    assert isinstance(error, WorkerDiedError)
    assert (error.exit_code, error.signal_name) == (-9, "SIGKILL")
    assert (error.last_index, error.state) == (0, "iteration")
    assert "killed by SIGKILL (exit code -9)" in str(error)
    with pytest.raises(IterableClosedError) as caught:
        enter_iteration_mode(client)
    assert caught.value.__cause__ is error


def test_a_worker_that_is_gone_before_it_was_told_what_was_said_before_has_died() -> None:
    worker = ScriptedWorker()

    def is_gone(*_: object) -> NoReturn:
        raise LinkClosedError("the other end of the link is closed")

    worker.link.on_send = is_gone
    with launching(worker):
        client = Client(check(list, backend="scripted"))
        client.step(lambda core: core.workers[0].ask_for_stack(Question()))
        with pytest.raises(WorkerDiedError):
            starting.start(client)


def test_the_error_that_another_thread_has_raised_meanwhile_is_that_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, _ = scripted.client(started(1))
    make, raised = messages_for_people.error_of, list[BaseException]()

    def make_while_another_thread_raises(ending: Ending, member: Member) -> FarsideError:
        monkeypatch.undo()
        raised.append(client.error(ending, member))
        return make(ending, member)

    monkeypatch.setattr(messages_for_people, "error_of", make_while_another_thread_raises)
    _, error = take(iterate(client))
    assert [error] == raised
    with pytest.raises(IterableClosedError) as caught:
        enter_iteration_mode(client)
    assert caught.value.__cause__ is error


def test_the_shard_of_a_failed_pass_is_none_of_a_call_that_failed_beside_it() -> None:
    client, link = scripted.client()
    link.then(started(1), failure(Status.ITERATOR_FAILED, 1, KeyError("x"), "iteration", 2))
    with pytest.raises(WorkerIterationError):
        next(iterate(client))
    failed, member = client.core.failure, client.members[0]
    assert failed is not None

    def shard_of(ending: Any, part: Part | None = None) -> Any:
        return getattr(client.error(ending, member, part), "shard", None)

    assert shard_of(failed, Part(5, 2)) == 5
    assert shard_of(failed._replace(method="go")) is None
    assert shard_of(failed) == 5


def test_death_in_stand_by_is_told_by_the_next_pass() -> None:
    client, link = scripted.client()
    link.closed = True
    got, error = take(iterate(client))
    assert got == []
    assert isinstance(error, WorkerDiedError)
    assert error.last_index is None


def test_failure_of_the_initialization() -> None:
    told = failure(Status.INITIALIZATION_FAILED, 0, ValueError("no"), "fn", None)
    worker = ScriptedWorker(told)
    with launching(worker):
        client = Client(check(list, backend="scripted"))
        with pytest.raises(ValueError, match="no") as caught:
            starting.start(client)
    assert isinstance(caught.value, WorkerInitializationError)
    assert worker.link.closed


def test_failure_of_a_pass_that_was_left() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"))
    next(iterate(client))
    link.then(failure(Status.ITERATOR_FAILED, 1, KeyError("k"), "next", 1))
    got, error = take(iterate(client))
    assert got == []
    assert isinstance(error, KeyError)
    assert isinstance(error, WorkerIterationError)


@pytest.fixture
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker whose time is up have no time to tell where it is."""
    monkeypatch.setattr("farside._protocol.parent.STACK_SECONDS", 1e-9)


@pytest.mark.usefixtures("_no_patience")
@pytest.mark.parametrize("then", ["it says nothing", "it ends"])
def test_time_out_kills(then: str) -> None:
    client, link = scripted.client(timeout=1e-9)  # which one wait for nothing exceeds
    link.then(started(1), items(1, "a"), None, *[None] * (then == "it says nothing"))
    got, error = take(iterate(client))
    assert got == ["a"]
    assert isinstance(error, WorkerTimeoutError)
    assert error.seconds == 1e-9
    assert "within timeout=1e-09 seconds (after the item of index 0); " in str(error)
    if then == "it says nothing":
        assert worker_of(client).killed
        assert ("ABORT", 1) in link.told


@pytest.mark.parametrize(
    "frame",
    [
        status(99),
        status(Status.ITERATION_STARTED, 7),
        status(Status.ITERATION_FINISHED, 0),
        status(Status.INITIALIZATION_SUCCEEDED),
        status(Status.ITERATOR_FAILED, 1, b"no pickle"),
    ],
)
def test_unexpected_frames_are_protocol_errors(frame: Any) -> None:
    client, link = scripted.client()
    link.then(started(1), frame)
    got, error = take(iterate(client))
    assert got == []
    assert isinstance(error, ProtocolError)
    assert worker_of(client).killed


def test_a_refused_command_is_a_protocol_error() -> None:
    client, link = scripted.client()
    link.then(started(1), status(Status.UNEXPECTED_CMD_RECEIVED, 1))
    _, error = take(iterate(client))
    assert isinstance(error, ProtocolError)
    assert "refused a command" in str(error)


def test_interrupt_while_waiting_loses_nothing() -> None:
    client, link = scripted.client()
    link.then(started(1), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        next(iterate(client))
    link.then(items(1, "old"), finished(1))
    link.then(started(2), items(2, "new"), finished(2))
    assert list(iterate(client)) == ["new"]


def test_closing_in_the_middle_of_a_wait() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"), partial(closing.close, client, kill=False))
    got, error = take(iterate(client))
    assert got == ["a"]
    assert isinstance(error, IterableClosedError)
    assert link.told[-3:] == [("ABORT", 1), ("revoke", 1), ("close reading",)]


def test_closing_while_another_thread_waits() -> None:
    client, link = scripted.client(forward_logs=False)
    link.then(started(1), items(1, "a"), *[None] * 100)
    waiting = Background(take, iterate(client))
    assert link.waited_for.wait(20)
    assert closing.close(client, kill=False)
    got, error = waiting.result()
    assert got == ["a"]
    assert isinstance(error, IterableClosedError)
    assert link.told[-3:] == [("ABORT", 1), ("revoke", 1), ("close reading",)]


def test_frames_after_closing_are_ignored() -> None:
    client, link = scripted.client()
    this = enter_iteration_mode(client)
    link.then(started(1), partial(client.step, GroupCore.close), items(1, "late"))
    client.wait(this)
    with pytest.raises(IterableClosedError):
        this.step()
    assert not link.script
    assert not client.core.workers[0].inbox.frames
    closing.close(client, kill=False)


def test_a_command_that_finds_no_room_is_sent_when_there_is_room() -> None:
    client, link = scripted.client()
    link.fill()
    results = iterate(client)
    assert link.told == []
    link.then(link.make_room, started(1), items(1, "a"), finished(1))
    assert list(results) == ["a"]
    assert link.told == [("START_ITERATION", 1)]


def test_used_up_iterator_is_told() -> None:
    client, link = scripted.client()
    link.then(started(1), status(Status.ITERATION_FINISHED, 1, EXHAUSTED))
    with pytest.warns(match="one-shot iterator") as caught:
        assert list(iterate(client)) == []
    assert caught[0].filename == __file__


REFUSED_IN_NEXT = refusal(Status.ITERATOR_FAILED, 1, "next", 0)


def test_another_worker_goes_on_with_the_pass() -> None:
    client, link = scripted.client(started(1), REFUSED_IN_NEXT, fallback="subprocess")
    other = ScriptedWorker(ready(b"7"), started(1), items(1, "a"), finished(1))
    with launching(other), pytest.warns(BackendFallbackWarning, match="_odd does not support"):
        assert list(iterate(client)) == ["a"]
    assert link.closed
    assert other.link.told == [("START_ITERATION", 1)]
    assert client.members[0].backend == "subprocess"
    assert client.core.workers[0].length == 7


def test_another_worker_is_told_of_a_call() -> None:
    told = refusal(Status.CALL_FAILED, 0, "call", None)
    client, link = scripted.client(told, fallback="subprocess")
    other = ScriptedWorker(ready(), scripted.answer(0, "done"))
    with launching(other), pytest.warns(BackendFallbackWarning):
        assert call_method(client, "go", (), {}) == "done"
    assert link.told[0] == other.link.told[0] == ("CALL", 0)


def test_no_other_worker_goes_on_when_items_were_got() -> None:
    client, link = scripted.client(started(1), items(1, "a"), fallback="subprocess")
    results = iterate(client)
    assert next(results) == "a"
    link.then(refusal(Status.ITERATOR_FAILED, 1, "next", 1))
    with launching():
        _, error = take(results)
    assert isinstance(error, ImportError)
    assert isinstance(error, WorkerIterationError)


@pytest.mark.parametrize("kind", [BackendUnavailableError, OSError])
def test_another_worker_that_cannot_be_started_is_told(kind: type[Exception]) -> None:
    problem = kind("none")

    def fail() -> ScriptedWorker:
        raise problem

    client, link = scripted.client(started(1), REFUSED_IN_NEXT, fallback="subprocess")
    with launching(fail), pytest.warns(BackendFallbackWarning):
        got, error = take(iterate(client))
    assert got == []
    assert error is problem
    assert link.closed
    with pytest.raises(IterableClosedError) as caught:
        enter_iteration_mode(client)
    assert caught.value.__cause__ is problem


def test_closing_while_another_worker_is_started_is_heard() -> None:
    client, _ = scripted.client(started(1), REFUSED_IN_NEXT, fallback="subprocess")
    other = ScriptedWorker(ready(), started(1), items(1, "a"), finished(1))

    def start() -> ScriptedWorker:
        Background(closing.close, client, kill=False).result()
        return other

    with launching(start), pytest.warns(BackendFallbackWarning):
        got, error = take(iterate(client))
    assert got == []
    assert isinstance(error, IterableClosedError)
    assert client.public_state == "closed"
    assert other.link.closed
    with pytest.raises(IterableClosedError):
        enter_iteration_mode(client)


def test_a_forked_child_has_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"))
    results = iterate(client)
    assert next(results) == "a"
    owner = os.getpid()
    monkeypatch.setattr(here, "pid", owner + 1)
    link.closed = True
    told = list(link.told)
    _, error = take(results)
    assert f"belongs to process {owner}" in str(error)
    with pytest.raises(IterableClosedError, match=f"belongs to process {owner}"):
        enter_iteration_mode(client)
    assert closing.close(client, kill=False)
    client.abandon()
    assert link.told == told


def test_abandoning_tells_the_worker_and_does_not_wait() -> None:
    client, link = scripted.client()
    client.abandon()
    assert link.told == [("ABORT", 0), ("revoke", 0), ("close reading",)]
    assert link.closed
