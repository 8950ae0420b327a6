"""Calls and reports of stacks, against a scripted worker."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from farside import (
    CallFailedError,
    IterableClosedError,
    NotPicklableError,
    PassOpenError,
    ProtocolError,
    WorkerDiedError,
    WorkerTimeoutError,
)
from farside._calls import call_method, read_length
from farside._protocol.messages import Status
from farside._protocol.tables import ParentState
from farside._session import Session
from farside._stacks import Stack
from farside._transport import codec
from farside._transport.frames import Frame
from farside._transport.items import pack
from tests import scripted
from tests.scripted import failure, items, iterate, status


def answer(epoch: int, result: object, length: int | None = None) -> Frame:
    parts, _ = pack([pickle.dumps(result), length])
    return Frame(Status.CALL_SUCCEEDED, epoch, b"".join(parts), 2)


def report(epoch: int) -> Frame:
    threads = [("the thread that runs the iterable", [("file.py", 3, "work")])]
    return Frame(Status.STACK_REPORTED, epoch, b"".join(codec.dumps(threads)))


def call(session: Session, method: str = "go", *args: Any) -> Any:
    return call_method(session, method, args, {})


def test_the_answer_comes_with_a_length() -> None:
    session, channel = scripted.session()
    channel.script += [answer(0, "one", 7)]
    assert call(session) == "one"
    assert (session.length, session.state, session.used) == (7, ParentState.STAND_BY, True)
    assert channel.told == [("CALL", 0)]


def test_a_failure_is_raised_and_changes_nothing() -> None:
    session, channel = scripted.session()
    channel.script += [failure(Status.CALL_FAILED, 0, KeyError("x"), "call", None), answer(0, 2)]
    with pytest.raises(KeyError) as caught:
        call(session)
    assert isinstance(caught.value, CallFailedError)
    assert caught.value.method == "go"
    assert not session.used
    assert call(session) == 2


def test_arguments_that_do_not_pickle_are_not_sent() -> None:
    session, channel = scripted.session()
    with pytest.raises(NotPicklableError, match="the arguments of 'go' cannot be sent"):
        call(session, "go", threading.Lock())
    with pytest.raises(TypeError, match="method=3 is no name"):
        call(session, 3)  # type: ignore[arg-type]
    assert channel.told == []


def test_no_call_before_the_user_is_at_the_end() -> None:
    session, channel = scripted.session()
    finished = status(Status.ITERATION_FINISHED, 1)
    channel.script += [status(Status.ITERATION_STARTED, 1), items(1, "a"), finished]
    results = iterate(session)
    assert next(results) == "a"
    with pytest.raises(PassOpenError, match="'go' cannot be called while an iterator"):
        call(session)
    assert next(results, None) is None
    channel.script += [answer(1, 3)]
    assert call(session) == 3


def test_a_call_waits_for_the_end_of_a_pass_that_was_left() -> None:
    session, channel = scripted.session()
    channel.script += [status(Status.ITERATION_STARTED, 1), items(1, "a")]
    results = iterate(session)
    assert next(results) == "a"
    results.close()
    channel.script += [items(1, "b"), status(Status.ITERATION_FINISHED, 1), answer(1, 3)]
    assert call(session) == 3
    assert channel.told[-3:] == [("STOP_ITERATION", 1), ("revoke", 1), ("CALL", 1)]


def test_a_call_that_was_given_up_delays_what_comes_next() -> None:
    session, channel = scripted.session()
    channel.script += [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        call(session)
    assert session.public_state == "call"
    channel.script += [answer(0, "too late"), answer(0, "next")]
    assert call(session) == "next"
    channel.script += [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        call(session)
    channel.script += [answer(0, "too late"), status(Status.ITERATION_STARTED, 1)]
    channel.script += [items(1, "a"), status(Status.ITERATION_FINISHED, 1)]
    assert list(iterate(session)) == ["a"]


def test_a_worker_that_dies_in_a_call() -> None:
    session, _ = scripted.session()
    with pytest.raises(WorkerDiedError) as caught:
        call(session)
    assert caught.value.state == "call"
    with pytest.raises(IterableClosedError):
        call(session)


def test_closing_while_a_call_waits() -> None:
    session, channel = scripted.session()
    channel.script += [session.close]
    with pytest.raises(IterableClosedError):
        call(session)


def test_an_answer_that_cannot_be_read_ends_the_worker() -> None:
    session, channel = scripted.session()
    channel.script += [status(Status.CALL_SUCCEEDED, 0, b"no pickle")]
    with pytest.raises(ProtocolError, match="an answer to a call that cannot be read"):
        call(session)
    assert session.state is ParentState.DONE


def test_a_time_out_asks_for_the_stack() -> None:
    session, channel = scripted.session(timeout=2)
    channel.script += [None, report(0)]
    with pytest.raises(WorkerTimeoutError) as caught:
        call(session)
    stack = 'the thread that runs the iterable:\n  File "file.py", line 3, in work\n'
    assert caught.value.worker_stack == stack
    assert "the call of 'go' did not return within timeout=2.0 seconds" in str(caught.value)
    assert channel.told[:2] == [("CALL", 0), ("REPORT_STACK", 0)]


def test_items_may_come_before_the_stack() -> None:
    session, channel = scripted.session()
    channel.script += [status(Status.ITERATION_STARTED, 1), items(1, "a"), report(1)]
    results = iterate(session)
    assert "in work" in (session.stack() or "")
    assert next(results) == "a"


def test_the_initialization_has_a_limit_of_its_own() -> None:
    session, channel = scripted.session(timeout=2, init_timeout=7)
    assert session.limit == 2
    channel.script.clear()
    fresh = Session(session.worker, "scripted", session._options)
    channel.script += [None]
    with pytest.raises(WorkerTimeoutError, match=r"within init_timeout=7\.0 seconds"):
        fresh.await_initialization()


@pytest.mark.parametrize("body", [b"no pickle", pickle.dumps(3), pickle.dumps([(1, 2)])])
def test_a_report_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="a report of stacks that cannot be read"):
        Stack().arrive(body)


def test_a_length() -> None:
    assert read_length(b"") is None
    assert read_length(bytearray(b"70")) == 70
    for odd in (b"-1", b"9" * 5000):
        with pytest.raises(ProtocolError):
            read_length(odd)
