"""Results as a chart: a panel of bars for each case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .svg import Bar, draw
from .tables import moved_bytes, ranked, value_text

if TYPE_CHECKING:
    from .results import Results

KINDS = {
    "farside": "farside",
    "peer": "another library",
    "ceiling": "what the machine allows",
    "source": "what the machine allows",
}
"""What the legend calls each group of contestants."""


def bars(results: Results, name: str) -> list[Bar]:
    """Return what the panel of a case shows, the best first."""
    case = results.cases[name]
    found = []
    for outcome in ranked(results, name):
        if outcome.valid:
            text = value_text(outcome.median, case["unit"], moved_bytes(results, outcome))
            group = results.contestants[outcome.contestant]["group"]
            found.append(Bar(outcome.contestant, outcome.median, text, KINDS[group]))
    return found


def chart(results: Results) -> str:
    """Draw all cases; return the SVG."""
    panels = []
    for name in results.measured_cases():
        case = results.cases[name]
        if shown := bars(results, name):
            better = "less" if case["lower"] else "more"
            panels.append((f"{case['title']} ({better} is better)", shown))
    about = results.about
    note = f"{about.get('processor', '')}, {about.get('cores', '?')} cores, {about.get('date', '')}"
    return draw("Medians, on logarithmic scales", panels, note)
