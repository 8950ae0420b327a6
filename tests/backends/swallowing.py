"""A library that swallows the refusal of its extension module, and fails when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from _curses import tparm
except ImportError:
    pass  # as Polars does, with a warning


class Frames:
    """Has a method and items that need what is missing."""

    def __init__(self, before: int = 0) -> None:
        self._before = before

    def __iter__(self) -> Iterator[Any]:
        yield from range(self._before)
        yield tparm.__name__

    def name(self) -> str:
        return tparm.__name__


def fails_anyway() -> list[int]:
    raise KeyError("a")
