"""Checks the arguments of an executor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..._system.cgroup import processors
from ..checks import check_callable, count, shown


def workers_of(max_workers: Any, backend: Any) -> int:
    """Return how many workers there are."""
    if backend == "inline":
        raise ValueError(
            "backend='inline' runs nothing beside its caller; leave it out, or make the calls "
            "by map_in_workers with num_workers=0 to debug them"
        )
    return (
        processors() or 1 if max_workers is None else count("max_workers", max_workers, "workers")
    )


def without_arguments(initializer: Any, initargs: Any) -> Callable[[], object] | None:
    """Return an initializer that takes no arguments."""
    if initializer is not None:
        check_callable("initializer", initializer)
    if isinstance(initargs, str) or not isinstance(initargs, Iterable):
        raise TypeError(f"initargs={shown(initargs)} is not a tuple; pass a tuple of arguments")
    return None if initializer is None else partial(initializer, *initargs)
