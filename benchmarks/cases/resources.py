"""What an idle worker costs, what keeping items costs, and how soon a death is noticed."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from threading import Timer
from typing import TYPE_CHECKING

from benchmarks.sources import fresh, small

from .base import Case, FailedError
from .streams import SIZES

if TYPE_CHECKING:
    from types import FrameType

    from .base import Job

_MANY = 4
_KEPT = 10_000
_PATIENCE = 5
_ITEMS = 40
_BUFFER = 3
_MB = 1e6


def idle_cpu(job: Job) -> float:
    """Return how much CPU this process uses while it waits for an item each tenth of a second."""
    source = small.Slow()
    iterator = iter(job.open(source))
    source.check(next(iterator), 0)
    number = max(5, round(3 * job.seconds / source.PERIOD))
    cpu, begun = time.process_time(), time.perf_counter()
    source.consume(iterator, 1, number)
    return 100 * (time.process_time() - cpu) / (time.perf_counter() - begun)


def worker_memory(job: Job) -> float:
    """Return how much memory one more idle worker takes, here and in its processes.

    Pages that several processes share are divided among them (PSS), so what the first worker
    brought along for all is left out.
    """
    source = small.Ints(_BUFFER)

    def start() -> None:
        source.consume(iter(job.open(source)), 0, _BUFFER)  # the stack keeps what was opened

    start()
    before = _memory()
    for _ in range(_MANY):
        start()
    return (_memory() - before) / _MANY / _MB


def slow_consumer(job: Job) -> float:
    """Return how much memory a stream takes beyond that of an idle worker, in items."""
    source: fresh.Swelling = job.case.source()  # type: ignore[assignment]
    iterator = iter(job.open(source))
    some = source.TINY // 2
    source.consume(iterator, 0, some)
    time.sleep(_PATIENCE / 50)
    idle = most = _memory()
    for index in range(some, source.TINY + _ITEMS):
        item = next(iterator)
        source.check(item, index)
        time.sleep(0.03 if index >= source.TINY else 0)
        most = max(most, _memory())
    return (most - idle) / source.nbytes


def kept(job: Job) -> float:
    """Return how many items a second arrive in a list that keeps them all."""
    number = _KEPT if job.seconds >= 1 else max(100, round(_KEPT * job.seconds))
    source = fresh.Fresh(SIZES["100kB"], number)
    iterable = job.open(source)
    begun = time.perf_counter()
    items = list(iterable)
    spent = time.perf_counter() - begun
    if len(items) != number:
        raise FailedError(f"{len(items)} items instead of {number}")
    for index, item in enumerate(items):
        source.verify(item, index)
    return number / spent


def death(job: Job) -> float:
    """Return how long it takes until the parent, which waits for an item, sees a killed worker."""
    source = small.Pids()
    iterator = iter(job.open(source))
    pid = next(iterator)
    source.check(pid, 0)
    killed: list[float] = []

    def kill() -> None:
        killed.append(time.perf_counter())
        os.kill(pid, signal.SIGKILL)

    Timer(0.3, kill).start()
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_PATIENCE)
    try:
        item = next(iterator)
    except FailedError:
        raise
    except Exception:  # each library has its own
        seen = time.perf_counter()
    else:
        raise FailedError(f"went on with {item!r}")
    finally:
        signal.alarm(0)
    return 1000 * (seen - killed[0])


def _give_up(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise FailedError(f"not within {_PATIENCE} s")


def _memory() -> int:
    """Return what this process and all its descendants take."""
    import psutil

    this = psutil.Process()
    total = 0
    for each in (this, *this.children(recursive=True)):
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:  # it has just ended
            continue
    return total


_WORKER = frozenset({"stream", "worker", "default"})
_ARRAYS = frozenset({"stream", "numpy", "default"})
CASES = (
    Case(
        "idle-cpu",
        "CPU of the parent of a slow worker",
        small.Slow,
        idle_cpu,
        unit="%",
        lower=True,
        demands=_WORKER,
    ),
    Case(
        "worker-memory",
        "memory of one more worker",
        small.Ints,
        worker_memory,
        unit="MB",
        lower=True,
        demands=_WORKER | {"lone"},
    ),
    Case(
        "slow-consumer",
        "items of 10MB in memory, at most 3 ahead",
        partial(fresh.Swelling, SIZES["10MB"]),
        slow_consumer,
        unit="items",
        lower=True,
        demands=_WORKER | {"numpy", "buffer_size"},
        buffer_size=_BUFFER,
    ),
    Case(
        "list-100kB",
        "list of 10,000 new arrays of 100kB",
        partial(fresh.Fresh, SIZES["100kB"]),
        kept,
        demands=_ARRAYS,
    ),
    Case(
        "death",
        "time until a killed worker is seen",
        small.Pids,
        death,
        unit="ms",
        lower=True,
        demands=_WORKER | {"process"},
    ),
)
