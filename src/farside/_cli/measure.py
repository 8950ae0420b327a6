"""How fast a factory's items come."""

from __future__ import annotations

import warnings
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .. import ExhaustedIteratorWarning, iterate_in_worker
from ..testing import record
from .probe import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def plainly(fn: Callable[[], Iterable[Any]], seconds: float) -> dict[str, Any]:
    """Loop over an iterable in this thread, without a worker."""
    begin = perf_counter()
    iterable = fn()
    started = perf_counter()
    return {"startup": started - begin, "nbytes": None, **_loop(iterable, seconds)}


def on_backend(fn: Callable[[], Iterable[Any]], backend: str, seconds: float) -> dict[str, Any]:
    """Loop over an iterable in a worker."""
    begin = perf_counter()
    with (
        record() as log,
        iterate_in_worker(fn, backend=backend, fallback=None, timeout=PATIENCE) as items,
    ):
        started = perf_counter()
        result = {"startup": started - begin, **_loop(items, seconds)}
    received = sum(each.items for each in log)
    nbytes = sum(each.nbytes for each in log)
    # Of all that was received: some of it was not taken when the time was up.
    share = result["items"] / received if received else 0
    return {**result, "nbytes": int(nbytes * share)}


def _loop(iterable: Iterable[Any], seconds: float) -> dict[str, Any]:
    """Loop pass by pass until the time is up, or a pass is empty."""
    warnings.simplefilter("ignore", ExhaustedIteratorWarning)
    items = passes = 0
    now = begin = perf_counter()
    end = begin + seconds
    while now < end:
        before = items
        for _ in iterable:
            items += 1
            now = perf_counter()
            if now >= end:
                break
        if items == before:
            break
        passes += 1
    return {"items": items, "passes": passes, "seconds": max(now - begin, 1e-9)}
