"""What a contestant is: one way to bring the items of a source to this process."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.sources.small import Ints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source

TOGETHER_BYTES = 16_000_000
"""Most payload that a tuned variant may move as one message, or keep in its buffer."""


class Contestant:
    """One way to iterate in a worker. Subclasses define at least `name` and `open`.

    Attributes:
        name: What tables, result files and the command line call it.
        group: ``"farside"``, ``"peer"``, ``"ceiling"``, or ``"source"``: it moves nothing.
        library: Module to import; empty for the standard library.
        distribution: What the version of the library is looked up by, if not the same.
        python: The oldest Python that has it.
        offers: What it can do; a case names what it demands. ``"stream"``: bring items;
            ``"worker"``: the items are made by a worker that can stand idle; ``"process"``: which
            is a process; ``"numpy"``: NumPy loads in it; ``"buffer_size"``: the number of items
            that it makes ahead can be set; ``"workers"``: there may be several; ``"lone"``: there
            may be just one; ``"map"``: call a function with inputs that come from this process;
            ``"default"``: it is not a variant that is tuned for throughput;
            ``"separate"``: one process can have several that know nothing of each other;
            ``"async"``: its iterables are asynchronous.
        together: How many items it moves as one message, or keeps in its buffer.
        patience: How many times as long as others its streams are measured.
        cases: The only cases that it takes part in; None: all those whose demands it offers.
        in_order: Whether its items come in the order of their numbers.
    """

    name: str
    group = "peer"
    library = ""
    distribution = ""
    python = (3, 10)
    offers = frozenset({"stream", "worker", "process", "numpy", "workers", "lone", "default"})
    together = 1
    patience = 1
    cases: frozenset[str] | None = None
    in_order = True

    def missing(self) -> str | None:
        """Return why it cannot run in this Python, or None."""
        if sys.version_info < self.python:
            return f"needs Python {self.python[0]}.{self.python[1]}"
        if self.library and importlib.util.find_spec(self.library) is None:
            return "not installed"
        return None

    def refuses(self, case: Case) -> str | None:
        """Return why it takes no part in a case, or None."""
        if self.cases is not None and case.name not in self.cases:
            return "not for this case"
        lacks = case.demands - self.offers
        if lacks:
            return f"has no {', '.join(sorted(lacks))}"
        source = case.source()
        if not self.in_order and not isinstance(source, Ints):
            return "only numbers are checked in any order"
        tuned = "default" not in self.offers
        if tuned and self.together * source.nbytes > TOGETHER_BYTES:
            return "would keep too much in memory"
        return None

    def version(self) -> str:
        """Return the version of the library; empty for the standard library's."""
        from importlib.metadata import PackageNotFoundError, version

        if not self.library:
            return ""
        try:
            return version(self.distribution or self.library)
        except PackageNotFoundError:  # on sys.path, and not installed
            return "source tree"

    def load(self) -> None:
        """Import what is needed, before any clock starts."""
        if self.library:
            importlib.import_module(self.library)

    def open(self, source: Source, case: Case) -> AbstractContextManager[Iterable[Any]]:
        """Start what a case asks for. What this gives is iterated on, by some cases repeatedly."""
        raise NotImplementedError


class Passes:
    """An iterable that makes its iterator with a function."""

    def __init__(self, begin: Callable[[], Iterator[Any]]) -> None:
        self._begin = begin

    def __iter__(self) -> Iterator[Any]:
        return self._begin()


def take_turns(iterables: Sequence[Iterable[Any]]) -> Iterable[Any]:
    """Join iterables: one item of each, then the next of each. A single one stays what it is."""
    if len(iterables) == 1:
        return iterables[0]

    def items() -> Iterator[Any]:
        for turn in zip(*iterables):  # noqa: B905  3.10 has strict, but they end together anyway
            yield from turn

    return Passes(items)
