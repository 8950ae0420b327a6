"""What the contract suites let workers run. Workers import it: nothing heavy here."""

from __future__ import annotations

import os
import time
from functools import partial
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTES: list[object] = []
"""What `note` was given in this interpreter."""


def note(what: object) -> None:
    """Be an initializer that leaves a note."""
    NOTES.append(what)


def notes(about: str) -> list[object]:
    """Return the notes that begin so."""
    return [each for each in NOTES if str(each).startswith(about)]


class Numbers:
    """Iterable again and again: 0 … count - 1."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))


def generate(count: int) -> Iterator[int]:
    """Yield numbers, once."""
    yield from range(count)


class Endless:
    """Counts for ever."""

    def __iter__(self) -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1


class Factory:
    """A callable object, and one with methods."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> list[int]:
        return list(range(self.count))

    def method(self) -> Iterator[int]:
        """Yield numbers."""
        yield from self()

    @classmethod
    def of_class(cls) -> list[int]:
        """Return three numbers."""
        return cls(3)()

    @staticmethod
    def static() -> tuple[int, ...]:
        """Return three numbers."""
        return (0, 1, 2)


class Resets:
    """Its own iterator, and as good as new after each ``iter()``."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.next: int = 0

    def __iter__(self) -> Resets:
        self.next = 0
        return self

    def __next__(self) -> int:
        if self.next == self.count:
            raise StopIteration
        self.next += 1
        return self.next - 1


class ByIndex:
    """Iterable by ``__getitem__`` alone."""

    def __getitem__(self, index: int) -> int:
        if index == 3:
            raise IndexError(index)
        return index * index


class LeavesTrace:
    """Writes to a file when its iterator is left."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[int]:
        try:
            yield from Endless()
        finally:
            with open(self.path, "a") as trace:
                trace.write("left\n")


def reuse_one_list(count: int) -> Iterator[list[int]]:
    """Yield one list over and over, changed each time."""
    item = [0]
    for number in range(count):
        item[0] = number
        yield item


class Text(str):
    """A string of another class."""

    __slots__ = ()


class Texts(dict[str, Any]):
    """A dictionary of another class."""


def unchanged() -> Iterator[Any]:
    """Yield small items of many kinds, again and again anew."""
    for number in range(20):
        text = f"text {number}"
        yield {"number": number, "text": text}
        yield {"list": [number], "dict": {text: [number]}, "none": None}
        yield [number, text, number % 2 == 0, None, number / 7, -0.0, float("inf")]
        yield [[number], [[text]]]
        yield (number, text)
        yield (number, [text], bytearray(b"abc"))
        yield [bytearray(b"a"), b"bytes", 1j, 1 << 63, -(1 << 63), 10**50]
        yield {number: text, (number, text): 0, None: 1, b"key": 2, 0.5: 3}
        yield {"\udc80": "\ud800", "é": "\U0001f600", "": "x" * 3000, "y" * 3000: ""}
        yield Texts(text=Text(text))
        yield {Text(text): Text(text)}
        yield [Text(text), {number}, frozenset({text}), range(number)]
        yield from (number, text, None, True, 0.5, "", (), [], {}, b"", bytearray(b"a"))


def change(item: Any) -> None:
    """Change what can be changed in an item."""
    if isinstance(item, (list, tuple)):
        for each in item:
            change(each)
    if isinstance(item, dict):
        for each in item.values():
            change(each)
        item["changed"] = ["changed"]
    elif isinstance(item, list):
        item[:] = ["changed", item]
    elif isinstance(item, bytearray):
        item[:] = b"changed"
    elif isinstance(item, set):
        item.add("changed")


def changing() -> Iterator[Any]:
    """Yield the same as `unchanged`, and change each item as soon as the next is wanted."""
    for item in unchanged():
        yield item
        change(item)


def reuse_one_buffer(count: int, nbytes: int) -> Iterator[Any]:
    """Yield one buffer over and over, changed each time."""
    item = bytearray(nbytes)
    for number in range(count):
        item[:] = bytes([number % 256]) * nbytes
        yield PickleBuffer(item)


class Blocks:
    """Yields blocks of bytes: block k is filled with k % 256."""

    def __init__(self, count: int, nbytes: int) -> None:
        self.count = count
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.count):
            yield bytes([number % 256]) * self.nbytes


class Buffers(Blocks):
    """Yields the same blocks, as what pickle keeps out of band."""

    def __iter__(self) -> Iterator[Any]:
        for block in super().__iter__():
            yield PickleBuffer(bytearray(block))


