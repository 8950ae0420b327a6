"""Decode a folder of images into batches, by 1, 2 and 4 workers, and see where the time goes.

Run it: ``python examples/decode_images.py`` (``--help`` lists the options). It needs Pillow and
NumPy, and shows a progress bar if tqdm is installed.

The script makes JPEG files in a temporary folder. For each number of workers it loops over the
batches that the workers make of them, and takes some milliseconds for each, as a step of training
on a GPU does: a pause, in which the processor is free. Each run makes two passes.

A table tells for how long the loop has waited for batches and for how long it had one. The same is
drawn into a picture, an SVG file that any browser shows. Where the loop does not wait any more,
further workers are of no use. Nor are they where all processors are busy.

Every number of workers must give the same batches in the same order; the exit code tells.
"""

import argparse
import hashlib
import importlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from farside import iterate_in_workers
from image_batches import cut, make_images, read_batch

SEED = 1
PASSES = 2

Progress = Callable[[Iterable[Any], str], Iterable[Any]]


class Outcome(NamedTuple):
    """What a number of workers gave.

    Attributes:
        images: How many images the loop was given.
        seconds: For how long it ran, without the start of the workers.
        waited: For how long of that it waited for a batch.
        digest: Hash over all batches, in order.
    """

    images: int
    seconds: float
    waited: float
    digest: str


def run(shards: list[list[str]], workers: int, step: float, progress: Progress) -> Outcome:
    """Loop over the batches that so many workers make.

    Args:
        shards: The image files of each batch.
        workers: How many workers there are.
        step: Seconds that the loop takes for a batch.
        progress: Shows a bar.
    """
    images, digest = 0, hashlib.blake2b(digest_size=16)
    # NumPy does not load in a subinterpreter.
    with iterate_in_workers(
        read_batch, shards, workers, seed=SEED, buffer_size=2, backend="subprocess"
    ) as batches:
        for epoch in range(PASSES):
            for batch in progress(batches, f"{workers} workers, pass {epoch}"):
                time.sleep(step)  # Stands for a step on a GPU.
                digest.update(batch)
                images += len(batch)
        stats = batches.stats()
    return Outcome(images, stats.elapsed_seconds, stats.parent_wait_seconds, digest.hexdigest())


def make_progress(total: int, *, wanted: bool) -> Progress:
    """Make the function that shows a bar while batches pass through it."""
    if wanted:
        try:
            # By name, so that type checkers need no stubs for a package that may be missing.
            tqdm = importlib.import_module("tqdm").tqdm
        except ImportError:
            print("No progress bar: tqdm is not installed (python -m pip install tqdm).")
        else:
            tqdm.monitor_interval = 0  # No thread of its own beside the loop.
            bar = partial(tqdm, total=total, unit="batch")
            return lambda batches, label: bar(batches, desc=label)
    return lambda batches, _label: batches


def format_table(outcomes: dict[int, Outcome]) -> str:
    """Lay out one row for each number of workers."""
    row = "{:<8}" + "{:>10}" * 4
    lines = [row.format("workers", "seconds", "images/s", "waited", "busy")]
    for workers, (images, seconds, waited, _) in outcomes.items():
        share = waited / seconds
        figures = f"{seconds:.2f}", f"{images / seconds:.0f}", f"{share:.0%}", f"{1 - share:.0%}"
        lines.append(row.format(workers, *figures))
    return "\n".join(lines)


def draw(outcomes: dict[int, Outcome]) -> str:
    """Draw where the time of the loop went: a bar for each number of workers, as SVG."""
    longest = max(outcome.seconds for outcome in outcomes.values())
    height = 60 + 40 * len(outcomes)
    style = ".busy { fill: #4a7fd6; } .waited { fill: #ddd; } text { font: 13px sans-serif; }"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" width="640">',
        f"<style>{style}</style>",
        f'<rect width="640" height="{height}" fill="white"/>',
        *(_bar("busy", 100, 14, 14, 14), _text(120, 26, "the loop had a batch")),
        *(_bar("waited", 300, 14, 14, 14), _text(320, 26, "it waited for one")),
    ]
    for number, (workers, outcome) in enumerate(outcomes.items()):
        top = 46 + 40 * number
        whole = 440 * outcome.seconds / longest
        busy = whole * (1 - outcome.waited / outcome.seconds)
        parts += [
            _text(16, top + 18, f"{workers} worker{'s' * (workers != 1)}"),
            _bar("busy", 100, top, busy, 26),
            _bar("waited", 100 + busy, top, whole - busy, 26),
            _text(108 + whole, top + 18, f"{outcome.seconds:.2f} s"),
        ]
    return "\n".join([*parts, "</svg>", ""])


def _bar(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"/>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y}">{text}</text>'


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=320, help="how many (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--workers", default="1,2,4", help="comma-separated (default: %(default)s)")
    parser.add_argument(
        "--step",
        type=float,
        default=20,
        metavar="MS",
        help="milliseconds that the loop takes for a batch (default: %(default)s)",
    )
    parser.add_argument(
        "--picture", type=Path, default=Path("decode_images.svg"), help="default: %(default)s"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress bars")
    options = parser.parse_args(arguments)
    try:
        options.workers = [int(number) for number in options.workers.split(",")]
    except ValueError:
        parser.error(f"--workers: {options.workers!r} is not a list of numbers, such as 1,2,4")
    if min(options.images, options.batch_size, *options.workers) < 1:
        parser.error("--images, --batch-size and --workers take positive numbers")
    if options.step < 0:
        parser.error(f"--step: {options.step} is negative")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Decode the images with each number of workers, and report.

    Args:
        arguments: The command line; None for that of the process.

    Returns:
        The exit code: 0 when all runs gave the same batches.
    """
    options = parse_arguments(arguments)
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        shards = cut(make_images(folder, options.images), options.batch_size)
        progress = make_progress(len(shards), wanted=not options.no_progress)
        for workers in options.workers:
            outcomes[workers] = run(shards, workers, options.step / 1000, progress)
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {options.images} images")
    print(format_table(outcomes))
    options.picture.write_text(draw(outcomes), "utf-8")
    print(f"Where the time went: {options.picture}")
    if len({outcome.digest for outcome in outcomes.values()}) > 1:
        print("DISAGREEMENT: not all of them gave the same batches.")
        return 1
    print("All gave the same batches in the same order.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
