"""Workers that have workers of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tests import jobs
from tests.faults import ways

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside import RemoteIterable

kept: list[RemoteIterable[Any]] = []
"""Never closed by the worker that has started them."""


class HoldsStuck:
    """Yields the pid of a worker of its own, which is stuck, and waits."""

    def __init__(self, options: dict[str, Any], fault: ways.Fault) -> None:
        self.options = options
        self.fault = fault

    def __call__(self) -> HoldsStuck:
        return self

    def __iter__(self) -> Iterator[int]:
        from farside import iterate_in_subprocess

        inner = iterate_in_subprocess(ways.InNext(self.fault, 1), **self.options)
        iterator = iter(inner)
        next(iterator)
        assert self.fault.happens is not None
        self.fault.happens.wait()
        yield int(inner._current.members[0].worker.label.removeprefix("pid "))
        yield next(iterator)


class Nests:
    """Iterates over a worker of its own, and yields what that yields."""

    def __init__(self, options: dict[str, Any], *, keep: bool = False) -> None:
        self.options = options
        self.keep = keep

    def __iter__(self) -> Iterator[object]:
        from farside import iterate_in_worker

        inner = iterate_in_worker(jobs.Tellers, **self.options)
        yield os.getpid()
        if self.keep:
            kept.append(inner)
            yield from inner
        else:
            with inner:
                yield from inner
