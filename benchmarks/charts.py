"""Results as charts: a panel for each case, as SVG and as PNG."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .summary import summarize
from .tables import OURS, moved_bytes, ranked, value_text

if TYPE_CHECKING:
    from .results import Results

COLUMNS = 2
_COLOURS = {"farside": "#0b6e99", "ceiling": "#9a9a9a", "source": "#d5d5d5", "peer": "#e3a857"}
_WIDTH, _BAR_HEIGHT, _PANEL_HEIGHT = 6.4, 0.24, 0.9
_DPI = 144


class Bar(NamedTuple):
    """One bar."""

    label: str
    group: str
    value: float
    low: float
    high: float
    text: str


def bars(results: Results, name: str) -> list[Bar]:
    """Return what the panel of a case shows, the best first."""
    case = results.cases[name]
    found = []
    for outcome in ranked(results, name):
        if outcome.valid:
            median, low, high, _ = summarize(outcome.valid)
            text = value_text(median, case["unit"], moved_bytes(results, outcome))
            group = results.contestants[outcome.contestant]["group"]
            found.append(Bar(outcome.contestant, group, median, low, high, text))
    return found


def draw(results: Results, path: str) -> tuple[str, str]:
    """Draw all cases; return the names of both files."""
    from matplotlib.figure import Figure

    panels = [(name, shown) for name in results.measured_cases() if (shown := bars(results, name))]
    rows = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    heights = [
        _PANEL_HEIGHT + _BAR_HEIGHT * max(len(shown) for _, shown in row) for row in rows
    ] or [1]
    figure = Figure(figsize=(_WIDTH * COLUMNS, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), COLUMNS, height_ratios=heights)
    for row, members in enumerate(rows):
        for column, (name, shown) in enumerate(members):
            _panel(figure.add_subplot(grid[row, column]), results.cases[name], shown)
    about = results.about
    figure.supxlabel(
        f"{about.get('processor', '')}, {about.get('cores', '?')} cores, {about.get('date', '')}; "
        "medians, and from the least to the greatest",
        fontsize=7,
    )
    stem = Path(path).with_suffix("") if Path(path).suffix in {".svg", ".png"} else Path(path)
    names = f"{stem}.svg", f"{stem}.png"
    for each in names:
        figure.savefig(each, dpi=_DPI, metadata={"Date": None} if each.endswith("svg") else None)
    return names


def _panel(axes: Any, case: dict[str, Any], shown: list[Bar]) -> None:
    """Draw horizontal bars on a logarithmic scale, each with its value beside it."""
    least = min(bar.value for bar in shown if bar.value > 0) if any(b.value for b in shown) else 1
    floor = 10 ** math.floor(math.log10(least) - 0.3)
    for place, bar in enumerate(shown):
        value = max(bar.value, floor)
        axes.barh(
            place,
            value - floor,
            left=floor,
            color=_COLOURS[bar.group],
            xerr=[[max(0, value - max(bar.low, floor))], [max(0, bar.high - value)]],
            error_kw={"elinewidth": 0.8, "ecolor": "#444444"},
        )
        axes.text(max(bar.high, value) * 1.1, place, bar.text, va="center", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(floor, max(floor, *(bar.high for bar in shown)) * 30)
    axes.set_yticks(range(len(shown)), [bar.label for bar in shown], fontsize=7)
    for label, bar in zip(axes.get_yticklabels(), shown):  # noqa: B905  made of the same list
        label.set_fontweight("bold" if bar.label in OURS else "normal")
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=6)
    better = "less" if case["lower"] else "more"
    axes.set_title(f"{case['title']} ({case['unit']}, {better} is better)", fontsize=8, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
