"""The parent's I/O loop, against a scripted worker."""

from __future__ import annotations

import gc
import os
import weakref
from typing import Any

import pytest

from farside import (
    IterableClosedError,
    PassSupersededError,
    ProtocolError,
    WorkerDiedError,
    WorkerInitializationError,
    WorkerIterationError,
    WorkerTimeoutError,
)
from farside._options import check
from farside._passes import drain, enter_iteration_mode, iterate_results
from farside._protocol.messages import EXHAUSTED, Status
from farside._protocol.tables import ParentState
from farside._session import Session
from farside.testing.checks import take
from tests import scripted
from tests.scripted import failure, items, iterate, status

STARTED, FINISHED = Status.ITERATION_STARTED, Status.ITERATION_FINISHED


def test_a_pass() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "a"), items(1, "b"), status(FINISHED, 1)]
    assert list(iterate(session)) == ["a", "b"]
    assert session.state is ParentState.STAND_BY
    assert channel.told == [("START_ITERATION", 1)]


def test_the_error_of_a_superseded_pass_is_not_kept() -> None:
    session, channel = scripted.session()
    older = iterate(session)
    newer = iterate(session)
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
    channel.script.clear()


def test_leftovers_of_earlier_passes_are_discarded() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "old")]
    older = iterate(session)
    assert next(older) == "old"
    channel.script += [items(1, "old"), status(FINISHED, 1)]
    channel.script += [status(STARTED, 2), items(2, "new"), status(FINISHED, 2)]
    newer = iterate(session)
    with pytest.raises(PassSupersededError):
        next(older)
    assert list(newer) == ["new"]
    assert channel.told == [
        ("START_ITERATION", 1),
        ("STOP_ITERATION", 1),
        ("revoke", 1),
        ("START_ITERATION", 2),
    ]


def test_drain_waits_for_the_start_and_no_longer() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "kept")]
    this = enter_iteration_mode(session)
    drain(session, this)
    assert session.state is ParentState.ITERATION
    assert len(channel.script) == 1


def test_leaving_stops_the_pass_and_revokes_the_credit() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "a")]
    results = iterate(session)
    next(results)
    results.close()
    assert channel.told[1:] == [("STOP_ITERATION", 1), ("revoke", 1)]
    assert session.state is ParentState.STOPPING


def test_an_iterator_that_is_dropped_before_its_first_item_stops_the_pass() -> None:
    session, channel = scripted.session()
    iterate(session)
    assert channel.told[1:] == [("STOP_ITERATION", 1), ("revoke", 1)]


def test_each_item_that_is_taken_is_told_where_buffer_size_counts_items() -> None:
    session, channel = scripted.session(buffer_size=8)
    channel.script += [status(STARTED, 1), items(1, 0, 1), items(1, 2), status(FINISHED, 1)]
    got = [(number, channel.taken[-1]) for number in iterate(session)]
    assert got == [(0, (1, 1)), (1, (1, 2)), (2, (1, 3))]


def test_a_whole_frame_is_told_at_once_where_bytes_count() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, 0, 1), items(1, 2), status(FINISHED, 1)]
    got = [(number, channel.taken[-1]) for number in iterate(session)]
    assert got == [(0, (1, 2)), (1, (1, 2)), (2, (1, 3))]


def test_what_was_taken_is_told_again_before_waiting() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, 0, 1)]
    results = iterate(session)
    assert [next(results), next(results)] == [0, 1]
    channel.taken.clear()
    channel.script += [items(1, 2)]
    next(results)
    assert channel.taken == [(1, 2), (1, 3)]


def test_a_frame_of_another_number_of_items_is_a_protocol_error() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, 0, 1)._replace(items=3)]
    got, error = take(iterate(session))
    assert got == []
    assert isinstance(error, ProtocolError)
    assert session.worker.killed  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["superseded", "closed"])
@pytest.mark.parametrize("values", [(0, 1, 2), ("x" * 300, [], {})], ids=["atoms", "pickles"])
def test_what_is_left_of_an_open_frame_is_not_delivered(how: str, values: Any) -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, *values)]
    results = iterate(session)
    assert next(results) == values[0]
    if how == "closed":
        session.close()
    else:
        enter_iteration_mode(session)
    with pytest.raises(IterableClosedError if how == "closed" else PassSupersededError):
        next(results)


def test_death_is_told_after_what_had_arrived() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "a")]
    got, error = take(iterate(session))
    assert got == ["a"]
    assert isinstance(error, WorkerDiedError)
    assert (error.exit_code, error.signal_name) == (-9, "SIGKILL")
    assert (error.last_index, error.state) == (0, "iteration")
    assert "killed by SIGKILL (exit code -9)" in str(error)
    with pytest.raises(IterableClosedError) as caught:
        enter_iteration_mode(session)
    assert caught.value.__cause__ is error


def test_death_in_stand_by_is_told_by_the_next_pass() -> None:
    session, channel = scripted.session()
    channel.closed = True
    got, error = take(iterate(session))
    assert got == []
    assert isinstance(error, WorkerDiedError)
    assert error.last_index is None


