"""What ``bench`` measures: endless iterables. Workers import it: nothing heavy here."""

from __future__ import annotations

from itertools import count
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def ints() -> Iterator[int]:
    """Yield numbers."""
    return count()


def dicts() -> Iterator[dict[str, Any]]:
    """Yield small samples, as of a text."""
    for number in count():
        yield {"id": number, "label": "cat", "weight": 0.5, "tokens": [1, 2, 3, 4]}


def blocks_100k() -> Iterator[Any]:
    """Yield buffers as large as a small picture."""
    block = bytearray(100_000)
    while True:
        yield PickleBuffer(block)


def blocks_1m() -> Iterator[Any]:
    """Yield buffers as large as a picture."""
    block = bytearray(1_000_000)
    while True:
        yield PickleBuffer(block)
