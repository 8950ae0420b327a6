"""Iterables of odd items, and iterators that are odd themselves."""

from __future__ import annotations

import array
import os
import resource
import time
from collections import deque
from contextlib import suppress
from multiprocessing import Pipe
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Empty:
    """An object without state."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Empty

    __hash__ = None  # type: ignore[assignment]


NOTHINGS: list[Any] = [
    b"", bytearray(), "", None, (), [], {}, Empty(), memoryview(b""), array.array("d"),
]  # fmt: skip
"""Items that pickle to little or nothing."""


def nothings() -> list[Any]:
    return NOTHINGS


TEXTS = ["\ud800", "a\udcffb" * 3000, "\0", "\N{GRINNING FACE}" * 300]
NUMBERS = [10**5000, -(10**5000), 1 << 63, -(1 << 63) - 1, (1 << 64) ** 300]


def texts_and_numbers() -> list[Any]:
    return [*TEXTS, *NUMBERS, dict(zip(TEXTS, NUMBERS))]  # noqa: B905  of different lengths


class Raises:
    """Raises an exception whose message cannot be encoded, or is huge."""

    def __init__(self, message: str, times: int) -> None:
        self.message = message
        self.times = times

    def __iter__(self) -> Iterator[int]:
        yield 0
        raise ValueError(self.message * self.times)


def many_buffers(count: int) -> Iterator[list[PickleBuffer]]:
    """Yield one item with so many buffers of 9000 bytes, all in the same memory."""
    memory = bytearray(9000)
    yield [PickleBuffer(memory) for _ in range(count)]


class Holder:
    """Holds something."""

    def __init__(self, held: object) -> None:
        self.held = held


NESTINGS: dict[str, Callable[[object], object]] = {
    "alone": lambda it: it,
    "nested": lambda it: {"a": [(Holder(deque([it])), bytes(20_000))]},
    "beside a lambda": lambda it: (lambda: 1, it),
}


class Connected:
    """Has a connection of multiprocessing, and hands it over in every way."""

    def __init__(self, nesting: str) -> None:
        self.nest = nesting
        self.ends: list[Any] = []

    def __iter__(self) -> Iterator[object]:
        self.ends += Pipe()
        yield 0
        yield NESTINGS[self.nest](self.ends[0])

    def end(self) -> object:
        self.ends += Pipe()
        return NESTINGS[self.nest](self.ends[0])

    def take(self, _what: object) -> None:
        raise AssertionError("it has come")

    def fail(self) -> None:
        raise ValueError("with its end", self.end())


class DeepHere:
    """Cannot be unpickled, for it is too deep."""

    def __reduce__(self) -> tuple[Any, ...]:
        return dive, ()


def dive() -> None:
    dive()


def deep(depth: int) -> list[Any]:
    """Return a list of lists, so deep that it does not pickle."""
    item: list[Any] = []
    for _ in range(depth):
        item = [item]
    return [item]


def deep_here() -> list[Any]:
    return [1, DeepHere()]


class Mute(ValueError):
    def __str__(self) -> str:
        raise KeyError("no text")


def be_mute() -> None:
    raise Mute


class MuteHere:
    """Cannot be unpickled, and the reason has no text."""

    def __reduce__(self) -> tuple[Any, ...]:
        return be_mute, ()


class MuteThere:
    """Cannot be pickled, and the reason has no text."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise Mute


class MutePlace:
    """Has an item, and a result of a method, that cannot be unpickled."""

    def __iter__(self) -> Iterator[Any]:
        yield 0
        yield MuteHere()

    def get(self, _: object = None) -> Any:
        return MuteHere()


class ItsOwn:
    """Its own iterator."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __iter__(self) -> ItsOwn:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


class SaysNotImplemented:
    """``NotImplemented`` is a value like any other here."""

    def __iter__(self) -> SaysNotImplemented:
        return self

    def __next__(self) -> Any:
        return NotImplemented


def half_a_gibibyte() -> Iterator[Any]:
    """Yield more than may be had, where memory is limited."""
    yield 1
    yield len(bytes(1 << 29))


def large(nbytes: int) -> Iterator[bytes]:
    yield bytes(nbytes)


class Exhausting:
    """Leaves its process no descriptors while it yields what does not pickle, or works on.

    A subinterpreter has the descriptors, and the limit, of the parent.
    """

    def __init__(self, spare: int, seconds: float | None = None) -> None:
        self.spare = spare
        self.seconds = seconds

    def __iter__(self) -> Iterator[Any]:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.spare, hard))
        kept: list[int] = []
        try:
            with suppress(OSError):
                while True:
                    kept.append(os.open(os.devnull, os.O_RDONLY))
            yield 0 if self.seconds else lambda: 0
            end = time.monotonic() + (self.seconds or 0)
            while time.monotonic() < end:
                time.sleep(0.01)
        finally:
            for each in kept:
                os.close(each)
