"""Measure, and write the table of the documentation: ``python -m benchmarks.crossing --help``."""

from __future__ import annotations

import argparse
import importlib.util
import platform
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

from .measure import measure
from .payloads import PAYLOADS

if TYPE_CHECKING:
    from .measure import Rate
    from .payloads import Payload

SIZES = {"100 kB": 100_000, "10 MB": 10_000_000}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossing", description=__doc__)
    parser.add_argument("--only", default="", help="libraries, with commas between them")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--table", type=Path, help="a file to write the table to, as Markdown")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else None
    rows = [_HEAD, _RULE]
    for payload in PAYLOADS:
        if wanted is not None and payload.library not in wanted:
            continue
        if importlib.util.find_spec(payload.library) is None:
            print(f"{payload.library}: not installed", file=sys.stderr)
            continue
        rates = [
            measure(payload, nbytes, seconds=options.seconds, rounds=options.rounds)
            for nbytes in SIZES.values()
        ]
        rows.append(_row(payload, rates))
        print(rows[-1], flush=True)
    if options.table:
        head = f"Python {platform.python_version()}:\n\n"
        options.table.write_text(head + "\n".join(rows) + "\n", "utf-8")


_HEAD = "| library | item |" + "".join(
    f" {name}, MB/s | × a pipe | CPU of a pipe |" for name in SIZES
)
_RULE = "|---|---|" + "---:|---:|---:|" * len(SIZES)


def _row(payload: Payload, rates: list[Rate]) -> str:
    name = packages_distributions().get(payload.library, [payload.library])[0]
    cells = [f"{name} {version(name)}", payload.name]
    for rate in rates:
        cells += [f"{rate.farside / 1e6:,.0f}", f"{rate.ratio:.1f}", f"{rate.cpu_ratio:.1f} ×"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
