"""The resource tracker and the fork server of multiprocessing, whose pipes other code may close.

A program that becomes a daemon closes all its descriptors, even those that it does not know. But
multiprocessing keeps their numbers. When it next starts a process, it would write to whatever has
such a number by now, or close that: a file of the program, or a pipe of a link.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import nullcontext, suppress
from typing import Any

_STATES = {
    "resource_tracker": ("_fd", "_pid"),
    "forkserver": (
        "_forkserver_alive_fd",
        "_forkserver_pid",
        "_forkserver_address",
        "_forkserver_authkey",  # since Python 3.14
    ),
}
"""For the module of each server, the attributes that say that one runs. They are private."""
_seen: dict[str, tuple[object, object]] = {}
"""The server of each module that was seen last, and the pipe to it."""
_forgotten: set[int] = set()
"""The pids of those that were forgotten: each ends once no process has its pipe any more."""


def look_at_servers() -> None:
    """Forget a server whose pipe is lost, and remember the pipe of any other.

    So call this before a link is opened, and also after a start, to recognize the pipe later.
    """
    for name in _STATES:
        _look_at(name)
    for pid in tuple(_forgotten):
        with suppress(ChildProcessError):  # it was reaped elsewhere, or is not that of this process
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                continue
        _forgotten.discard(pid)


def tracker_fd() -> int | None:
    """Return the descriptor of this process's tracker, if there is one that can be written to."""
    return _look_at("resource_tracker")


def _look_at(name: str) -> int | None:
    server = getattr(sys.modules.get(f"multiprocessing.{name}"), f"_{name}", None)
    if server is None:
        return None
    state: dict[str, Any] = vars(server)
    fd_name, pid_name, *_ = _STATES[name]
    if _is_lost(name, state[fd_name], state[pid_name]):
        with state.get("_lock") or nullcontext():  # another thread may be starting a new one
            fd, pid = state[fd_name], state[pid_name]
            if _is_lost(name, fd, pid):
                state.update(dict.fromkeys(state.keys() & _STATES[name]))
                if pid is not None:
                    _forgotten.add(pid)
    fd_now: int | None = state[fd_name]
    return fd_now


def _is_lost(name: str, fd: int | None, pid: int | None) -> bool:
    if fd is None:
        return False
    # `fd` and `pid` were read before: another thread may start a server that gets this number.
    try:
        found = os.fstat(fd)
    except OSError:
        return True
    pipe = found.st_dev, found.st_ino
    server, known = _seen.get(name, (None, None))
    lost = (server == (fd, pid) and known != pipe) or not stat.S_ISFIFO(found.st_mode)
    if not lost:
        _seen[name] = (fd, pid), pipe
    return lost
