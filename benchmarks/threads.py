"""Does it help if a library has one thread in a worker? ``python -m benchmarks.threads --help``.

Workers do the same work in turn with as many threads as a library takes by itself, and with one.
Libraries that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import itertools
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import farside

from . import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
)
_PIXELS, _SMALLER, _ROWS = 800, 224, 300_000
_WARM_UP = 1.0


def _torch_resize() -> Callable[[], object]:
    import torch

    image = torch.rand(1, 3, _PIXELS, _PIXELS)
    resize = torch.nn.functional.interpolate
    size = (_SMALLER, _SMALLER)
    return lambda: resize(image, size=size, mode="bilinear", antialias=True)


def _opencv_resize(*, one_thread: bool) -> Callable[[], object]:
    import cv2
    import numpy as np

    if one_thread:
        cv2.setNumThreads(1)  # it reads no environment variable
    image: Any = np.ones((_PIXELS, _PIXELS, 3), np.uint8)
    return lambda: cv2.resize(image, (_SMALLER, _SMALLER), interpolation=cv2.INTER_AREA)


def _polars_groups() -> Callable[[], object]:
    import polars as pl

    frame = pl.DataFrame({"key": [each % 1000 for each in range(_ROWS)], "value": range(_ROWS)})
    return lambda: frame.group_by("key").agg(pl.col("value").sum())


def work(name: str, shard: int, *, one_thread: bool) -> Iterator[int]:
    """Do the work again and again; this runs in the workers."""
    works: dict[str, Callable[[], Callable[[], object]]] = {
        "torch": _torch_resize,
        "cv2": partial(_opencv_resize, one_thread=one_thread),
        "polars": _polars_groups,
    }
    once = works[name]()
    while True:
        once()
        yield shard


def rate(name: str, workers: int, seconds: float, *, one_thread: bool) -> float:
    """Return how many times a second the workers do the work, all together."""
    options: dict[str, Any] = {"env": ONE_THREAD} if one_thread else {}
    shard_of = partial(work, name, one_thread=one_thread)
    with farside.iterate_in_workers(
        shard_of, range(workers), workers, backend="subprocess", mp_context="spawn", **options
    ) as done:
        items = iter(done)
        next(items)
        _count(items, _WARM_UP)
        begun = perf_counter()
        return _count(items, seconds) / (perf_counter() - begun)


def _count(items: Iterator[int], seconds: float) -> int:
    """Return how many items came in some seconds."""
    end = perf_counter() + seconds
    return sum(1 for _ in itertools.takewhile(lambda _: perf_counter() < end, items))


def main(arguments: list[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__)
    parser.add_argument("--only", default="torch,cv2,polars", help="with commas between them")
    parser.add_argument("--workers", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    options = parser.parse_args(arguments)
    print(machine.line())
    print(
        f"{options.workers} workers, times a second, medians of {options.rounds} rounds", end="\n\n"
    )
    heads = f"{'its own threads':>16}{'one thread':>12}{'ratio':>8}{'lowest':>8}{'highest':>9}"
    print(f"{'library':24}{heads}")
    for name in options.only.split(","):
        if importlib.util.find_spec(name) is None:
            continue
        measured = partial(rate, name, options.workers, options.seconds)
        found = [
            (measured(one_thread=False), measured(one_thread=True)) for _ in range(options.rounds)
        ]
        ratios = [one / own for own, one in found]
        own, one = (median(column) for column in zip(*found, strict=True))
        print(
            f"{name + ' ' + _version(name):24}{own:16.1f}{one:12.1f}"
            f"{median(ratios):8.2f}{min(ratios):8.2f}{max(ratios):9.2f}",
            flush=True,
        )


def _version(name: str) -> str:
    packages = importlib.metadata.packages_distributions().get(name, [name])
    return importlib.metadata.version(packages[0])


if __name__ == "__main__":
    main()
