"""What workers that are processes promise, and no others."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

import pytest

from farside import BackendUnavailableError, WorkerDiedError, iterate_in_subprocess
from farside._backends import live_workers
from farside._backends import subprocess as backend
from farside._backends.child import Child
from farside._parent.options import check
from farside._system import cgroup
from tests import jobs
from tests.kinds import HAS_SUBINTERPRETERS, SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from farside.options import StartMethod
    from tests.kinds import Kind


def test_default_start_method() -> None:
    assert backend._context(check(list, backend="subprocess")).get_start_method() == "forkserver"


def test_context_object() -> None:
    context = multiprocessing.get_context("spawn")
    with iterate_in_subprocess(partial(range, 3), mp_context=context) as numbers:
        assert list(numbers) == [0, 1, 2]


def daemonic() -> list[bool]:
    return [multiprocessing.current_process().daemon]


@pytest.mark.parametrize("daemon", [True, False])
def test_daemon(subprocess_kind: Kind, daemon: bool) -> None:  # noqa: FBT001
    with subprocess_kind.start(daemonic, daemon=daemon) as told:
        assert list(told) == [daemon]


LARGE = 1 << 26


class Memory:
    """Tells how many bytes of memory its process has as a pass begins."""

    def __init__(self, held: bytes) -> None:
        self.held = held

    def __iter__(self) -> Iterator[int]:
        with open("/proc/self/statm", encoding="ascii") as numbers:
            yield int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_has_what_it_was_given_once(method: StartMethod) -> None:
    taken = list[int]()
    for size in (0, LARGE):
        with iterate_in_subprocess(partial(Memory, bytes(size)), mp_context=method) as told:
            taken += told
    assert taken[1] - taken[0] < 1.5 * LARGE


def nested() -> Iterator[list[int]]:
    with iterate_in_subprocess(partial(range, 3)) as numbers:
        yield list(numbers)


def test_a_worker_may_have_workers(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(nested) as told:
        assert list(told) == [[0, 1, 2]]


def test_so_may_a_daemonic_one(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(nested, daemon=True) as told:
        assert list(told) == [[0, 1, 2]]


def nested_in_threads() -> Iterator[list[list[int]]]:
    with ThreadPoolExecutor(4) as pool:
        yield [each for found in pool.map(lambda _: list(nested()), range(8)) for each in found]
    assert multiprocessing.current_process().daemon


def test_so_may_many_threads_of_a_daemonic_one() -> None:
    with iterate_in_subprocess(nested_in_threads, daemon=True) as told:
        assert list(told) == [[[0, 1, 2]] * 8]


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def test_a_worker_that_ignores_everything_is_killed(subprocess_kind: Kind) -> None:
    numbers = subprocess_kind.start(
        partial(jobs.Sleeps, 1, 1000), initializer=ignore_sigterm, shutdown_timeout=0.4
    )
    iterator = iter(numbers)
    assert next(iterator) == 0
    numbers.close()
    assert not live_workers._live


def test_the_exit_status_of_a_process_that_only_closed_its_link(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(partial(jobs.ClosesAll, 2)) as numbers:
        with pytest.raises(WorkerDiedError, match="without ending, and was killed"):
            list(numbers)


def test_a_real_time_signal_has_a_number() -> None:
    number = signal.SIGRTMIN + 3
    with iterate_in_subprocess(partial(jobs.Kills, 1, number)) as numbers:
        with pytest.raises(WorkerDiedError, match=f"killed by signal {number}") as caught:
            list(numbers)
    assert caught.value.exit_code == -number


def test_no_descriptors_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pipe() -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pipe", no_pipe)
    with pytest.raises(OSError, match="Too many open files"):
        iterate_in_subprocess(list)


def test_a_process_that_cannot_be_started_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_process(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(backend, "_start_process", no_process)
    with pytest.raises(OSError, match="temporarily unavailable"):
        iterate_in_subprocess(list)


def test_one_that_was_started_before_memory_ran_out_is_ended(
    monkeypatch: pytest.MonkeyPatch, subprocess_kind: Kind
) -> None:
    made: list[Child] = []

    def scarce(process: Any) -> Child:
        made.append(Child(process))
        if len(made) == 1:
            raise MemoryError
        return made[-1]

    monkeypatch.setattr(backend, "Child", scarce)
    with pytest.raises(MemoryError):
        subprocess_kind.start(list)
    assert [child.code for child in made[1:]] == [-signal.SIGKILL]
    assert not multiprocessing.active_children()


def test_ctrl_c_is_not_blocked_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    mask, wants = signal.pthread_sigmask, [MemoryError]

    def scarce(how: int, signals: Any) -> Any:
        if how == signal.SIG_SETMASK and wants:
            raise wants.pop()
        return mask(how, signals)

    monkeypatch.setattr(signal, "pthread_sigmask", scarce)
    with pytest.raises(MemoryError):
        iterate_in_subprocess(list, mp_context="spawn")
    assert signal.SIGINT not in mask(signal.SIG_BLOCK, ())
    assert not multiprocessing.active_children()


def test_without_pidfd(subprocess_kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems than Linux, and processes that ended too soon, have none."""

    def no_pidfd(_: int) -> int:
        raise ProcessLookupError

    monkeypatch.setattr(os, "pidfd_open", no_pidfd)
    with subprocess_kind.start(partial(jobs.Kills, 2, signal.SIGKILL)) as numbers:
        with pytest.raises(WorkerDiedError, match="killed by SIGKILL"):
            list(numbers)


