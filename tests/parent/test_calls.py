"""Calls and reports of stacks, against a scripted worker."""

from __future__ import annotations

import pickle
import threading
from typing import Any, NoReturn

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
from farside._parent import calls, closing, starting
from farside._parent.calls import ask_for_stacks, call_method
from farside._parent.client import Client
from farside._parent.deadline import When
from farside._parent.options import check
from farside._payload.remote_errors import read_stack
from farside._protocol.messages import Status
from farside._protocol.parent_machine import ParentState
from tests.background import SECONDS, Background
from tests.parent import scripted
from tests.parent.scripted import (
    ScriptedWorker,
    answer,
    failure,
    finished,
    items,
    iterate,
    launching,
    ready,
    report,
    started,
    state,
    status,
)


def call(client: Client, method: str = "go", *args: Any) -> Any:
    return call_method(client, method, args, {})


def test_the_answer_comes_with_a_length() -> None:
    client, link = scripted.client()
    link.then(answer(0, "one", 7))
    assert call(client) == "one"
    assert (client.core.workers[0].length, state(client)) == (7, ParentState.STAND_BY)
    assert client.used
    assert link.told == [("CALL", 0)]


def test_nobody_waits_for_the_answer_to_a_call_that_was_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, _ = scripted.client()

    def strike(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "wait", strike)
    with pytest.raises(KeyboardInterrupt):
        call(client)
    assert client.core.workers[0].call is None


class Buffered:
    """It has contents that are not copied as it is pickled."""

    def __init__(self, contents: Any) -> None:
        self.contents = contents

    def __reduce__(self) -> Any:
        return bytes, (pickle.PickleBuffer(self.contents),)


def test_a_call_is_made_again_with_what_its_arguments_were() -> None:
    client, link = scripted.client(max_restarts=1)
    link.then(answer(0, None))
    contents = bytearray(b"before" * 10_000)
    call(client, "go", Buffered(contents))
    contents[:] = b"later!" * 10_000
    [question] = client.calls
    sent = b"".join(question.parts)
    assert b"before" in sent
    assert b"later" not in sent


def test_a_failure_is_raised_and_changes_nothing() -> None:
    client, link = scripted.client()
    link.then(failure(Status.CALL_FAILED, 0, KeyError("x"), "call", None), answer(0, 2))
    with pytest.raises(KeyError) as caught:
        call(client)
    assert isinstance(caught.value, CallFailedError)
    assert caught.value.method == "go"
    assert not client.used
    assert call(client) == 2


def test_a_call_does_not_look_for_the_main_module_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client, link = scripted.client()
    link.then(answer(0, "one"))
    monkeypatch.setattr("farside._backends.preparation.main_module", None)
    assert call(client) == "one"


def test_arguments_that_do_not_pickle_are_not_sent() -> None:
    client, link = scripted.client()
    with pytest.raises(NotPicklableError, match="the arguments of 'go' cannot be sent"):
        call(client, "go", threading.Lock())
    with pytest.raises(TypeError, match="method=3 is not a name"):
        call(client, 3)  # type: ignore[arg-type]
    assert link.told == []


def test_no_call_before_the_user_is_at_the_end() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"), finished(1))
    results = iterate(client)
    assert next(results) == "a"
    with pytest.raises(PassOpenError, match="'go' cannot be called while an iterator"):
        call(client)
    assert next(results, None) is None
    link.then(answer(1, 3))
    assert call(client) == 3


def test_a_call_waits_for_the_end_of_a_pass_that_was_left() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"))
    results = iterate(client)
    assert next(results) == "a"
    results.close()
    link.then(items(1, "b"), finished(1), answer(1, 3))
    assert call(client) == 3
    assert link.told[-3:] == [("STOP_ITERATION", 1), ("revoke", 1), ("CALL", 1)]


