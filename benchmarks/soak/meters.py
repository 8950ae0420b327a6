"""What may not grow while workers come and go."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from typing import NamedTuple

import farside

_LOW_LEVEL = "_interpreters"
_M_MMAP_THRESHOLD = -3


class Held(NamedTuple):
    """How many of each this process has."""

    descriptors: int
    threads: int
    interpreters: int
    children: int
    shared_files: int

    def over(self, before: Held) -> dict[str, int]:
        """Return what there is more of than before, and how much more."""
        pairs = zip(self._fields, self, before, strict=True)
        return {name: now - then for name, now, then in pairs if now > then}


def held() -> Held:
    """Count what this process has now."""
    gc.collect()
    return Held(
        len(os.listdir("/proc/self/fd")),
        max(threading.active_count(), len(os.listdir("/proc/self/task"))),
        _interpreters(),
        len(_children()),
        sum("farside" in name for name in os.listdir("/dev/shm")),  # noqa: S108  looked at only
    )


def settle(before: Held, seconds: float) -> dict[str, int]:
    """Wait until there is no more than before; return what still is after so many seconds."""
    deadline = time.monotonic() + seconds
    while (left := held().over(before)) and time.monotonic() < deadline:
        time.sleep(0.02)
        # A start reaps the processes of iterables that were dropped.
        farside.iterate_in_worker(list, backend="subprocess").close()
    return left


def _interpreters() -> int:
    module = sys.modules.get(_LOW_LEVEL)
    return 1 if module is None else len(module.list_all())


def _children() -> list[int]:
    """Return the children of this process, whichever of its threads has started them."""
    found: list[int] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:  # it has just ended
                continue
            if state != "Z" and int(parent) == os.getpid():
                found.append(int(entry))
    return found


def steady_allocator() -> None:
    """Make glibc give large blocks back to the system at once.

    By default it raises its threshold for that up to 32 MiB, and then keeps what was freed in
    each of the heaps that it has for threads: some GiB, where threads that come and go have large
    contents. That would hide leaks.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 17)


def resident_kib() -> int:
    """Return the resident memory of this process."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)  # what the C library keeps for later is no leak
    with open("/proc/self/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])
