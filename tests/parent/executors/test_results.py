"""What becomes of the tasks of `WorkerExecutor.map` whose results nobody takes."""

from __future__ import annotations

import gc
from collections import deque
from concurrent import futures as standard
from concurrent.futures import Future
from typing import Any
from weakref import ref

import pytest

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


def test_a_result_that_is_waited_for_too_long_cancels_its_call_and_all_later_ones() -> None:
    futures: list[Future[list[int]]] = [Future() for _ in range(2)]
    submitted: Any = None  # all were
    results: Any = results_of(deque(futures), 0.0, submitted, Chunk(abs), iter(()))
    with pytest.raises(standard.TimeoutError):
        next(results)
    assert [future.cancelled() for future in futures] == [True, True]


def test_what_submits_is_dropped_with_the_last_input() -> None:
    """The executor may then end."""

    class Submits:
        def __call__(self, *_: Any) -> Any:
            raise AssertionError

    future = Future[list[int]]()
    future.set_result([1, 2])
    submits: Any = Submits()
    kept = ref(submits)
    results = results_of(deque([future]), None, submits, Chunk(abs), iter(()))
    del submits
    assert next(results) == 1
    gc.collect()
    assert kept() is None
    assert next(results) == 2
