"""The tests that every backend has to pass whose worker runs beside the parent."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import warnings
from functools import partial

from .._backends.registry import load
from ..errors import (
    IterableClosedError,
    WorkerDiedError,
    WorkerRestartedWarning,
    WorkerTimeoutError,
)
from . import item_jobs, jobs
from .backend_contract import BackendContract
from .checks import SECONDS, raises, take, until

_SETTLED = 0.1  # seconds in which a worker that runs too far ahead would do so


class ConcurrentBackendContract(BackendContract):
    """Tests that every backend passes whose worker runs beside the parent, and can be ended.

    It includes all tests of `BackendContract`; see there how to use it.
    """

    def test_a_worker_has_state_of_its_own(self) -> None:
        with self.start(list, initializer=partial(jobs.note, "mine")):
            assert jobs.NOTES == []

    def test_a_worker_runs_ahead_exactly_as_far_as_it_may(self) -> None:
        for size in (1, 2, 10):
            with tempfile.NamedTemporaryFile() as trace:
                fn = partial(jobs.Counted, trace.name)
                with self.start(fn, buffer_size=size, timeout=SECONDS) as items:
                    for taken, _ in zip((1, 2, 3), items):  # noqa: B905  it has no end
                        begun = taken + size + 1
                        until(lambda: os.path.getsize(trace.name) >= begun)  # noqa: B023  called at once
                        time.sleep(_SETTLED)
                        assert os.path.getsize(trace.name) == begun

    def test_a_burst_arrives_whole_though_the_consumer_was_busy(self) -> None:
        for nbytes in (0, 200, 20_000):
            with self.start(partial(item_jobs.Bursts, 10, nbytes), timeout=SECONDS) as items:
                iterator = iter(items)
                next(iterator)
                time.sleep(_SETTLED)  # the consumer is busy
                for _ in range(9):
                    next(iterator)

    def test_a_single_item_is_not_kept_back(self) -> None:
        with self.start(partial(item_jobs.Bursts, 1), timeout=SECONDS) as items:
            iterator = iter(items)
            time.sleep(0.02)  # so that nobody waits for the item when it is made
            assert next(iterator) == 0

    def test_leaving_while_the_worker_is_blocked_in_sending(self) -> None:
        with self.start(partial(item_jobs.Blocks, 50, 3_000_000)) as blocks:
            for _ in range(5):
                assert next(iter(blocks))[0] == 0
            assert sum(len(block) for block in blocks) == 150_000_000

    def test_a_worker_that_waits_for_room_hears_of_a_newer_pass(self) -> None:
        for size in (1, None):
            fn = partial(item_jobs.Blocks, 9, 300_000)
            with self.start(fn, buffer_size=size, timeout=SECONDS) as items:
                for _ in range(3):
                    older = iter(items)
                    next(older)
                    time.sleep(0.05)  # the worker runs out of room; if not, less is tested
                    assert len(list(items)) == 9

    def test_closing_does_not_wait_for_a_worker_that_waits_for_room(self) -> None:
        items = self.start(jobs.Endless, buffer_size=1, shutdown_timeout=30)
        iterator = iter(items)
        next(iterator)
        time.sleep(0.05)  # the worker runs out of room; if not, less is tested
        begin = time.monotonic()
        items.close()
        assert time.monotonic() - begin < 10

    def test_close_and_terminate_end_a_python_loop(self) -> None:
        for how in ("close", "terminate"):
            numbers = self.start(partial(jobs.Spins, 3))
            iterator = iter(numbers)
            assert [next(iterator) for _ in range(3)] == [0, 1, 2]
            getattr(numbers, how)()
            assert numbers.state == "closed"

    def test_closing_from_another_thread(self) -> None:
        numbers = self.start(partial(jobs.Spins, 1))
        iterator = iter(numbers)
        assert next(iterator) == 0
        closer = threading.Timer(0.1, numbers.close)
        closer.start()
        with raises(IterableClosedError):
            next(iterator)
        closer.join()

    def test_timeout_of_an_item(self) -> None:
        with self.start(partial(jobs.Hangs, 2), timeout=1, init_timeout=SECONDS) as numbers:
            iterator = iter(numbers)
            assert [next(iterator), next(iterator)] == [0, 1]
            with raises(WorkerTimeoutError, "after the item of index 1") as caught:
                next(iterator)
            assert (caught.exception.seconds, caught.exception.last_index) == (1.0, 1)
            assert numbers.state == "closed"

    def test_timeout_of_the_initialization(self) -> None:
        with raises(WorkerTimeoutError, "initialization did not end within .*timeout=1"):
            self.start(list, initializer=jobs.hang, timeout=1)

    def test_a_worker_that_dies_is_told_of(self) -> None:
        with self.start(partial(jobs.Dies, 100), timeout=SECONDS) as numbers:
            if not load(numbers.backend).capabilities.killable:
                return  # this process would end with the worker
            got, error = take(numbers)
            assert got == list(range(50))[: len(got)]  # items that it had not sent are lost
            assert isinstance(error, WorkerDiedError)
            assert numbers.state == "closed"

    def test_a_worker_that_dies_is_started_again(self) -> None:
        with tempfile.NamedTemporaryFile() as trace:
            fn = partial(jobs.Dies, 100, trace.name)
            with self.start(list[int], timeout=SECONDS) as nothing:
                if not load(nothing.backend).capabilities.killable:
                    return
            with self.start(fn, max_restarts=1, timeout=SECONDS) as numbers:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    assert list(numbers) == list(range(100))
                assert WorkerRestartedWarning in [each.category for each in caught]

    def test_a_keyboard_interrupt_in_the_worker_arrives_as_text(self) -> None:
        error = partial(KeyboardInterrupt, "not by a keyboard")
        self.check_arrives_as_text(error, "KeyboardInterrupt", "not by a keyboard")
