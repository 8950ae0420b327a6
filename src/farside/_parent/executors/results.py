"""Yields the results of `WorkerExecutor.map`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from ..._worker.mapper import Chunk


def results_of(
    futures: deque[Future[Any]], end: float | None, submit: Any, fn: Chunk, tasks: Iterator[Any]
) -> Iterator[Any]:
    """Yield the results of tasks that are chunks of calls, in order. At the end, cancel the rest.

    `futures` are those of the first tasks. Each time a task has its result, ``submit(fn, task)`` is
    called with the next of `tasks`. If `submit` is None, all were submitted before.
    """
    try:
        while futures:
            future = futures.popleft()
            try:
                chunk = future.result(None if end is None else end - time.monotonic())
            except BaseException:
                future.cancel()
                raise
            finally:
                del future  # its exception has this frame: a variable would make that a cycle
            if submit is not None:
                more = next(tasks, None)
                if more is None:
                    submit = None  # the executor may be dropped now
                else:
                    futures.append(submit(fn, more))
            chunk.reverse()
            while chunk:
                yield chunk.pop()
    finally:
        for future in futures:
            future.cancel()
