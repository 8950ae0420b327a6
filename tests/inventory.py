"""What a test may leave behind, and `conftest.py` fails it for."""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path

from farside._backends import live_workers


def left_since(before: set[str]) -> set[str]:
    """Tell what there is more of now."""
    live_workers.sweep()
    left = inventory() - before
    # What a test has left is young. To look through what all tests have left takes longer.
    for generation in range(3):
        if not left:
            break
        gc.collect(generation)
        live_workers.sweep()
        left = inventory() - before
    return left


def inventory() -> set[str]:
    """List all threads, processes, workers, shared memory, interpreters and descriptors."""
    found = {f"thread {thread.name}" for thread in threading.enumerate()}
    # A browser that tests share starts and ends processes as it likes.
    processes = {pid: what for pid, what in _descendants().items() if not what.startswith("chrom")}
    found |= {f"process {pid} ({what})" for pid, what in processes.items()}
    found |= {f"worker {worker.label}" for worker in live_workers._all()}
    found |= {f"shared memory {name}" for name in _shared_memory()}
    for name in ("concurrent.interpreters", "interpreters_backport.interpreters"):
        if name in sys.modules:
            found |= {f"interpreter {each.id}" for each in sys.modules[name].list_all()}
            found.discard("interpreter 0")  # the main one
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"descriptor {fd} → {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:  # the one that listed the folder
            continue
    return found


def _shared_memory() -> set[str]:
    folder = Path("/dev/shm")  # noqa: S108  looked at, not written to
    return {entry.name for entry in folder.iterdir() if entry.name.startswith(("psm_", "farside"))}


def stat_of(pid: str) -> str:
    """Return what the system says of a process, or "" if it has just ended."""
    # It is read of each process twice for each test: a file object takes seven times as long.
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(fd, 1 << 12).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


_foreign: set[str] = set()
"""Processes that are no descendants. None becomes one, so nobody looks at it again."""


def _descendants() -> dict[int, str]:
    parents: dict[int, tuple[int, str]] = {}
    entries = {entry for entry in os.listdir("/proc") if entry.isdigit()}
    _foreign.intersection_update(entries)
    for entry in entries - _foreign:
        name, _, rest = stat_of(entry).rpartition(")")
        if rest:
            parents[int(entry)] = (int(rest.split(None, 2)[1]), name.partition("(")[2])
    found: dict[int, str] = {}
    fresh = {os.getpid()}
    while fresh:
        fresh = {pid for pid, (parent, _) in parents.items() if parent in fresh}
        found.update({pid: parents[pid][1] for pid in fresh})
    _foreign.update(str(pid) for pid in parents.keys() - found.keys() - {os.getpid()})
    return found
