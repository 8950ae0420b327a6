"""Bytes that decide: what a fuzzer, or Hypothesis, turns into actions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class Source:
    """Draws numbers and bytes from some bytes; nothing but zeros at their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """Return so many bytes."""
        part = self._data[self._at : self._at + count]
        self._at += count
        return part.ljust(count, b"\0")

    def number(self, most: int) -> int:
        """Return a number from 0 to `most`."""
        nbytes = (most.bit_length() + 7) // 8
        return int.from_bytes(self.take(nbytes), "little") % (most + 1)

    def edge(self, bits: int) -> int:
        """Return a number of so many bits, mostly small, or close to a power of two."""
        shift = self.number(bits)
        return max(0, (1 << shift) + self.number(4) - 3) & (1 << bits) - 1

    def choice(self, values: Sequence[T]) -> T:
        """Return one of some values."""
        return values[self.number(len(values) - 1)]


def fuzz(check: Callable[[Source], object], *modules: str) -> None:
    """Run a check by atheris until it fails, or the time is up.

    Args:
        check: what must hold for every source.
        modules: what to measure the coverage of.
    """
    import atheris  # a Python of its own has it

    with atheris.instrument_imports(include=list(modules)):
        for module in modules:
            __import__(module)
    atheris.Setup(sys.argv, lambda data: check(Source(data)))
    atheris.Fuzz()
