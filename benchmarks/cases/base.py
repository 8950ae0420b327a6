"""What a case is: a source, a way to measure, and what a contestant needs for it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import ExitStack

    from benchmarks.contestants.base import Contestant
    from benchmarks.sources.base import Source


class FailedError(Exception):
    """The contestant does not do what the case asks for."""


class Job(NamedTuple):
    """One measurement.

    Attributes:
        case: What is measured.
        contestant: Whose turn it is.
        seconds: About how long it may take.
        stack: Closes what was opened, after the result was written: if that hangs, the
            measurement is not lost.
    """

    case: Case
    contestant: Contestant
    seconds: float
    stack: ExitStack

    def open(self, source: Source) -> Iterable[Any]:
        """Start the contestant on a source."""
        return self.stack.enter_context(self.contestant.open(source, self.case))


@dataclass(frozen=True)
class Case:
    """Something to measure.

    Attributes:
        name: What tables, result files and the command line call it.
        title: The same in words.
        source: Makes the source.
        measure: Runs in a fresh process and returns the value.
        unit: Of the value.
        lower: Whether less is better.
        demands: What a contestant must offer; see `Contestant`.
        buffer_size: How many items may be made ahead; None: as the contestant thinks best.
        workers: How many workers make the items.
        environment: What is added to the environment of the process that measures.
        warm_up: How many seconds pass before the clock starts, at least. Pools give their first
            items before all of their workers have started.
    """

    name: str
    title: str
    source: Callable[[], Source]
    measure: Callable[[Job], float]
    unit: str = "items/s"
    lower: bool = False
    demands: frozenset[str] = frozenset({"stream"})
    buffer_size: int | None = None
    workers: int = 1
    warm_up: float = 0.0
    environment: Mapping[str, str] = MappingProxyType({})
