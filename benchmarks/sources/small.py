"""Small items: the cost of each message counts."""

from __future__ import annotations

import os
import time
from itertools import islice

from .base import Source, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


_DOZE = 0.001


def identity(given: Any) -> Any:
    """Make an item of `Ints` or `ReturnedDicts`: what is given."""
    return given


def sample(index: int) -> dict[str, Any]:
    """Make an item of `Dicts`."""
    return {"id": index, "text": f"sample {index}"}


def busy(index: int) -> int:
    """Make an item of `Busy`: some tens of microseconds of Python."""
    total = 0
    for each in range(1000):
        total += each
    return index if total else 0


def doze(index: int) -> int:
    """Make an item of `Dozing`."""
    time.sleep(_DOZE)
    return index


def sum_of(first: int, number: int) -> int:
    """Return first + (first + 1) + … of so many numbers."""
    return number * first + number * (number - 1) // 2


def digits_below(number: int) -> int:
    """Return how many digits it takes to write every integer from 0 to below `number`."""
    total, power = number, 10
    while power < number:
        total += number - power
        power *= 10
    return total


class Record:
    """The origin of a record: an object of a plain class, as a dataclass makes it."""

    def __init__(self, file: str, line: int) -> None:
        self.file, self.line = file, line

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # it can change


def record(index: int) -> dict[str, Any]:
    """Make an item of `Records`."""
    labels = ["even" if index % 2 == 0 else "odd", "number"]
    origin = Record("samples.jsonl", index)
    return {"id": index, "weight": 0.5, "labels": labels, "size": (index, 8), "origin": origin}


class Ints(Source):
    """The integers from 0."""

    direct: Callable[[Any], Any] | None = staticmethod(identity)

    def __iter__(self) -> Iterator[int]:
        # A loop of its own: with a call for each item the source would cost more than the rest.
        for index in self.indices():  # noqa: UP028  a plain generator, as users write them
            yield index

    def item(self, index: int) -> int:
        """Return the number itself."""
        return index

    def check(self, item: Any, index: int) -> None:
        """Compare."""
        expect("item", item, index)

    def consume(self, iterator: Iterator[Any], first: int, number: int) -> None:
        """Add up the items; the sum tells whether one is missing or wrong."""
        expect("sum of items", sum(islice(iterator, number)), sum_of(first, number))


class Busy(Ints):
    """The same, each after some work."""

    direct = staticmethod(busy)

    def __iter__(self) -> Iterator[int]:
        return map(busy, self.indices())

    def item(self, index: int) -> int:
        """Work, and return the number."""
        return busy(index)


class Dozing(Ints):
    """The same, each after a millisecond of sleep."""

    direct = staticmethod(doze)

    def __iter__(self) -> Iterator[int]:
        return map(doze, self.indices())

    def item(self, index: int) -> int:
        """Sleep, and return the number."""
        return doze(index)


class Dicts(Source):
    """Dictionaries with a number and a text of their own."""

    direct: Callable[[Any], Any] | None = staticmethod(sample)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for index in self.indices():
            yield {"id": index, "text": f"sample {index}"}

    def item(self, index: int) -> dict[str, Any]:
        """Make one."""
        return sample(index)

    def check(self, item: Any, index: int) -> None:
        """Compare."""
        expect("item", item, sample(index))

    def consume(self, iterator: Iterator[Any], first: int, number: int) -> None:
        """Add up the numbers, and the lengths of the texts."""
        ids = letters = 0
        for item in islice(iterator, number):
            ids += item["id"]
            letters += len(item["text"])
        expect("sum of ids", ids, sum_of(first, number))
        digits = digits_below(first + number) - digits_below(first)
        expect("length of texts", letters, number * len("sample ") + digits)


class Records(Source):
    """Dictionaries that hold a list, a tuple, and an object of a class."""

    direct: Callable[[Any], Any] | None = staticmethod(record)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(record, self.indices())

    def item(self, index: int) -> dict[str, Any]:
        """Make one."""
        return record(index)

    def check(self, item: Any, index: int) -> None:
        """Compare."""
        expect("item", item, record(index))

    def consume(self, iterator: Iterator[Any], first: int, number: int) -> None:
        """Add up what is in each of their parts."""
        ids = lines = sizes = labels = 0
        for item in islice(iterator, number):
            ids += item["id"]
            lines += item["origin"].line
            sizes += item["size"][0]
            labels += len(item["labels"])
        for what, found in (("ids", ids), ("lines", lines), ("sizes", sizes)):
            expect(f"sum of {what}", found, sum_of(first, number))
        expect("number of labels", labels, 2 * number)


class ReturnedDicts(Dicts):
    """The same, made by this process: the function returns what it is given."""

    direct = staticmethod(identity)

    def inputs(self) -> Iterator[dict[str, Any]]:
        """Make the dictionaries."""
        return map(sample, self.indices())


class Slow(Source):
    """The integers, one each tenth of a second."""

    PERIOD = 0.1

    def item(self, index: int) -> int:
        """Sleep, and return the number."""
        time.sleep(self.PERIOD)
        return index

    def check(self, item: Any, index: int) -> None:
        """Compare."""
        expect("item", item, index)


class Pids(Source):
    """The worker's process id; then nothing for a long time."""

    def item(self, index: int) -> int:
        """Return the process id, if this is the first."""
        if index:
            time.sleep(600)
        return os.getpid()

    def check(self, item: Any, index: int) -> None:
        """Check that it is another process."""
        expect("type of item", type(item), int)
        expect(f"whether item {index} is from this process", item == os.getpid(), False)