def mixed(count: int) -> Iterator[Any]:
    """Yield items of all kinds and sizes in turn."""
    for number in range(count):
        yield mixed_item(number)


def mixed_item(number: int) -> Any:
    """Make an item that is compared with ``==``."""
    kinds: tuple[Any, ...] = (
        number, None, f"text {number}", {"n": number}, number * 0.5, "é" * (number % 2000),
        bytes([number % 256]) * 9000, [number] * 50, bytearray(70_000), 1 << 70, ("x" * 12_000, {}),
    )  # fmt: skip
    return kinds[number * 31 % 97 % len(kinds)]


class TwoArguments(ValueError):
    """Its constructor takes other arguments than ``args`` holds."""

    def __init__(self, first: str, second: int) -> None:
        super().__init__(f"{first}-{second}")
        self.first = first
        self.second = second


class RefusesToPickle:
    """Not even cloudpickle pickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("refuses to pickle")


class RefusesToLoad:
    """Pickles, and does not unpickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse_to_load, ()


def _refuse_to_load() -> None:
    raise OSError("refuses to load")


class Unpicklable(RefusesToPickle, ValueError):
    """An exception that does not pickle."""


class Unloadable(RefusesToLoad, ValueError):
    """An exception that does not unpickle."""


boom: partial[TwoArguments] = partial(TwoArguments, "boom", 7)


def hostile() -> BaseException:
    """Make an exception that has no text, of a class that does not pickle."""

    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text for you")

    return Hostile("\ud800")


class FailsAt:
    """Yields 0 … index - 1, then raises what `make` makes."""

    def __init__(self, index: int, make: Callable[[], BaseException]) -> None:
        self.index = index
        self.make = make

    def __iter__(self) -> Iterator[int]:
        yield from range(self.index)
        raise self.make()


class FailsInIter:
    """Fails in ``iter()``."""

    def __iter__(self) -> Iterator[int]:
        raise KeyError("no iterator")


def fail() -> Iterator[int]:
    """Fail instead of returning an iterable."""
    raise TwoArguments("fn", 1)


def not_iterable() -> Any:
    """Return something else."""
    return 42


def fail_to_initialize() -> None:
    """Be an initializer that fails."""
    raise LookupError("initializer")


def after_two(number: int, refuse: Callable[[], Any]) -> Any:
    """Return the number; something else instead of 2."""
    return refuse() if number == 2 else number


class Spins:
    """Yields some items, then runs a Python loop for ever."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        spin()


def spin() -> None:
    """Run for ever."""
    while True:
        pass


class Counted:
    """Numbers without end; a file has one byte for each that was begun."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[int]:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for number in Endless():
                os.write(fd, b".")
                yield number
        finally:
            os.close(fd)


class Bursts:
    """Yields some items at once, then sleeps for longer than any test."""

    def __init__(self, count: int, nbytes: int = 0) -> None:
        self.count = count
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[Any]:
        for number in range(self.count):
            yield bytes([number]) * self.nbytes if self.nbytes else number
        for _ in range(10_000):  # in short steps, so that a subinterpreter can be ended
            time.sleep(0.01)


class Shelf:
    """Has a length, and methods to be called between passes."""

    def __init__(self, count: int) -> None:
        self.count: int = count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))

    def __len__(self) -> int:
        return self.count

    def add(self, count: int) -> int:
        """Have more items; return how many."""
        self.count += count
        return self.count

    def echo(self, what: Any) -> Any:
        """Return it."""
        return what

    def fail(self, first: str, second: int) -> None:
        """Raise."""
        raise TwoArguments(first, second)

    def leave(self) -> None:
        """Raise what ends a program."""
        raise SystemExit(3)

    def sleep(self, seconds: float) -> None:
        """Be in C code, without the GIL."""
        time.sleep(seconds)

    def unpicklable(self) -> object:
        """Return what does not pickle."""
        return RefusesToPickle()

    def unloadable(self) -> object:
        """Return what does not unpickle."""
        return RefusesToLoad()


class EndlessShelf(Shelf):
    """Does not come to an end."""

    def __init__(self) -> None:
        super().__init__(0)

    def __iter__(self) -> Iterator[int]:
        return iter(Endless())


class UnsureOfLength:
    """Has items, and a length that it cannot tell."""

    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])

    def __len__(self) -> int:
        raise ValueError("who knows")