@pytest.mark.parametrize(
    ("number", "kills", "told"),
    [(signal.SIGKILL, 1, True), (signal.SIGKILL, 0, False), (signal.SIGTERM, 1, False)],
)
def test_a_kill_for_lack_of_memory_is_told(
    subprocess_kind: Kind, monkeypatch: pytest.MonkeyPatch, number: int, kills: int, *, told: bool
) -> None:
    monkeypatch.setattr(cgroup.OomKills, "since", lambda _: kills)
    with subprocess_kind.start(partial(jobs.Kills, 2, number)) as numbers:
        with pytest.raises(WorkerDiedError) as caught:
            list(numbers)
    text = "1 of the processes in its control group were killed, as the group had run out of memory"
    assert (text in str(caught.value)) is told


def test_a_worker_that_was_hung_up_is_told(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(partial(jobs.Kills, 2, signal.SIGALRM)) as numbers:
        with pytest.raises(WorkerDiedError, match=r"by SIGALRM .*, by which .* it got SIGHUP"):
            list(numbers)


@pytest.mark.parametrize("kind_of_interpreter", SUBINTERPRETERS)
def test_fork_is_refused_while_a_subinterpreter_lives(kind_of_interpreter: Kind) -> None:
    assert HAS_SUBINTERPRETERS
    with kind_of_interpreter.start(list):
        with pytest.raises(BackendUnavailableError, match="crashes at once while any"):
            iterate_in_subprocess(list, mp_context="fork")
    with iterate_in_subprocess(partial(range, 2), mp_context="fork") as numbers:
        assert list(numbers) == [0, 1]


def test_all_start_methods_at_once() -> None:
    methods: list[StartMethod] = ["fork", "spawn", "forkserver", "fork", "spawn"]
    started = [
        iterate_in_subprocess(partial(range, n), mp_context=method)
        for n, method in enumerate(methods)
    ]
    for n, numbers in enumerate(started):
        assert list(numbers) == list(range(n))
        numbers.close()


BROKEN = [
    ChildProcessError(errno.ECHILD, "it is the server of another process"),
    ConnectionRefusedError(errno.ECONNREFUSED, "it was killed"),
    EOFError("it has ended just now"),
    OSError("AF_UNIX path too long"),
    PermissionError(errno.EACCES, "it belongs to another user"),
]


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_a_fork_server_that_does_not_serve(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(forkserver, "connect_to_new_process", fail)
    with iterate_in_subprocess(partial(range, 3)) as numbers:  # nobody has asked for it
        assert list(numbers) == [0, 1, 2]
    with pytest.raises(BackendUnavailableError, match="the fork server") as caught:
        iterate_in_subprocess(partial(range, 3), mp_context="forkserver")
    assert caught.value.__cause__ is error


def test_what_another_start_method_would_lack_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(forkserver, "connect_to_new_process", fail)
    with pytest.raises(OSError, match="Too many open files"):
        iterate_in_subprocess(partial(range, 3), mp_context="forkserver")


@pytest.mark.parametrize("method", ["spawn", "forkserver", None])
def test_a_current_directory_that_was_deleted(
    method: StartMethod | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(BackendUnavailableError, match="the current directory was deleted"):
        iterate_in_subprocess(partial(range, 3), mp_context=method)


@pytest.mark.parametrize("method", ["forkserver", None])
def test_no_more_processes(method: StartMethod | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    # Not `os.fork`: where that fails, multiprocessing loses its pipes.
    monkeypatch.setattr(forkserver, "connect_to_new_process", fail)
    with pytest.raises(BackendUnavailableError, match=r"no more processes .* ulimit -u"):
        iterate_in_subprocess(partial(range, 3), mp_context=method)
