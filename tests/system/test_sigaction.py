"""What code in C does at SIGINT stays as it is, whatever Python does with its own handler."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from farside._system import sigaction, signals
from farside._system.signals import defer_signals
from tests.faults.interrupting import Alarm, alarming, strike_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any, NoReturn

LIBC = ctypes.CDLL(None)


def action() -> bytes:
    """Return what the kernel does at SIGINT."""
    buffer = ctypes.create_string_buffer(512)
    assert LIBC.sigaction(int(signal.SIGINT), None, buffer) == 0
    return buffer.raw[:16] + buffer.raw[136:140]


def by_c_code() -> None:
    """Let SIGINT call ``abs`` of the C library."""
    LIBC.signal.restype = ctypes.c_void_p
    LIBC.signal(int(signal.SIGINT), ctypes.cast(LIBC.abs, ctypes.c_void_p))


def restarting() -> None:
    signal.siginterrupt(signal.SIGINT, False)


def dumping() -> None:
    faulthandler.register(signal.SIGINT, file=sys.__stderr__ or 2)


WAYS: list[Callable[[], None]] = [by_c_code, restarting, dumping]


@pytest.fixture(autouse=True)
def _handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(signals._interrupt, "_ask_kernel", None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    faulthandler.unregister(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("known", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("install", WAYS)
def test_it_is_there_meanwhile_and_afterwards(install: Callable[[], None], *, known: bool) -> None:
    if known:
        defer_signals(lambda: None)
    pythons = action()
    install()
    foreign = action()
    assert foreign != pythons
    assert defer_signals(lambda: defer_signals(action)) == foreign
    assert action() == foreign
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert defer_signals(action) == action() == pythons


def test_code_in_c_that_calls_pythons_handler_is_held_back_with_it(tmp_path: Path) -> None:
    steps: list[str] = []

    def work() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("whole")

    with (tmp_path / "stacks").open("w+") as file:
        faulthandler.register(signal.SIGINT, file=file, chain=True)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                defer_signals(work)
        faulthandler.unregister(signal.SIGINT)
        file.seek(0)
        assert file.read().count("in work") == 2
    assert steps == ["whole", "whole"]


@pytest.mark.parametrize("install", WAYS)
def test_another_signal_leaves_it_in_its_place(install: Callable[[], None]) -> None:
    install()
    foreign = action()
    alarms = 0
    with alarming():
        while strike_at(
            alarms + 1, lambda: defer_signals(lambda: None), signal.SIGUSR1, Alarm
        ).raised:
            alarms += 1
            assert action() == foreign
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert alarms


def test_several_steps_in_one_can_be_made_again() -> None:
    """The release of a signal is, if the handler of another one has cut it off."""
    by_c_code()
    made: list[int] = []
    set_to = sigaction.Sigaction(signal.SIGINT, signal.default_int_handler).setter()
    foreign = action()
    for handler in (made.append, signal.default_int_handler, made.append):
        set_to(signal.SIGINT, handler)
        assert signal.getsignal(signal.SIGINT) == handler
        assert action() == foreign
    step = partial(sigaction._in_one, partial(made.append, 1), partial(made.append, 2))
    step()
    step()
    assert made == [1, 2, 1, 2]


def refuse(_: object) -> NoReturn:
    raise OSError("Dynamic loading not supported")


@pytest.mark.parametrize("odd", [None, SimpleNamespace(PyDLL=refuse), SimpleNamespace(PyDLL=str)])
def test_where_the_kernel_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, odd: Any) -> None:
    monkeypatch.setattr(signals._interrupt, "_ask_kernel", None)
    monkeypatch.setitem(sys.modules, "ctypes", odd)
    monkeypatch.delitem(sys.modules, "farside._system.sigaction", raising=False)
    steps: list[int] = []

    def be_struck() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        steps.append(1)

    with pytest.raises(KeyboardInterrupt):
        defer_signals(be_struck)
    assert steps == [1], "it is held back all the same"
    assert defer_signals(lambda: "done") == "done"
