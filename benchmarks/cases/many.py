"""How many items a second arrive from several workers: of shards, and of a function."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.sources import payloads, small

from .base import Case
from .streams import SIZES, throughput

if TYPE_CHECKING:
    from collections.abc import Iterator

SLEEPERS = (1, 2, 4, 8, 16)
_MAPPERS = 2
_WARM_UP = 0.1  # for each worker


def _cases() -> Iterator[Case]:
    for workers in (1, 4):
        yield Case(
            f"workers-ints-{workers}",
            f"integers from {_so_many(workers)}",
            small.Ints,
            throughput,
            demands=_demands(workers, "stream", "workers"),
            workers=workers,
            warm_up=_WARM_UP * workers,
        )
    for workers in SLEEPERS:
        yield _sleep("workers", "items of 1 ms of sleep from", workers, "stream", "workers")
    arrays = partial(payloads.ReturnedArrays, SIZES["100kB"])
    for name, title, source, needs in (
        ("ints", "a function that returns its integer", small.Ints, set()),
        ("busy", "a function of about 15 µs", small.Busy, set()),
        ("dicts", "a function that returns its small dict", small.ReturnedDicts, set()),
        ("arrays-100kB", "arrays of 100kB in and out", arrays, {"numpy"}),
    ):
        yield Case(
            f"map-{name}",
            f"{title}, {_so_many(_MAPPERS)}",
            source,
            throughput,
            demands=frozenset({"map", *needs}),
            workers=_MAPPERS,
            warm_up=_WARM_UP * _MAPPERS,
        )
    for workers in SLEEPERS:
        yield _sleep("map", "a function that sleeps for 1 ms,", workers, "map")


def _sleep(name: str, title: str, workers: int, *demands: str) -> Case:
    """Return a case in which a chunk of many items would take longer than a measurement."""
    return Case(
        f"{name}-1ms-{workers}",
        f"{title} {_so_many(workers)}",
        small.Dozing,
        throughput,
        demands=_demands(workers, "default", *demands),
        workers=workers,
        warm_up=_WARM_UP * workers,
    )


def _demands(workers: int, *demands: str) -> frozenset[str]:
    return frozenset({*demands, "lone"} if workers == 1 else demands)


def _so_many(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"


CASES = tuple(_cases())
