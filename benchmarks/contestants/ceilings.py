"""What the machine allows: no worker at all, a pipe without a protocol, one copy of the bytes."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import pickle
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from benchmarks.sources.base import function_of

from .base import Contestant, Passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source
    from benchmarks.sources.payloads import Ring

_TOGETHER = 1000
_BUFFER = 1 << 16  # what a pipe of Linux holds


class InProcess(Contestant):
    """A plain loop over the source, in this process."""

    name = "in-process"
    group = "source"
    offers = frozenset({"stream", "map", "numpy"})

    def open(self, source: Source, case: Case) -> AbstractContextManager[Iterable[Any]]:
        """Map the function here, or hand out the source itself."""
        if "map" in case.demands:
            return nullcontext(map(function_of(source), source.inputs()))
        return nullcontext(source())


class OneCopy(Contestant):
    """The same loop, with one copy of each payload into a warm shared mapping."""

    name = "one-memcpy"
    group = "ceiling"
    offers = frozenset({"stream", "numpy"})

    def refuses(self, case: Case) -> str | None:
        """Refuse sources other than large payloads that were made before."""
        if not hasattr(case.source(), "buffers"):
            return "for large payloads"
        return super().refuses(case)

    def open(self, source: Source, _: Case) -> AbstractContextManager[Iterable[Any]]:
        """Copy, and hand out the original."""
        items = Passes(lambda: self._items(source()))  # type: ignore[arg-type]  # see refuses
        return nullcontext(items)

    @staticmethod
    def _items(source: Ring) -> Iterator[Any]:
        views = [source.buffers(source.item(place)) for place in range(source.size)]
        room = memoryview(mmap.mmap(-1, source.nbytes))
        for index in source.indices():
            start = 0
            for view in views[index % source.size]:
                room[start : start + len(view)] = view
                start += len(view)
            yield source.item(index)


class _BarePipe(Contestant):
    """A process that pickles into a pipe until nobody reads."""

    group = "ceiling"
    offers = frozenset({"stream"})
    send: Callable[[int, Source], None]

    @contextmanager
    def open(self, source: Source, _: Case) -> Iterator[Iterable[Any]]:
        """Start the process; it ends when the pipe is closed, and is killed for good measure."""
        reader, writer = os.pipe()
        # Forked, so that it has the descriptor. Nothing else runs in this process.
        child = multiprocessing.get_context("fork").Process(
            target=type(self).send, args=(writer, source)
        )
        child.start()
        os.close(writer)
        with open(reader, "rb", _BUFFER) as pipe:
            yield Passes(lambda: self.receive(pipe))
            child.kill()
            child.join()

    def receive(self, pipe: Any) -> Iterator[Any]:
        """Yield the items."""
        raise NotImplementedError


class PipeOfLists(_BarePipe):
    """Lists of 1000 items, pickled at once."""

    name = "pipe-lists"
    cases = frozenset({"ints"})

    @staticmethod
    def send(writer: int, source: Source) -> None:
        """Write lists."""
        items = iter(source())
        with open(writer, "wb", _BUFFER) as pipe:
            while True:
                pickle.dump(list(islice(items, _TOGETHER)), pipe, pickle.HIGHEST_PROTOCOL)

    def receive(self, pipe: Any) -> Iterator[Any]:
        """Read lists."""
        return chain.from_iterable(_loaded(pipe))


class PipeOfItems(_BarePipe):
    """Each item pickled by itself, as is necessary if items may change after they were yielded."""

    name = "pipe-items"
    cases = frozenset({"ints", "dicts", "dicts-8", "tuples-8", "records"})

    @staticmethod
    def send(writer: int, source: Source) -> None:
        """Write items; the buffer joins them to large writes."""
        with open(writer, "wb", _BUFFER) as pipe:
            pipe.writelines(pickle.dumps(item, pickle.HIGHEST_PROTOCOL) for item in source())

    def receive(self, pipe: Any) -> Iterator[Any]:
        """Read items."""
        return _loaded(pipe)


def _loaded(pipe: Any) -> Iterator[Any]:
    load = pickle.load
    while True:
        yield load(pipe)


CONTESTANTS: tuple[Contestant, ...] = (InProcess(), OneCopy(), PipeOfLists(), PipeOfItems())
