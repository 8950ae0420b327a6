"""What resume and restart cost where nothing goes wrong: ``python -m benchmarks.safety --help``.

The differences are smaller than those between two processes that run the same code. So all variants
run in one process, in short passes, in an order that changes. Each is compared with the plain pass
of the same round, which has neither. A second plain pass shows how much equal code differs.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
from contextlib import ExitStack
from functools import partial
from itertools import islice
from statistics import median
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, NamedTuple

import farside

from . import calls
from .sources import payloads, small
from .summary import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .sources.base import Source

SHARDS = 64
WORKERS = 2
ITEMS = 100
"""How many items a loop takes between two states."""

SOURCES: dict[str, Callable[[int], Source]] = {
    "ints": small.Ints,
    "dicts": small.Dicts,
    "busy": small.Busy,
    "arrays": partial(payloads.Arrays, 100_000),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {"verify_replay": False},
    "plain again": {"verify_replay": False},
    "verify_replay": {},
    "max_restarts=3": {"max_restarts": 3},
}
_WARM_UP = 2


class Ratio(NamedTuple):
    """A variant compared with the plain one: medians of the rounds."""

    variant: str
    rate: float
    """Items a second."""
    ratio: float
    """How many times as many items a second as the plain one."""
    low: float
    high: float
    """The ratio lies between `low` and `high`, with 95 % confidence."""
    cpu: float
    """How many times as much processor time the thread of the loop took."""


class _Variant:
    """Passes of one variant, timed.

    Args:
        items: what is iterated on. Its passes end.
        between: with `in_blocks`, what to call after each `ITEMS` items, if anything.
        in_blocks: whether the loop takes the items in blocks of so many.
    """

    def __init__(
        self,
        items: Iterable[Any],
        between: Callable[[], Any] | None = None,
        *,
        in_blocks: bool = False,
    ) -> None:
        self._items = items
        self._between = between
        self._in_blocks = in_blocks
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def run(self) -> None:
        """Make a pass."""
        wall, cpu = perf_counter(), thread_time()
        if self._in_blocks:
            self._pass_in_blocks()
        else:
            for _ in self._items:
                pass
        self.cpu.append(thread_time() - cpu)
        self.wall.append(perf_counter() - wall)

    def _pass_in_blocks(self) -> None:
        iterator = iter(self._items)
        while list(islice(iterator, ITEMS)):
            if self._between is not None:
                self._between()


def compare_options(source: Source, count: int, rounds: int) -> list[Ratio]:
    """Compare options of one worker; a pass has `count` items."""
    with ExitStack() as stack:
        variants = {
            name: _Variant(stack.enter_context(farside.iterate_in_subprocess(source, **options)))
            for name, options in OPTIONS.items()
        }
        return _compare(variants, count, rounds)


def compare_options_of_several(
    make: Callable[[int], Source], count: int, rounds: int
) -> list[Ratio]:
    """Compare options of several workers, among which the shards are divided."""
    shards = [make(count // SHARDS) for _ in range(SHARDS)]
    start = partial(farside.iterate_in_workers, calls.part, shards, WORKERS, backend="subprocess")
    with ExitStack() as stack:
        variants = {
            f"{name}, {WORKERS} workers": _Variant(stack.enter_context(start(**options)))
            for name, options in OPTIONS.items()
        }
        return _compare(variants, count, rounds)


def compare_states(make: Callable[[int], Source], count: int, rounds: int) -> list[Ratio]:
    """Compare a loop over shards with one that asks for the state again and again."""
    shards = [make(count // SHARDS) for _ in range(SHARDS)]
    start = partial(
        farside.iterate_in_workers,
        calls.part,
        shards,
        1,
        backend="subprocess",
        cycle_length=SHARDS,
    )
    with ExitStack() as stack:
        plain, again, asked = (stack.enter_context(start()) for _ in range(3))
        variants = {
            "plain": _Variant(plain, in_blocks=True),
            "plain again": _Variant(again, in_blocks=True),
            "state_dict": _Variant(asked, asked.state_dict, in_blocks=True),
        }
        return _compare(variants, count, rounds)


def _compare(variants: dict[str, _Variant], count: int, rounds: int) -> list[Ratio]:
    order = list(variants.values())
    for _ in range(_WARM_UP + rounds):
        random.shuffle(order)
        for each in order:
            each.run()
    plain, *_ = variants.values()
    return [_ratio(name, each, plain, count) for name, each in variants.items()]


def _ratio(name: str, mine: _Variant, plain: _Variant, count: int) -> Ratio:
    walls, cpus = mine.wall[_WARM_UP:], mine.cpu[_WARM_UP:]
    ratios = [b / a for a, b in zip(walls, plain.wall[_WARM_UP:], strict=True)]
    low, high = interval(ratios) or (min(ratios), max(ratios))  # of few rounds: all of them
    return Ratio(
        name,
        count / median(walls),
        median(ratios),
        low,
        high,
        median(a / b for a, b in zip(cpus, plain.cpu[_WARM_UP:], strict=True)),
    )


def _count_for(make: Callable[[int], Source], seconds: float) -> int:
    """Return how many items take about so many seconds."""
    count = 1000
    while True:
        with farside.iterate_in_subprocess(make(count)) as items:
            variant = _Variant(items)
            variant.run()
            variant.run()
        if variant.wall[-1] >= seconds / 2:
            return int(count * seconds / variant.wall[-1])
        count *= 4


def main(arguments: list[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.safety", description=__doc__)
    parser.add_argument("--only", default=",".join(SOURCES), help="with commas between them")
    parser.add_argument("--seconds", type=float, default=0.1, help="for each pass (%(default)s)")
    parser.add_argument("--rounds", type=int, default=150, help="(%(default)s)")
    options = parser.parse_args(arguments)
    for name in options.only.split(","):
        if name == "arrays" and importlib.util.find_spec("numpy") is None:
            print("arrays: NumPy is not installed", file=sys.stderr)
            continue
        make = SOURCES[name]
        count = _count_for(make, options.seconds)
        found = compare_options(make(count), count, options.rounds)
        found += compare_options_of_several(make, count, options.rounds)
        found += compare_states(make, count, options.rounds)
        for each in found:
            print(
                f"{name:8}{each.variant:28}{each.rate:12,.0f} items/s  {each.ratio:.3f} × "
                f"({each.low:.3f} to {each.high:.3f})  CPU of the loop {each.cpu:.2f} ×",
                flush=True,
            )


if __name__ == "__main__":
    main()
