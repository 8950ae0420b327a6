"""SPDL 0.8: one message for each item, through a queue.

The segment pool is sized as SPDL's own benchmark of it does: 2 × buffer_size + 6 segments, each
with room for twice the payload. An iterable has no close(): its worker ends when it is dropped.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .base import Contestant, take_turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source

_DEFAULT_BUFFER = 3  # SPDL's
_LARGE_BUFFER = 1000
_POOL_BUFFER = 64  # a third more at 100 kB, and less than the default from 1 MB on
_MIN_SEGMENT = 1 << 20


class _Spdl(Contestant):
    library = "spdl"
    distribution = "spdl-core"
    offers = Contestant.offers | {"buffer_size"}
    together = _DEFAULT_BUFFER

    def __init__(self, buffer_size: int) -> None:
        self.name += f"-{buffer_size}"
        self.together = buffer_size
        if buffer_size != _DEFAULT_BUFFER:
            self.offers = self.offers - {"default", "buffer_size"}

    def load(self) -> None:
        """Import the part that is used."""
        import spdl.pipeline  # noqa: F401

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Start one worker for each shard."""
        size = self.together if case.buffer_size is None else case.buffer_size
        shards = [source.shard(index, case.workers) for index in range(case.workers)]
        parts = [self._start(each, size) for each in shards]  # they end when they are dropped
        yield take_turns(parts)

    def _start(self, source: Source, buffer_size: int) -> Iterable[Any]:
        raise NotImplementedError


class SpdlSubprocess(_Spdl):
    """`spdl.pipeline.iterate_in_subprocess`, with its default `buffer_size` or a large one."""

    name = "spdl-subprocess"

    def _start(self, source: Source, buffer_size: int) -> Iterable[Any]:
        from spdl.pipeline import iterate_in_subprocess

        iterable: Iterable[Any] = iterate_in_subprocess(source, buffer_size=buffer_size)
        return iterable


class SpdlPool(_Spdl):
    """The same with a `SharedMemorySegmentPool`, which is for large payloads."""

    name = "spdl-pool"

    def refuses(self, case: Case) -> str | None:
        """Refuse sources without payloads, for which it is the plain variant."""
        if not case.source().nbytes:
            return "for large payloads"
        return super().refuses(case)

    def _start(self, source: Source, buffer_size: int) -> Iterable[Any]:
        from spdl.pipeline import SharedMemorySegmentPool, iterate_in_subprocess

        pool = SharedMemorySegmentPool(
            segment_size=max(_MIN_SEGMENT, 2 * source.nbytes),
            count=2 * buffer_size + 6,
            acquire_timeout=10,
        )
        iterable: Iterable[Any] = iterate_in_subprocess(source, buffer_size=buffer_size, arena=pool)
        return iterable


class SpdlSubinterpreter(_Spdl):
    """`spdl.pipeline.iterate_in_subinterpreter`."""

    name = "spdl-subinterpreter"
    python = (3, 14)
    offers = _Spdl.offers - {"process", "numpy"}

    def _start(self, source: Source, buffer_size: int) -> Iterable[Any]:
        from spdl.pipeline import iterate_in_subinterpreter

        iterable: Iterable[Any] = iterate_in_subinterpreter(source, buffer_size=buffer_size)
        return iterable


CONTESTANTS: tuple[Contestant, ...] = (
    SpdlSubprocess(_DEFAULT_BUFFER),
    SpdlSubprocess(_LARGE_BUFFER),
    SpdlPool(_DEFAULT_BUFFER),
    SpdlPool(_POOL_BUFFER),
    SpdlSubinterpreter(_DEFAULT_BUFFER),
    SpdlSubinterpreter(_LARGE_BUFFER),
)
