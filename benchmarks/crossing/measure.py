"""How fast an item crosses: from a worker of farside, and through a pipe, in turn."""

from __future__ import annotations

import multiprocessing as mp
import pickle
import time
from functools import partial
from itertools import repeat
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import farside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from .payloads import Payload

_MOST_ITEMS = 100_000


class Rate(NamedTuple):
    """What was measured: medians of the rounds."""

    farside: float
    """Bytes a second."""
    ratio: float
    """How many times as fast as the pipe."""
    cpu_ratio: float
    """How many times as much processor time the pipe took for an item, on both sides."""


class Repeats:
    """Yields one item again and again."""

    def __init__(self, payload: Payload, nbytes: int) -> None:
        self.item = payload.make(nbytes)
        self.count = 1

    def __iter__(self) -> Iterator[Any]:
        return repeat(self.item, self.count)

    def set_count(self, count: int) -> None:
        """Set how many items the next pass has."""
        self.count = count

    def cpu(self) -> float:
        """Tell how much processor time this process has used."""
        return time.process_time()


def _fill_pipe(payload: Payload, nbytes: int, pipe: Connection) -> None:
    item = payload.make(nbytes)
    while count := pipe.recv():
        for _ in range(count):
            pipe.send_bytes(pickle.dumps(item, 5))
        pipe.send(time.process_time())


def measure(payload: Payload, nbytes: int, *, seconds: float, rounds: int) -> Rate:
    """Measure one kind of item.

    Args:
        payload: the kind.
        nbytes: about how large an item is.
        seconds: about how long each of the two takes in a round.
        rounds: how many rounds there are.
    """
    context = mp.get_context("spawn")  # threads of libraries do not survive a fork
    pipe, theirs = context.Pipe()
    process = context.Process(target=_fill_pipe, args=(payload, nbytes, theirs), daemon=True)
    process.start()
    theirs.close()
    start = partial(Repeats, payload, nbytes)
    with farside.iterate_in_subprocess(start, mp_context="spawn") as items:

        def pass_of_farside(count: int) -> float:
            items.call("set_count", count)
            for _ in items:
                pass
            cpu: float = items.call("cpu")
            return cpu

        def pass_of_pipe(count: int) -> float:
            pipe.send(count)
            for _ in range(count):
                pickle.loads(pipe.recv_bytes())
            cpu: float = pipe.recv()
            return cpu

        passes = [_Clock(pass_of_farside), _Clock(pass_of_pipe)]
        counts = [each.find_count(seconds) for each in passes]
        timed = [
            [each.time(count) for each, count in zip(passes, counts, strict=True)]
            for _ in range(rounds)
        ]
    pipe.send(0)
    process.join()
    return Rate(
        median(nbytes / ours.wall for ours, _ in timed),
        median(piped.wall / ours.wall for ours, piped in timed),
        median(piped.cpu / ours.cpu for ours, piped in timed),
    )


class _Times(NamedTuple):
    """Seconds for an item."""

    wall: float
    cpu: float


class _Clock:
    """Times passes.

    Args:
        run: is given a number of items, and returns the processor time that its worker has used
            since it was started.
    """

    def __init__(self, run: Callable[[int], float]) -> None:
        self._run = run
        self._cpu = 0.0

    def find_count(self, seconds: float) -> int:
        """Find out how many items take so many seconds."""
        count = 4
        self.time(count)  # not counted: the first item imports, or makes, what the others use
        while True:
            taken = self.time(count).wall * count
            if taken > seconds / 4 or count >= _MOST_ITEMS:
                return max(4, min(_MOST_ITEMS, int(count * seconds / taken)))
            count *= 4

    def time(self, count: int) -> _Times:
        """Time one pass."""
        wall, cpu, before = time.perf_counter(), time.process_time(), self._cpu
        self._cpu = self._run(count)
        return _Times(
            (time.perf_counter() - wall) / count,
            (time.process_time() - cpu + self._cpu - before) / count,
        )
