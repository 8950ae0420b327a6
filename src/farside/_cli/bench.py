"""``bench``: measures how fast the backends are on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any

from .._backends.registry import AUTOMATIC, available_backends
from . import CommandError, output
from .probe import ask
from .surroundings import describe

CASES = {"ints": "integers", "dicts": "small dicts", "blocks_100k": "100 kB", "blocks_1m": "1 MB"}
"""Names of factories in `jobs`, and what each yields."""


def run(given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Measure, print and draw; return the results, and whether all is well."""
    if given.plot is not None:
        _check_plot(given.plot)
    states = available_backends()
    backends = [name for name in reversed(AUTOMATIC) if states[name].usable]
    if not backends:
        raise CommandError(f"no backend can be used here: {states[AUTOMATIC[-1]].reason}")
    todo = [(case, backend) for case in CASES for backend in backends]
    told = measure(
        [(f"{CASES[case]}, {name}", f"{__package__}.jobs:{case}", name) for case, name in todo],
        "The backends on this machine",
        seconds=given.seconds,
        limit=given.limit,
    )
    bench: dict[str, dict[str, Any]] = {case: {} for case in CASES}
    for (case, backend), each in zip(todo, told, strict=True):
        bench[case][backend] = each
    if given.plot is not None:
        try:
            output.save_svg(given.plot)
        except OSError as error:
            raise CommandError(f"--plot {given.plot}: {error.strerror}") from None
        print(f"The table is in {os.path.abspath(given.plot)}.", file=sys.stderr)
    failed = any("error" in each for case in bench.values() for each in case.values())
    return {**describe(), "bench": bench}, not failed


def _check_plot(path: str) -> None:
    if find_spec("rich") is None:
        raise CommandError("--plot needs rich, which is not installed; pip install rich")
    if not path.endswith(".svg"):
        raise CommandError(f"--plot {path}: name a file that ends in .svg")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise CommandError(f"--plot {path}: there is no folder {folder}")


def measure(
    factories: Iterable[tuple[str, str, str | None]], title: str, *, seconds: float, limit: float
) -> Iterator[dict[str, Any]]:
    """Measure factories one after the other, and yield the result of each."""
    # A factory comes as a label, its name, and the backend, None for no worker. It is measured for
    # so many seconds, and may take up to the limit beside that.
    todo = list(factories)
    wide = max(len(label) for label, _, _ in todo)
    columns = [("", wide), ("start", -7), ("items/s", -7), ("bytes/s", -7), ("time", 10)]
    made = output.Table(title, columns)
    for label, factory, backend in todo:
        request = {"kind": "run", "factory": factory, "backend": backend, "seconds": seconds}
        with output.step(f"measure: {label}", limit + seconds):
            told = ask(request, limit + seconds)
        made.row(label, *_cells(told))
        yield told
    made.row("", "time: █ waiting for the worker, ▒ taking its items", style="dim")
    made.end()


def _cells(told: dict[str, Any]) -> tuple[str, ...]:
    if "items" not in told:
        return (told.get("reason") or told["error"],)
    seconds, waited = told["seconds"], told.get("waited")
    start = output.duration(told["startup"])
    items = f"{told['items']:,} item{'s' * (told['items'] != 1)} in {seconds:.1f} s"
    rate = output.number(told["items"] / seconds)
    if waited is None:
        return start, rate, "", "", items
    share = min(1.0, waited / seconds)
    tenths = round(10 * share)
    picture = "█" * tenths + "▒" * (10 - tenths)
    return start, rate, output.number(told["nbytes"] / seconds), picture, items
