"""Prints tables line by line, as the results come, and in colours if rich is installed."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

_LEAST = 16  # characters that a last column needs


class Table:
    """A table whose rows are printed at once. A negative width aligns a column to the right."""

    def __init__(self, title: str, columns: Sequence[tuple[str, int]]) -> None:
        self._widths = [width for _, width in columns]
        _said.clear()
        say(title, "bold")
        if any(heading for heading, _ in columns):
            self.row(*(heading for heading, _ in columns), style="dim")

    def row(self, *cells: str, style: str = "") -> None:
        """Print a row. An extra last cell is wrapped, or left out if there is no room for it."""
        # If there are only two cells, the second takes the room of all columns after the first.
        *short, last = cells if len(cells) != len(self._widths) else (*cells, "")
        head = "  "
        for cell, width in zip(short, self._widths, strict=False):
            head += f"{cell.rjust(-width) if width < 0 else cell.ljust(width)}  "
        parts = [last]
        if sys.stdout.isatty():
            room = _width() - len(head)
            enough = room >= _LEAST or len(cells) == 2  # noqa: PLR2004
            parts = textwrap.wrap(last, max(room, _LEAST)) if enough else []
        for part in parts or [""]:
            say((head + part).rstrip(), style)
            head = " " * len(head)

    def end(self) -> None:
        """Print an empty line after the table."""
        say("")


def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    made = Table(title, [("", max(len(name) for name, _ in rows))])
    for row in rows:
        made.row(*row)
    made.end()


_said: list[tuple[str, str]] = []  # the lines of the last table, each with its style


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
    """Write the last table as a picture. This needs rich."""
    import io

    from rich.console import Console
    from rich.text import Text

    wide = max(len(line) for line, _ in _said)
    console = Console(record=True, file=io.StringIO(), width=wide)
    for line, style in _said:
        console.print(Text(line, style))
    console.save_svg(path, title="farside")


def paragraph(text: str) -> None:
    """Print a text, wrapped if it goes to a terminal."""
    say("\n".join(textwrap.wrap(text, _width())) if sys.stdout.isatty() else text, "bold")


@contextmanager
def step(what: str, limit: float) -> Iterator[None]:
    """While the block runs, show on standard error what is being done, and its time limit."""
    text = f"{what}, {limit:.0f} s at most"
    if not sys.stderr.isatty():
        print(f"… {text}", file=sys.stderr, flush=True)
        yield
        return
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        line = f"… {text}"[: _width()]  # one line: of two, only the second could be wiped away
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
    """Format a time with three significant digits.

    Example:
        >>> duration(12.34), duration(0.0123), duration(0.0000045)
        ('12.3 s', '12.3 ms', '4.5 µs')
    """
    for unit in ("s", "ms", "µs"):
        if seconds >= 0.9995:  # noqa: PLR2004  from here on it rounds to 1 in this unit
            return f"{seconds:.3g} {unit}"
        seconds *= 1000
    return f"{seconds:.3g} ns"


def number(value: float) -> str:
    """Format a number with three significant digits, and k, M or G for thousands.

    Example:
        >>> number(1234567), number(999.7), number(12.345), number(0.5)
        ('1.23 M', '1 k', '12.3', '0.5')
    """
    for prefix in ("", " k", " M"):
        if value < 999.5:  # noqa: PLR2004  from here on it rounds to 1000
            return f"{value:.3g}{prefix}"
        value /= 1000
    return f"{value:.3g} G"
