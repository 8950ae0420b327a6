"""Pools that are installed from PyPI. They take part where there are several workers."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from benchmarks import calls
from benchmarks.sources.base import function_of

from .base import Contestant, Passes
from .pools import CHUNKS, Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source


_SEVERAL = {"workers", "map"}


class _ForSeveral(Mapping):
    def refuses(self, case: Case) -> str | None:
        """Refuse the cases that are about one worker."""
        return super().refuses(case) if case.demands & _SEVERAL else "for several workers"


class Mpire(_ForSeveral):
    """`mpire.WorkerPool.imap`; the number is its `chunk_size`."""

    name = library = "mpire"

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Start a pool at the first item; leaving its `with` block terminates it."""
        import mpire

        function, chunk = function_of(source), self.together
        prepare = partial(calls.prepare, source)
        with mpire.WorkerPool(case.workers) as pool:
            yield Passes(
                lambda: pool.imap(
                    function,
                    zip(source.inputs()),  # tuples: a dictionary would be taken for keywords
                    chunk_size=chunk,
                    worker_init=prepare,
                )
            )


class Pebble(_ForSeveral):
    """`pebble.ProcessPool.map`; the number is its `chunksize`.

    It submits all inputs before it returns, and these have no end. So it gets them in parts: each
    part while the results of the part before are taken.
    """

    name = library = "pebble"
    _CHUNKS = 16  # for each worker, in a part

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Start a pool; leaving ends its workers."""
        import pebble

        function, chunk, workers = function_of(source), self.together, case.workers

        def submit(inputs: Iterable[Any]) -> Callable[[], Iterable[Any]]:
            made: Callable[[], Iterable[Any]] = pool.map(function, inputs, chunksize=chunk).result
            return made

        pool = pebble.ProcessPool(workers, initializer=calls.prepare, initargs=(source,))
        try:
            yield Passes(lambda: _in_parts(submit, source.inputs(), self._CHUNKS * workers * chunk))
        finally:
            pool.stop()


def _in_parts(
    submit: Callable[[Iterable[Any]], Callable[[], Iterable[Any]]],
    inputs: Iterable[Any],
    size: int,
) -> Iterator[Any]:
    """Submit inputs in parts, one part ahead; `submit` returns what is called for the results."""
    iterator = iter(inputs)
    ahead: deque[Callable[[], Iterable[Any]]] = deque()
    for part in iter(lambda: list(islice(iterator, size)), []):
        ahead.append(submit(part))
        if len(ahead) > 1:
            # Wait for a part only in its turn: while one waited for the next part, all results of
            # this one would come.
            yield from ahead.popleft()()
    for results in ahead:
        yield from results()


CONTESTANTS: tuple[Contestant, ...] = (*map(Mpire, CHUNKS), *map(Pebble, CHUNKS))
