"""Processes that are looked at, and signalled, whoever has taken their status."""

from __future__ import annotations

import errno
import multiprocessing
import os
import select
import signal
import threading
import time
from multiprocessing import forkserver
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from farside._backends.child import Child
from farside._backends.subprocess import ProcessWorker
from farside._system.process_states import is_ending, is_stopped
from farside.testing.checks import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess


@pytest.fixture(params=["pidfd", "no pidfd"], autouse=True)
def _pidfd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems than Linux have none, and a policy may forbid them."""
    if request.param == "no pidfd":
        monkeypatch.setattr(os, "pidfd_open", _refuse, raising=False)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no pidfds")


def _refuse(_: int) -> int:
    raise PermissionError


def _exit_with(reader: Connection[object, int]) -> None:
    """Exit with the code that comes."""
    os._exit(reader.recv())


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Start processes that do nothing, by a method."""
    begun: list[tuple[BaseProcess, Child]] = []

    def begin(method: str, target: Callable[..., Any] = time.sleep, argument: Any = 60) -> Child:
        context: Any = multiprocessing.get_context(method)
        process = context.Process(target=target, args=(argument,))
        process.start()
        begun.append((process, Child(process)))
        return begun[-1][1]

    yield begin
    for _, child in begun:
        child.send(signal.SIGKILL)
        assert child.wait(10)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_signal_and_the_end(start: Callable[[str], Child], method: str) -> None:
    child = start(method)
    assert not child.wait(0)
    assert child.send(signal.SIGTERM)
    assert child.wait(10)
    assert (child.code, child.lost) == (-signal.SIGTERM, None)
    assert child.send(signal.SIGTERM)  # to nobody
    assert child.pid not in {each.pid for each in multiprocessing.active_children()}


def test_the_status_is_told_where_memory_runs_out_after_it_was_taken(
    start: Callable[[str], Child],
) -> None:
    def full() -> None:
        close()
        raise MemoryError

    child = start("fork")
    close, child._popen.close = child._popen.close, full
    child.send(signal.SIGKILL)
    with pytest.raises(MemoryError):
        child.wait(10)
    assert child.wait(10)
    assert (child.code, child.lost) == (-signal.SIGKILL, None)
    if child._handle is not None:
        child._handle.close()  # else it goes with the child


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell")
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_it_is_known_that_it_was_stopped(start: Callable[[str], Child], method: str) -> None:
    child = start(method)
    child.was_stopped()  # a test may have stopped the fork server
    assert not child.was_stopped()
    # Of the processes that Ctrl-Z stops, it is that which is a child of this one.
    server: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    pid = server if method == "forkserver" else child.pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: is_stopped(pid))
    assert not child.was_stopped(), "it does not go on"
    os.kill(pid, signal.SIGCONT)
    until(child.was_stopped)
    assert not child.was_stopped(), "it was told"
    assert child.send(signal.SIGKILL)
    assert child.wait(10)
    assert not child.was_stopped()


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell")
def test_each_process_of_a_fork_server_knows_that_that_was_stopped(
    start: Callable[[str], Child],
) -> None:
    """The kernel tells it once, and each iterable asks for its own."""
    children = [start("forkserver") for _ in range(2)]
    for child in children:
        child.was_stopped()
    pid: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGSTOP)
    until(lambda: is_stopped(pid))
    os.kill(pid, signal.SIGCONT)
    until(children[0].was_stopped)
    assert [child.was_stopped() for child in children] == [False, True]
    assert [child.was_stopped() for child in [*children, start("forkserver")]] == [False] * 3


@pytest.mark.parametrize("code", [-signal.SIGKILL, 7])
def test_how_it_has_ended_is_known_before_a_fork_server_gets_its_turn(
    start: Callable[..., Child], code: int
) -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    with reader, writer:
        child = start("forkserver", _exit_with, reader)
        server: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        os.kill(server, signal.SIGSTOP)
        try:
            if code < 0:
                os.kill(child.pid, -code)
            else:
                writer.send(code)
            if hasattr(os, "pidfd_open") and os.pidfd_open is not _refuse:
                assert child.wait(10)
                assert child.code == code
        finally:
            os.kill(server, signal.SIGCONT)
        assert child.wait(10)
        assert (child.code, child.lost) == (code, None)


def test_a_pid_that_may_be_a_stranger_s_is_not_signalled(
    start: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start("fork")
    os.kill(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)  # from here on the kernel may give its number to another
    signalled: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *to: signalled.append(to))
    assert child.send(signal.SIGTERM)
    assert child.wait(0)
    assert (child.code, child.lost) == (
        None,
        "its exit status was taken by another part of the program",
    )
    for process in multiprocessing.active_children():
        assert process.pid != child.pid
    assert signalled == []


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_a_sandbox_that_forbids_to_signal_by_a_pidfd(
    start: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse, raising=False)
    child = start("fork")
    assert child.send(signal.SIGTERM)
    assert child.wait(10)
    assert (child.code, child.lost) == (-signal.SIGTERM, None)