def test_failure_of_the_initialization() -> None:
    worker = scripted.ScriptedWorker()
    session = Session(worker, "scripted", check(list, backend="auto"))
    kind = Status.INITIALIZATION_FAILED
    worker.channel.script.append(failure(kind, 0, ValueError("no"), "fn", None))
    with pytest.raises(ValueError, match="no") as caught:
        session.await_initialization()
    assert isinstance(caught.value, WorkerInitializationError)


def test_failure_of_a_pass_that_was_left() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "a")]
    next(iterate(session))
    channel.script.append(failure(Status.ITERATOR_FAILED, 1, KeyError("k"), "next", 1))
    got, error = take(iterate(session))
    assert got == []
    assert isinstance(error, KeyError)
    assert isinstance(error, WorkerIterationError)


def test_time_out_kills() -> None:
    session, channel = scripted.session(timeout=2)
    channel.script += [status(STARTED, 1), items(1, "a"), None]
    got, error = take(iterate(session))
    assert got == ["a"]
    assert isinstance(error, WorkerTimeoutError)
    assert error.seconds == 2
    assert "after the item of index 0, within timeout=2.0 seconds" in str(error)
    assert session.worker.killed  # type: ignore[attr-defined]
    assert ("ABORT", 1) in channel.told


@pytest.mark.parametrize(
    "frame",
    [
        status(99),
        status(STARTED, 7),
        status(FINISHED, 0),
        status(Status.INITIALIZATION_SUCCEEDED),
        status(Status.ITERATOR_FAILED, 1, b"no pickle"),
    ],
)
def test_unexpected_frames_are_protocol_errors(frame: Any) -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), frame]
    got, error = take(iterate(session))
    assert got == []
    assert isinstance(error, ProtocolError)
    assert session.worker.killed  # type: ignore[attr-defined]


def test_a_refused_command_is_a_protocol_error() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), status(Status.UNEXPECTED_CMD_RECEIVED, 1)]
    _, error = take(iterate(session))
    assert isinstance(error, ProtocolError)
    assert "refused a command" in str(error)


def test_interrupt_while_waiting_loses_nothing() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        next(iterate(session))
    channel.script += [items(1, "old"), status(FINISHED, 1)]
    channel.script += [status(STARTED, 2), items(2, "new"), status(FINISHED, 2)]
    assert list(iterate(session)) == ["new"]


def test_interrupt_in_the_middle_of_a_frame_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "a")]

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    results = iterate(session)
    with monkeypatch.context() as patch:
        patch.setattr(session, "_handle", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(results)
    with pytest.raises(IterableClosedError) as caught:
        enter_iteration_mode(session)
    assert isinstance(caught.value.__cause__, ProtocolError)
    assert "signal handler" in str(caught.value.__cause__)
    assert session.worker.killed  # type: ignore[attr-defined]


def test_closing_while_another_waits() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "a"), session.close]
    got, error = take(iterate(session))
    assert got == ["a"]
    assert isinstance(error, IterableClosedError)
    assert channel.told[-3:] == [("ABORT", 1), ("revoke", 1), ("stop receiving",)]


def test_frames_after_closing_are_ignored() -> None:
    session, channel = scripted.session()
    this = enter_iteration_mode(session)
    channel.script += [session.close, items(1, "late")]
    channel.close = lambda: None  # type: ignore[method-assign]
    session.receive(this)
    assert isinstance(this.error, IterableClosedError)
    assert not this.inbox


def test_used_up_iterator_is_told() -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), status(FINISHED, 1, EXHAUSTED)]
    with pytest.warns(match="one-shot iterator") as caught:
        assert list(iterate(session)) == []
    assert caught[0].filename == __file__


def test_take_over_goes_on_with_another_session() -> None:
    session, channel = scripted.session()
    other, other_channel = scripted.session()
    channel.script += [status(STARTED, 1)]
    other_channel.script += [status(STARTED, 1), items(1, "a"), status(FINISHED, 1)]
    results = iterate_results(
        session,
        enter_iteration_mode(session),
        lambda _: lambda: (other, enter_iteration_mode(other)),
    )
    next(results)
    assert list(results) == ["a"]


def test_a_forked_child_has_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    session, channel = scripted.session()
    channel.script += [status(STARTED, 1), items(1, "a")]
    results = iterate(session)
    assert next(results) == "a"
    owner = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: owner + 1)
    channel.closed = True
    told = list(channel.told)
    _, error = take(results)
    assert f"belongs to process {owner}" in str(error)
    with pytest.raises(IterableClosedError, match=f"belongs to process {owner}"):
        enter_iteration_mode(session)
    assert session.close()
    session.abandon()
    assert channel.told == told


def test_abandoning_tells_the_worker_and_does_not_wait() -> None:
    session, channel = scripted.session()
    session.abandon()
    assert channel.told == [("ABORT", 0), ("revoke", 0)]
    assert channel.closed
