"""The kinds of workers that this Python can start: each runs the same contract suite."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from farside import available_backends, iterate_in_worker, iterate_in_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from farside import RemoteIterable

T = TypeVar("T")


class Kind(NamedTuple):
    """A backend and, for a subprocess, its start method."""

    name: str
    backend: str
    options: dict[str, Any]

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        """Start a worker of this kind, and of no other."""
        return iterate_in_worker(
            fn, backend=self.backend, **{"fallback": None, **self.options, **options}
        )

    def start_several(
        self, fn: Callable[..., Any], shards: Sequence[Any] | int, workers: int, **options: Any
    ) -> RemoteIterable[Any]:
        """Start workers of this kind, and of no other, for shards."""
        given = {"fallback": None, **self.options, **options}
        return iterate_in_workers(fn, shards, workers, backend=self.backend, **given)

    @property
    def is_process(self) -> bool:
        return self.backend == "subprocess"


METHODS = ("spawn", "forkserver", "fork")
SUBPROCESSES = [Kind(method, "subprocess", {"mp_context": method}) for method in METHODS]
FORKSERVER = SUBPROCESSES[1]
INLINE = Kind("inline", "inline", {})
HAS_SUBINTERPRETERS = available_backends()["subinterpreter"].usable
SUBINTERPRETERS = [Kind("subinterpreter", "subinterpreter", {})] if HAS_SUBINTERPRETERS else []
KINDS = [*SUBPROCESSES, *SUBINTERPRETERS]
TELLING = SUBPROCESSES if (3, 13) <= sys.version_info < (3, 14, 8) else KINDS
"""Kinds whose workers can tell where their threads are."""
