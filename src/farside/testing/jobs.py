"""What the contract suites let workers run. Workers import it: nothing heavy here."""

from __future__ import annotations

import os
import time
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
        """Make a new iterator."""
        return iter(range(self.count))


def generate(count: int) -> Iterator[int]:
    """Yield numbers, once."""
    yield from range(count)


class Endless:
    """Counts for ever."""

    def __iter__(self) -> Iterator[int]:
        """Count from 0 on."""
        number = 0
        while True:
            yield number
            number += 1


class Factory:
    """A callable object, and one with methods."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> list[int]:
        """Return numbers."""
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
        """Begin anew."""
        self.next = 0
        return self

    def __next__(self) -> int:
        """Return the next number."""
        if self.next == self.count:
            raise StopIteration
        self.next += 1
        return self.next - 1


class ByIndex:
    """Iterable by ``__getitem__`` alone."""

    def __getitem__(self, index: int) -> int:
        """Return a square."""
        if index == 3:
            raise IndexError(index)
        return index * index


class LeavesTrace:
    """Writes to a file when its iterator is left."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[int]:
        """Count for ever."""
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
        """Make a new iterator."""
        for number in range(self.count):
            yield bytes([number % 256]) * self.nbytes


class Buffers(Blocks):
    """Yields the same blocks, as what pickle keeps out of band."""

    def __iter__(self) -> Iterator[Any]:
        """Make a new iterator."""
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


class Unpicklable(ValueError):
    """Does not pickle."""

    def __init__(self) -> None:
        super().__init__("holds a function")

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse."""
        raise TypeError("refuses to pickle")


class Unloadable(ValueError):
    """Pickles, and does not unpickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as something that fails."""
        return _refuse_to_load, ()


def _refuse_to_load() -> None:
    raise OSError("refuses to load")


def boom() -> BaseException:
    """Make an exception."""
    return TwoArguments("boom", 7)


def unpicklable() -> BaseException:
    """Make an exception that does not pickle."""
    return Unpicklable()


def unloadable() -> BaseException:
    """Make an exception that does not unpickle."""
    return Unloadable("was fine in the worker")


def system_exit() -> BaseException:
    """Make an exception that ends a thread."""
    return SystemExit(3)


def generator_exit() -> BaseException:
    """Make an exception that ends a generator."""
    return GeneratorExit("left")


def keyboard_interrupt() -> BaseException:
    """Make an exception that ends a program."""
    return KeyboardInterrupt("not by a keyboard")


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
        """Make a new iterator."""
        yield from range(self.index)
        raise self.make()


class FailsInIter:
    """Fails in ``iter()``."""

    def __iter__(self) -> Iterator[int]:
        """Fail."""
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


class RefusesToPickle:
    """Not even cloudpickle pickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse."""
        raise TypeError("refuses to pickle")


class RefusesToLoad:
    """An item that pickles in the worker, and does not unpickle in the parent."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as something that fails."""
        return _refuse_to_load, ()


def after_two(number: int, refuse: Callable[[], Any]) -> Any:
    """Return the number; something else instead of 2."""
    return refuse() if number == 2 else number


class Spins:
    """Yields some items, then runs a Python loop for ever."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        """Make a new iterator."""
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
        """Count from 0 on."""
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
        """Make a new iterator."""
        for number in range(self.count):
            yield bytes([number]) * self.nbytes if self.nbytes else number
        for _ in range(10_000):  # in short steps, so that a subinterpreter can be ended
            time.sleep(0.01)


class ShelfError(Exception):
    """What a method raises; its constructor takes other arguments than ``args`` holds."""

    def __init__(self, where: str, detail: int) -> None:
        super().__init__(f"{where}: {detail}")
        self.where = where
        self.detail = detail


class Shelf:
    """Has a length, and methods to be called between passes."""

    def __init__(self, count: int) -> None:
        self.count: int = count

    def __iter__(self) -> Iterator[int]:
        """Make a new iterator."""
        return iter(range(self.count))

    def __len__(self) -> int:
        """Return how many items there are."""
        return self.count

    def add(self, count: int) -> int:
        """Have more items; return how many."""
        self.count += count
        return self.count

    def echo(self, what: Any) -> Any:
        """Return it."""
        return what

    def fail(self, where: str, detail: int) -> None:
        """Raise."""
        raise ShelfError(where, detail)

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
        """Count from 0 on."""
        return iter(Endless())


class UnsureOfLength:
    """Has items, and a length that it cannot tell."""

    def __iter__(self) -> Iterator[int]:
        """Make a new iterator."""
        return iter([1, 2])

    def __len__(self) -> int:
        """Raise."""
        raise ValueError("who knows")
