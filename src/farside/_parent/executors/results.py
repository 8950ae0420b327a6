"""The results of `WorkerExecutor.map`."""

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
    """Yield the results of tasks that are chunks of calls, in order; cancel what is left.

    Futures of the first tasks are there. Each time a result was taken, `submit` is given a further
    one, of `fn` and the next of `tasks`; None: all were submitted.
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
                del future  # its exception has this frame
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
