"""The chart of ``bench --plot``."""

from __future__ import annotations

from typing import Any

from . import output
from .bench import CASES

_COLOURS = {"subprocess": "#4878a8", "subinterpreter": "#e49444"}


def draw(found: dict[str, Any], path: str) -> None:
    """Draw what `bench.measure` has found into a file.

    Args:
        found: what was found, with what is known of the machine.
        path: the file; its ending is the format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # without pyplot: no window, no state

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    backends = list(next(iter(found["bench"].values())))
    height = 0.8 / max(1, len(backends))
    for number, backend in enumerate(backends):
        rates = [_rate(case[backend]) for case in found["bench"].values()]
        places = [row + number * height for row in range(len(rates))]
        bars = axes.barh(
            places, rates, height * 0.92, label=backend, color=_COLOURS.get(backend, "#85b6b2")
        )
        axes.bar_label(bars, [output.rate(rate) for rate in rates], padding=3, fontsize=8)
    axes.set_yticks(
        [row + height * (len(backends) - 1) / 2 for row in range(len(CASES))], CASES.values()
    )
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel("items per second")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    python = found["python"]
    axes.set_title(
        f"farside {found['farside']}, {python['implementation']} {python['version']}, "
        f"{found['processors']} processors",
        fontsize=9,
        loc="left",
    )
    figure.savefig(path)


def _rate(told: dict[str, Any]) -> float:
    return told["items"] / told["seconds"] if "items" in told else 0.0
