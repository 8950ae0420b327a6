"""Lines of text to rows of tokens of one length: ``python examples/text_to_tokens.py``.

It needs nothing, and writes its own text; a real tokenizer takes the place of ``tokenize``. What to
measure: tokens a second. It is bound by pure Python, where a thread beside the loop would only
share its GIL. Rows are arrays of the standard library, and cross as their bytes.
"""

from __future__ import annotations

import random
import re
import tempfile
import zlib
from array import array
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from beside import run_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = 20_000
ROW = 8192
VOCABULARY = 50_000


class Rows:
    """Joins the tokens of lines, and cuts them to rows."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[array[int]]:
        left = array("i")
        with open(self.path, encoding="utf-8") as lines:
            for line in lines:
                left.extend(tokenize(line))
                while len(left) >= ROW:
                    yield left[:ROW]
                    del left[:ROW]


def tokenize(line: str) -> list[int]:
    """Give each word a number."""
    return [zlib.crc32(word.encode()) % VOCABULARY for word in re.findall(r"\w+|[^\w\s]", line)]


def make_text(path: str) -> None:
    """Write what would be there already."""
    choose = random.Random(1)  # noqa: S311  it has to be the same each time
    words = [f"word{number}" for number in range(5000)]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(" ".join(choose.choices(words, k=30)) + ".\n" for _ in range(LINES))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "text.txt")
        make_text(path)
        run_beside(partial(Rows, path), "tokens", len)
