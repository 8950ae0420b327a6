"""Draw the chart of the benchmarks page from the run that the page prints.

    python docs/make_chart.py            writes docs/explain/benchmarks.svg
    python docs/make_chart.py --check    tells whether it is up to date

A panel has both workers of farside, and of every other library its best variant.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

DOCS = Path(__file__).resolve().parent
if __name__ == "__main__":  # this checkout, whatever is installed
    sys.path[:0] = [str(DOCS.parent / "src"), str(DOCS.parent)]

from benchmarks.charts import KINDS  # noqa: E402  see above
from benchmarks.contestants import CONTESTANTS  # noqa: E402
from benchmarks.svg import Bar, draw  # noqa: E402
from docs.made_parts import write_or_check  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = DOCS / "explain" / "benchmarks.txt"
CHART = RUN.with_suffix(".svg")
CASES = ("ints", "dicts", "ints-buffer3", "arrays-100kB", "arrays-1MB", "first-item-warm", "death")

_ROW = re.compile(r"^│ (?P<name>\S+) +│ +(?P<text>[\d.]+ (?P<prefix>[kMG]?) ?(?P<unit>\S+).*?) +│")
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def panel(run: str, case: str) -> tuple[str, list[Bar]]:
    """Return the heading of a case, and its bars, the best first."""
    title, table = re.findall(rf"^{case}: (.+?) *\n(.+?)\n\n", run, re.MULTILINE | re.DOTALL)[0]
    shown, families, lower = [], set(), False
    for line in table.splitlines():
        if row := _ROW.match(line):
            name, lower = row["name"], row["unit"] != "items/s"
            group = CONTESTANTS[name].group
            family = name if group == "farside" else name.partition("-")[0]
            if family not in families:
                value = float(row["text"].split()[0]) * _FACTORS[row["prefix"]]
                text = row["text"].replace(" items/s", "/s").partition(" = ")[0]
                shown.append(Bar(name, value, text, KINDS[group]))
                families.add(family)
    return f"{title} ({'less' if lower else 'more'} is better)", shown


def chart() -> str:
    """Draw it."""
    run = RUN.read_text("utf-8") + "\n\n"
    machine = re.sub(r"\s+", " ", run.strip().partition("\nPython ")[0])
    date, processor = (
        re.findall(rf"{name} (.+?)(?:T|, )", machine)[0] for name in ("date", "processor")
    )
    panels = [panel(run, case) for case in CASES]
    return draw("Medians, on logarithmic scales", panels, f"{processor}, 2 cores, {date}")


def _update(_: str) -> str:
    return chart()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the chart, or check it."""
    return write_or_check(
        CHART,
        _update,
        arguments,
        task="Draw the chart of the benchmarks page.",
        differ="The chart differs from the run; run: python docs/make_chart.py",
        source=RUN.name,
    )


if __name__ == "__main__":
    sys.exit(main())
