"""The courier: what waits is sent soon, and its thread is there only while it is needed."""

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest

from farside._worker import courier as module
from farside._worker.courier import Courier
from farside.errors import ChannelClosedError
from tests.transport.background import SECONDS, Background


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
def courier(sends: Sends) -> Iterator[Courier]:
    made = Courier(sends)
    yield made
    made.stop()


def thread_of(courier: Courier) -> threading.Thread:
    thread = courier._thread
    assert thread is not None
    return thread


def test_nobody_is_there_before_the_first_call(courier: Courier) -> None:
    assert courier._thread is None


def test_what_waits_is_sent_soon_but_not_at_once(courier: Courier, sends: Sends) -> None:
    delays = []
    for _ in range(10):
        begin = time.monotonic()
        courier.call()
        delays.append(sends.times.get(timeout=SECONDS) - begin)
    assert min(delays) >= module._DELAY / 2
    assert min(delays) < 10 * module._DELAY, "a busy machine may delay some, and not all"


def test_it_sends_in_one_thread_of_its_own(courier: Courier, sends: Sends) -> None:
    for _ in range(3):
        courier.call()
        sends.times.get(timeout=SECONDS)
    assert len(set(sends.threads)) == 1
    assert threading.get_ident() not in sends.threads


def test_it_sends_as_long_as_more_comes(courier: Courier, sends: Sends) -> None:
    answers = [True, True, False]
    sends.then = lambda: answers.pop(0)
    courier.call()
    for _ in range(3):
        sends.times.get(timeout=SECONDS)
    courier.stop()
    assert sends.times.empty()


def test_calls_while_it_sends_are_heard(courier: Courier, sends: Sends) -> None:
    go_on = threading.Event()
    sends.then = lambda: not go_on.wait(SECONDS)
    courier.call()
    sends.times.get(timeout=SECONDS)
    for _ in range(3):
        courier.call()
    go_on.set()
    sends.times.get(timeout=SECONDS)


def test_it_ends_by_itself_and_comes_again(
    courier: Courier, sends: Sends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    for _ in range(3):
        courier.call()
        thread = thread_of(courier)
        sends.times.get(timeout=SECONDS)
        thread.join(SECONDS)
        assert not thread.is_alive()
        assert courier._thread is None


def test_no_call_is_lost_while_it_ends(
    courier: Courier, sends: Sends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.0002)
    monkeypatch.setattr(module, "_DELAY", 0.0)
    for _ in range(1000):
        courier.call()
        sends.times.get(timeout=SECONDS)


def test_stop_ends_it_without_sending(
    sends: Sends, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", SECONDS)
    courier.call()
    sends.times.get(timeout=SECONDS)
    thread = thread_of(courier)
    begin = time.monotonic()
    courier.stop()
    assert not thread.is_alive()
    assert time.monotonic() - begin < SECONDS / 2, "it has not waited until it is idle"
    assert sends.times.empty()


def test_stop_waits_for_what_is_being_sent(courier: Courier, sends: Sends) -> None:
    go_on = threading.Event()
    sends.then = lambda: not go_on.wait(SECONDS)
    courier.call()
    sends.times.get(timeout=SECONDS)
    stopping = Background(courier.stop)
    go_on.set()
    stopping.result()
    assert len(sends.threads) == 1


def test_stop_is_fine_without_a_thread(courier: Courier) -> None:
    courier.stop()
    courier.stop()


def test_without_threads_it_is_sent_at_once(
    courier: Courier, sends: Sends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            courier.call()
    assert sends.threads == [threading.get_ident()] * 3
    assert courier._thread is None
    courier.call()
    while sends.threads[-1] == threading.get_ident():
        sends.times.get(timeout=SECONDS)


def test_a_parent_that_is_gone_ends_it_in_silence(courier: Courier, sends: Sends) -> None:
    def gone() -> bool:
        raise ChannelClosedError

    sends.then = gone
    courier.call()
    sends.times.get(timeout=SECONDS)
    thread_of(courier).join(SECONDS)
    assert not thread_of(courier).is_alive()
    courier.call()  # the thread that makes items finds out by itself


def test_its_thread_is_no_daemon(courier: Courier) -> None:
    courier.call()
    assert not thread_of(courier).daemon, "a subinterpreter has no such threads"
