"""What the control groups of a process allow it, and whether lack of memory has cost it a process.

A container sees its own group as the root, or at the path that the host has for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

_PROC = "/proc"
_CGROUPS = "/sys/fs/cgroup"

_UNLIMITED = 1 << 60  # where there is no limit, version 1 gives some number of bytes above this


def processors() -> int | None:
    """Return how many processors this process may use; None: that is not known.

    A quota of 1.5 processors counts as two: one busy process would not use it up. The quota is read
    by the first call only, since reading it takes as long as a short pass.
    """
    count = os.cpu_count()
    with suppress(OSError):  # a policy forbids to ask
        if sys.version_info >= (3, 13):
            count = os.process_cpu_count()  # which heeds `python -X cpu_count`
        elif hasattr(os, "sched_getaffinity"):
            count = len(os.sched_getaffinity(0))
    return None if count is None else min([count, *_quotas()])


@cache
def _quotas() -> list[int]:
    found = []
    for folder, first in _folders("self", "cpu"):
        files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if first else ("cpu.max",)
        with suppress(OSError, ValueError):  # there is none: "max"
            quota, period = map(int, " ".join(_text(folder, each) for each in files).split())
            if quota > 0 and period > 0:
                found.append(-(-quota // period))
    return found


def memory_limit() -> int | None:
    """Return how many bytes the groups of this process may take; None: no limit is known."""
    least = _UNLIMITED
    for folder, first in _folders("self", "memory"):
        with suppress(OSError, ValueError):  # as above
            limit = int(_text(folder, "memory.limit_in_bytes" if first else "memory.max"))
            least = min(least, limit)
    return least if 0 < least < _UNLIMITED else None


class OomKills:
    """Counts how many processes of a process's control group were killed for lack of memory."""

    def __init__(self, pid: int) -> None:
        # The folder and the name of the file that counts them, and the count.
        self._place: tuple[str, str] = "", ""
        self._before: int | None = None
        for folder, first in _folders(pid, "memory"):
            self._place = folder, "memory.oom_control" if first else "memory.events"
            self._before = _read(*self._place)
            if self._before is not None:
                break

    def since(self) -> int:
        """Return how many were killed since this was made; 0 if that cannot be known."""
        if self._before is None:
            return 0
        return max(0, (_read(*self._place) or 0) - self._before)


def _read(folder: str, name: str) -> int | None:
    try:
        lines = _text(folder, name).splitlines()
        return next(int(line[9:]) for line in lines if line.startswith("oom_kill "))
    except (OSError, ValueError, StopIteration):
        return None


def _folders(pid: int | str, controller: str) -> Iterator[tuple[str, bool]]:
    """Yield the folders of a process's group and of its ancestors; and whether of version 1."""
    try:
        with open(f"{_PROC}/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:  # not Linux; no /proc; the process has ended
        return
    for _, controllers, path in lines:
        first = controller in controllers.split(",")
        if not first and controllers:
            continue
        root = f"{_CGROUPS}/{controller}" if first else _CGROUPS
        while path:
            yield root + path, first
            path = path.rpartition("/")[0]  # noqa: PLW2901
        yield root, first


def _text(folder: str, name: str) -> str:
    with open(f"{folder}/{name}", encoding="ascii") as file:
        return file.read()
