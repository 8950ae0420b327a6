"""Prints tables: with rich where it is installed and somebody looks, else as plain text."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Row = Sequence[str]

_LEAST = 24
"""Characters that the last column has at least, however narrow the terminal."""


def print_json(value: Any) -> None:
    """Print a value for machines."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def table(title: str, headers: Row, rows: Iterable[Row], *, numbers: Sequence[int] = ()) -> None:
    """Print a table.

    Args:
        title: what it is about.
        headers: of the columns; none where all are empty.
        rows: the cells. The last column is wrapped.
        numbers: columns that are aligned to the right.
    """
    body = [list(row) for row in rows]
    if sys.stdout.isatty():
        try:
            _rich_table(title, headers, body, numbers)
        except ImportError:
            pass
        else:
            return
    _plain_table(title, headers, body, numbers)


def text(line: str) -> None:
    """Print a paragraph, wrapped where somebody looks."""
    print("\n".join(textwrap.wrap(line, _width())) if sys.stdout.isatty() else line)


def _width() -> int:
    return shutil.get_terminal_size().columns - 1


def _rich_table(title: str, headers: Row, rows: Sequence[Row], numbers: Sequence[int]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        show_header=any(headers),
        header_style="dim",
        padding=(0, 2, 0, 0),
    )
    for number, header in enumerate(headers):
        last = number == len(headers) - 1
        made.add_column(
            header,
            justify="right" if number in numbers else "left",
            no_wrap=not last,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*map(Text, row))  # no markup in what users named
    Console(highlight=False).print(made, "")


def _plain_table(title: str, headers: Row, rows: Sequence[Row], numbers: Sequence[int]) -> None:
    lines = [headers, *rows] if any(headers) else list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    last = len(widths) - 1
    if sys.stdout.isatty():
        widths[last] = max(_LEAST, _width() - 2 - sum(width + 2 for width in widths[:last]))
    print(title)
    for line in lines:
        cells = [
            textwrap.wrap(cell, max(1, widths[last])) or [""] if number == last else [cell]
            for number, cell in enumerate(line)
        ]
        for parts in zip_longest(*cells, fillvalue=""):
            padded = [
                part.rjust(width) if number in numbers else part.ljust(width)
                for number, (part, width) in enumerate(zip(parts, widths, strict=True))
            ]
            print("  " + "  ".join(padded).rstrip())
    print()


def rate(number: float) -> str:
    """Show a number of things per second, with three digits that count.

    Example:
        >>> rate(1234567), rate(1234), rate(12.345), rate(0.5)
        ('1.23 M', '1.23 k', '12.3', '0.5')
    """
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= factor:
            return f"{number / factor:.3g}{unit}"
    return f"{number:.3g}"


def size(number: float) -> str:
    """Show a number of bytes.

    Example:
        >>> size(1 << 30), size(1_500_000), size(12)
        ('1.0 GiB', '1.4 MiB', '12 B')
    """
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number:.0f} B"
