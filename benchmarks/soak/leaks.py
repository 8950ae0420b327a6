"""Workers, passes and memory by the thousand: ``python -m benchmarks.soak.leaks --help``."""

from __future__ import annotations

import argparse
import sys
import threading
import time
import warnings
from functools import partial
from importlib import import_module
from multiprocessing import forkserver, resource_tracker
from typing import TYPE_CHECKING, Any, NamedTuple

import farside
from farside.options import START_METHODS

from . import meters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NBYTES = 1_000_000
WARM_UP = 20
LEAST = 6
"""How many times any case does its work, even in the shortest form."""


class Grown(NamedTuple):
    """How much more there is than before: memory, and what was left behind."""

    kib: int
    left: dict[str, int]


class Blocks:
    """Yields large contents, in memory that is written anew."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[bytearray]:
        for number in range(self.count):
            yield bytearray([number % 256]) * NBYTES


class Fails:
    """Yields something large, and fails."""

    def __iter__(self) -> Iterator[Any]:
        yield bytearray(NBYTES)
        raise ValueError("a leak is looked for")


def start(backend: Any, fn: Callable[[], Any]) -> Any:
    """Start a worker of a backend, or of a start method."""
    if backend in START_METHODS:
        return farside.iterate_in_subprocess(fn, mp_context=backend)
    return farside.iterate_in_worker(fn, backend=backend, fallback=None)


def measure(work: Callable[[], object], count: int) -> Grown:
    """Do some work `count` times after a warm-up, and return what has grown."""
    for _ in range(min(WARM_UP, count)):
        work()
    before, kib = meters.held(), meters.resident_kib()
    for _ in range(count):
        work()
    left = meters.settle(before, 10)
    return Grown(meters.resident_kib() - kib, left)


def workers(backend: str, count: int) -> Grown:
    """Create, use and close workers."""

    def work() -> None:
        with start(backend, partial(range, 100)) as items:
            assert sum(items) == 4950  # noqa: PLR2004

    return measure(work, count)


def failures(backend: str, count: int) -> Grown:
    """Let workers fail, and keep the latest errors, which must not keep anything large."""
    errors: list[Exception] = []

    def work() -> None:
        items = start(backend, Fails)
        try:
            list(items)
        except ValueError as error:
            errors[:] = [*errors[-9:], error]

    return measure(work, count)


def passes(backend: str, count: int) -> Grown:
    """Run short passes over one worker."""
    with start(backend, partial(range, 3)) as items:
        return measure(lambda: list(items), count)


def leaves(backend: str, count: int) -> Grown:
    """Leave passes at the first item."""
    with start(backend, partial(range, 1_000_000)) as items:
        return measure(lambda: next(iter(items)), count)


def unused(backend: str, count: int) -> Grown:
    """Begin passes, and take nothing."""
    with start(backend, partial(range, 3)) as items:
        return measure(lambda: iter(items), count)


def contents(backend: str, count: int) -> Grown:
    """Keep up to 50 large items, and drop them, until `count` have come."""
    with start(backend, partial(Blocks, 100)) as items:

        def work() -> None:
            kept: list[Any] = []
            for item in items:
                assert item[0] == item[-1]
                kept = [*kept[-49:], item]

        return measure(work, count // 100)


def modules() -> list[str]:
    """Return what is imported here: in a worker, all that it needs itself."""
    return [*sys.modules]


def bare_interpreters(backend: str, count: int) -> Grown:
    """Create and close interpreters with a worker's imports, to see what Python itself leaks."""
    backport = "interpreters_backport.interpreters"
    later = sys.version_info >= (3, 14)
    interpreters = import_module("concurrent.interpreters" if later else backport)
    with start(backend, modules) as names:
        imports = "\n".join(f"import {name}" for name in names if name.startswith("farside"))

    def work() -> None:
        def host() -> None:
            interpreter = interpreters.create()
            interpreter.exec(f"import runpy, ctypes\n{imports}")
            interpreter.close()

        thread = threading.Thread(target=host)
        thread.start()
        thread.join()

    return measure(work, count)


class Case(NamedTuple):
    """What to do, how often in the long form, and how much memory each time may cost."""

    work: Callable[[str, int], Grown]
    times: int
    kib: float


CASES = {
    "workers": Case(workers, 1000, 100),
    "failures": Case(failures, 200, 100),
    "passes": Case(passes, 100_000, 0),
    "leaves": Case(leaves, 10_000, 0),
    "unused": Case(unused, 10_000, 0),
    "contents": Case(contents, 10_000, 0),
}
ONE_FOR_EACH = {"workers", "failures"}
"""Cases that make a worker each time."""

KIB_IN_ALL = 8_192
"""By how much memory may grow in any case, whatever its number: allocators keep some."""


def run(backend: str, names: Sequence[str], share: float) -> list[str]:
    """Run cases, and print what has grown; return the violations."""
    wrong: list[str] = []
    bare = 0.0
    if backend == "subinterpreter":
        times = max(LEAST, int(CASES["workers"].times * share))
        grown = bare_interpreters(backend, times)
        # 3.13 also leaks what was made in an interpreter, and a worker makes more than imports do.
        bare = grown.kib / times * (2 if sys.version_info[:2] == (3, 13) else 1)
        print(f"{backend:15} bare interpreters {times:7} times: {bare:8.2f} KiB for each")
    for name in names:
        case = CASES[name]
        times = max(LEAST, int(case.times * share))
        began = time.monotonic()
        grown = case.work(backend, times)
        allowed = KIB_IN_ALL + times * (case.kib + (bare if name in ONE_FOR_EACH else 0))
        if grown.left or grown.kib > allowed:
            wrong.append(f"{backend}, {name}: {grown}, where {allowed:.0f} KiB are allowed")
        print(
            f"{backend:15} {name:17} {times:7} times in {time.monotonic() - began:5.0f} s: "
            f"{grown.kib:7} KiB, {grown.kib / times:8.2f} for each; left behind: {grown.left}",
            flush=True,
        )
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases; the status is 1 if anything is left behind, or memory grows."""
    parse = argparse.ArgumentParser(prog="python -m benchmarks.soak.leaks", description=__doc__)
    parse.add_argument("--backend", action="append", help="a kind of workers")
    parse.add_argument("--case", action="append", choices=CASES)
    parse.add_argument("--share", type=float, default=1.0, help="of the long form (%(default)s)")
    options = parse.parse_args(arguments)
    meters.steady_allocator()
    # Workers get the filters. An interpreter that ended with a pattern in them leaked 5 MiB.
    warnings.filterwarnings("ignore", "a message that .* never sees", UserWarning)
    resource_tracker.ensure_running()
    forkserver.ensure_running()
    wrong: list[str] = []
    for backend in options.backend or ["forkserver"]:
        wrong += run(backend, options.case or list(CASES), options.share)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
