"""What the contract suites let workers run, beside `item_jobs`.

Workers import both modules, so neither imports anything heavy.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any, NoReturn

NOTES: list[object] = []  # what `note` was given in this interpreter


def note(what: object) -> None:
    NOTES.append(what)


def notes(about: str) -> list[object]:
    return [each for each in NOTES if str(each).startswith(about)]


class Numbers:
    """Yields 0 … count - 1 in each pass."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))


def generate(count: int) -> Iterator[int]:
    yield from range(count)


class Endless:
    def __iter__(self) -> Iterator[int]:
        yield from count()


class Factory:
    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> list[int]:
        return list(range(self.count))

    def method(self) -> Iterator[int]:
        yield from self()

    @classmethod
    def of_class(cls) -> list[int]:
        return cls(3)()

    @staticmethod
    def static() -> tuple[int, ...]:
        return (0, 1, 2)


class Resets(Numbers):
    """Is its own iterator, which ``iter()`` resets."""

    def __iter__(self) -> Resets:
        self.next: int = 0
        return self

    def __next__(self) -> int:
        if self.next == self.count:
            raise StopIteration
        self.next += 1
        return self.next - 1


class ByIndex:
    def __getitem__(self, index: int) -> int:
        if index == 3:
            raise IndexError(index)
        return index * index


class Spins(Numbers):
    """Yields some items, then runs a Python loop for ever."""

    def __iter__(self) -> Iterator[int]:
        yield from super().__iter__()
        while True:
            pass


class Hangs(Numbers):
    """Yields some items, then runs Python code for ever, which uses hardly any processor time."""

    def __iter__(self) -> Iterator[int]:
        yield from super().__iter__()
        hang()


def hang() -> NoReturn:
    """Run for ever without using much processor time."""
    while True:
        time.sleep(0.001)


class Counted:
    """Yields numbers without end. A file gets a dot for each, and a newline per iterator closed."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[int]:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for number in Endless():
                os.write(fd, b".")
                yield number
        finally:
            os.write(fd, b"\n")
            os.close(fd)


class Dies(Numbers):
    """Yields numbers, and ends its process halfway: each time, or only once if it has a path."""

    def __init__(self, count: int, path: str | None = None) -> None:
        super().__init__(count)
        self.path = path  # of a file, which is empty until the process has died

    def __iter__(self) -> Iterator[int]:
        for number in super().__iter__():
            if number == self.count // 2 and not self._has_died():
                os._exit(3)
            yield number

    def _has_died(self) -> bool:
        if self.path is None:
            return False
        with open(self.path, "ab") as file:
            died = file.tell() > 0
            file.write(b".")
        return died


class Shelf(Numbers):
    """Has a length, and methods to be called between passes."""

    def __len__(self) -> int:
        return self.count

    def add(self, count: int) -> int:
        self.count += count
        return self.count

    def echo(self, what: Any) -> Any:
        return what

    def make(self, what: Callable[[], Any]) -> Any:
        return what()


class EndlessShelf(Shelf):
    def __iter__(self) -> Iterator[int]:
        return iter(Endless())


class UnsureOfLength:
    """Has items, and a ``__len__`` that raises."""

    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])

    def __len__(self) -> int:
        raise ValueError("who knows")


class TwoArguments(ValueError):
    """An exception whose constructor takes other arguments than ``args`` holds."""

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
        return fail, (partial(OSError, "refuses to load"),)


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
    def __init__(self, index: int, make: Callable[[], BaseException]) -> None:
        self.index = index
        self.make = make

    def __iter__(self) -> Iterator[int]:
        yield from range(self.index)
        raise self.make()


class FailsInIter:
    def __iter__(self) -> Iterator[int]:
        raise KeyError("no iterator")


def fail(make: Callable[[], BaseException] = boom) -> NoReturn:
    raise make()


def after_two(number: int, refuse: Callable[[], Any]) -> Any:
    return refuse() if number == 2 else number
