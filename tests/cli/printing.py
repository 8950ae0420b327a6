"""A module that prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

print("loading")


def numbers() -> Iterator[int]:
    print("begins")
    yield from range(3)
