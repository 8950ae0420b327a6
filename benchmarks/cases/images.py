"""JPEG files are made batches: images a second, and the processor time of the loop's process."""

from __future__ import annotations

from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.sources.images import BATCH, JpegBatches

from .base import Case
from .streams import WORKERS, Streamed, stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .base import Job

_DEMANDS = frozenset({"map", "numpy", "default"})
_WARM_UP = 0.5
"""For each worker, which imports NumPy and Pillow before its first item."""


def _stream(job: Job) -> Streamed:
    source = JpegBatches()
    source.make_files(job.stack.enter_context(TemporaryDirectory()))
    return stream(job, source)


def images_a_second(job: Job) -> float:
    """Return the images a second."""
    streamed = _stream(job)
    return streamed.items * BATCH / streamed.seconds


def cpu_of_loop(job: Job) -> float:
    """Return how many microseconds of processor time an image takes in this process.

    All its threads count: what a pool does in a thread of its own also keeps the loop from running.
    """
    streamed = _stream(job)
    return 1e6 * streamed.cpu / (streamed.items * BATCH)


def cpu_of_thread(job: Job) -> float:
    """Return the same of the thread that loops, such as the one that drives an accelerator."""
    streamed = _stream(job)
    return 1e6 * streamed.own_cpu / (streamed.items * BATCH)


def _cases() -> Iterator[Case]:
    for workers in WORKERS:
        many = f"{workers} worker{'s' * (workers > 1)}"
        case = Case(
            f"images-{workers}",
            f"JPEG files in batches of {BATCH}, {many}",
            JpegBatches,
            images_a_second,
            unit="images/s",
            demands=_DEMANDS | ({"lone"} if workers == 1 else set()),
            workers=workers,
            warm_up=_WARM_UP * workers,
        )
        yield case
        for name, of, measure in (
            ("cpu", "process", cpu_of_loop),
            ("thread", "thread", cpu_of_thread),
        ):
            yield replace(
                case,
                name=f"images-{name}-{workers}",
                title=f"CPU of the {of} that loops, for an image, {many}",
                measure=measure,
                unit="µs",
                lower=True,
            )


CASES = tuple(_cases())
