"""Workers that are started without waiting for them."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    IterableClosedError,
    WorkerInitializationError,
    WorkerTimeoutError,
    iterate_in_subprocess,
)
from tests import jobs
from tests.kinds import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from farside import RemoteIterable

_FAILS = partial(int, "no number")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


def _start(kind: Kind, fn: Callable[[], Any], **options: Any) -> RemoteIterable[Any]:
    return kind.start(fn, wait=False, **options)


def test_what_is_known_before_the_worker_stands_by(kind: Kind) -> None:
    with _start(kind, partial(jobs.Numbers, 3)) as numbers:
        assert numbers.backend == kind.backend
        assert numbers.state in {"initialization", "stand by"}
        assert numbers.stats().items == 0
        numbers.wait_ready()
        assert numbers.state == "stand by"
        assert numbers.stats().startup_seconds > 0


def test_a_loop_waits_for_it(kind: Kind) -> None:
    with _start(kind, partial(jobs.Numbers, 3)) as numbers:
        assert list(numbers) == [0, 1, 2]
        assert list(numbers) == [0, 1, 2]


def test_a_pass_is_superseded_before_the_worker_stands_by(kind: Kind) -> None:
    with _start(kind, partial(jobs.Numbers, 3)) as numbers:
        left = iter(numbers)
        assert list(numbers) == [0, 1, 2]
        left.close()


def test_a_call_waits_for_it(kind: Kind) -> None:
    with _start(kind, partial(range, 3)) as numbers:
        assert numbers.call("__len__") == 3
        assert len(numbers) == 3


def test_a_failure_is_raised_at_the_first_use(kind: Kind) -> None:
    with _start(kind, _FAILS) as numbers:
        with pytest.raises(WorkerInitializationError, match="no number"):
            list(numbers)
        with pytest.raises(IterableClosedError):
            iter(numbers)


def test_a_failure_of_a_pass_is_the_loops_alone() -> None:
    """A thread that looks on hears no more than that the iterable is closed."""
    with iterate_in_subprocess(partial(map, int, ["0", "one"]), wait=False) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0
        with pytest.raises(IterableClosedError) as caught:
            deque(iter(numbers.dump_stack, None), maxlen=0)  # again and again
        assert isinstance(caught.value.__cause__, ValueError)
        with pytest.raises(ValueError, match="one"):
            next(iterator)


def test_a_failure_is_raised_by_the_wait(kind: Kind) -> None:
    with _start(kind, _FAILS) as numbers:
        with pytest.raises(ValueError, match="no number"):
            numbers.wait_ready()
        with pytest.raises(IterableClosedError) as caught:
            numbers.wait_ready()
        assert isinstance(caught.value.__cause__, ValueError)


def test_each_task_that_waits_hears_of_the_failure(kind: Kind) -> None:
    async def main() -> None:
        with _start(kind, _FAILS) as numbers:
            found = await asyncio.gather(numbers.ready(), numbers.ready(), return_exceptions=True)
            told, closed = sorted(found, key=lambda each: isinstance(each, IterableClosedError))
            assert isinstance(told, ValueError)
            assert isinstance(closed, IterableClosedError)

    asyncio.run(main())


def test_what_is_closed_is_not_ready(kind: Kind) -> None:
    numbers = _start(kind, partial(jobs.Numbers, 3))
    numbers.close()
    with pytest.raises(IterableClosedError):
        numbers.wait_ready()


def test_it_is_closed_before_it_stands_by(kind: Kind) -> None:
    numbers = _start(kind, partial(jobs.Numbers, 3))
    numbers.close()
    assert numbers.state == "closed"
    with pytest.raises(IterableClosedError):
        list(numbers)


def test_it_is_dropped_before_it_stands_by(kind: Kind) -> None:
    _start(kind, partial(jobs.Numbers, 3))
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "farside-launch":
            thread.join()


def test_its_initialization_has_a_limit(kind: Kind) -> None:
    if kind.name == "inline":
        return  # nobody can interrupt it
    with _start(kind, jobs.hang, init_timeout=0.2) as numbers:
        with pytest.raises(WorkerTimeoutError, match="init_timeout"):
            numbers.wait_ready()


def test_an_event_loop_goes_on_meanwhile(kind: Kind) -> None:
    async def main() -> list[int]:
        async with _start(kind, partial(jobs.Numbers, 3)) as numbers:
            assert numbers.state == "stand by"
            return [number async for number in numbers]

    assert asyncio.run(main()) == [0, 1, 2]


def test_a_failure_is_raised_by_async_with(kind: Kind) -> None:
    async def main() -> None:
        async with _start(kind, _FAILS):
            raise AssertionError

    with pytest.raises(WorkerInitializationError, match="no number"):
        asyncio.run(main())
