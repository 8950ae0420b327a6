"""How long it takes to begin: a worker, a further pass, the import."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.sources import small

from .base import Case

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestants.libraries import Library

    from .base import Job

_FEW = 3
_MOST = 1000
_TIME_IMPORT = """\
import sys, time
begun = time.perf_counter()
import {}
sys.stdout.write(str(time.perf_counter() - begun))
"""


def first_item_cold(job: Job) -> float:
    """Return how long the first item takes that this process gets from any worker."""
    return 1000 * _first_item(job, job.stack)


def first_item_warm(job: Job) -> float:
    """Return the same for a later worker: what serves all of them, like a fork server, runs."""
    _start_and_end(job)
    return 1000 * _typical(lambda: _start_and_end(job), job.seconds)


def further_pass(job: Job) -> float:
    """Return how long a pass of three items takes with a worker that has done one before."""
    iterable = job.open(small.Ints(_FEW))
    wanted = list(range(_FEW))

    def one_pass() -> float:
        begun = perf_counter()
        items = list(iterable)
        spent = perf_counter() - begun
        if items != wanted:
            raise AssertionError(f"a pass brought {items}")
        return spent

    one_pass()
    return 1000 * _typical(one_pass, job.seconds)


def import_time(job: Job) -> float:
    """Return how long the import takes in a fresh interpreter."""
    library: Library = job.contestant  # type: ignore[assignment]  # only they offer "import"
    command = [sys.executable, "-c", _TIME_IMPORT.format(library.module)]

    def one_import() -> float:
        return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    one_import()  # writes bytecode, and brings the files into memory
    return 1000 * _typical(one_import, job.seconds)


def _first_item(job: Job, stack: ExitStack) -> float:
    source = small.Ints()
    begun = perf_counter()
    iterator = iter(stack.enter_context(job.contestant.open(source, job.case)))
    item = next(iterator)
    spent = perf_counter() - begun
    source.check(item, 0)
    return spent


def _start_and_end(job: Job) -> float:
    with ExitStack() as stack:
        return _first_item(job, stack)


def _typical(once: Callable[[], float], seconds: float) -> float:
    """Return the median of what a function returns, called for some time, at least three times."""
    values: list[float] = []
    begun = perf_counter()
    while len(values) < _FEW or (perf_counter() - begun < seconds and len(values) < _MOST):
        values.append(once())
    return statistics.median(values)


_case = partial(
    Case,
    source=small.Ints,
    unit="ms",
    lower=True,
    demands=frozenset({"stream", "worker", "default"}),
)
CASES = (
    _case("first-item-cold", "first item of the first worker", measure=first_item_cold),
    _case("first-item-warm", "first item of a later worker", measure=first_item_warm),
    _case(
        "first-item-uncached",
        "the same where Python finds and writes no bytecode",
        measure=first_item_warm,
        environment={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": os.devnull},
    ),
    _case("further-pass", "a further pass of three items", measure=further_pass),
    _case(
        "import",
        "import in a fresh interpreter",
        measure=import_time,
        demands=frozenset({"import"}),
    ),
)
