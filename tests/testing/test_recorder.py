"""The recorder sees what parents and workers say to each other."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

import pytest

from farside import iterate_in_worker
from farside._backends import registry
from farside.testing import record
from tests import jobs

if TYPE_CHECKING:
    from tests.kinds import Kind
    from tests.loops import Loop


def test_a_pass(kind: Kind) -> None:
    with record() as log:
        with kind.start(partial(jobs.Numbers, 3)) as numbers:
            assert list(numbers) == [0, 1, 2]
    names = [name for name in log.names() if name != "ITERATOR_SUCCESS"]
    assert names == [
        "INITIALIZATION_SUCCEEDED",
        "START_ITERATION",
        "ITERATION_STARTED",
        "ITERATION_FINISHED",
        "ABORT",
    ]
    downs = [each.name for each in log if each.direction == "down"]
    assert downs == ["START_ITERATION", "ABORT"]
    assert sum(each.items for each in log) == 3
    assert [each.epoch for each in log][:3] == [0, 1, 1]
    times = [each.seconds for each in log]
    assert times == sorted(times)
    assert {each.worker.split()[0] for each in log} == {kind.backend}


def test_a_pass_of_an_event_loop(kind: Kind, loop: Loop) -> None:
    async def iterate() -> list[int]:
        return [number async for number in numbers]

    with record() as log:
        with kind.start(partial(jobs.Numbers, 3)) as numbers:
            assert loop.run(iterate) == [0, 1, 2]
    names = [name for name in log.names() if name != "ITERATOR_SUCCESS"]
    assert names == [
        "INITIALIZATION_SUCCEEDED",
        "START_ITERATION",
        "ITERATION_STARTED",
        "ITERATION_FINISHED",
        "ABORT",
    ]
    assert sum(each.items for each in log) == 3


def test_large_contents_are_counted(kind: Kind) -> None:
    with record() as log:
        with kind.start(partial(jobs.Blocks, 3, 100_000)) as blocks:
            assert len(list(blocks)) == 3
    assert sum(each.nbytes for each in log) > 300_000
    assert len(log) == len(str(log).splitlines()) == len(log.records)


def test_lines_are_printed_as_they_come() -> None:
    file = io.StringIO()
    with record(file) as log:
        with iterate_in_worker(partial(jobs.Numbers, 1), backend="inline") as numbers:
            for _ in numbers:
                break
    assert file.getvalue() == f"{log}\n"
    assert "STOP_ITERATION" in log.names()


def test_a_file_that_was_closed_disturbs_nobody() -> None:
    with record(io.StringIO()) as log:
        numbers = iterate_in_worker(partial(jobs.Numbers, 3), backend="inline")
        assert log._file is not None
        log._file.close()
        with numbers:
            assert list(numbers) == [0, 1, 2]
    assert log.names()[-1] == "ABORT"


def test_two_workers_are_told_apart() -> None:
    with record() as log:
        for backend in ("inline", "subprocess"):
            with iterate_in_worker(partial(jobs.Numbers, 1), backend=backend) as numbers:
                list(numbers)
    assert {each.worker.partition(" (")[0] for each in log} == {"inline", "subprocess"}


@pytest.mark.parametrize("backend", ["inline", "subprocess"])
def test_statistics_are_as_without_it(backend: str) -> None:
    with record(), iterate_in_worker(partial(jobs.Sleeps, 1, 0.1), backend=backend) as items:
        assert list(items) == [0, 1]
        stats = items.stats()
    assert stats.items == 2
    assert stats.parent_wait_seconds >= 0.01


def test_nothing_is_left_of_it() -> None:
    with pytest.raises(KeyError), record():
        raise KeyError
    assert registry.on_start == []
    with iterate_in_worker(partial(jobs.Numbers, 1), backend="inline") as numbers:
        assert list(numbers) == [0]


def test_a_recording_within_another() -> None:
    with record() as outer, record() as inner:
        with iterate_in_worker(partial(range, 3), backend="inline") as numbers:
            assert list(numbers) == [0, 1, 2]
    assert inner.names()
    assert outer.names() == inner.names()
