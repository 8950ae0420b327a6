"""Parts of a page that a script makes from the code: between two comments that name them."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


def replace(page: str, parts: Mapping[str, str], words: str = "{}") -> str:
    """Return the page with its parts made anew.

    Args:
        page: the page.
        parts: name to text, which ends with a newline.
        words: what to call a part in an error, with its name filled in.

    Raises:
        ValueError: the page has not exactly one place for a part.
    """
    for name, text in parts.items():
        marks = re.compile(rf"(<!-- {name}: begin[^\n]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        found = marks.findall(page)
        if len(found) != 1:
            raise ValueError(
                f"the page has {len(found)} places for the {words.format(name)}, not one"
            )
        begin, end = found[0]
        page = marks.sub(lambda _, whole=begin + text + end: whole, page)
    return page


def write_or_check(
    path: Path,
    update: Callable[[str], str],
    arguments: Sequence[str] | None,
    *,
    task: str,
    written: str = "",
    differ: str,
    source: str,
) -> int:
    """Write a page anew, or with ``--check`` tell what differs; return the exit status.

    Args:
        path: the page.
        update: makes its text anew.
        arguments: of the command line.
        task: what the script does, for its help.
        written: what to say after writing.
        differ: what to say when the page is out of date.
        source: what it is made from.
    """
    parser = argparse.ArgumentParser(description=task)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if they differ")
    options = parser.parse_args(arguments)
    before = path.read_text(encoding="utf-8")
    after = update(before)
    if before == after:
        return 0
    if not options.check:
        path.write_text(after, encoding="utf-8")
        print(f"{path} is written{written}")
        return 0
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(path), source, lineterm=""
    )
    print(*lines, differ, sep="\n")
    return 1
