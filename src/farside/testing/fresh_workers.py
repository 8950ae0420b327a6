"""Starts the workers whose passes `check_replay` compares."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from .. import RemoteIterable, iterate_in_worker, iterate_in_workers
from .._worker.seeding import seed_all


def start(
    fn: Callable[..., Any],
    shards: Sequence[Any] | int | None,
    setup: Callable[[], Any] | None,
    timeout: float | None,
    *,
    seeded: bool = False,
    num_workers: int = 1,
    **more: Any,
) -> RemoteIterable[Any]:
    """Start processes for the arguments of `check_replay`; `seeded` seeds global generators."""
    options: Any = {
        "backend": "subprocess",
        "mp_context": "spawn",  # only this start method reads PYTHONHASHSEED
        "seed": 1,
        "initializer": partial(seed_all, 0, accelerators=True) if seeded else None,
        "timeout": timeout,
        **more,
    }
    if shards is None:
        return iterate_in_worker(fn, **options)
    return iterate_in_workers(fn, shards, num_workers, setup=setup, **options)


@contextmanager
def hash_seed(seed: int) -> Iterator[None]:
    """Set the hash seed of the processes that are started in the block."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before
