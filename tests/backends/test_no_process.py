"""Why no process can be started, in words that help."""

from __future__ import annotations

import errno
import multiprocessing
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import signal
import subprocess
import sys
from functools import partial
from multiprocessing import forkserver, reduction
from multiprocessing.process import BaseProcess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    BackendUnavailableError,
    FarsideError,
    RemoteTraceback,
    WorkerDiedError,
    WorkerRestartedWarning,
    iterate_in_subprocess,
)
from farside._backends import live_workers
from farside._backends.base import CutOffError
from farside._backends.no_process import check_server
from farside.testing.jobs import FailsAt
from tests.kinds import SUBPROCESSES
from tests.scripts.running import run_script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from farside.options import StartMethod
    from tests.kinds import Kind


@pytest.fixture(autouse=True)
def _executable() -> Iterator[None]:
    yield
    multiprocessing.set_executable(sys.executable)


@pytest.mark.parametrize("method", ["spawn", "forkserver", None])
@pytest.mark.parametrize("path", ["", "/no/such/python", "/"])
def test_a_program_that_does_not_know_its_python(method: StartMethod | None, path: str) -> None:
    multiprocessing.set_executable(path)
    with pytest.raises(BackendUnavailableError, match=r"multiprocessing\.set_executable\(\)"):
        iterate_in_subprocess(list, mp_context=method)
    with iterate_in_subprocess(partial(range, 3), mp_context="fork") as numbers:
        assert list(numbers) == [0, 1, 2]


@pytest.mark.skipif(not os.path.exists("/proc/self/exe"), reason="who runs here is not known")
def test_a_python_of_another_version(tmp_path: Path) -> None:
    """As one that a program finds on PATH that embeds another, or an upgrade has put there."""
    program = tmp_path / "python"
    multiprocessing.set_executable(str(program))
    program.write_text("#!/bin/sh\necho Python 3.9\n")
    program.chmod(0o755)
    with pytest.raises(BackendUnavailableError, match=r"is Python 3\.9, and this is 3\."):
        iterate_in_subprocess(list, mp_context="spawn")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # now it is the same one
    os.utime(program, (0, 0))  # both may be of one tick of the clock of files
    with iterate_in_subprocess(partial(range, 3), mp_context="spawn") as numbers:
        assert list(numbers) == [0, 1, 2]


def test_a_program_that_is_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: BaseProcess) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(BaseProcess, "start", start)
    with pytest.raises(BackendUnavailableError, match="if that is no Python, name the Python"):
        iterate_in_subprocess(list, mp_context="spawn")


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let the next spawned processes end by these signals before they are told what to do."""
    numbers: list[int] = []
    spawn_process = multiprocessing.util.spawnv_passfds

    def start(*args: Any) -> int:
        pid = spawn_process(*args)
        if numbers:
            os.kill(pid, numbers.pop())
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            started.append(pid)
        return pid

    started: list[int] = []
    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", start)
    yield numbers
    for pid in started:  # nobody has left them in the table of processes
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="nobody tells how it has ended")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_spawned_processes_that_are_killed_at_once(cut_off: list[int], number: int) -> None:
    """As when memory runs out: it says nothing of the next one."""
    multiprocessing.resource_tracker.ensure_running()
    cut_off += [number] * 3
    with (
        pytest.warns(WorkerRestartedWarning, match="was killed by SIG"),
        iterate_in_subprocess(partial(range, 3), mp_context="spawn", max_restarts=3) as numbers,
    ):
        assert list(numbers) == [0, 1, 2]
    cut_off.append(number)
    with pytest.raises(FarsideError, match="was killed by SIG"):
        iterate_in_subprocess(list, mp_context="spawn")


_CRASHED = "if that is no Python|was killed by SIGSEGV"  # older Pythons write into an open pipe


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="nobody tells how it has ended")
def test_spawned_processes_that_crash_at_once(cut_off: list[int]) -> None:
    multiprocessing.resource_tracker.ensure_running()
    cut_off += [signal.SIGSEGV] * 3
    with (
        pytest.warns(WorkerRestartedWarning, match=_CRASHED),
        pytest.raises(FarsideError, match=_CRASHED),
    ):
        iterate_in_subprocess(list, mp_context="spawn", max_restarts=3)
    assert cut_off == [signal.SIGSEGV]


TOO_LARGE = """\
import os
from tests.scripts.starting import start

if __name__ == "__main__":
    os.environ["HUGE"] = "x" * 200_000
    try:
        start(list)
    except Exception as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow more")
@pytest.mark.parametrize("kind", SUBPROCESSES[:2], ids=lambda kind: kind.name)
def test_an_environment_variable_that_is_too_large(tmp_path: Path, kind: Kind) -> None:
    """Python can set it, but the system then runs no program."""
    done = run_script(tmp_path, TOO_LARGE, kind=kind)
    assert "an environment variable is very large" in done.out


def leave() -> BaseException:
    os._exit(255)


@pytest.mark.parametrize(("method", "told"), [("fork", False), ("spawn", True)])
def test_only_a_spawned_process_may_end_as_no_program_runs(
    method: StartMethod, *, told: bool
) -> None:
    with pytest.raises(WorkerDiedError, match="ended with exit code 255") as caught:
        iterate_in_subprocess(list, mp_context=method, initializer=leave)
    assert ("sys.exit(), or the system refuses to run Python, as it" in str(caught.value)) == told


