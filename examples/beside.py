"""Run a loader in the loop's own thread, then in a worker, and tell what each took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from farside import iterate_in_subprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STEP_SECONDS = 0.005
"""What a training step takes here: it waits, as for an accelerator."""


def run_beside(make: Callable[[], Iterable[Any]], unit: str, count: Callable[[Any], int]) -> None:
    """Loop over what ``make`` makes: here, and in a worker.

    Args:
        make: makes the iterable of batches.
        unit: what a batch has several of.
        count: tells how many of them a batch has.
    """
    print(f"{'':8}{unit + '/s':>12}{'main thread':>14}")
    _tell("here", make(), count)
    with iterate_in_subprocess(make) as batches:
        # A later pass is what an epoch costs: the worker is there, and has imported its libraries.
        for _ in batches:
            pass
        _tell("worker", batches, count)
        print(f"\n{batches.stats()}")


def _tell(where: str, batches: Iterable[Any], count: Callable[[Any], int]) -> None:
    start, cpu, total = time.perf_counter(), time.thread_time(), 0
    for batch in batches:
        total += count(batch)
        time.sleep(STEP_SECONDS)
    seconds, busy = time.perf_counter() - start, time.thread_time() - cpu
    print(f"{where:8}{total / seconds:12,.0f}{busy:12.2f} s")
