"""Whether the kernel has killed a process because its control group had run out of memory."""

from __future__ import annotations

import os

_PROC = "/proc"
_CGROUPS = "/sys/fs/cgroup"


class OomKills:
    """Counts how many processes of a process's control group were killed for lack of memory."""

    def __init__(self, pid: int) -> None:
        self._file, self._before = _find(pid)

    def since(self) -> int:
        """Return how many it were since this was made; 0 if that cannot be known."""
        if self._before is None:
            return 0
        return max(0, (_read(self._file) or 0) - self._before)


def _find(pid: int) -> tuple[str, int | None]:
    """Return the file that counts them, and the count."""
    try:
        with open(f"{_PROC}/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:  # not Linux; no /proc; it has ended
        return "", None
    for _, controllers, path in lines:
        if not controllers:
            folder, name = _CGROUPS, "memory.events"
        elif "memory" in controllers.split(","):  # version 1
            folder, name = f"{_CGROUPS}/memory", "memory.oom_control"
        else:
            continue
        for place in (folder + path, folder):  # a container may see its own group as the root
            count = _read(os.path.join(place, name))
            if count is not None:
                return os.path.join(place, name), count
    return "", None


def _read(file: str) -> int | None:
    try:
        with open(file, encoding="ascii") as lines:
            return next(int(line[9:]) for line in lines if line.startswith("oom_kill "))
    except (OSError, ValueError, StopIteration):
        return None
