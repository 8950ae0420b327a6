"""How far ahead a map takes inputs, and what becomes of workers that are killed from outside."""

from __future__ import annotations

import threading
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from farside import ExhaustedIteratorWarning, map_in_workers
from tests import mapping_jobs as jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Counted:
    """Counts the inputs that were taken."""

    def __init__(self, most: int) -> None:
        self.taken = 0
        self._most = most

    def __iter__(self) -> Iterator[int]:
        self.taken = 0
        for number in range(self._most):
            self.taken += 1
            yield number


@pytest.mark.parametrize("function", [jobs.square, jobs.nap])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(("workers", "buffer_size"), [(1, 1), (2, 3), (0, 1)])
def test_no_more_inputs_are_taken_than_buffer_size_allows(
    function: Any, workers: int, buffer_size: int, *, in_order: bool
) -> None:
    items = Counted(60)
    with map_in_workers(
        function,
        items,
        workers,
        backend="subprocess",
        buffer_size=buffer_size,
        in_order=in_order,
    ) as results:
        most = (workers or 1) + buffer_size
        for number, _ in enumerate(results):
            assert items.taken <= number + most
        assert items.taken == 60


def test_without_buffer_size_inputs_are_bounded_by_bytes() -> None:
    items = (bytes(100_000) for _ in count())
    taken = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for each in items:
            taken += 1
            yield each

    with map_in_workers(len, counted(), 2, backend="subprocess") as results:
        for number, nbytes in enumerate(results):
            assert nbytes == 100_000
            # A batch more than the limit, for each worker; and what has come and was not taken.
            assert taken - number < 2000
            if number == 3:
                break
    assert taken < 100


def test_an_endless_source_is_read_as_results_are_taken() -> None:
    with map_in_workers(jobs.square, count(), 2, backend="subprocess") as results:
        for number, each in enumerate(results):
            assert each == number * number
            if number == 20_000:
                break
        with pytest.raises(TypeError):
            len(results)


def test_a_one_shot_source_warns() -> None:
    with map_in_workers(jobs.square, iter([1, 2]), 1, backend="subprocess") as results:
        assert list(results) == [1, 4]
        with pytest.warns(ExhaustedIteratorWarning, match="items"):
            assert list(results) == []


def test_no_inputs() -> None:
    with map_in_workers(jobs.square, [], 2, backend="subprocess") as results:
        assert list(results) == []
        assert len(results) == 0


def test_an_input_is_tried_again(tmp_path: Path) -> None:
    function = partial(jobs.die_once, str(tmp_path / "died"))
    with (
        pytest.warns(match="started again"),
        map_in_workers(function, range(20), 2, backend="subprocess", retries=1) as results,
    ):
        assert list(results) == list(range(20))


@pytest.mark.parametrize("in_order", [True, False])
def test_none_is_lost_and_none_is_double_when_workers_are_killed(*, in_order: bool) -> None:
    wanted = list(range(600))
    with (  # noqa: PT031  it warns somewhere in the pass
        pytest.warns(match="started again"),
        map_in_workers(
            jobs.nap, wanted, 2, backend="subprocess", retries=100, in_order=in_order
        ) as results,
    ):
        over = threading.Event()

        def kill() -> None:
            for turn in range(20):  # not for ever: on a busy machine, to start takes as long
                if over.wait(0.1):
                    return
                member = results._current.members[turn % 2]
                core = results._current.core.workers[member.index]
                if member.worker is not None and core.public_state == "iteration":
                    member.worker.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            got = list(results)
        finally:
            over.set()
            killer.join()
    assert (got if in_order else sorted(got)) == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"function": 1}, "function=1 is not callable"),
        ({"items": 1}, "items=1 is not iterable"),
        ({"num_workers": -1}, "num_workers=-1 is below 0"),
        ({"setup": 1}, "setup=1 is not callable"),
        ({"flat": 1}, "flat=1 is not a bool"),
        ({"on_error": "stop"}, "on_error='stop' is not known"),
        ({"retries": -1}, "retries=-1 is below 0"),
        ({"task_timeout": 0}, "task_timeout=0 is not a finite number above 0"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    given = {"function": jobs.square, "items": [], "num_workers": 1, **options}
    with pytest.raises((TypeError, ValueError), match=message.replace("'", ".")):
        map_in_workers(**given)


def test_what_items_raise_as_they_begin_is_raised() -> None:
    class Unready:
        def __iter__(self) -> Iterator[int]:
            raise ValueError("not yet")

    with (
        map_in_workers(abs, Unready(), 1, backend="inline") as results,
        pytest.raises(ValueError, match="not yet"),
    ):
        list(results)
