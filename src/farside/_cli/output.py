"""Prints tables line by line, as the results come: in colours, if rich is installed."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from contextlib import contextmanager, redirect_stdout
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_LEAST = 16  # characters that a last column needs


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


class Table:
    """A table whose rows are printed at once, unless it is quiet.

    Each column has a heading and a width; a negative width aligns to the right.
    """

    def __init__(
        self, title: str, columns: Sequence[tuple[str, int]], *, quiet: bool = False
    ) -> None:
        self._widths = [width for _, width in columns]
        self._say = _keep if quiet else say
        _said.clear()
        self._say(title, "bold")
        if any(heading for heading, _ in columns):
            self.row(*(heading for heading, _ in columns), style="dim")

    def row(self, *cells: str, style: str = "") -> None:
        """Print a row. A last cell that has no column is wrapped, or left out if there is no room.

        Of two cells, the second takes the room of all columns.
        """
        *short, last = cells if len(cells) != len(self._widths) else (*cells, "")
        widths = self._widths[: len(short)]
        room = _width() - sum(abs(width) + 2 for width in widths) - 2
        parts = [last]
        if sys.stdout.isatty():
            enough = room >= _LEAST or len(cells) == 2  # noqa: PLR2004
            parts = textwrap.wrap(last, max(room, _LEAST)) if enough else []
        for line in zip_longest(*([cell] for cell in short), parts or [""], fillvalue=""):
            padded = [
                cell.rjust(-width) if width < 0 else cell.ljust(width)
                for cell, width in zip(line, widths, strict=False)
            ]
            self._say("  " + "  ".join([*padded, line[-1]]).rstrip(), style)

    def end(self) -> None:
        """Print what separates it from the next."""
        self._say("")


def _keep(line: str, style: str = "") -> None:
    _said.append((line, style))


def table(title: str, rows: Iterable[tuple[str, str]], *, quiet: bool = False) -> None:
    """Print a table of names and what is to be said of each."""
    body = list(rows)
    made = Table(title, [("", max((len(name) for name, _ in body), default=0))], quiet=quiet)
    for row in body:
        made.row(*row)
    made.end()


_said: list[tuple[str, str]] = []  # the lines of the last table, and how they were printed


def say(line: str, style: str = "") -> None:
    """Print a line at once."""
    _said.append((line, style))
    if style and sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.text import Text
        except ImportError:
            pass
        else:
            Console(highlight=False, soft_wrap=True).print(Text(line, style))
            return
    print(line, flush=True)


def save_svg(path: str) -> None:
    """Write the last table as a picture. It needs rich."""
    import io

    from rich.console import Console
    from rich.text import Text

    wide = max(len(line) for line, _ in _said)
    console = Console(record=True, file=io.StringIO(), width=wide)
    for line, style in _said:
        console.print(Text(line, style))
    console.save_svg(path, title="farside")


def paragraph(text: str) -> None:
    """Print a text, wrapped where somebody looks."""
    say("\n".join(textwrap.wrap(text, _width())) if sys.stdout.isatty() else text, "bold")


@contextmanager
def step(what: str, limit: float) -> Iterator[None]:
    """Tell on the standard error what is being done, and for how long at most, until it is done."""
    text = f"{what}, {limit:.0f} s at most"
    if not sys.stderr.isatty():
        print(f"… {text}", file=sys.stderr, flush=True)
        yield
        return
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        line = f"… {text}"[: _width()]  # of two lines, only the second could be wiped away
        print(line, end="\r", file=sys.stderr, flush=True)
        try:
            yield
        finally:
            print(" " * len(line), end="\r", file=sys.stderr, flush=True)
    else:
        with Console(stderr=True).status(Text(text)):
            yield


@contextmanager
def muted() -> Iterator[None]:
    """Keep what user code prints, here and in workers, out of the standard output."""
    sys.stdout.flush()
    shown = os.dup(1)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(shown, 1)
            os.close(shown)


def _width() -> int:
    return max(_LEAST, shutil.get_terminal_size().columns - 1)


def duration(seconds: float) -> str:
    """Show a time with three digits that count.

    Example:
        >>> duration(12.34), duration(0.0123), duration(0.0000045)
        ('12.3 s', '12.3 ms', '4.5 µs')
    """
    for unit in ("s", "ms", "µs"):
        if seconds >= 0.9995:  # noqa: PLR2004  what is rounded to one is told in this unit
            return f"{seconds:.3g} {unit}"
        seconds *= 1000
    return f"{seconds:.3g} ns"


def number(value: float) -> str:
    """Show a number with three digits that count, and k, M or G for thousands.

    Example:
        >>> number(1234567), number(999.7), number(12.345), number(0.5)
        ('1.23 M', '1 k', '12.3', '0.5')
    """
    for prefix in ("", " k", " M"):
        if value < 999.5:  # noqa: PLR2004  what is rounded to a thousand is one
            return f"{value:.3g}{prefix}"
        value /= 1000
    return f"{value:.3g} G"
