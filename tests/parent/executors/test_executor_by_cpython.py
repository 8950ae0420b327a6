"""CPython's own tests of what any executor does, where this Python has brought them along.

What of the rest of them differs, and why, is in the guide "Map a function".
"""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING

import pytest

from farside import WorkerExecutor

if TYPE_CHECKING:

    class Shared:
        """`test.test_concurrent_futures.executor.ExecutorTest`."""
else:
    _module = pytest.importorskip("test.test_concurrent_futures.executor")
    Shared = _module.ExecutorTest


class TestWorkerExecutor(Shared, unittest.TestCase):
    executor_type = WorkerExecutor
    worker_count = 2

    def setUp(self) -> None:
        self.executor = WorkerExecutor(self.worker_count, backend="subprocess")

    def tearDown(self) -> None:
        self.executor.shutdown()

    test_max_workers_negative = None  # another message
    test_map_buffersize_type_validation = None  # as well
    test_map_buffersize_value_validation = None  # as well
    test_map_timeout = None  # it takes five seconds; `test_executor` has one