def test_a_process_of_another_user_cannot_be_signalled(
    start: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start("fork")

    def forbidden(*_: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", forbidden)
        patch.setattr(signal, "pidfd_send_signal", forbidden, raising=False)
        assert not child.send(signal.SIGTERM)


def test_multiprocessing_does_not_take_the_status(start: Callable[[str], Child]) -> None:
    child = start("fork")
    os.kill(child.pid, signal.SIGKILL)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            multiprocessing.active_children()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert child.wait(10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert (child.code, child.lost) == (-signal.SIGKILL, None)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_who_finds_it_in_multiprocessing_can_join_it(
    start: Callable[[str], Child], method: str
) -> None:
    child = start(method)
    [process] = [each for each in multiprocessing.active_children() if each.pid == child.pid]
    os.kill(child.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == child.code == -signal.SIGKILL


def test_a_fork_server_that_has_ended(
    start: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start("forkserver")

    def end_of_file(_: int) -> int:
        raise EOFError

    monkeypatch.setattr("multiprocessing.forkserver.read_signed", end_of_file)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(10)
    assert child.code is None
    assert str(child.lost).startswith("the fork server")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_descriptors_that_other_code_has_closed(start: Callable[[str], Child], method: str) -> None:
    """As a program does that becomes a daemon."""
    child = start(method)
    for fd in {child.fileno(), *child._popen.finalizer._args}:
        os.close(fd)
    assert child.send(signal.SIGTERM)
    assert child.wait(10)
    if method == "forkserver":
        assert str(child.lost).startswith("the descriptor that tells it was closed")
        os.kill(child.pid, signal.SIGTERM)  # it cannot be signalled by what is left
    else:
        assert (child.code, child.lost) == (-signal.SIGTERM, None)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EPERM])
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_kernel_that_takes_no_pidfds_to_wait_for(
    start: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch, method: str, number: int
) -> None:
    """Linux 5.3 has pidfds, and no such wait; sandboxes forbid it."""

    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    child = start(method)
    monkeypatch.setattr(os, "waitid", refuse, raising=False)
    assert not child.wait(0)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(10)
    assert (child.code, child.lost) == (-signal.SIGKILL, None)


def test_a_wait_while_another_thread_sees_the_end(start: Callable[[str], Child]) -> None:
    """That closes the descriptor, whose number is soon that of another file."""
    child = start("fork")
    poll = select.poll

    def poll_late() -> Any:
        made = poll()

        class Late:
            def register(self, *args: int) -> None:
                made.register(*args)

            def poll(self, milliseconds: float) -> Any:
                select.poll = poll  # type: ignore[misc]
                os.kill(child.pid, signal.SIGKILL)
                assert child.wait(10)
                spare.extend(os.pipe() for _ in range(4))
                return made.poll(milliseconds)

        return Late()

    spare: list[tuple[int, int]] = []
    select.poll = poll_late  # type: ignore[misc, assignment]
    begun = time.monotonic()
    assert child.wait(5)
    assert time.monotonic() - begun < 4
    for each in spare:
        for fd in each:
            os.close(fd)


def test_whether_a_process_is_ending_is_asked_of_the_kernel() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    try:
        assert not is_ending(pid)
    finally:
        os.close(writing)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert is_ending(pid)
    os.waitpid(pid, 0)
    assert not is_ending(pid)


def test_a_worker_whose_end_takes_long_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = iter([False, True])
    worker: Any = object.__new__(ProcessWorker)
    worker._child = SimpleNamespace(pid=1, lost=None, code=-signal.SIGKILL)
    worker._oom_kills = SimpleNamespace(since=lambda: 0)
    monkeypatch.setattr(worker, "wait", lambda _: next(waits))
    monkeypatch.setattr("farside._backends.subprocess.is_ending", lambda _: True)
    assert worker.exit_status().signal_name == "SIGKILL"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_signal_handler_that_looks_as_the_status_is_taken(
    start: Callable[[str], Child], method: str, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    """By closing an iterable, for example: the status is there no more, or not known yet."""
    child = start(method)
    name = "_status_from_server" if method == "forkserver" else "_status"
    take, within = getattr(child, name), list[bool]()

    def take_and_strike() -> int | None:
        code = None if first else take()
        if (first or code is not None) and not within:
            within.append(True)
            within.append(child.wait(10 if first else 0))
        return take() if first else code

    assert child.send(signal.SIGTERM)
    monkeypatch.setattr(child, name, take_and_strike)
    assert child.wait(10)
    assert len(within) == 2
    assert (child.code, child.lost) == (-signal.SIGTERM, None)
    assert child.pid not in {each.pid for each in multiprocessing.active_children()}
