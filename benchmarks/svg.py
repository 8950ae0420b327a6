"""Draws bars as an SVG that is readable on a telephone, and on a dark ground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _LABELS, _TEXTS = 390, 150, 92
_ROW, _HEADING = 17, 26

_COLOURS = {
    "farside": ("#0b6e99", "#4db3dd"),
    "another library": ("#b35900", "#f0a050"),
    "what the machine allows": ("#767676", "#9a9a9a"),
}
"""For each kind of bar, its colour on a light and on a dark ground."""


class Bar(NamedTuple):
    """One bar.

    Attributes:
        label: the text before it.
        value: its length, on a logarithmic scale; 0 or less for no bar.
        text: the text after it.
        kind: what gives it its colour; a legend names the kinds.
    """

    label: str
    value: float
    text: str
    kind: str


def draw(title: str, panels: Sequence[tuple[str, Sequence[Bar]]], note: str = "") -> str:
    """Draw a panel of bars for each heading, one below the other; return the SVG."""
    kinds = list(dict.fromkeys(bar.kind for _, bars in panels for bar in bars))
    lines, y = _legend(title, kinds), 44
    for heading, bars in panels:
        y += _HEADING
        lines.append(f'<text class="h" x="8" y="{y}">{escape(heading)}</text>')
        y += 6
        for bar, share in zip(bars, _scale(bars), strict=True):
            lines += _row(bar, kinds.index(bar.kind), y, share)
            y += _ROW
    y += 20
    lines.append(f'<text class="n" x="8" y="{y}">{escape(note)}</text>')
    return "\n".join([*_head(title, kinds, y + 10), *lines, "</svg>", ""])


def _head(title: str, kinds: Sequence[str], height: float) -> list[str]:
    def rules(dark: int) -> str:
        ground, ink = ("#ffffff", "#1a1a1a") if not dark else ("#17181c", "#e6e6e6")
        bars = "".join(f".k{i}{{fill:{_COLOURS[k][dark]}}}" for i, k in enumerate(kinds))
        return f"rect.g{{fill:{ground}}}text{{fill:{ink}}}{bars}"

    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img">',
        f"<title>{escape(title)}</title>",
        (
            "<style>text{font:11px system-ui,sans-serif}.h,.t{font-weight:bold}.n{font-size:9px}"
            f".t{{font-size:12px}}{rules(0)}@media(prefers-color-scheme:dark){{{rules(1)}}}</style>"
        ),
        f'<rect class="g" width="{_WIDTH}" height="{height:g}" rx="6"/>',
    ]


def _legend(title: str, kinds: Sequence[str]) -> list[str]:
    lines, x = [f'<text class="t" x="8" y="20">{escape(title)}</text>'], 8.0
    for index, kind in enumerate(kinds):
        lines.append(f'<rect class="k{index}" x="{x:g}" y="32" width="10" height="10"/>')
        lines.append(f'<text x="{x + 14:g}" y="41">{escape(kind)}</text>')
        x += 24 + 6.2 * len(kind)
    return lines


def _row(bar: Bar, kind: int, y: float, share: float) -> list[str]:
    length = share * (_WIDTH - _LABELS - _TEXTS - 8)
    bold = ' class="h"' if bar.kind == "farside" else ""
    return [
        f'<text{bold} x="{_LABELS - 6}" y="{y + 12}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="k{kind}" x="{_LABELS}" y="{y + 3}" width="{length:.1f}" height="11"/>',
        f'<text x="{_LABELS + length + 5:.1f}" y="{y + 12}">{escape(bar.text)}</text>',
    ]


def _scale(bars: Sequence[Bar]) -> list[float]:
    """Map values to 0 to 1, on a logarithmic scale that begins below the least of them."""
    values = [bar.value for bar in bars if bar.value > 0] or [1.0]
    floor, top = math.log10(min(values)) - 0.3, math.log10(max(values))
    return [
        (math.log10(bar.value) - floor) / (top - floor) if bar.value > 0 else 0.0 for bar in bars
    ]
