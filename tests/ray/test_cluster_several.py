"""Several workers on Ray, and states that cross from one backend to another."""

from __future__ import annotations

import os
import signal
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
from farside.testing.checks import take
from farside.torch import data_loader
from tests import mapping_jobs
from tests.faults.test_ahead import FailsLate, leave_three_passes
from tests.ray.test_cluster_faults import SLICE, pid_of

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

RAY: dict[str, Any] = {"backend": "ray", "backend_options": SLICE}
READ_ONLY: dict[str, Any] = {"backend": "ray", "backend_options": {**SLICE, "read_only": True}}


def read(shard: int) -> Any:
    return ((shard, number) for number in range(40 + shard))


def read_or_die(shard: int, path: str) -> Any:
    """Read a shard; the first to get to the middle of the second one ends its process."""
    for number in range(40 + shard):
        if (shard, number) == (1, 20) and not os.path.exists(path):
            with open(path, "w"):
                os._exit(3)
        yield shard, number


def reuse_array(sizes: list[int]) -> Any:
    """Yield the beginning of one array again and again, with other contents each time."""
    import numpy as np

    array = np.empty(max(sizes))
    for number, size in enumerate(sizes):
        array[:size] = number
        yield array[:size]


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


def read_objects(references: list[Any]) -> Any:
    """Yield references to what was read from those that the worker was given."""
    import ray

    for each in ray.get(references, timeout=20):
        yield ray.put(each + 1)


def test_references_to_objects_of_ray(cluster: Any) -> None:
    shards = [[cluster.put(number)] for number in range(4)]
    with iterate_in_workers(read_objects, shards, 2, **RAY) as references:
        assert cluster.get(list(references), timeout=20) == [1, 2, 3, 4]
    with map_in_workers(read_objects, shards, 1, flat=True, **RAY) as references:
        assert cluster.get(list(references), timeout=20) == [1, 2, 3, 4]


def test_what_fails_ahead_of_a_loop_that_is_left() -> None:
    with iterate_in_worker(FailsLate, **RAY) as items:
        leave_three_passes(items)
        with pytest.raises(ValueError, match="late"):
            list(items)


def test_a_data_set() -> None:
    with data_loader([4, 5, 6], 2, num_workers=2, collate_fn=list, **RAY) as loader:
        assert list(loader) == [[4, 5], [6]]


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


def test_large_arrays_that_are_only_read_are_not_copied() -> None:
    pytest.importorskip("numpy")
    sizes = [10, 100_000, 2_000_000, 1_000_000]
    with iterate_in_worker(partial(reuse_array, sizes), **READ_ONLY) as arrays:
        got = list(arrays)
    assert [array.flags.writeable for array in got] == [True, True, False, False]
    for number, array in enumerate(got):  # each is as it was when it was made
        assert array.shape == (sizes[number],)
        assert array.min() == array.max() == number


def test_large_results_and_answers_that_are_only_read() -> None:
    numpy = pytest.importorskip("numpy")
    sizes = [10, 1_000_000] * 5
    with map_in_workers(numpy.ones, sizes, 2, **READ_ONLY) as results:
        got = list(results)
    assert [result.sum() for result in got] == sizes
    assert [result.flags.writeable for result in got] == [True, False] * 5
    listed: Any = partial(list, [numpy.zeros(1_000_000)])
    with iterate_in_worker(listed, **READ_ONLY) as items:
        answer = items.call("__getitem__", 0)
        assert answer.nbytes == 8_000_000
        assert not answer.flags.writeable


def fail_after(sizes: list[int]) -> Any:
    yield from reuse_array(sizes)
    raise LookupError("the end of it")


def test_what_is_raised_after_large_arrays_comes_after_them() -> None:
    pytest.importorskip("numpy")
    with iterate_in_worker(partial(fail_after, [1_000_000] * 5), **READ_ONLY) as arrays:
        got, error = take(arrays)
    assert isinstance(error, LookupError)
    assert [array[0] for array in got] == [0, 1, 2, 3, 4]


def test_a_pass_with_large_arrays_is_left_and_the_next_one_is_whole() -> None:
    pytest.importorskip("numpy")
    with iterate_in_worker(partial(Reuses, [1_000_000] * 10), **READ_ONLY) as arrays:
        for _ in range(2):
            for array in arrays:
                if array[0] == 3:
                    break
        assert [array[0] for array in arrays] == list(range(10))
        next(iter(arrays))  # and closed in the middle


class Reuses:
    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes

    def __iter__(self) -> Any:
        return reuse_array(self._sizes)


def test_a_worker_that_dies_with_large_arrays_under_way() -> None:
    pytest.importorskip("numpy")
    sizes = [600_000] * 20
    with iterate_in_worker(partial(reuse_array, sizes), max_restarts=1, **READ_ONLY) as arrays:
        iterator = iter(arrays)
        got = [next(iterator) for _ in range(5)]
        os.kill(pid_of(arrays), signal.SIGKILL)
        with pytest.warns(WorkerRestartedWarning, match="its actor has died"):
            got += iterator
    assert [array[0] for array in got] == [array[-1] for array in got] == list(range(20))


def test_no_warning_but_what_is_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with iterate_in_worker(partial(range, 3), **RAY) as numbers:
            assert list(numbers) == [0, 1, 2]
            assert numbers.backend == "ray"
