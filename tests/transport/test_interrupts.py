"""HeldBack: steps that Ctrl-C does not cut in two."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from farside._transport.interrupts import HeldBack, with_lock
from tests.faults.interrupting import interrupt_at

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(steps: list[str]) -> None:
    with HeldBack():
        signal.raise_signal(signal.SIGINT)
        steps.append("whole")


def test_the_interrupt_comes_after_the_step() -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupt(steps)
    assert steps == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_happens() -> None:
    with HeldBack():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_is_called_once() -> None:
    calls: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: calls.append(number))
    with HeldBack(), HeldBack():
        signal.raise_signal(signal.SIGINT)
        assert calls == []
    assert calls == [signal.SIGINT]


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_where_no_python_code_would_run_nothing_is_done(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, handler)
    with HeldBack():
        assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_do_nothing() -> None:
    def look() -> object:
        assert threading.current_thread() is not threading.main_thread()
        with HeldBack():
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(look).result() is signal.default_int_handler


def test_an_error_of_the_step_is_kept_beside_the_interrupt() -> None:
    def fail() -> None:
        with HeldBack():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("mine")

    with pytest.raises(KeyboardInterrupt) as caught:
        fail()
    assert isinstance(caught.value.__context__, ValueError)


def test_a_second_interrupt_is_not_held_back_where_it_is_asked_for() -> None:
    steps: list[str] = []

    def insist() -> None:
        with HeldBack(once=True):
            signal.raise_signal(signal.SIGINT)
            steps.append("held back")
            signal.raise_signal(signal.SIGINT)
            steps.append("held back again")

    with pytest.raises(KeyboardInterrupt):
        insist()
    assert steps == ["held back"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_no_interrupt_leaves_a_lock_locked() -> None:
    lock = threading.Lock()
    interrupts = 0
    while interrupt_at(interrupts + 1, lambda: with_lock(lock, lambda: None)).raised:
        interrupts += 1
        assert not lock.locked()
    assert interrupts  # after the lock was taken, among others


def test_the_lock_is_held_for_the_work() -> None:
    lock = threading.Lock()
    assert with_lock(lock, lock.locked)
    with pytest.raises(ZeroDivisionError):
        with_lock(lock, lambda: 1 // 0)
    assert not lock.locked()