def test_a_spawned_worker_that_has_begun_does_not_end_for_that_reason() -> None:
    with iterate_in_subprocess(partial(FailsAt, 1, leave), mp_context="spawn") as it:
        with pytest.raises(
            WorkerDiedError, match="exit code 255; its code, or a library, has call"
        ):
            list(it)


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError()])
@pytest.mark.parametrize("how", ["kill", "exit", "reaped"])
def test_a_server_that_ends_as_it_starts_a_worker(
    monkeypatch: pytest.MonkeyPatch, error: OSError | EOFError, how: str
) -> None:
    code = "import time; time.sleep(1000)" if how == "kill" else "raise SystemExit(1)"
    with subprocess.Popen([sys.executable, "-c", code]) as server:
        if how == "kill":
            server.kill()
        elif how == "reaped":
            server.wait()
        monkeypatch.setitem(vars(forkserver._forkserver), "_forkserver_pid", server.pid)
        if how == "exit" and hasattr(os, "waitid"):
            with pytest.raises(BackendUnavailableError, match="it imports the main script"):
                check_server(error)
            return
        with pytest.raises(CutOffError, match="the fork server was killed meanwhile") as caught:
            check_server(error)
    assert caught.value.struck
    assert isinstance(caught.value.error, BackendUnavailableError)


def test_what_the_server_lacks_as_all_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: BaseProcess) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(BaseProcess, "start", start)
    with pytest.raises(OSError, match="Too many open files") as caught:
        iterate_in_subprocess(list, mp_context="forkserver")
    assert isinstance(caught.value.__cause__, RemoteTraceback)  # and so no other error


def test_no_process_where_the_server_has_ended_as_it_could_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors = [EOFError("unexpected EOF"), BlockingIOError(errno.EAGAIN, "no more")]

    def start(_: BaseProcess) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(BaseProcess, "start", start)
    with pytest.raises(BackendUnavailableError, match="no more processes can be had"):
        iterate_in_subprocess(list)
    assert not errors


@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_processes_that_can_be_had_again_soon(
    method: StartMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = [errno.EAGAIN, errno.ENOMEM]
    start, errors = BaseProcess.start, [OSError(each, "no more") for each in lacks]

    def start_later(process: BaseProcess) -> None:
        if errors:
            raise errors.pop()
        start(process)

    monkeypatch.setattr(BaseProcess, "start", start_later)
    with (
        pytest.warns(WorkerRestartedWarning, match="was tried again.*no more processes"),
        pytest.warns(WorkerRestartedWarning, match="there is no memory for a further process"),
        iterate_in_subprocess(partial(range, 3), mp_context=method, max_restarts=2) as numbers,
    ):
        assert list(numbers) == [0, 1, 2]
    assert not errors


def test_a_fork_server_is_refused_where_sockets_cannot_pass_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of eventlet cannot, so multiprocessing has no such start method then."""
    patcher = SimpleNamespace(is_monkey_patched="socket".__eq__)
    monkeypatch.setitem(sys.modules, "eventlet.patcher", patcher)
    monkeypatch.setattr(reduction, "HAVE_SEND_HANDLE", False)
    with pytest.raises(BackendUnavailableError, match="the sockets of eventlet; use mp_context="):
        iterate_in_subprocess(partial(range, 3), mp_context="forkserver")


FROZEN = """\
import multiprocessing, multiprocessing.spawn, os, sys

sys.frozen = True
if __name__ == "__main__":
    if int(os.environ.get("GENERATION", "0")) > 2:
        print("and so on", flush=True)
        os._exit(9)  # they must not go on without end
    os.environ["GENERATION"] = str(int(os.environ.get("GENERATION", "0")) + 1)
    if "freezes" in sys.argv[0]:
        if "-c" in sys.argv:  # as PyInstaller has it
            exec(sys.argv[sys.argv.index("-c") + 1])
            sys.exit()
        multiprocessing.spawn.freeze_support()
    multiprocessing.set_executable(os.path.abspath("program"))
    from functools import partial
    from farside import FarsideError, iterate_in_subprocess
    try:
        with iterate_in_subprocess(partial(range, 3), mp_context=os.environ["METHOD"]) as numbers:
            print(list(numbers))
    except FarsideError as error:
        print(type(error).__name__, "freeze_support" in str(error))
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("name", ["freezes.py", "does_not.py"])
def test_a_frozen_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, method: str
) -> None:
    """PyInstaller and others make a program of which every process is a start."""
    monkeypatch.setenv("METHOD", method)
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {name} "$@"\n')
    program.chmod(0o755)
    (tmp_path / name).write_text(FROZEN)
    source = f"import runpy\nrunpy.run_path({name!r}, run_name='__main__')\n"
    done = run_script(tmp_path, source, kind=SUBPROCESSES[0])
    if name == "freezes.py":
        assert done == (0, "[0, 1, 2]\n", "")
    else:
        # It may end before or after the parent has sent it all, and print before or after it.
        refused, own = "BackendUnavailableError True", set(done.out.splitlines())
        assert done.code == 0
        assert refused in own
        assert own - {refused} < {"WorkerDiedError False", "BackendUnavailableError False"}


@pytest.mark.parametrize(
    ("arguments", "serves"),
    [
        (["--multiprocessing-fork", "tracker_fd=5", "pipe_handle=7"], True),
        (["-S", "-c", "from multiprocessing.resource_tracker import main;main(5)"], True),
        (["-c", "import sys; from multiprocessing.forkserver import main; main(5)", "--own"], True),
        (["-c"], False),
        (["-c", "print()"], False),
        (["from multiprocessing."], False),
        ([], False),
    ],
)
def test_what_multiprocessing_starts_a_frozen_program_for(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], *, serves: bool
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    if serves:
        with pytest.raises(BackendUnavailableError, match="freeze_support"):
            live_workers.check_start()
    else:
        live_workers.check_start()
