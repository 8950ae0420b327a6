"""Explains why no process can be started here, as far as that can be told, and what would help."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
import time
from multiprocessing import forkserver, popen_fork, spawn
from traceback import walk_tb

from .._system.monkey_patches import patched
from .._system.process_states import signal_name
from . import interpreters
from .base import CutOffError, unavailable
from .child import FROM_OUTSIDE, REAP_SECONDS

EXEC_FAILED = 255  # how a process ends that multiprocessing has forked, but whose exec has failed
NOT_EXECUTED = (
    "the system refuses to run Python, as it does where an environment variable is very large"
)
_unavailable = functools.partial(unavailable, "no process can be started", backend="subprocess")

_SPAWN = "use mp_context='spawn'"
_NAME_IT = "name the Python to start by multiprocessing.set_executable()"
_VERSION = "{}.{}".format(*sys.version_info)
_NOT_THE_SERVER = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
"""Errors that another start method would meet as well."""

_LACKS = {
    errno.EAGAIN: "no more processes can be had (see ulimit -u, or the limit on pids of the "
    "container)",
    errno.ENOMEM: "there is no memory for a further process",
}


def check_method(method: str) -> None:
    """Refuse a start method that, as far as can be told, does not work in this process."""
    forks = method == "fork"
    if forks and (library := patched("thread")):
        raise _unavailable(f"a forked worker would inherit the threads of {library}; {_SPAWN}")
    if method == "forkserver" and (library := patched("socket")):
        raise _unavailable(f"the fork server cannot be used by the sockets of {library}; {_SPAWN}")
    if forks and interpreters.inside():
        raise _unavailable(f"a subinterpreter cannot fork; {_SPAWN}")
    if forks and interpreters.alive():
        raise _unavailable(
            "a forked child crashes at once while any subinterpreter lives in the parent; close "
            "the subinterpreters first, or use mp_context='forkserver' or 'spawn'"
        )
    path = _executable()  # a program that embeds Python may not know one
    if not (forks or (os.path.isfile(path) and os.access(path, os.X_OK))):
        raise _unavailable(
            f"there is no program at {path!r}, where sys.executable says that Python is; {_NAME_IT}"
        )
    if method == "spawn" or (method == "forkserver" and server_pid() is None):
        _check_version(path)


def _check_version(path: str) -> None:
    """Refuse a Python of another version, which would load the modules of this one."""
    # A program that embeds Python may find another one on ``PATH``, and Python may have been
    # replaced since this process was started.
    with contextlib.suppress(OSError):  # /proc is not there
        if not os.path.samefile("/proc/self/exe", path):
            found = _version_of(path, os.stat(path).st_mtime_ns)
            if found not in {"", _VERSION}:
                raise _unavailable(
                    f"{path!r}, where sys.executable says that Python is, is Python {found}, and "
                    f"this is {_VERSION}; {_NAME_IT}, or begin anew if it was replaced meanwhile"
                )


@functools.lru_cache
def _version_of(path: str, changed_ns: int) -> str:  # noqa: ARG001  when the file was changed
    """Return a version such as ``3.14``; an empty text if the program does not report one."""
    import subprocess  # hardly ever needed

    command = [path, "-I", "-S", "-c", "import sys; print('Python %d.%d' % sys.version_info[:2])"]
    try:
        said = subprocess.check_output(command, stderr=subprocess.DEVNULL, timeout=10)  # noqa: S603
    except subprocess.SubprocessError:
        return ""
    name, _, version = said.decode(errors="replace").strip().partition(" ")
    return version if name == "Python" else ""


def _executable() -> str:
    return os.fsdecode(spawn.get_executable() or "")


def check_surroundings(error: OSError | EOFError) -> None:
    """Raise an error that says what this process lacks, if that rules out every start method."""
    lack = isinstance(error, OSError) and _LACKS.get(error.errno or 0)
    if lack:  # perhaps only for a short time, as when workers die for lack of memory
        raise CutOffError(_unavailable(lack), struck=True) from error
    if isinstance(error, FileNotFoundError):
        try:
            os.getcwd()
        except FileNotFoundError:
            raise _unavailable(
                "the current directory was deleted; change to another one with os.chdir() first"
            ) from error


def check_spawned(error: OSError | EOFError) -> None:
    """Raise an error if the new process has ended before it read its task: it may be no Python."""
    if isinstance(error, BrokenPipeError):
        killer = _killer_of_spawned(error)
        reason = (
            f"{_executable()!r} has ended as soon as it was started, see above; if that is no "
            f"Python, {_NAME_IT}; or {NOT_EXECUTED}"
        )
        if killer is not None:
            reason = f"the new process was killed by {killer} as soon as it was started"
        raise CutOffError(_unavailable(reason), struck=killer is not None) from error


def _killer_of_spawned(error: BaseException) -> str | None:
    """Return the signal from outside that has ended a process during its start, if one has."""
    # This also reaps the process, as multiprocessing has forgotten it.
    starters = [frame.f_locals.get("self") for frame, _ in walk_tb(error.__traceback__)]
    started = [each for each in starters if isinstance(each, popen_fork.Popen)]
    pids = [each.pid for each in started if getattr(each, "pid", None) is not None]
    found = _end_of(pids[0] if pids else None, take=True)
    if found is None or found.si_code == os.CLD_EXITED:
        return None
    name = signal_name(found.si_status)
    return name if name in FROM_OUTSIDE else None


def _end_of(pid: int | None, *, take: bool = False) -> os.waitid_result | None:
    """Wait a moment for the end of a child, and return how it ended; with `take`, reap it."""
    # The result is None if nobody can tell, or if the child still runs. It may only have closed its
    # end of the pipe, or another thread has already replaced a fork server that was killed.
    end = time.monotonic() + REAP_SECONDS
    while pid is not None and hasattr(os, "waitid"):
        try:
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | (0 if take else os.WNOWAIT))
        except ChildProcessError:
            return None
        if found is not None or time.monotonic() > end:
            return found
        time.sleep(0.01)
    return None


def check_server(error: OSError | EOFError) -> None:
    """Raise an error that says why the fork server does not serve, if the server is the cause."""
    if isinstance(error, ChildProcessError):
        reason = (
            "the fork server is not a child of this process: it is that of the parent of this "
            f"forked process, or its end was seen by another part of the program; {_SPAWN}"
        )
    elif isinstance(error, (ConnectionError, EOFError)):
        found = _end_of(server_pid())
        if found is None or found.si_code != os.CLD_EXITED:  # else it has ended by itself
            # Python 3.14 does not note the number of a server that could not even read its key.
            reason = "the fork server was killed meanwhile, and the next worker gets a new one"
            if server_pid() is None:
                reason = f"either {reason}, or {NOT_EXECUTED}"
            raise CutOffError(_unavailable(reason), struck=True) from error
        reason = (
            "the fork server has ended, see above; it imports the main script, so start workers "
            "below if __name__ == '__main__': only; or no more processes can be had (see ulimit -u)"
        )
        if found.si_status == EXEC_FAILED:
            reason += f"; or {NOT_EXECUTED}"
    elif error.errno in _NOT_THE_SERVER:
        return
    else:
        reason = f"the fork server cannot be reached ({error}); {_SPAWN}"
    raise _unavailable(reason) from error


def server_pid() -> int | None:
    pid: int | None = vars(getattr(forkserver, "_forkserver"))["_forkserver_pid"]  # noqa: B009  it is private
    return pid
