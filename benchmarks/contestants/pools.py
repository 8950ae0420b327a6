"""Pools of the standard library and joblib: they map a function over the inputs of a source.

The inputs have no end, and the measurement leaves the loop when its time is up; so
`Executor.map` needs its `buffersize` (Python 3.14), without which it submits all inputs first.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import calls
from benchmarks.sources.base import function_of

from .base import TOGETHER_BYTES, Contestant, Passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source

CHUNKS = (1, 100, 1000)
_SUBMITTED = 1000  # calls that are submitted ahead; fewer where payloads are large


class Mapping(Contestant):
    """A contestant that maps a function, perhaps in chunks."""

    offers = Contestant.offers | {"map"}

    def __init__(self, chunksize: int | None = None) -> None:
        if chunksize is not None:  # the library has chunks
            self.name += f"-{chunksize}"
            self.together = chunksize
        if self.together > 1:
            self.offers = self.offers - {"default"}  # an item waits until its chunk is full

    def refuses(self, case: Case) -> str | None:
        """Refuse chunks in which an object would occur twice: pickle would write it once."""
        distinct = case.source().distinct
        if distinct is not None and self.together > distinct:
            return "chunks would repeat items"
        return super().refuses(case)


class PoolImap(Mapping):
    """`multiprocessing.Pool.imap`."""

    name = "pool-imap"
    kind = "imap"

    def load(self) -> None:
        """Import what a pool is made of."""
        import multiprocessing.pool  # noqa: F401

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Start a pool; leaving its `with` block terminates it."""
        import multiprocessing

        function = function_of(source)
        with multiprocessing.Pool(case.workers, calls.prepare, (source,)) as pool:
            run = getattr(pool, self.kind)
            yield Passes(lambda: run(function, source.inputs(), self.together))


class PoolImapUnordered(PoolImap):
    """`multiprocessing.Pool.imap_unordered`."""

    name = "pool-imap-unordered"
    kind = "imap_unordered"
    in_order = False

    def refuses(self, case: Case) -> str | None:
        """Refuse one worker, with which this is the same as `imap`."""
        return "is imap" if case.workers == 1 else super().refuses(case)


class ExecutorMap(Mapping):
    """`Executor.map`, left before its inputs have ended."""

    python = (3, 14)  # for buffersize

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Start an executor; leaving cancels what was submitted and not begun."""
        chunk = self.together
        fits = TOGETHER_BYTES // (chunk * source.nbytes) if source.nbytes else _SUBMITTED
        ahead = min(_SUBMITTED, max(fits, 2 * case.workers))
        executor = self._executor(case.workers, initializer=calls.prepare, initargs=(source,))
        function = function_of(source)
        try:
            yield Passes(
                lambda: executor.map(  # type: ignore[call-arg,unused-ignore]  # before 3.14
                    function, source.inputs(), chunksize=chunk, buffersize=ahead
                )
            )
        finally:
            executor.shutdown(cancel_futures=True)

    def _executor(self, workers: int, **options: Any) -> Executor:
        raise NotImplementedError


class ProcessPool(ExecutorMap):
    """`concurrent.futures.ProcessPoolExecutor.map`."""

    name = "process-executor"

    def load(self) -> None:
        """Import what the executor is made of."""
        import concurrent.futures.process  # noqa: F401

    def _executor(self, workers: int, **options: Any) -> Executor:
        from concurrent.futures import ProcessPoolExecutor

        return ProcessPoolExecutor(workers, **options)


class InterpreterPool(ExecutorMap):
    """`concurrent.futures.InterpreterPoolExecutor.map`; it ignores `chunksize`."""

    name = "interpreter-executor"
    offers = Mapping.offers - {"process", "numpy"}

    def load(self) -> None:
        """Import what the executor is made of."""
        importlib.import_module("concurrent.futures.interpreter")  # from Python 3.14 on

    def _executor(self, workers: int, **options: Any) -> Executor:
        from concurrent import futures

        make: Callable[..., Executor] = futures.InterpreterPoolExecutor  # type: ignore[attr-defined,unused-ignore]
        return make(workers, **options)


class Joblib(Mapping):
    """`joblib.Parallel(return_as="generator")`, with the batches that it finds best itself.

    It has two workers, since with one it runs everything in this process.
    """

    name = "joblib-2"
    library = "joblib"
    offers = Mapping.offers - {"lone"}
    patience = 5  # it makes batches of 0.2 s and more, so items arrive in bursts
    WORKERS = 2

    def refuses(self, case: Case) -> str | None:
        """Refuse sources that repeat an object, which batches of any size may hold twice."""
        return "batches would repeat items" if case.source().distinct else super().refuses(case)

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Start workers at the first item; they are ended with the process."""
        import warnings

        import joblib

        warnings.filterwarnings("ignore", ".*tasks.*not.*", UserWarning)  # the loop is left early
        parallel = joblib.Parallel(max(case.workers, self.WORKERS), return_as="generator")
        if direct := type(source).direct:
            call = joblib.delayed(direct)
        else:
            call = partial(joblib.delayed(calls.item_of), source)
        yield Passes(lambda: parallel(map(call, source.inputs())))


CONTESTANTS: tuple[Contestant, ...] = (
    *map(PoolImap, CHUNKS),
    *map(PoolImapUnordered, CHUNKS),
    *map(ProcessPool, CHUNKS),
    InterpreterPool(),
    Joblib(),
)
