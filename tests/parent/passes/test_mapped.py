"""Passes of maps, and executors, when things happen in a bad order."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from functools import partial
from itertools import count, islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    NotPicklableError,
    WorkerExecutor,
    WorkerRestartedWarning,
    map_in_workers,
)
from farside._link.frames import Frame
from farside._parent.passes.batches import Plan
from farside._parent.passes.mapped_orders import MappedAsTheyCome, MappedInOrder
from farside._parent.passes.supply import Supply
from farside._payload.items import pack
from farside._protocol.inbox import Inbox
from farside._protocol.messages import Status
from tests import mapping_jobs as jobs
from tests.kinds import HAS_SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

needs_subinterpreters = pytest.mark.skipif(
    not HAS_SUBINTERPRETERS, reason="there are no subinterpreters"
)


class EachPass:
    """Inputs that are others in each pass."""

    def __init__(self, *passes: list[Any]) -> None:
        self._passes = iter(passes)

    def __iter__(self) -> Iterator[Any]:
        return iter(next(self._passes))


@needs_subinterpreters
def test_an_error_of_an_executor_fails_one_future_whatever_was_refused_before() -> None:
    with WorkerExecutor(2, backend="subinterpreter") as executor:
        futures = [executor.submit(jobs.fail_after_a_refusal, each) for each in (0, 1, 2, 1)]
        errors = [future.exception(60) for future in futures]
        assert [isinstance(error, ValueError) for error in errors] == [False, True, False, True]
        assert [future.result() for future in futures[::2]] == [0, 2]
        assert executor.submit(pow, 2, 5).result(60) == 32


@needs_subinterpreters
def test_the_exception_of_a_call_that_was_refused_an_extension_tells_the_cure() -> None:
    pytest.importorskip("numpy")
    with WorkerExecutor(1, backend="subinterpreter") as executor:
        assert executor.submit(pow, 2, 5).result(60) == 32  # so no other backend takes over
        error = executor.submit(jobs.fail_after_a_refusal, 1).exception(60)
    assert type(error) is ValueError
    [cure] = vars(error)["__notes__"]
    assert "cannot be loaded in a subinterpreter" in cure
    assert "backend='subprocess'" in cure


@needs_subinterpreters
def test_a_refusal_before_counts_in_the_first_pass_only() -> None:
    items = EachPass([0, 2], [1, 0, 2])
    with map_in_workers(
        jobs.fail_after_a_refusal, items, 1, backend="subinterpreter", on_error="skip"
    ) as results:
        assert [list(results), list(results)] == [[0, 2], [0, 2]]
        assert results.backend == "subinterpreter"


@pytest.mark.filterwarnings("ignore:a subprocess runs the iterable")
@needs_subinterpreters
def test_one_worker_may_be_replaced_when_another_has_given_results() -> None:
    with map_in_workers(
        jobs.fail_after_a_refusal, [0, 1, 2, 3], 2, backend="subinterpreter", on_error="skip"
    ) as results:
        assert list(results) == [0, 2, 3]


@pytest.mark.parametrize("in_order", [True, False])
def test_inputs_that_cannot_be_sent_are_not_taken_without_end(*, in_order: bool) -> None:
    taken: list[int] = []

    def items() -> Iterator[Any]:
        for number in count():
            taken.append(number)
            yield threading.Lock()

    with map_in_workers(jobs.square, items(), 1, in_order=in_order) as results:
        with pytest.raises(NotPicklableError, match="the input of index 0 cannot be sent"):
            next(iter(results))
        assert taken == [0]


def test_a_worker_that_hangs_since_the_pass_before_runs_out_of_time(tmp_path: Path) -> None:
    items = EachPass(["hang", "bad"], [10, 11, 12])
    with map_in_workers(
        partial(jobs.hang_or_fail, tmp_path / "begun"),
        items,
        2,
        backend="subprocess",
        in_order=False,
        task_timeout=2,
    ) as results:
        with pytest.raises(ValueError, match="bad"):
            list(results)
        with pytest.warns(WorkerRestartedWarning, match="within task_timeout=2"):
            assert sorted(results) == [10, 11, 12]


def test_no_clock_runs_between_two_passes() -> None:
    with map_in_workers(jobs.square, [1, 2], 1, backend="subprocess", task_timeout=0.2) as results:
        for _ in results:
            break
        time.sleep(0.4)
        assert list(results) == [1, 4]


@pytest.mark.parametrize("in_order", [True, False])
def test_an_input_is_sent_before_the_next_one_has_come(tmp_path: Path, *, in_order: bool) -> None:
    paths = [tmp_path / str(number) for number in range(4)]

    def items() -> Iterator[Path]:
        for path in paths:
            yield path
            end = time.monotonic() + 20
            while not path.exists():  # the worker makes it
                assert time.monotonic() < end, "the input was not sent"
                time.sleep(0.01)

    with map_in_workers(jobs.touch, items(), 2, backend="subprocess", in_order=in_order) as names:
        assert sorted(names) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("kind", [MappedInOrder, MappedAsTheyCome])
def test_a_result_that_has_come_is_given_before_another_input_is_taken(kind: Any) -> None:
    inputs = count()
    plan = Plan(1, False, kind is MappedInOrder, None, 1 << 20, "raise", 0)
    delivery = kind(plan, Supply(lambda: (each for each in inputs)))
    core: Any = SimpleNamespace(inbox=Inbox(), over=False)
    assert delivery.take([core]) is None
    assert next(inputs) == 1
    body = b"".join(pack(["result"])[0])
    core.inbox.take_from(deque([Frame(Status.ITERATOR_SUCCESS, 1, body, 1)]))
    assert delivery.take([core]) == (["result"], None)
    assert next(inputs) == 2


def test_results_as_they_come_are_taken_from_each_worker_in_turn() -> None:
    plan = Plan(2, False, False, None, 1 << 20, "raise", 0)
    delivery = MappedAsTheyCome(plan, Supply(lambda: range(100)))
    cores: Any = [SimpleNamespace(inbox=Inbox(), over=False) for _ in range(2)]
    assert delivery.take(cores) is None
    for core in cores * 2:
        body = b"".join(pack([cores.index(core)])[0])
        core.inbox.take_from(deque([Frame(Status.ITERATOR_SUCCESS, 1, body, 1)]))
    assert [delivery.take(cores) for _ in range(4)] == [([0], None), ([1], None)] * 2


def test_results_do_not_wait_for_inputs_that_are_slow() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(40):
            time.sleep(0.02)
            taken += 1
            yield number

    with map_in_workers(jobs.square, items(), 2, backend="subprocess") as results:
        next(iter(results))
        assert taken < 20


@pytest.mark.parametrize("limit", ["task_timeout", "timeout"])
def test_each_result_that_is_skipped_has_its_own_time(
    limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    def start(**options: Any) -> Any:
        return map_in_workers(
            jobs.slow_results, [12], 1, backend="subprocess", flat=True, buffer_size=1, **options
        )

    with start() as results:
        before = list(islice(results, 10))
        state = results.state_dict()
    caplog.clear()
    # To come to the first that is not skipped takes 2.2 s: more than one result may take.
    with start(**{limit: 1.8}, init_timeout=60) as results:
        results.load_state_dict(state)
        assert before + list(results) == list(range(12))
    assert "result 1" not in [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("in_order", [True, False])
def test_inputs_are_let_go_when_the_loop_is_left(*, in_order: bool) -> None:
    ended: list[int] = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            ended.append(1)

    class Items:
        def __iter__(self) -> Iterator[int]:
            return items()

    with map_in_workers(jobs.square, Items(), 2, in_order=in_order, buffer_size=4) as results:
        for number in (1, 2):
            for _ in results:
                break
            assert len(ended) == number
        assert results.state_dict()["shards"] == 0


@pytest.mark.parametrize("start", [1, 3])
def test_one_death_at_a_start_does_not_break_an_executor(tmp_path: Path, start: int) -> None:
    with WorkerExecutor(
        1,
        backend="subprocess",
        initializer=partial(jobs.die_in_nth_start, tmp_path / "starts", start),
        max_tasks_per_child=1,
    ) as executor:
        futures = [executor.submit(pow, 2, each) for each in range(5)]
        assert [future.result(60) for future in futures] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("ended", "begun", "fewest"), [([[0, 5]], [], 5), ([[0, 1], [5, 6]], [], 6), ([], [[4, 2]], 5)]
)
@pytest.mark.parametrize("make", [iter, lambda items: (each for each in items)])
def test_a_state_of_more_inputs_is_refused(
    ended: list[Any], begun: list[Any], fewest: int, make: Callable[[Any], Any]
) -> None:
    def start(items: Any) -> Any:
        return map_in_workers(jobs.count_to, items, 1, flat=True, backend="inline", seed=1)

    with start(make([3] * 6)) as results:
        state = {**results.state_dict(), "ended": ended, "begun": begun}
    with start(make([3] * 3)) as results:
        results.load_state_dict(state)
        with pytest.raises(ValueError, match=rf"{fewest} inputs or more .* items has 3"):
            list(results)


_LATE_SUBMIT = """
import threading, time
from farside import WorkerExecutor
start = threading.Thread.start
def slow_start(self):
    start(self)
    if self.name == "farside-executor":
        time.sleep(0.5)  # the main thread ends meanwhile
if __name__ == "__main__":
    threading.Thread.start = slow_start
    executor = WorkerExecutor(1, backend="subprocess")
    def work():
        print(executor.submit(pow, 2, 5).result())
    threading.Thread(target=work).start()
    time.sleep(0.1)
"""


def test_a_submit_that_meets_the_exit_is_done(tmp_path: Path) -> None:
    script = tmp_path / "late.py"
    script.write_text(_LATE_SUBMIT)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "32\n"
