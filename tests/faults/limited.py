"""Scripts that run with less than they need: ``python -m tests.faults.limited WHAT KIND``."""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys
import threading
import time
from functools import partial
from multiprocessing import forkserver, resource_tracker
from typing import TYPE_CHECKING, Any

import farside
from farside._backends import live_workers
from farside.testing.checks import take
from tests import jobs
from tests.faults import odd
from tests.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kinds import Kind

NONE_LEFT = "Too many open files"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) - 1


def starting_without_descriptors(kind: Kind) -> None:
    """Start workers with 0, 1, 2 … descriptors to spare, until one starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before, started = descriptors(), 0
    kept: Exception | None = None
    for spare in range(60):
        resource.setrlimit(resource.RLIMIT_NOFILE, (before + spare, hard))
        try:
            with kind.start(partial(range, 3), timeout=20.0) as items:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                assert list(items) == [0, 1, 2]
            started += 1
        except (OSError, farside.FarsideError) as error:
            kept = error
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        # An interpreter finds no modules without descriptors, and says so in its own way.
        assert getattr(kept, "errno", errno.EMFILE) == errno.EMFILE, kept
        _settle(before)
        if started == 3:
            return
    raise AssertionError(f"no worker could be started: {kept}")


def _settle(before: int) -> None:
    """Wait until as many descriptors are open as before, though the last error is still there."""
    deadline = time.monotonic() + 10
    while descriptors() != before:
        live_workers.sweep()
        assert time.monotonic() < deadline, f"{descriptors()} descriptors instead of {before}"
        time.sleep(0.01)


def iterating_without_descriptors(kind: Kind) -> None:
    """Run passes of large contents, and end, with no descriptor to spare."""
    items = kind.start(partial(jobs.Blocks, 20, 300_000), timeout=20.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors(), hard))
    try:
        for _ in range(2):
            assert sum(map(len, items)) == 6_000_000
        next(iter(items))
        items.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors_of_the_worker(kind: Kind) -> None:
    """Let user code of the worker use up all descriptors: modules can be imported no more."""
    most = descriptors() + 40
    with kind.start(partial(odd.Exhausting, most), timeout=20.0) as items:
        got, error = take(items)
    assert got == []
    assert isinstance(error, farside.NotPicklableError), error
    items = kind.start(partial(odd.Exhausting, most, 5.0), init_timeout=20.0, timeout=0.5)
    got, error = take(items)
    assert got == [0]
    assert isinstance(error, farside.WorkerTimeoutError), error
    items.close()
    deadline = time.monotonic() + 20
    while live_workers._live:  # what goes on in a subinterpreter comes to its end
        live_workers.sweep()
        assert time.monotonic() < deadline, "it has not ended"
        time.sleep(0.01)


def memory_of_the_worker(kind: Kind) -> None:
    """Let user code of the worker ask for more than there is."""
    with kind.start(odd.half_a_gibibyte, initializer=_limit_memory, timeout=30.0) as items:
        got, error = take(items)
    assert got == [1]
    assert isinstance(error, MemoryError), error
    assert isinstance(error, farside.WorkerIterationError)


def memory_of_the_parent(kind: Kind) -> None:
    """Let an item be larger than what the parent can have; then go on with another worker."""
    for arena_bytes in (0, 1 << 20):
        fn: Callable[[], Any] = partial(odd.large, 1 << 29)
        items = kind.start(fn, timeout=30.0, arena_bytes=arena_bytes)
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        _limit_memory()
        try:
            got, error = take(items)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        assert got == []
        assert isinstance(error, MemoryError) or "MemoryError" in str(error), error
        got, error = take(items)
        assert not got
        assert isinstance(error, farside.FarsideError), error
        items.close()
        del error
        gc.collect()


def _limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + (1 << 28), hard))


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def a_small_disk(kind: Kind) -> None:
    """Let there be no memfd, and no file as large as the arena is to become."""
    del os.memfd_create
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    fn: Callable[[], Any] = partial(jobs.Blocks, 20, 300_000)
    with kind.start(fn, timeout=30.0, arena_bytes=1 << 24, initializer=_limit_files) as items:
        for _ in range(2):
            assert sum(map(len, items)) == 6_000_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    with kind.start(fn, timeout=30.0) as items:  # there is room for less of an arena
        assert sum(map(len, items)) == 6_000_000


def little_address_space(kind: Kind) -> None:
    """Let there be less address space than the arena of one worker, and start several."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + (7 << 27), hard))
    fn: Callable[[], Any] = partial(jobs.Blocks, 20, 300_000)
    workers = [kind.start(fn, timeout=30.0) for _ in range(5)]
    for worker in workers:
        assert sum(map(len, worker)) == 6_000_000
        assert worker.stats().arena_bytes_peak > 0
        worker.close()


def _limit_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))


def threads(kind: Kind) -> None:
    """Start a worker where the parent, or what is forked of it, can have no more threads."""
    before = descriptors()
    start = threading.Thread.start
    threading.Thread.start = _refuse  # type: ignore[assignment, method-assign]
    error = None
    try:
        kind.start(partial(range, 3), timeout=20.0).close()
    except farside.FarsideError as caught:
        error = caught
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
    _settle(before)
    expected: dict[str, type] = {
        "subinterpreter": farside.BackendUnavailableError,
        "fork": farside.WorkerInitializationError,
    }
    assert isinstance(error, expected.get(kind.name, type(None))), error
    assert error is None or "thread" in str(error)


def _refuse(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def main() -> None:
    what, name = sys.argv[1:]
    resource_tracker.ensure_running()
    forkserver.ensure_running()
    [kind] = [kind for kind in KINDS if kind.name == name]
    with kind.start(partial(range, 3)) as items:  # whatever is imported by then
        list(items)
    globals()[what](kind)
    print("well")


if __name__ == "__main__":
    main()
