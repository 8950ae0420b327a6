"""A process that ends with its parent, though no Python code can run in it."""

import ctypes
import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable

import pytest

from farside._system.descriptors import inherited, pipe
from farside._worker.lifeline import tie
from tests.children import exit_code, fork
from tests.scripts.acts import hold_the_gil

pytestmark = pytest.mark.skipif(
    not hasattr(fcntl, "F_SETSIG"), reason="only Linux has such signals"
)


def stuck_after(prepare: Callable[[int], object]) -> tuple[int, float]:
    """Close the lifeline of a child that is stuck; return its exit code, and how long it took."""
    lifeline, held = pipe()
    stuck, ready = pipe()
    says, never = pipe()

    def be_stuck() -> None:
        signal.alarm(0)
        prepare(lifeline.fileno())
        ready.close()
        hold_the_gil(says.fileno())

    with inherited([lifeline, ready, says, never]):
        child = fork(be_stuck)
    for end in (lifeline, ready, says, never):
        end.close()
    os.read(stuck.fileno(), 1)
    held.close()
    begin = time.monotonic()
    return exit_code(child), time.monotonic() - begin


def test_it_ends_after_a_second() -> None:
    code, seconds = stuck_after(tie)
    assert code == -signal.SIGALRM
    assert seconds > 0.9  # there was time for an orderly end


def test_the_parents_handlers_do_not_keep_it() -> None:
    def prepare(fd: int) -> None:
        for number in (signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGALRM})
        tie(fd)

    assert stuck_after(prepare)[0] == -signal.SIGALRM


def test_a_parent_that_has_ended_before() -> None:
    lifeline, held = pipe()
    held.close()

    def be_stuck() -> None:
        signal.alarm(0)
        tie(lifeline.fileno())
        hold_the_gil(os.pipe()[0])

    with inherited([lifeline]):
        child = fork(be_stuck)
    assert exit_code(child) == -signal.SIGALRM


def in_a_child(check: Callable[[int], object]) -> int:
    """Call it with a lifeline in a child that has no alarm; return the child's exit code."""
    lifeline, held = pipe()

    def call() -> None:
        signal.alarm(0)
        check(lifeline.fileno())

    with inherited([lifeline, held]):
        return exit_code(fork(call))


def test_nohup_is_respected() -> None:
    def hang_up(fd: int) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        tie(fd)
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.alarm(0) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        # Another signal takes its place, on each Python.
        assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ASYNC
        assert fcntl.fcntl(fd, fcntl.F_GETSIG) > signal.SIGHUP

    assert in_a_child(hang_up) == 0


def test_without_signals_to_use_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)

    def hang_up(fd: int) -> None:
        tie(fd)
        assert not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ASYNC

    assert in_a_child(hang_up) == 0


def test_a_python_that_cannot_load_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError("Dynamic loading not supported")

    monkeypatch.setattr(ctypes, "CDLL", refuse)

    def go_on(fd: int) -> None:
        tie(fd)
        assert not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ASYNC
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL

    assert in_a_child(go_on) == 0


@pytest.mark.parametrize("missing", ["F_SETSIG", "F_SETOWN", "F_SETFL"])
def test_a_system_that_refuses_to_send_signals(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """It may be emulated, or a sandbox: the worker works all the same."""
    known = fcntl.fcntl

    def limited(fd: int, command: int, argument: int = 0) -> int:
        if command == getattr(fcntl, missing):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return known(fd, command, argument)

    def go_on(fd: int) -> None:
        monkeypatch.setattr(fcntl, "fcntl", limited)
        tie(fd)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL

    assert in_a_child(go_on) == 0
