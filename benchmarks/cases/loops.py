"""How many items a second arrive from several workers at once, in one loop."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.sources import payloads, small

from .base import Case

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from benchmarks.sources.base import Source

    from .base import Job

AT_ONCE = 4
_VERIFIED = 3
_BETWEEN_LOOKS = 1 << 8
"""So many items pass between two looks at the clock."""


def at_once(job: Job) -> float:
    """Return the items a second from all workers, after a quarter of the time to warm up."""
    source = job.case.source()
    iterables = [job.open(source) for _ in range(AT_ONCE)]
    run = _Run(job.seconds)
    if "async" in job.contestant.offers:
        asyncio.run(_take_in_tasks(run, source, iterables))
    else:
        _take_in_turn(run, source, [iter(each) for each in iterables])
    return run.rate()


def _take_in_turn(run: _Run, source: Source, iterators: Sequence[Iterator[Any]]) -> None:
    for index in range(_VERIFIED):
        for iterator in iterators:
            source.verify(next(iterator), index)
    taken = 0
    for turn in zip(*iterators):  # noqa: B905  3.10 has strict, but these never end
        for _ in turn:
            taken += 1
        if taken >= _BETWEEN_LOOKS:
            run.look(taken)
            if run.over:
                return
            taken = 0


async def _take_in_tasks(run: _Run, source: Source, iterables: Sequence[Any]) -> None:
    await asyncio.gather(*(_take(run, source, aiter(each)) for each in iterables))


async def _take(run: _Run, source: Source, iterator: AsyncIterator[Any]) -> None:
    for index in range(_VERIFIED):
        source.verify(await anext(iterator), index)
    taken = 0
    async for _ in iterator:
        taken += 1
        if taken >= _BETWEEN_LOOKS:
            run.look(taken)
            if run.over:
                return
            taken = 0


class _Run:
    """Counts what all loops have taken."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._taken = 0
        self._begun = perf_counter() + seconds / 4
        self._end = self._begun + seconds
        self._first: tuple[int, float] | None = None
        self._last = 0, 0.0

    def look(self, taken: int) -> None:
        """Count so many more items, and look at the clock."""
        self._taken += taken
        now = perf_counter()
        if self._first is None:
            if now >= self._begun:
                self._first = self._taken, now
        elif not self.over:
            self._last = self._taken, now
            self.over = now >= self._end

    def rate(self) -> float:
        """Return the items a second."""
        assert self._first is not None
        return (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])


def _cases() -> Iterator[Case]:
    for name, title, source, needs in (
        ("ints", "integers", small.Ints, set()),
        ("dicts", "small dicts", small.Dicts, set()),
        ("arrays", "arrays of 100kB", partial(payloads.Arrays, 100_000), {"numpy"}),
    ):
        yield Case(
            f"at-once-{name}",
            f"{title} from {AT_ONCE} workers in one loop",
            source,
            at_once,
            demands=frozenset({"separate", *needs}),
        )


CASES = tuple(_cases())
