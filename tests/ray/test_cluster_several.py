"""Several workers on Ray, and states that cross from one backend to another."""

from __future__ import annotations

import os
import time
import warnings
from functools import partial
from typing import Any

import pytest

from farside import (
    WorkerDiedError,
    WorkerExecutor,
    WorkerRestartedWarning,
    WorkerTimeoutError,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
)
from tests import mapping_jobs
from tests.ray.test_cluster_faults import SLICE

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

RAY: dict[str, Any] = {"backend": "ray", "backend_options": SLICE}


def read(shard: int) -> Any:
    return ((shard, number) for number in range(40 + shard))


def read_or_die(shard: int, path: str) -> Any:
    """Read a shard; the first to get to the middle of the second one ends its process."""
    for number in range(40 + shard):
        if (shard, number) == (1, 20) and not os.path.exists(path):
            with open(path, "w"):
                os._exit(3)
        yield shard, number


def expected() -> list[tuple[int, int]]:
    with iterate_in_workers(read, 5, 0) as items:
        return list(items)


def test_the_sequence_is_that_of_any_other_workers(tmp_path: Any) -> None:
    fn = partial(read_or_die, path=str(tmp_path / "died"))
    with iterate_in_workers(fn, 5, 2, max_restarts=1, **RAY) as items:
        with pytest.warns(WorkerRestartedWarning):
            assert list(items) == expected()
        assert list(items) == expected()


def test_a_state_crosses_from_one_backend_to_another() -> None:
    everything = expected()
    with iterate_in_workers(read, 5, 2, backend="subprocess", seed=1) as items:
        iterator = iter(items)
        first = [next(iterator) for _ in range(60)]
        state = items.state_dict()
    with iterate_in_workers(read, 5, 1, **RAY) as items:
        items.load_state_dict(state)
        iterator = iter(items)
        second = [next(iterator) for _ in range(60)]
        state = items.state_dict()
    with iterate_in_workers(read, 5, 0) as items:
        items.load_state_dict(state)
        assert first + second + list(items) == everything


def test_a_function_of_inputs() -> None:
    with map_in_workers(partial(pow, 2), range(200), 2, **RAY) as powers:
        for _ in range(2):
            assert list(powers) == [2**number for number in range(200)]
    with WorkerExecutor(2, **RAY) as executor:
        assert list(executor.map(abs, range(-50, 0))) == list(range(50, 0, -1))
        assert executor.submit(pow, 2, 5).result() == 32


def test_an_input_that_takes_too_long_and_none_that_the_loop_leaves_alone() -> None:
    options: dict[str, Any] = {**RAY, "task_timeout": 1.0, "on_error": "return"}
    with (  # noqa: PT031  it warns somewhere in the pass
        pytest.warns(match="task_timeout"),
        map_in_workers(mapping_jobs.sleep_at_three, range(40), 1, **options) as results,
    ):
        iterator = iter(results)
        got = [next(iterator) for _ in range(5)]
        time.sleep(1.5)  # all calls come back meanwhile, and what they tell is old then
        got += iterator
    [error] = [each for each in got if not isinstance(each, int)]
    assert isinstance(error, WorkerTimeoutError)
    assert error.input_index == 3
    assert "task_timeout=1.0" in str(error)
    assert [each for each in got if each is not error] == [n for n in range(40) if n != 3]


def test_only_the_input_that_kills_is_given_up() -> None:
    with (
        pytest.warns(WorkerRestartedWarning),
        map_in_workers(
            mapping_jobs.die_at_seven, range(40), 1, on_error="return", **RAY
        ) as results,
    ):
        got = list(results)
    assert isinstance(got.pop(7), WorkerDiedError)
    assert got == [number for number in range(40) if number != 7]


def test_an_array_crosses_and_can_be_written_to() -> None:
    numpy = pytest.importorskip("numpy")
    with iterate_in_worker(partial(map, numpy.ones, [10, 100_000, 2_000_000]), **RAY) as arrays:
        for array in arrays:
            array[:] += 1
            assert array.min() == array.max() == 2.0


def test_no_warning_but_what_is_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with iterate_in_worker(partial(range, 3), **RAY) as numbers:
            assert list(numbers) == [0, 1, 2]
            assert numbers.backend == "ray"
