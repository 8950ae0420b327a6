"""How many items a second arrive, once the stream runs."""

from __future__ import annotations

from functools import partial
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.sources import fresh, payloads, rows, small
from benchmarks.sources.tally import Tally

from .base import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.sources.base import Source

    from .base import Job

SIZES = {"10kB": 10_000, "100kB": 100_000, "1MB": 1_000_000, "10MB": 10_000_000}
WORKERS = (1, 2, 4)
_VERIFIED = 3
_BLOCK = 0.02
"""About so many seconds pass between two looks at the clock."""


class Streamed(NamedTuple):
    """What arrived while the clock ran, and what that took."""

    items: int
    seconds: float
    cpu: float
    """Seconds of processor time of this process, all its threads together."""
    own_cpu: float
    """Those of the thread that loops."""


def stream(job: Job, source: Source) -> Streamed:
    """Take items for some time, after a warm-up of at least a quarter of that time."""
    consumer = source if job.contestant.in_order else Tally()
    seconds = job.seconds * job.contestant.patience
    warm_up = max(seconds / 4, job.case.warm_up)
    iterator = iter(job.open(source))
    for index in range(_VERIFIED):
        consumer.verify(next(iterator), index)
    taken, block, _ = _run(consumer, iterator, (_VERIFIED, 1), warm_up)
    begun, cpu, own_cpu = taken, process_time(), thread_time()
    taken, _, spent = _run(consumer, iterator, (taken, block), seconds)
    cpu, own_cpu = process_time() - cpu, thread_time() - own_cpu
    if isinstance(consumer, Tally):
        consumer.finish()
    return Streamed(taken - begun, spent, cpu, own_cpu)


def throughput(job: Job) -> float:
    """Return the items a second."""
    streamed = stream(job, job.case.source())
    return streamed.items / streamed.seconds


def _run(
    consumer: Source | Tally, iterator: Iterator[Any], state: tuple[int, int], seconds: float
) -> tuple[int, int, float]:
    """Consume in blocks for some time; return the items taken, the size of block, and the time."""
    taken, block = state
    begun = before = perf_counter()
    while True:
        consumer.consume(iterator, taken, block)
        taken += block
        now = perf_counter()
        if now - begun >= seconds:
            return taken, block, now - begun
        if now - before < _BLOCK / 2:
            block *= 2
        elif now - before > _BLOCK * 2 and block > 1:
            block //= 2
        before = now


def _streams() -> Iterator[Case]:
    yield Case("ints", "integers", small.Ints, throughput)
    yield Case("dicts", "small dicts with a text", small.Dicts, throughput)
    yield Case("dicts-8", "dicts of eight plain values", rows.Dicts, throughput)
    yield Case("tuples-8", "tuples of eight plain values", rows.Tuples, throughput)
    yield Case("records", "dicts with a list, a tuple and an object", small.Records, throughput)
    yield Case(
        "ints-buffer3",
        "integers, at most 3 ahead",
        small.Ints,
        throughput,
        demands=frozenset({"stream", "buffer_size"}),
        buffer_size=3,
    )
    arrays = frozenset({"stream", "numpy"})
    for size, nbytes in SIZES.items():
        source = partial(payloads.Arrays, nbytes)
        yield Case(f"arrays-{size}", f"arrays of {size}", source, throughput, demands=arrays)
    for size, nbytes in SIZES.items():
        yield Case(f"bytes-{size}", f"bytes of {size}", partial(payloads.Bytes, nbytes), throughput)
    yield Case("batch", "training batches", payloads.Batches, throughput, demands=arrays)
    for size, nbytes in list(SIZES.items())[1:]:
        yield Case(
            f"allocated-{size}",
            f"arrays of {size} on allocated memory",
            partial(fresh.Allocated, nbytes),
            throughput,
            demands=arrays | {"allocate"},
        )
    fresh_source = partial(fresh.Fresh, SIZES["100kB"])
    yield Case(
        "fresh-100kB", "arrays of 100kB, made anew", fresh_source, throughput, demands=arrays
    )
    for workers in WORKERS:
        yield Case(
            f"workers-{workers}",
            f"busy integers from {workers} worker{'s' * (workers > 1)}",
            small.Busy,
            throughput,
            demands=frozenset({"stream", "workers"} | ({"lone"} if workers == 1 else set())),
            workers=workers,
        )


CASES = tuple(_streams())
