"""Rows of a table: eight plain values each, of several kinds."""

from __future__ import annotations

from itertools import islice

from .base import Source, expect
from .small import sum_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def fields(index: int) -> tuple[Any, ...]:
    """Make an item of `Tuples`."""
    return index, f"sample {index}", index % 10, index / 2, None, True, -index, "train"


def row(index: int) -> dict[str, Any]:
    """Make an item of `Dicts`."""
    return {
        "id": index,
        "text": f"sample {index}",
        "label": index % 10,
        "score": index / 2,
        "parent": None,
        "checked": True,
        "offset": -index,
        "part": "train",
    }


class Tuples(Source):
    """Rows as tuples."""

    make: Callable[[int], Any] = staticmethod(fields)
    direct: Callable[[Any], Any] | None = staticmethod(fields)
    where: Any = 0
    """Where a row has its number."""

    def __iter__(self) -> Iterator[Any]:
        return map(self.make, self.indices())

    def item(self, index: int) -> Any:
        """Make one."""
        return self.make(index)

    def check(self, item: Any, index: int) -> None:
        """Compare."""
        expect("item", item, self.make(index))

    def consume(self, iterator: Iterator[Any], first: int, number: int) -> None:
        """Add up the numbers."""
        where = self.where
        ids = sum([item[where] for item in islice(iterator, number)])
        expect("sum of ids", ids, sum_of(first, number))


class Dicts(Tuples):
    """Rows as dictionaries."""

    make = staticmethod(row)
    direct = staticmethod(row)
    where = "id"
