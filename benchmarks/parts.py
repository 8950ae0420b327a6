"""What an item costs each side, in processor time: ``python -m benchmarks.parts --help``.

A worker yields the time of its clock, then items, then the time of its clock again. The loop reads
the clock of its own thread. What the items cost without farside is measured in this process.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections import deque
from functools import partial
from itertools import chain, islice
from statistics import median
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING, Any, NamedTuple

import farside

from . import machine
from .contestants.ray import FarsideRay
from .sources import payloads, small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .sources.base import Source

SOURCES: dict[str, Callable[[], Source]] = {
    "ints": small.Ints,
    "dicts": small.Dicts,
    "records": small.Records,
    "arrays-10kB": partial(payloads.Arrays, 10_000),
    "arrays-100kB": partial(payloads.Arrays, 100_000),
    "arrays-1MB": partial(payloads.Arrays, 1_000_000),
    "arrays-10MB": partial(payloads.Arrays, 10_000_000),
}
_LEAST, _MOST = 20, 1_000_000
"""How many items a pass has, at least and at most."""


class Parts(NamedTuple):
    """Seconds for an item, medians of the rounds."""

    alone: float
    """Processor time where the loop makes the items itself."""
    worker: float
    """Processor time of the worker: of its thread in a subinterpreter, else of its process."""
    loop: float
    """Processor time of the thread that loops."""
    wall: float
    """Time until the next item."""


class Clocked:
    """Yields items, and the time of the worker's clock before and after them."""

    def __init__(self, make: Callable[[], Source], clock: Callable[[], float]) -> None:
        self._items = make()()
        self._clock = clock
        self._count = _LEAST

    def __iter__(self) -> Iterator[Any]:
        clock = self._clock
        return chain(map(_read, (clock,)), islice(self._items, self._count), map(_read, (clock,)))

    def set_count(self, count: int) -> None:
        """Set how many items the next pass has."""
        self._count = count


def _read(clock: Callable[[], float]) -> float:
    return clock()


def measure(make: Callable[[], Source], backend: str, seconds: float, rounds: int) -> Parts:
    """Measure one kind of item.

    Args:
        make: makes the source.
        backend: of farside.
        seconds: about how long a pass takes.
        rounds: how many passes there are.
    """
    clock = thread_time if backend == "subinterpreter" else process_time
    alone = Clocked(make, thread_time)
    start = partial(Clocked, make, clock)
    with farside.iterate_in_worker(start, backend=backend) as items:

        def timed(count: int) -> Parts:
            items.call("set_count", count)
            wall, cpu = perf_counter(), thread_time()
            worker = _consume(items)
            return Parts(0, worker, thread_time() - cpu, perf_counter() - wall)

        timed(_LEAST)
        count = _LEAST
        while count < _MOST and (spent := timed(count).wall) < seconds / 2:
            count = min(_MOST, int(count * min(10, seconds / max(spent, 1e-6))) + 1)
        alone.set_count(count)
        found = [timed(count)._replace(alone=_consume(alone)) for _ in range(rounds)]
    return Parts(*(median(values) / count for values in zip(*found, strict=True)))


def _consume(items: Any) -> float:
    """Take all items, and return how long they took by the clock of the side that made them."""
    iterator = iter(items)
    begun = next(iterator)
    [ended] = deque(iterator, 1)
    return float(ended - begun)


def _names(backend: str, wanted: str) -> list[str]:
    """Return which sources can be measured here: NumPy does not load in a subinterpreter."""
    no_arrays = backend == "subinterpreter" or importlib.util.find_spec("numpy") is None
    return [each for each in wanted.split(",") if not (no_arrays and each.startswith("arrays"))]


def main(arguments: list[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts", description=__doc__)
    parser.add_argument("--only", default=",".join(SOURCES), help="with commas between them")
    parser.add_argument("--backend", default="subprocess", help="of farside (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each pass (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="(%(default)s)")
    options = parser.parse_args(arguments)
    print(machine.line())
    print(
        f"backend {options.backend}, seconds {options.seconds}, rounds {options.rounds}", end="\n\n"
    )
    print(f"{'µs of an item':16}{'alone':>10}{'worker':>10}{'loop':>10}{'wall clock':>12}")
    if options.backend == "ray":
        FarsideRay().load()  # starts a cluster on this machine
    for name in _names(options.backend, options.only):
        parts = measure(SOURCES[name], options.backend, options.seconds, options.rounds)
        alone, worker, loop, wall = (f"{1e6 * each:.3f}" for each in parts)
        print(f"{name:16}{alone:>10}{worker:>10}{loop:>10}{wall:>12}", flush=True)


if __name__ == "__main__":
    main()
