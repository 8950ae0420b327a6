"""What becomes of the tasks of `WorkerExecutor.map` whose results nobody takes."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Any

from farside._parent.executors.results import results_of
from farside._worker.mapper import Chunk


def test_a_loop_that_is_left_cancels_the_calls_that_wait() -> None:
    futures: list[Future[list[int]]] = [Future() for _ in range(3)]
    futures[0].set_result([1, 2])
    submitted: Any = None  # all were
    results: Any = results_of(deque(futures), None, submitted, Chunk(abs), iter(()))
    assert next(results) == 1
    results.close()
    assert [future.cancelled() for future in futures] == [False, True, True]
