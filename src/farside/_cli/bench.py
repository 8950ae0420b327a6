"""``bench``: how fast the backends are on this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from .._backends.registry import AUTOMATIC, available_backends
from . import output
from .errors import CommandError
from .probe import ask
from .surroundings import describe

CASES = {
    "ints": "integers",
    "dicts": "small dicts",
    "blocks_100k": "buffers of 100 kB",
    "blocks_1m": "buffers of 1 MB",
}
"""Name of a factory of `sources`, and what it yields."""


def run(seconds: float, plot: str | None, *, as_json: bool) -> int:
    """Measure, print and draw; return the exit code."""
    if plot is not None:
        _check_plot(plot)
    states = available_backends()
    backends = [name for name in reversed(AUTOMATIC) if states[name].usable]
    found = {**describe(), "bench": measure(backends, seconds)}
    if as_json:
        output.print_json(found)
    else:
        _print(found["bench"])
    if plot is not None:
        from .chart import draw

        draw(found, plot)
    return int(any("error" in each for case in found["bench"].values() for each in case.values()))


def measure(backends: list[str], seconds: float) -> dict[str, dict[str, Any]]:
    """Measure each case on each backend; return ``{case: {backend: result}}``."""
    return {
        case: {
            backend: ask(
                {
                    "kind": "run",
                    "factory": f"farside._cli.sources:{case}",
                    "backend": backend,
                    "seconds": seconds,
                }
            )
            for backend in backends
        }
        for case in CASES
    }


def _print(found: dict[str, dict[str, Any]]) -> None:
    rows = []
    for case, results in found.items():
        for number, (backend, told) in enumerate(results.items()):
            rows.append(("" if number else CASES[case], *_cells(backend, told)))
    output.table(
        "The backends on this machine",
        ("items", "backend", "start", "items/s", "bytes/s", ""),
        rows,
        numbers=(2, 3, 4),
    )


def _cells(backend: str, told: dict[str, Any]) -> tuple[str, ...]:
    if "items" not in told:
        return backend, "", "", "", told["error"]
    seconds = told["seconds"]
    rates = [output.rate(told[what] / seconds) for what in ("items", "nbytes")]
    return backend, f"{told['startup'] * 1000:.0f} ms", *rates, ""


def _check_plot(path: str) -> None:
    if find_spec("matplotlib") is None:
        raise CommandError(
            "--plot draws with matplotlib, which is not installed; pip install 'farside[plot]'"
        )
    if os.path.splitext(path)[1] not in {".svg", ".png", ".pdf"}:
        raise CommandError(f"--plot {path}: name a file that ends in .svg, .png or .pdf")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise CommandError(f"--plot {path}: there is no folder {folder}")
