"""Find the blocks of code in a page of Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"(?P<indent>\s*)(?P<ticks>`{3,})(?P<language>[\w-]*)\s*$")
_COMMENT = re.compile(r"\s*<!-- (?P<mark>needs|not run): (?P<value>.+) -->\s*$")
_FILE = re.compile(r"# (?P<name>[\w/]+\.py)$")


class Block(NamedTuple):
    """One block of code, with what the comment above it says of it."""

    line: int
    """Line of the page at which its text begins, from 1."""

    language: str
    text: str
    needs: str
    """What must be there to run it, or nothing."""

    not_run: str
    """Why no test runs it, or nothing."""

    @property
    def file(self) -> str:
        """Name of the file that it is, where its first line tells one."""
        match = _FILE.match(self.text.partition("\n")[0])
        return match["name"] if match else ""

    @property
    def is_session(self) -> bool:
        """Whether it shows what an interactive Python answers."""
        return self.text.startswith(">>> ")


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page in order, the directives of Sphinx left out."""
    found = []
    lines = iter(enumerate(page.splitlines(), 1))
    mark: dict[str, str] = {}
    for number, line in lines:
        if comment := _COMMENT.match(line):
            mark = {comment["mark"]: comment["value"]}
            continue
        if fence := _FENCE.match(line):
            text = _until_closed(lines, fence["indent"], fence["ticks"])
            found.append(
                Block(
                    number + 1,
                    fence["language"],
                    text,
                    mark.get("needs", ""),
                    mark.get("not run", ""),
                )
            )
        elif line.lstrip().startswith("```"):  # a directive, such as ```{toctree}
            ticks = line.lstrip()
            _until_closed(lines, "", ticks[: len(ticks) - len(ticks.lstrip("`"))])
        mark = {}
    return found


def _until_closed(lines: Iterator[tuple[int, str]], indent: str, ticks: str) -> str:
    text = ""
    for _, line in lines:
        if line.strip() == ticks:
            break
        text += line[len(indent) :] + "\n"
    return text
