"""How far ahead a map takes inputs, and what becomes of workers that are killed from outside."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from farside import ExhaustedIteratorWarning, NotPicklableError, map_in_workers
from tests import mapping_jobs as jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
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


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


class Endless:
    """An async iterable that can be iterated again and again, and uses one list for all inputs."""

    async def __aiter__(self) -> AsyncIterator[list[int]]:
        reused = [0]
        for reused[0] in count():
            await asyncio.sleep(0)
            yield reused


async def take_async(results: Any, most: int) -> list[Any]:
    got = []
    async for each in results:
        got.append(each)
        if len(got) == most:
            break
    return got


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("in_order", [True, False])
def test_async_inputs(workers: int, *, in_order: bool) -> None:
    async def main() -> None:
        async with map_in_workers(
            jobs.square, numbers(300), workers, backend="subprocess", in_order=in_order
        ) as results:
            got = await take_async(results, 1000)
            assert (got if in_order else sorted(got)) == [each * each for each in range(300)]
        async with map_in_workers(jobs.add_to, Endless(), workers, backend="subprocess") as results:
            for _ in range(2):
                assert await take_async(results, 40) == [[each, 0] for each in range(40)]
            state = results.state_dict()
        async with map_in_workers(jobs.add_to, Endless(), workers, backend="subprocess") as results:
            results.load_state_dict(state)
            assert await take_async(results, 3) == [[40, 0], [41, 0], [42, 0]]

    asyncio.run(main())


class Both:
    """It can be iterated, which blocks an event loop, and awaited."""

    def __iter__(self) -> Iterator[str]:
        return iter(["iterated"])

    async def __aiter__(self) -> AsyncIterator[str]:
        yield "awaited"


@pytest.mark.parametrize("workers", [0, 2])
def test_inputs_that_can_be_awaited_are_awaited_where_the_loop_can(workers: int) -> None:
    async def main() -> None:
        async with map_in_workers(len, Both(), workers, backend="subprocess") as results:
            for _ in range(2):
                assert list(results) == [len("iterated")]
                assert await take_async(results, 2) == [len("awaited")]

    asyncio.run(main())


def test_another_iterable_of_workers_as_inputs_does_not_block_the_loop(tmp_path: Path) -> None:
    path = str(tmp_path / "go")

    async def main() -> None:
        start = partial(map_in_workers, num_workers=1, backend="subprocess", buffer_size=1)
        async with start(jobs.wait_for_file, [path]) as inputs, start(len, inputs) as results:
            awaited = asyncio.ensure_future(take_async(results, 2))
            await asyncio.sleep(0.1)  # the task waits for the first input by then
            (tmp_path / "go").touch()
            assert await awaited == [len(path)]

    asyncio.run(main())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_input_is_sent_before_the_next_one_is_taken(
    tmp_path: Path, *, asynchronous: bool
) -> None:
    """Where inputs do not come at once, they may wait for what the function does."""
    quick = 3000

    def paths() -> Iterator[str]:
        yield from [str(tmp_path)] * quick  # so that many are sent together
        time.sleep(0.01)
        for number in range(5):
            path = tmp_path / str(number)
            yield str(path)
            end = time.monotonic() + 20
            while not path.exists():
                assert time.monotonic() < end, "the input was not sent"
                time.sleep(0.001)

    async def awaited() -> AsyncIterator[str]:
        for path in paths():
            yield path

    async def main() -> None:
        async with map_in_workers(jobs.make, awaited(), 2, backend="subprocess") as results:
            assert len(await take_async(results, quick + 6)) == quick + 5

    if asynchronous:
        asyncio.run(main())
    else:
        with map_in_workers(jobs.make, paths(), 2, backend="subprocess") as results:
            assert len(list(results)) == quick + 5


def test_what_async_inputs_raise_comes_in_its_turn() -> None:
    async def failing() -> AsyncIterator[Any]:
        yield 1
        yield threading.Lock()
        raise KeyError("mine")

    async def main() -> None:
        async with map_in_workers(jobs.square, failing(), 1, on_error="return") as results:
            iterator = aiter_of(results)
            assert await iterator.__anext__() == 1
            assert isinstance(await iterator.__anext__(), NotPicklableError)
            with pytest.raises(KeyError, match="mine"):
                await iterator.__anext__()

    asyncio.run(main())


def test_a_task_that_is_cancelled_while_it_waits_for_an_input() -> None:
    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    async def main() -> None:
        async with map_in_workers(jobs.square, slow(), 0, buffer_size=1) as results:
            iterator = aiter_of(results)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(iterator.__anext__(), 0.1)
            assert await iterator.__anext__() == 1
            with pytest.raises(RuntimeError, match="when a task was cancelled"):
                await iterator.__anext__()

    asyncio.run(main())


def aiter_of(results: Any) -> Any:
    return results.__aiter__()


def test_a_loop_that_cannot_await_says_so() -> None:
    with map_in_workers(jobs.square, numbers(3), 0) as results:
        with pytest.raises(TypeError, match="async for"):
            list(results)


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
