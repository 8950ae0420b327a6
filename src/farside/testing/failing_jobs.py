"""Jobs that fail, and objects that do not cross, for the suites. Workers import it, see `jobs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn


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
