"""A source: what a worker yields, and how the parent checks that it arrived unharmed.

One source serves every contestant. Contestants that run an iterable call the source, and iterate on
the result. Contestants that map a function map `function_of(source)` over `Source.inputs`. Either
way item number `i` is the same.
"""

from __future__ import annotations

from sys import maxsize

from benchmarks import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any


class WrongItemError(Exception):
    """What arrived is not what was sent: the measurement is void."""


class Source:
    """An iterable of numbered items. Subclasses define at least `item` and `check`.

    It is sent to the worker before `__call__` prepares anything there, so it is small.

    Attributes:
        nbytes: Size of the payload of one item; 0 where items are small objects.
        distinct: How many items in a row are different objects. Pickling more of them together
            would write an object once and refer to it later. None: all are.
        direct: A function that makes an item from its input alone, where one can.
    """

    nbytes: int = 0
    distinct: int | None = None
    direct: Callable[[Any], Any] | None = None

    def __init__(self, length: int | None = None) -> None:
        self.length = length
        self._start, self._step = 0, 1

    def __call__(self) -> Source:
        """Prepare what the items are made from. It runs in the worker, before the first pass."""
        return self

    def shard(self, index: int, of: int) -> Source:
        """Return the part of one of several workers, which take turns."""
        import copy  # not where a start is measured

        part = copy.copy(self)
        part._start, part._step = index, of  # noqa: SLF001  a copy of itself
        return part

    def indices(self) -> Iterable[int]:
        """Return the numbers of the items."""
        return range(self._start, maxsize if self.length is None else self.length, self._step)

    def inputs(self) -> Iterable[Any]:
        """Return what the function is mapped over: the numbers, if nothing else."""
        return self.indices()

    def __iter__(self) -> Iterator[Any]:
        item = self.item
        for index in self.indices():
            yield item(index)

    def item(self, index: int) -> Any:
        """Make an item."""
        raise NotImplementedError

    def check(self, item: Any, index: int) -> None:
        """Raise `WrongItemError` unless this is item number `index`. It is timed: touch little."""
        raise NotImplementedError

    def verify(self, item: Any, index: int) -> None:
        """Check the whole item. It is not timed."""
        self.check(item, index)

    def consume(self, iterator: Iterator[Any], first: int, number: int) -> None:
        """Take this many items, the next of which is number `first`, and check each."""
        check = self.check
        for index in range(first, first + number):
            try:
                item = next(iterator)
            except StopIteration:
                raise WrongItemError(f"the items ended before number {index}") from None
            check(item, index)


def function_of(source: Source) -> Callable[[Any], Any]:
    """Return the function to map over the inputs, once `calls.prepare` ran in the worker."""
    return type(source).direct or calls.item


def expect(what: str, got: object, wanted: object) -> None:
    """Raise `WrongItemError` unless both are equal."""
    if got != wanted:
        raise WrongItemError(f"{what}: got {got!r}, not {wanted!r}")
