"""Functions and classes that tests run in workers. Nothing heavy is imported here."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVENTS: list[str] = []
"""What initializers did in this interpreter."""


class Numbers:
    """Iterable again and again: 0 … count - 1."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))


def generate(count: int) -> Iterator[int]:
    yield from range(count)


class Endless:
    def __iter__(self) -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1


class Tellers:
    """Says which process and interpreter it runs in."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        yield os.getpid(), WHO


WHO = ""
"""Set by tests, in the main interpreter only."""


class TwoArguments(ValueError):
    """Its constructor takes other arguments than ``args`` holds."""

    def __init__(self, first: str, second: int) -> None:
        super().__init__(f"{first}-{second}")
        self.first = first
        self.second = second


class Unpicklable(ValueError):
    def __init__(self) -> None:
        super().__init__("holds a function")
        self.held = lambda: None

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("refuses to pickle")


class Unloadable(ValueError):
    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse_to_load, ()


def _refuse_to_load() -> None:
    raise OSError("refuses to load")


class LoadsHereOnly:
    """An item that pickles in the worker and does not unpickle in the parent."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse_to_load, ()


class FailsAt:
    """Yields 0 … index - 1, then raises what `make` makes."""

    def __init__(self, index: int, make: Callable[[], BaseException]) -> None:
        self.index = index
        self.make = make

    def __iter__(self) -> Iterator[int]:
        yield from range(self.index)
        raise self.make()


class FailsInIter:
    def __iter__(self) -> Iterator[int]:
        raise KeyError("no iterator")


class YieldsLambdaAt:
    """Yields an item that cannot be pickled, in the middle of ordinary ones."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __iter__(self) -> Iterator[Any]:
        yield from range(self.index)
        yield NotEvenByValue()
        yield self.index + 1


class NotEvenByValue:
    """Not even cloudpickle pickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("refuses to pickle")


def boom() -> BaseException:
    return TwoArguments("boom", 7)


def unpicklable() -> BaseException:
    return Unpicklable()


def unloadable() -> BaseException:
    return Unloadable("was fine in the worker")


def system_exit() -> BaseException:
    return SystemExit(3)


def keyboard_interrupt() -> BaseException:
    return KeyboardInterrupt("not by a keyboard")


def generator_exit() -> BaseException:
    return GeneratorExit("left")


def hostile() -> BaseException:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text for you")

    return Hostile("\ud800")


def reuse_one_list(count: int) -> Iterator[list[int]]:
    item = [0]
    for number in range(count):
        item[0] = number
        yield item


def reuse_one_buffer(count: int) -> Iterator[Any]:
    from pickle import PickleBuffer

    item = bytearray(4096)
    for number in range(count):
        item[:] = bytes([number % 256]) * len(item)
        yield PickleBuffer(item)


class Resets:
    """Its own iterator, and as good as new after each ``iter()``."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.next = 0

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


def fail() -> Iterator[int]:
    raise TwoArguments("fn", 1)


def not_iterable() -> int:
    return 42


def note_one() -> None:
    EVENTS.append("one")


def note_two() -> None:
    EVENTS.append("two")


def fail_to_initialize() -> None:
    raise LookupError("initializer")


def events() -> list[str]:
    return EVENTS


def imports_refuser() -> list[int]:
    """Import an extension module that refuses to load in a subinterpreter."""
    import readline

    return [len(readline.__name__)]


def imports_refuser_late(count: int) -> Iterator[int]:
    """Import it in the first ``next()``, or after some items."""
    yield from range(count)
    import readline

    yield len(readline.__name__)


def argv_and_path() -> list[Any]:
    return [sys.argv, sys.path, sys.getrecursionlimit()]


class LeavesTrace:
    """Writes to a descriptor when its iterator is left."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[int]:
        try:
            yield from Endless()
        finally:
            with open(self.path, "a") as trace:
                trace.write("left\n")


class Kills:
    """Yields some items, then ends its own process by a signal."""

    def __init__(self, count: int, number: int) -> None:
        self.count = count
        self.number = number

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        os.kill(os.getpid(), self.number)
        signal.pause()


class Exits:
    """Yields some items, then ends its own process by ``os._exit``."""

    def __init__(self, count: int, code: int) -> None:
        self.count = count
        self.code = code

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        os._exit(self.code)


class Spins:
    """Yields some items, then runs a Python loop for ever."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        while True:
            pass


class Sleeps:
    """Yields some items, then sleeps."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        time.sleep(self.seconds)
        yield self.count


class Blocks:
    """Yields blocks of bytes."""

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.count):
            yield bytes([number % 256]) * self.size


def after_two(number: int) -> Any:
    return LoadsHereOnly() if number == 2 else number


def spin() -> None:
    while True:
        pass


class OddWarning(UserWarning):
    pass


class ClosesAll:
    """Yields some items, closes every descriptor that it finds, and goes on."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        os.closerange(3, 256)
        time.sleep(1000)
