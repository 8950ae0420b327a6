"""Parse the standard library of the running Python beside a main thread that must stay responsive.

Run it: ``python examples/parse_stdlib.py`` (``--help`` lists the options).

The job: tokenize every ``.py`` file of this Python's standard library and parse it to a tree; pure
Python, bound by the CPU. Installed packages (site-packages, dist-packages) are left out. Files that
are not valid Python on purpose (test data of lib2to3 and tokenize) are kept: each gives a record
that holds its error.

The job runs in four places, whichever exist here:

* ``main``: in the main thread.
* ``thread``: in a thread of this process.
* ``subinterpreter``, ``subprocess``: in a farside worker; records come back one by one.

The heartbeat stands for a training loop that owns the main thread. It is due every 5 ms on a
schedule fixed at the start, and notes how late each beat was: on time when it came before the next
was due. A late beat does not move those after it, so every 5 ms of a hold-up count. For the last
three places a second thread of this process loops over the records while the main thread does
nothing but beat. For ``main`` the main thread itself parses one file, then makes up for the beats
that came due meanwhile, so that each is late by what was left of the file. What a real training
step needs of the CPU is not modelled.

"seconds" runs from before the worker is started to its last record. Every file is read once before
the first run, so that no run pays for a cold disk. All runs must give the same list of records.
"""

import argparse
import contextlib
import importlib
import os
import platform
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import farside
from heartbeat import Heartbeat, percent_on_time, percentile
from stdlib_parser import FileRecord, list_files, parse_files

PERIOD = 0.005
FREE = 95.0  # The main thread counts as free when so many percent of its beats were on time.
VARIANTS = ("main", "thread", "subinterpreter", "subprocess")

Job = Callable[[], Iterator[FileRecord]]
Progress = Callable[[Iterable[FileRecord], str], Iterable[FileRecord]]


class Outcome(NamedTuple):
    """What one variant gave: its records, the seconds it took, and how late each beat was."""

    records: list[FileRecord]
    seconds: float
    lateness: list[float]


def run_in_main_thread(job: Job, progress: Progress) -> Outcome:
    """Run the job between the beats of the main thread."""
    heartbeat = Heartbeat(PERIOD)
    started = time.perf_counter()
    records = []
    for record in progress(job(), "main"):
        records.append(record)
        heartbeat.catch_up()
    seconds = time.perf_counter() - started
    heartbeat.beat()  # A very short job may have ended before the first beat was due.
    return Outcome(records, seconds, heartbeat.lateness)


def run_beside_main_thread(variant: str, job: Job, progress: Progress) -> Outcome:
    """Let a second thread loop over the records while the main thread beats."""
    stop = threading.Event()

    def consume() -> tuple[list[FileRecord], float]:
        started = time.perf_counter()
        records = []
        with open_records(variant, job) as source:
            for record in progress(source, variant):
                if stop.is_set():
                    break
                records.append(record)
            seconds = time.perf_counter() - started
        return records, seconds

    with ThreadPoolExecutor(max_workers=1) as pool:
        heartbeat = Heartbeat(PERIOD)
        result = pool.submit(consume)
        try:
            heartbeat.beat()
            while not result.done():
                heartbeat.beat()
        finally:
            stop.set()  # After Ctrl-C, leave at the next record.
    return Outcome(*result.result(), heartbeat.lateness)


def open_records(variant: str, job: Job) -> contextlib.AbstractContextManager[Iterable[FileRecord]]:
    """Open the job's records where the variant says; leaving the context ends the worker."""
    if variant == "subprocess":
        return farside.iterate_in_subprocess(job)
    if variant == "subinterpreter":
        return farside.iterate_in_subinterpreter(job, fallback=None)
    return contextlib.nullcontext(job())


def why_unavailable(variant: str) -> str:
    """Say why a variant cannot run here; empty when it can."""
    if variant in ("main", "thread"):
        return ""
    availability = farside.available_backends()[variant]
    return "" if availability.usable else availability.reason or "no reason given"


def make_progress(total: int, *, wanted: bool) -> Progress:
    """Make the function that shows a bar while records pass through it."""
    if wanted:
        try:
            # By name, so that type checkers need no stubs for a package that may be missing.
            tqdm = importlib.import_module("tqdm").tqdm
        except ImportError:
            print("No progress bar: tqdm is not installed (python -m pip install tqdm).")
        else:
            tqdm.monitor_interval = 0  # No thread of its own beside those that are measured.
            bar = partial(tqdm, total=total, unit="file")
            return lambda records, label: bar(records, desc=f"{label:<14}")
    return lambda records, _label: records


