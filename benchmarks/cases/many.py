"""How many items a second arrive from several workers: of shards, and of a function."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.sources import payloads, small

from .base import Case
from .streams import SIZES, throughput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.sources.base import Source

SLEEPERS = (1, 2, 4, 8, 16)
_MAPPERS = 2
_WARM_UP = 0.1  # for each worker


def _cases() -> Iterator[Case]:
    for workers in (1, 4):
        name = f"workers-ints-{workers}"
        yield _case(name, "integers from", small.Ints, workers, "stream", "workers")
    for workers in SLEEPERS:
        yield _sleep("workers", "items of 1 ms of sleep from", workers, "stream", "workers")
    arrays = partial(payloads.ReturnedArrays, SIZES["100kB"])
    yield _map("ints", "a function that returns its integer", small.Ints)
    yield _map("busy", "a function of about 15 µs", small.Busy)
    yield _map("dicts", "a function that returns its small dict", small.ReturnedDicts)
    yield _map("arrays-100kB", "arrays of 100kB in and out", arrays, "numpy")
    for workers in SLEEPERS:
        yield _sleep("map", "a function that sleeps for 1 ms,", workers, "map")


def _map(name: str, title: str, source: Callable[[], Source], *demands: str) -> Case:
    return _case(f"map-{name}", f"{title},", source, _MAPPERS, "map", *demands)


def _sleep(name: str, title: str, workers: int, *demands: str) -> Case:
    """Return a case in which a chunk of many items would take longer than a measurement."""
    return _case(f"{name}-1ms-{workers}", title, small.Dozing, workers, "default", *demands)


def _case(name: str, title: str, source: Callable[[], Source], workers: int, *demands: str) -> Case:
    return Case(
        name,
        f"{title} {workers} worker{'s' * (workers > 1)}",
        source,
        throughput,
        demands=frozenset({*demands, "lone"} if workers == 1 else demands),
        workers=workers,
        warm_up=_WARM_UP * workers,
    )


CASES = tuple(_cases())
