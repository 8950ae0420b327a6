"""Twenty workers at once, which are killed all the time: nothing is lost, and nothing is left."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from benchmarks.soak.meters import resident_kib, steady_allocator
from farside import WorkerDiedError
from tests import jobs
from tests.faults.staging import pid_of
from tests.kinds import SUBPROCESSES

if TYPE_CHECKING:
    from tests.kinds import Kind

WORKERS = 20
SECONDS = float(os.environ.get("FARSIDE_SOAK_SECONDS", "10"))
AT_ONCE_S = 5.0
"""From the last item that came, or the death, to the error; ten times what is promised on an idle
machine: nineteen others are busy."""

MOST_KIB = 16_384
"""How much more memory there may be after the second half of the time: allocators keep some."""

SPAWN, FORKSERVER, _ = SUBPROCESSES  # a process with so many threads is not forked


class Life:
    """One place among the workers: as soon as one is dead, the next begins there."""

    def __init__(self, seed: int, until: float) -> None:
        self.rng = Random(seed)  # noqa: S311  nothing is kept secret
        self.until = until
        self.passes = self.deaths = 0

    def live(self) -> tuple[int, int]:
        """Return how many passes have come to their end, and how many workers have died."""
        while time.monotonic() < self.until:
            kind = self.rng.choice([FORKSERVER, FORKSERVER, SPAWN])
            self.live_once(kind, count=self.rng.choice([10, 1000, 20_000]))
        return self.passes, self.deaths

    def live_once(self, kind: Kind, count: int) -> None:
        with kind.start(partial(jobs.Numbers, count), timeout=120.0) as numbers:
            for _ in range(self.rng.randint(0, 3)):
                assert list(numbers) == list(range(count))
                self.passes += 1
            place, got = self.rng.randrange(count), 0
            pid, since = pid_of(numbers), 0.0
            with pytest.raises(WorkerDiedError) as caught:  # noqa: PT012  wherever it shows
                for number in numbers:
                    assert number == got
                    got += 1
                    if number == place:
                        os.kill(pid, signal.SIGKILL)
                    since = time.monotonic()
                list(numbers)  # all had come before its death
            assert time.monotonic() - since < AT_ONCE_S
            assert caught.value.signal_name == "SIGKILL"
            assert caught.value.last_index in {got - 1, None}  # None: it was between two passes
            self.deaths += 1


def live_together(first_seed: int) -> tuple[int, int]:
    """Let workers live and die for half of the time; return what `Life.live` does, of all."""
    until = time.monotonic() + SECONDS / 2
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(Life(first_seed + each, until).live) for each in range(WORKERS)]
        results = [future.result() for future in futures]
    return sum(passes for passes, _ in results), sum(deaths for _, deaths in results)


@pytest.mark.timeout(SECONDS + 120)
def test_workers_that_are_killed_all_the_time() -> None:
    steady_allocator()
    passes, deaths = live_together(0)
    kib = resident_kib()
    later_passes, later_deaths = live_together(WORKERS)
    grown = resident_kib() - kib
    assert deaths + later_deaths >= WORKERS
    assert passes + later_passes > 0
    assert grown < MOST_KIB, f"{grown} KiB for {later_deaths} workers and {later_passes} passes"
    print(f"{grown} KiB for {later_deaths} workers and {later_passes} passes")