def describe_files(records: Sequence[FileRecord]) -> str:
    """Sum up what was parsed, and name each file that cannot be parsed."""
    bad = [f"  {record.path}: {record.error}" for record in records if record.error]
    size = sum(record.size for record in records) / 1e6
    tokens = sum(record.tokens for record in records)
    nodes = sum(record.nodes for record in records)
    summary = f"{len(records):,} files, {size:.1f} MB: {tokens:,} tokens, {nodes:,} tree nodes"
    text = "\n".join([f"{summary}; {len(bad)} files cannot be parsed", *bad])
    return text.encode("ascii", "backslashreplace").decode()  # Any terminal can show it.


def format_table(variants: Sequence[str], outcomes: dict[str, Outcome]) -> str:
    """Lay out one row for each variant, with a reason for each that did not run."""
    row = "{:<14}" + "{:>10}" * 6
    lines = [
        f"{'':<34}{'heartbeat late by (ms)':^30}{'beats':>10}",
        row.format("variant", "seconds", "files/s", "median", "99th %", "max", "on time"),
    ]
    for variant in variants:
        if variant in outcomes:
            records, seconds, late = outcomes[variant]
            times = (f"{1000 * percentile(late, percent):.2f}" for percent in (50, 99, 100))
            speed = f"{len(records) / seconds:.0f}"
            on_time = f"{percent_on_time(late, PERIOD):.1f} %"
            lines.append(row.format(variant, f"{seconds:.2f}", speed, *times, on_time))
        else:
            lines.append(f"{variant:<14}  not available here: {why_unavailable(variant)}")
    return "\n".join(lines)


def find_disagreement(outcomes: dict[str, Outcome]) -> str:
    """Compare the records of all variants with those of the first; empty when all are equal."""
    (first, expected), *others = ((name, outcome.records) for name, outcome in outcomes.items())
    for name, records in others:
        for left, right in zip(expected, records, strict=False):
            if left != right:
                return f"{first} has {left}, {name} has {right}"
        if len(expected) != len(records):
            return f"{first} has {len(expected)} records, {name} has {len(records)}"
    return ""


def conclude(outcomes: dict[str, Outcome]) -> str:
    """Say in one sentence which variants kept the main thread free, judged by `FREE`."""
    on_time = {name: percent_on_time(run.lateness, PERIOD) for name, run in outcomes.items()}
    ranking = sorted(on_time, key=lambda name: -on_time[name])
    free = " and ".join(f"{n} ({on_time[n]:.1f} %)" for n in ranking if on_time[n] >= FREE)
    held_up = " or ".join(f"{n} ({on_time[n]:.1f} %)" for n in ranking if on_time[n] < FREE)
    return (
        f"The main thread was kept free ({FREE:.0f} % of its beats or more on time) by"
        f" {free or 'none of them'}{', but not by ' if held_up else ''}{held_up}."
    )


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--limit", type=int, metavar="N", help="parse only the first N files")
    parser.add_argument(
        "--variants", default=",".join(VARIANTS), help="comma-separated (default: %(default)s)"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress bars")
    options = parser.parse_args(arguments)
    options.variants = list(dict.fromkeys(options.variants.split(",")))
    if unknown := [name for name in options.variants if name not in VARIANTS]:
        parser.error(f"--variants: unknown {unknown}; choose from {','.join(VARIANTS)}")
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit: {options.limit} is not a positive number")
    return options


def measure(variants: Sequence[str], job: Job, progress: Progress) -> dict[str, Outcome]:
    """Run those variants that exist here, one after the other."""
    outcomes = {}
    for variant in variants:
        if variant == "main":
            outcomes[variant] = run_in_main_thread(job, progress)
        elif not why_unavailable(variant):
            outcomes[variant] = run_beside_main_thread(variant, job, progress)
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the variants and print the report.

    Args:
        arguments: The command line; None for that of the process.

    Returns:
        The exit code: 0 when all variants that ran gave the same records.
    """
    options = parse_arguments(arguments)
    root = sysconfig.get_path("stdlib")
    paths = list_files(root, options.limit)
    for path in paths:
        with contextlib.suppress(OSError), open(os.path.join(root, path), "rb") as file:
            file.read()
    job = partial(parse_files, root, options.limit)
    progress = make_progress(len(paths), wanted=not options.no_progress)
    outcomes = measure(options.variants, job, progress)
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {root}")
    if outcomes:
        print(describe_files(next(iter(outcomes.values())).records), end="\n\n")
    print(format_table(options.variants, outcomes), end="\n\n")
    if not outcomes:
        print("None of these variants can run here.")
        return 1
    disagreement = find_disagreement(outcomes)
    names = ", ".join(outcomes)
    print(f"DISAGREEMENT: {disagreement}" if disagreement else f"All agree to the item: {names}.")
    print(conclude(outcomes))
    return 1 if disagreement else 0


if __name__ == "__main__":
    sys.exit(main())
