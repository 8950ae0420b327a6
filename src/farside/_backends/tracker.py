"""The resource tracker of multiprocessing, whose pipe other code may have closed."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import nullcontext
from typing import Any

_seen: tuple[object, object] = None, None  # a tracker, and the pipe to it


def tracker_fd() -> int | None:
    """Return the descriptor of this process's tracker, if there is one; forget one that is lost.

    A program that becomes a daemon closes all its descriptors, even those that it does not know.
    multiprocessing would then fail to close this one in each start of a process, or it would write
    to whatever has its number by now, such as a file of the program, or a link. So call this before
    a link is opened, and also after a start, to recognize the pipe later.
    """
    module = sys.modules.get("multiprocessing.resource_tracker")
    tracker = getattr(module, "_resource_tracker", None)
    if tracker is None:
        return None
    state: dict[str, Any] = vars(tracker)  # they have no public names
    if _is_lost(state):
        with state.get("_lock") or nullcontext():  # another thread may be starting a new one
            if _is_lost(state):
                state.update(_fd=None, _pid=None)
    fd: int | None = state["_fd"]
    return fd


def _is_lost(state: dict[str, Any]) -> bool:
    global _seen  # noqa: PLW0603  there is one tracker in a process
    fd = state["_fd"]
    if fd is None:
        return False
    tracker = fd, state["_pid"]  # read first: another thread may start one that gets this number
    try:
        found = os.fstat(fd)
    except OSError:
        return True
    pipe = found.st_dev, found.st_ino
    known = _seen[0] == tracker
    lost = (known and _seen[1] != pipe) or not stat.S_ISFIFO(found.st_mode)
    if not lost:
        _seen = tracker, pipe
    return lost