def test_a_call_that_was_given_up_delays_what_comes_next() -> None:
    client, link = scripted.client()
    link.then(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        call(client)
    assert client.public_state == "call"
    link.then(answer(0, "too late"), answer(0, "next"))
    assert call(client) == "next"
    link.then(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        call(client)
    link.then(answer(0, "too late"), started(1))
    link.then(items(1, "a"), finished(1))
    assert list(iterate(client)) == ["a"]


def test_a_worker_that_dies_in_a_call() -> None:
    client, _ = scripted.client()
    with pytest.raises(WorkerDiedError) as caught:
        call(client)
    assert caught.value.state == "call"
    with pytest.raises(IterableClosedError):
        call(client)


def test_closing_while_a_call_waits() -> None:
    client, link = scripted.client()
    link.then(lambda: closing.close(client, kill=False))
    with pytest.raises(IterableClosedError):
        call(client)


def test_closing_in_another_thread_while_a_call_waits() -> None:
    client, link = scripted.client(None, None, None, forward_logs=False)
    waiting = Background(call, client)
    assert link.waited_for.wait(20)
    assert closing.close(client, kill=False)
    with pytest.raises(IterableClosedError):
        waiting.result()


def test_a_call_may_begin_before_the_one_before_has_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread that waits for its turn may be the one that takes the answer in."""
    asked, looked = threading.Event(), threading.Event()
    client, link = scripted.client(max_restarts=1)
    link.then(answer(0, 1), lambda: looked.wait(SECONDS), answer(0, 2))
    wait_for_answers, seconds = calls._wait_for_answers, list[Background[Any]]()

    def let_another_ask_meanwhile(*given: Any) -> None:
        monkeypatch.undo()
        wait_for_answers(*given)
        link.on_send = lambda *_: asked.set()
        seconds.append(Background(call, client, "second"))
        assert asked.wait(SECONDS)

    monkeypatch.setattr(calls, "_wait_for_answers", let_another_ask_meanwhile)
    assert call(client, "first") == 1
    # What a worker is told that is started again now:
    assert [each.method for each in client.calls] == ["first"]
    assert client.calling is not None
    assert client.calling[1].method == "second"
    looked.set()
    assert seconds[0].result() == 2
    assert [each.method for each in client.calls] == ["first", "second"]
    assert client.calling is None


def test_a_worker_that_is_started_just_as_a_call_ends_is_told_of_it_once() -> None:
    client, link = scripted.client(max_restarts=1)
    link.then(answer(0, 1))
    seen = list[Any]()

    class Calls(list[Any]):
        """Looks as another thread may, and is struck once by an exception of a signal handler."""

        def append(self, made: Any) -> None:
            seen.append(client.calling)
            super().append(made)
            if len(seen) == 1:
                raise KeyError

    client.calls = Calls()
    with pytest.raises(KeyError):
        call(client, "first")
    assert seen[0] is not None
    assert seen[0][1].method == "first"
    client.step(lambda _: None)
    assert [each.method for each in client.calls] == ["first"]
    assert client.calling is None


def test_an_answer_that_cannot_be_read_ends_the_worker() -> None:
    client, link = scripted.client()
    link.then(status(Status.CALL_SUCCEEDED, 0, b"no pickle"))
    with pytest.raises(ProtocolError, match="an answer to a call that cannot be read"):
        call(client)
    assert state(client) is ParentState.DONE


def test_a_time_out_asks_for_the_stack() -> None:
    client, link = scripted.client(timeout=1e-9)  # which one wait for nothing exceeds
    link.then(None, report(0))
    with pytest.raises(WorkerTimeoutError) as caught:
        call(client)
    stack = 'the thread that runs the iterable:\n  File "file.py", line 3, in work\n'
    assert caught.value.worker_stack == stack
    assert "the call of 'go' did not return within timeout=1e-09 seconds" in str(caught.value)
    assert link.told[:2] == [("CALL", 0), ("REPORT_STACK", 0)]


def test_a_question_reaches_a_worker_that_is_attached_just_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(list[Any]):
        def append(self, command: Any) -> None:
            asked.set()
            attached.wait(0.2)  # in vain: whoever attaches it waits for this
            super().append(command)

    def start() -> ScriptedWorker:
        assert asked.wait(SECONDS)
        return worker

    asked, attached, worker = threading.Event(), threading.Event(), ScriptedWorker(report(0))
    with launching(start):
        client = Client(check(list, backend="scripted", wait=False))
        client.members[0]._unsent = Slow()
        monkeypatch.setattr(client.waiting.links, "add", lambda _: attached.set())
        starting.start(client)
        Background(ask_for_stacks, client).result()
        client.wait(When(lambda: not client.launching))
    assert worker.link.told == [("REPORT_STACK", 0)]
    closing.close(client, kill=False)


def test_items_may_come_before_the_stack() -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"), report(1))
    results = iterate(client)
    (stack,) = ask_for_stacks(client)
    assert "in work" in (stack or "")
    assert next(results) == "a"


def test_the_initialization_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = scripted.client(timeout=2, init_timeout=5)
    client.core.begin_to_wait(100.0)
    assert client.core.deadline == 102.0
    monkeypatch.setattr("farside._protocol.parent.STACK_SECONDS", 1e-9)
    with launching(ScriptedWorker(None, None, None)):
        fresh = Client(check(list, backend="scripted", timeout=2, init_timeout=1e-9))
        with pytest.raises(WorkerTimeoutError, match=r"within init_timeout=1e-09 seconds"):
            starting.start(fresh)


@pytest.mark.parametrize("body", [b"no pickle", pickle.dumps(3), pickle.dumps([(1, 2)])])
def test_a_report_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="a report of stacks that cannot be read"):
        read_stack(body)


def test_a_report_that_cannot_be_read_ends_the_worker() -> None:
    client, _ = scripted.client(status(Status.STACK_REPORTED, 0, b"no pickle"))
    assert ask_for_stacks(client) == [None]
    assert state(client) is ParentState.DONE
    assert scripted.worker_of(client).killed
    with pytest.raises(ProtocolError, match="a report of stacks that cannot be read") as caught:
        call(client)
    with pytest.raises(IterableClosedError) as closed:
        call(client)
    assert closed.value.__cause__ is caught.value


def test_after_a_call_that_failed_the_death_of_the_worker_is_raised_as_itself() -> None:
    failed = failure(Status.CALL_FAILED, 0, ValueError("bad"), "call", None)
    client, _ = scripted.client(failed)
    with pytest.raises(CallFailedError, match="bad"):
        call(client)
    assert ask_for_stacks(client) == [None]  # its script is over: it is gone
    with pytest.raises(WorkerDiedError) as caught:
        call(client)
    with pytest.raises(IterableClosedError) as closed:
        call(client)
    assert closed.value.__cause__ is caught.value


@pytest.mark.parametrize(("body", "length"), [(b"", None), (bytearray(b"70"), 70)])
def test_a_length(body: bytes, length: int | None) -> None:
    with launching(ScriptedWorker(ready(body))):
        client = Client(check(list, backend="scripted"))
        starting.start(client)
    assert client.core.workers[0].length == length


@pytest.mark.parametrize("body", [b"-1", b"9" * 5000])
def test_a_length_that_is_none_ends_the_worker(body: bytes) -> None:
    worker = ScriptedWorker(ready(body))
    with launching(worker), pytest.raises(ProtocolError):
        starting.start(Client(check(list, backend="scripted")))
    assert worker.killed
