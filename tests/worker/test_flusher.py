"""The flusher: what waits is sent soon, and its thread is there only while it is needed."""

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from farside._worker import flusher as module
from farside._worker.flusher import Flusher
from farside._worker.threads import start
from farside.errors import LinkClosedError, ProtocolError
from tests.background import SECONDS, Background


class Sends:
    """Notes each time that it is called, and then does what the test wants."""

    def __init__(self) -> None:
        self.times: SimpleQueue[float] = SimpleQueue()
        self.threads: list[int] = []
        self.then: Callable[[], bool] = lambda: False

    def __call__(self) -> bool:
        self.threads.append(threading.get_ident())
        self.times.put(time.monotonic())
        return self.then()


@pytest.fixture
def sends() -> Sends:
    return Sends()


@pytest.fixture
def flusher(sends: Sends) -> Iterator[Flusher]:
    made = Flusher(sends)
    yield made
    made.stop()


def thread_of(flusher: Flusher) -> threading.Thread:
    thread = flusher._thread
    assert isinstance(thread, threading.Thread)
    return thread


def test_nobody_is_there_before_the_first_call(flusher: Flusher) -> None:
    assert flusher._thread is None


def test_where_no_thread_can_be_had_the_caller_tries_a_few_times(
    flusher: Flusher, sends: Sends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module, "start", refuse)
    sends.then = lambda: len(sends.threads) < 9  # as if others added more, again and again
    flusher.call()
    assert sends.threads == [threading.get_ident()] * 3


def test_a_finalizer_that_calls_as_the_thread_is_started_starts_no_other(
    flusher: Flusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    def start_and_call(*given: Any) -> Any:
        started.append(given)
        if len(started) == 1:
            flusher.call()
        return start(*given)

    monkeypatch.setattr(module, "start", start_and_call)
    flusher.call()
    assert len(started) == 1


def test_what_waits_is_sent_soon_but_not_at_once(flusher: Flusher, sends: Sends) -> None:
    delays = []
    for _ in range(10):
        begin = time.monotonic()
        flusher.call()
        delays.append(sends.times.get(timeout=SECONDS) - begin)
    assert min(delays) >= module._DELAY / 2
    assert min(delays) < 10 * module._DELAY, "a busy machine may delay some, and not all"


def test_it_sends_in_one_thread_of_its_own(flusher: Flusher, sends: Sends) -> None:
    for _ in range(3):
        flusher.call()
        sends.times.get(timeout=SECONDS)
    assert len(set(sends.threads)) == 1
    assert threading.get_ident() not in sends.threads


def test_it_sends_as_long_as_more_comes(flusher: Flusher, sends: Sends) -> None:
    answers = [True, True, False]
    sends.then = lambda: answers.pop(0)
    flusher.call()
    for _ in range(3):
        sends.times.get(timeout=SECONDS)
    flusher.stop()
    assert sends.times.empty()


def test_calls_while_it_sends_are_heard(flusher: Flusher, sends: Sends) -> None:
    go_on = threading.Event()
    sends.then = lambda: not go_on.wait(SECONDS)
    flusher.call()
    sends.times.get(timeout=SECONDS)
    for _ in range(3):
        flusher.call()
    go_on.set()
    sends.times.get(timeout=SECONDS)


def test_it_ends_by_itself_and_comes_again(
    flusher: Flusher, sends: Sends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    for _ in range(3):
        flusher.call()
        thread = thread_of(flusher)
        sends.times.get(timeout=SECONDS)
        thread.join(SECONDS)
        assert not thread.is_alive()
        assert flusher._thread is None


def test_no_call_is_lost_while_it_ends(
    flusher: Flusher, sends: Sends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.0002)
    monkeypatch.setattr(module, "_DELAY", 0.0)
    for _ in range(1000):
        flusher.call()
        sends.times.get(timeout=SECONDS)


def test_stop_ends_it_without_sending(
    sends: Sends, flusher: Flusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", SECONDS)
    flusher.call()
    sends.times.get(timeout=SECONDS)
    thread = thread_of(flusher)
    begin = time.monotonic()
    flusher.stop()
    assert not thread.is_alive()
    assert time.monotonic() - begin < SECONDS / 2, "it has not waited until it is idle"
    assert sends.times.empty()


def test_stop_waits_for_what_is_being_sent(flusher: Flusher, sends: Sends) -> None:
    go_on = threading.Event()
    sends.then = lambda: not go_on.wait(SECONDS)
    flusher.call()
    sends.times.get(timeout=SECONDS)
    stopping = Background(flusher.stop)
    go_on.set()
    stopping.result()
    assert len(sends.threads) == 1


def test_nothing_begins_after_stop(flusher: Flusher) -> None:
    flusher.stop()
    flusher.call()
    assert flusher._thread is None


def test_a_thread_that_is_called_as_it_begins_to_end_goes_on(flusher: Flusher) -> None:
    this: Any = object()
    flusher._thread = this
    flusher._called.ring()
    assert not flusher._retire()
    assert flusher._thread is this
    assert flusher._retire()
    assert flusher._thread is None


def test_stop_is_fine_without_a_thread(flusher: Flusher) -> None:
    flusher.stop()
    flusher.stop()


def test_without_threads_it_is_sent_at_once(
    flusher: Flusher, sends: Sends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            flusher.call()
    assert sends.threads == [threading.get_ident()] * 3
    assert flusher._thread is None
    flusher.call()
    while sends.threads[-1] == threading.get_ident():
        sends.times.get(timeout=SECONDS)


@pytest.mark.parametrize("kind", [LinkClosedError, ProtocolError], ids=["gone", "torn"])
def test_a_link_that_takes_nothing_more_ends_it_in_silence(
    kind: type[Exception], flusher: Flusher, sends: Sends
) -> None:
    def refused() -> bool:
        raise kind

    sends.then = refused
    flusher.call()
    sends.times.get(timeout=SECONDS)
    thread_of(flusher).join(SECONDS)
    assert not thread_of(flusher).is_alive()
    flusher.call()  # the thread that makes items finds out by itself


@pytest.mark.parametrize("locks", [True, False])
def test_another_thread_comes_after_one_that_had_no_memory(
    flusher: Flusher, sends: Sends, monkeypatch: pytest.MonkeyPatch, *, locks: bool
) -> None:
    """There may be none to take a lock either."""
    known = threading.Event()

    def full(*_: object) -> None:
        raise MemoryError

    def fails() -> bool:
        assert known.wait(SECONDS)
        sends.then = lambda: False
        if not locks:
            monkeypatch.setattr("farside._worker.flusher.with_lock", full)
        raise MemoryError

    sends.then = fails
    flusher.call()
    first = thread_of(flusher)
    known.set()
    sends.times.get(timeout=SECONDS)
    first.join(SECONDS)
    monkeypatch.undo()
    flusher.call()
    sends.times.get(timeout=SECONDS)
