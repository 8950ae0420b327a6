"""The command line: ``python -m benchmarks.soak --seconds 600 --seed 7``."""

from __future__ import annotations

import argparse
import faulthandler
import json
import multiprocessing
import os
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver, resource_tracker
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import farside

from . import meters, plans, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

STUCK_SECONDS = 240.0
"""No step takes so long unless it hangs."""

SAMPLES = 12
"""How often memory is looked at."""

KIB_PER_WORKER = 100
KIB_IN_ALL = 65_536
"""By how much memory may grow: payloads are large, and an allocator may keep some."""


class Sample(NamedTuple):
    """Memory at some time, and how many workers there had been."""

    seconds: float
    kib: int
    workers: int


class Watchdog:
    """Ends this process, with all stacks, when a step does not end."""

    def __init__(self) -> None:
        self.step = -1
        self._changed = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def begin(self, step: int) -> None:
        """Record that a step begins."""
        self.step = step
        self._changed.set()

    def _watch(self) -> None:
        while self._changed.wait(STUCK_SECONDS):
            self._changed.clear()
        sys.stderr.write(f"step {self.step} does not end\n")
        faulthandler.dump_traceback(all_threads=True)
        os._exit(1)


def run_step(seed: int, step: int, backends: Sequence[str]) -> steps.Tally:
    """Run one step, which is the same whenever seed, step and backends are the same.

    Raises:
        Exception: a check failed.
    """
    drawn = plans.draw(Random(f"{seed}/{step}"), backends)
    tallies = [steps.Tally() for _ in drawn]
    if any(plan.backend == "fork" for plan in drawn):
        steps.await_no_interpreters()
    lives = [steps.Life(plan, tally) for plan, tally in zip(drawn, tallies, strict=True)]
    if len(lives) == 1:
        lives[0].live()
    else:
        with ThreadPoolExecutor(len(lives)) as pool:
            for future in [pool.submit(life.live) for life in lives]:
                future.result()
    for tally in tallies[1:]:
        tallies[0].add(tally)
    return tallies[0]


def backends_here() -> list[str]:
    """Return the kinds of workers that there are."""
    usable = [name for name, each in farside.available_backends().items() if each.usable]
    others = [name for name in usable if name != "subprocess"]
    return [*multiprocessing.get_all_start_methods(), *others]


def soak(seed: int, seconds: float, backends: Sequence[str]) -> dict[str, Any]:
    """Run steps for so many seconds; return a report."""
    meters.steady_allocator()
    resource_tracker.ensure_running()  # what multiprocessing keeps for ever
    forkserver.ensure_running()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # NumPy's threads come and go
    watchdog = Watchdog()
    before = meters.held()
    begun, total = time.monotonic(), steps.Tally()
    violations: list[dict[str, Any]] = []
    memory: list[Sample] = []
    step = 0
    while (now := time.monotonic() - begun) < seconds:
        if now >= len(memory) * seconds / SAMPLES:
            memory.append(Sample(now, meters.resident_kib(), total.workers.total()))
        watchdog.begin(step)
        try:
            total.add(run_step(seed, step, backends))
        except Exception:
            violations.append({"step": step, "error": traceback.format_exc()})
        step += 1
    left = meters.settle(before, 20)
    if left:
        names = [thread.name for thread in threading.enumerate()]
        violations.append({"step": None, "error": f"left behind: {left}; there are {names}"})
    memory.append(Sample(now, meters.resident_kib(), total.workers.total()))
    return {
        "python": sys.version.split()[0],
        "backends": list(backends),
        "seed": seed,
        "seconds": round(now),
        "steps": step,
        **total.report(),
        "held at the start": before._asdict(),
        "held at the end": meters.held()._asdict(),
        "memory": growth(memory, total, violations),
        "violations": violations,
    }


def growth(
    memory: Sequence[Sample], total: steps.Tally, violations: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return how memory has grown in the second half; add a violation if that is too much."""
    middle, end = memory[len(memory) // 2], memory[-1]
    workers, grown = end.workers - middle.workers, end.kib - middle.kib
    bound = KIB_IN_ALL + KIB_PER_WORKER * workers
    if sys.version_info < (3, 14):  # Python itself leaks so much for each
        bound += 2_000 * total.workers["subinterpreter"]
    if grown > bound:
        violations.append({"step": None, "error": f"memory has grown by {grown} KiB"})
    return {
        "MiB over time": [sample.kib >> 10 for sample in memory],
        "KiB grown in the second half": grown,
        "KiB per 1000 workers": round(1000 * grown / max(workers, 1)),
        "KiB per minute": round(60 * grown / max(end.seconds - middle.seconds, 1)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the status is 1 if there was a violation."""
    parse = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parse.add_argument("--seconds", type=float, default=60.0, help="how long (%(default)s)")
    parse.add_argument("--seed", type=int, default=7, help="decides on everything (%(default)s)")
    parse.add_argument("--step", type=int, help="run this step alone, to reproduce a violation")
    parse.add_argument("--backend", action="append", help="a kind of workers; more than once: some")
    parse.add_argument("--json", metavar="FILE", help="write the report")
    options = parse.parse_args(arguments)
    backends = options.backend or backends_here()
    # This forks on purpose while the watchdog's thread runs.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    if options.step is not None:
        run_step(options.seed, options.step, backends)
        return 0
    report = soak(options.seed, options.seconds, backends)
    text = json.dumps(report, indent=1)
    print(text)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(text)
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
