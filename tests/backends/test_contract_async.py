"""What every kind of worker promises to ``async for``, on every event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    ExhaustedIteratorWarning,
    IterableClosedError,
    NotPicklableError,
    PassSupersededError,
    WorkerDiedError,
    WorkerIterationError,
    WorkerTimeoutError,
)
from tests import jobs
from tests.kinds import KINDS
from tests.loops import LOOPS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from farside import RemoteIterable
    from tests.kinds import Kind
    from tests.loops import Gate, Loop


async def collect(iterable: Any) -> tuple[list[Any], BaseException | None]:
    """Iterate as far as it goes: what was got, and what was raised."""
    got: list[Any] = []
    try:
        async for item in iterable:
            got.append(item)  # noqa: PERF401  a comprehension would lose what came before an error
    except Exception as error:
        return got, error
    return got, None


PAIRS = [
    (kind, loop)
    for kind in KINDS
    for loop in LOOPS
    if loop is LOOPS[0] or kind.name in {"forkserver", "subinterpreter"}
]
"""Kinds of workers and event loops. What start method a process had is nothing to a loop."""

everywhere = pytest.mark.parametrize(
    ("kind", "loop"), PAIRS, ids=[f"{kind.name}-{loop.name}" for kind, loop in PAIRS]
)


async def fed(loop: Loop, gate: Gate, work: Callable[[], Awaitable[Any]]) -> Any:
    """Await some work, and let items through until it is done.

    Where there are two passes, nobody knows how many of the items go to the older one.
    """
    results: list[Any] = []

    async def do() -> None:
        try:
            results.append(await work())
        except BaseException as error:
            results.append(error)
            raise

    async def feed() -> None:
        while not results:
            gate.let(1)
            await loop.sleep(0.001)

    await loop.together(do, feed)
    return results[0]


async def first(iterable: RemoteIterable[Any]) -> Any:
    async for item in iterable:
        return item
    return None


@everywhere
def test_any_number_of_passes(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Numbers, 5000)) as numbers:
            for _ in range(3):
                assert [number async for number in numbers] == list(range(5000))
            assert list(numbers) == list(range(5000))
        assert numbers.state == "closed"

    loop.run(main)


@everywhere
@pytest.mark.parametrize("buffer_size", [1, 3, 1000])
def test_buffer_sizes(kind: Kind, loop: Loop, buffer_size: int) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Numbers, 300), buffer_size=buffer_size) as numbers:
            assert [number async for number in numbers] == list(range(300))

    loop.run(main)


@everywhere
def test_contents_larger_than_any_buffer(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        for arena_bytes in (0, 1 << 26):
            start = partial(kind.start, arena_bytes=arena_bytes)
            async with start(partial(jobs.Blocks, 3, 9_000_000)) as blocks:
                got = [(len(block), block[-1]) async for block in blocks]
                assert got == [(9_000_000, number) for number in range(3)]

    loop.run(main)


@everywhere
def test_leaving_a_loop_stops_the_pass_at_once(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(jobs.Endless) as numbers:
            for _ in range(100):
                async for number in numbers:
                    assert number == 0
                    break
                assert numbers.state in {"stopping", "stand by"}

    loop.run(main)


@everywhere
def test_closing_an_iterator_stops_the_pass(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(jobs.Endless) as numbers:
            iterator: Any = aiter_(numbers)
            assert await iterator.__anext__() == 0
            await iterator.aclose()
            assert numbers.state in {"stopping", "stand by"}
            for _ in range(2):
                with pytest.raises(StopAsyncIteration):
                    await iterator.__anext__()
            assert await first(numbers) == 0

    loop.run(main)


def aiter_(iterable: RemoteIterable[Any]) -> AsyncIterator[Any]:
    """Do what ``aiter()`` does, mypy on any Python included."""
    return iterable.__aiter__()


@everywhere
def test_an_item_is_awaited_from_an_iterator_that_nobody_keeps(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(jobs.Endless) as numbers:
            for _ in range(3):
                assert await aiter_(numbers).__anext__() == 0

    loop.run(main)


@everywhere
def test_a_task_that_is_cancelled_while_it_waits_loses_nothing(
    kind: Kind, loop: Loop, gate: Gate
) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Gated, gate.path)) as items:
            iterator = aiter_(items)
            for number in range(5):
                assert await loop.cut(0.01, iterator.__anext__) is None
                gate.let(number)
                assert await iterator.__anext__() == number
            gate.shut()
            with pytest.raises(StopAsyncIteration):
                await iterator.__anext__()

    loop.run(main)


@everywhere
def test_cancelling_at_any_moment_loses_nothing(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(jobs.Endless, buffer_size=2) as numbers:
            iterator, seen = aiter_(numbers), []

            async def go_on() -> None:
                while True:
                    seen.append(await iterator.__anext__())

            for step in range(60):
                await loop.cut(step % 6 / 3000, go_on)
            seen.append(await iterator.__anext__())
            assert seen == list(range(len(seen)))

    loop.run(main)


@everywhere
def test_a_worker_whose_loop_was_cancelled_is_as_good_as_new(
    kind: Kind, loop: Loop, gate: Gate
) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Gated, gate.path)) as items:
            assert await loop.cut(0.01, partial(first, items)) is None
            assert items.state == "stopping"
            # The worker may still wait for an item of the pass that was left.
            assert await fed(loop, gate, partial(first, items)) == 1
            gate.shut()

    loop.run(main)


@everywhere
def test_the_loop_goes_on_while_an_item_is_awaited(kind: Kind, loop: Loop, gate: Gate) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Gated, gate.path)) as items:

            async def open_later() -> None:
                for _ in range(10):
                    await loop.sleep(0.001)
                gate.let(7)

            assert await loop.together(partial(first, items), open_later) == [7, None]
            gate.shut()

    loop.run(main)


@everywhere
def test_a_producer_that_is_always_ahead_does_not_starve_the_loop(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(jobs.Endless) as numbers:
            turns = 0

            async def others() -> None:
                nonlocal turns
                for turns in range(20):  # noqa: B007
                    await loop.sleep(0)

            async def take_until_others_are_done() -> None:
                async for _ in numbers:
                    if turns == 19:
                        break

            await loop.together(take_until_others_are_done, others)

    loop.run(main)


@everywhere
def test_several_at_once(kind: Kind, loop: Loop) -> None:
    async def total(count: int) -> int:
        async with kind.start(partial(jobs.Numbers, count)) as numbers:
            return sum([number async for number in numbers])

    async def main() -> None:
        counts = [1, 1000, 3000, 10_000]
        got = await loop.together(*[partial(total, count) for count in counts])
        assert got == [sum(range(count)) for count in counts]

    loop.run(main)


@everywhere
def test_failures_are_the_same(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        numbers = kind.start(partial(jobs.FailsAt, 3, jobs.boom))
        got, error = await collect(numbers)
        assert got == [0, 1, 2]
        assert isinstance(error, jobs.TwoArguments)
        assert isinstance(error, WorkerIterationError)
        with pytest.raises(IterableClosedError):
            aiter_(numbers)
        await numbers.aclose()
        await numbers.aclose()

    loop.run(main)


@everywhere
def test_an_iterator_that_has_raised_is_over(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.FailsAt, 0, jobs.boom)) as numbers:
            iterator = aiter_(numbers)
            with pytest.raises(jobs.TwoArguments):
                await iterator.__anext__()
            with pytest.raises(StopAsyncIteration):
                await iterator.__anext__()

    loop.run(main)


@everywhere
def test_an_item_that_does_not_unpickle_here(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        fn = partial(map, partial(jobs.after_two, refuse=jobs.RefusesToLoad), range(5))
        async with kind.start(fn) as items:
            got, error = await collect(items)
            assert got == [0, 1]
            assert isinstance(error, NotPicklableError)
            assert error.item_index == 2
            assert items.state == "closed"

    loop.run(main)


@everywhere
def test_a_used_up_iterator_is_told_at_the_line_of_the_loop(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.generate, 3)) as items:
            assert [item async for item in items] == [0, 1, 2]
            with pytest.warns(ExhaustedIteratorWarning) as caught:
                assert await collect(items) == ([], None)
            assert caught[0].filename == __file__

    loop.run(main)


@everywhere
def test_time_out(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Hangs, 2), timeout=1, init_timeout=50) as items:
            got, error = await collect(items)
            assert got == [0, 1]
            assert isinstance(error, WorkerTimeoutError)
            assert items.state == "closed"

    loop.run(main)


@everywhere
def test_time_out_of_an_item_that_was_awaited_again_and_again(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Hangs, 0), timeout=1, init_timeout=50) as items:
            iterator = aiter_(items)

            async def insist() -> Any:
                try:
                    await iterator.__anext__()
                except WorkerTimeoutError as error:
                    return error

            while (got := await loop.cut(0.1, insist)) is None:
                pass
            assert isinstance(got, WorkerTimeoutError)

    loop.run(main)


def test_a_worker_that_dies_wakes_the_task(subprocess_kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        got, error = await collect(subprocess_kind.start(partial(jobs.Exits, 2, 3)))
        assert got == [0, 1][: len(got)]
        assert isinstance(error, WorkerDiedError)
        assert error.exit_code == 3

    loop.run(main)


@everywhere
@pytest.mark.parametrize("how", ["thread", "task"])
def test_closing_wakes_a_task_that_waits(kind: Kind, loop: Loop, gate: Gate, how: str) -> None:
    async def main() -> None:
        items = kind.start(partial(jobs.Gated, gate.path))

        async def close() -> None:
            await loop.sleep(0.02)  # the other one waits by then; if not, less is tested
            if how == "thread":
                await loop.in_thread(items.close)
            else:
                await items.aclose()

        async def release() -> None:
            while items.state != "closed":
                await loop.sleep(0.001)
            gate.shut()

        (got, error), *none = await loop.together(partial(collect, items), close, release)
        assert (got, none) == ([], [None, None])
        assert isinstance(error, IterableClosedError)

    loop.run(main)


@everywhere
def test_one_iterator_in_two_tasks_is_an_error(kind: Kind, loop: Loop, gate: Gate) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Gated, gate.path)) as items:
            iterator = aiter_(items)

            async def second() -> None:
                await loop.sleep(0)
                try:
                    with pytest.raises(RuntimeError, match="another task waits"):
                        await iterator.__anext__()
                finally:
                    gate.let(5)

            assert await loop.together(iterator.__anext__, second) == [5, None]
            gate.shut()

    loop.run(main)


@everywhere
def test_a_newer_pass_wakes_the_task_of_an_older_one(kind: Kind, loop: Loop, gate: Gate) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Gated, gate.path)) as items:

            async def newer() -> Any:
                while items.state != "iteration":
                    await loop.sleep(0.001)
                iterator = aiter_(items)
                return await fed(loop, gate, iterator.__anext__)

            (got, error), item = await loop.together(partial(collect, items), newer)
            assert (got, item) == ([], 1)
            assert isinstance(error, PassSupersededError)
            gate.shut()

    loop.run(main)


@everywhere
def test_an_async_pass_supersedes_a_thread_that_waits(kind: Kind, loop: Loop, gate: Gate) -> None:
    async def main() -> None:
        async with kind.start(partial(jobs.Gated, gate.path)) as items:
            errors: list[BaseException] = []

            def iterate() -> None:
                try:
                    list(items)
                except PassSupersededError as error:
                    errors.append(error)

            older = threading.Thread(target=iterate)
            older.start()
            while items.state != "iteration":
                await loop.sleep(0.001)
            iterator = aiter_(items)
            assert await fed(loop, gate, iterator.__anext__) == 1
            gate.shut()
            await loop.in_thread(older.join)
            assert len(errors) == 1

    loop.run(main)


@everywhere
def test_a_body_that_is_cancelled_ends_the_worker(kind: Kind, loop: Loop, gate: Gate) -> None:
    started: list[RemoteIterable[int]] = []

    async def body() -> None:
        async with kind.start(partial(jobs.Numbers, 3)) as items:
            started.append(items)
            async for _ in items:
                await loop.sleep(60)

    async def main() -> None:
        await loop.cut(0.05, body)
        assert [items.state for items in started] in ([], ["closed"])

    loop.run(main)


@everywhere
def test_closing_that_is_cancelled_ends_the_worker(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        for step in range(5):
            items = kind.start(jobs.Endless)
            assert await first(items) == 0
            await loop.cut(step / 1000, items.aclose)
            await items.aclose()  # when it was cancelled before it began

    loop.run(main)


def test_a_fallback_takes_over(subinterpreter_kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        start = partial(subinterpreter_kind.start, fallback="subprocess")
        async with start(partial(jobs.imports_refuser_late, 0)) as items:
            with pytest.warns(match="readline does not support") as caught:
                assert [item async for item in items] == [8]
            assert caught[0].filename == __file__
            assert items.backend == "subprocess"

    loop.run(main)


@everywhere
def test_started_in_another_thread_than_used(kind: Kind, loop: Loop) -> None:
    async def main() -> None:
        start = partial(kind.start, partial(jobs.Numbers, 1000))
        async with await loop.in_thread(start) as numbers:
            for _ in range(2):
                assert [number async for number in numbers] == list(range(1000))

    loop.run(main)


def test_a_task_that_its_loop_leaves_behind(kind: Kind) -> None:
    numbers = kind.start(jobs.Endless, buffer_size=1)

    async def take() -> None:
        async for _ in numbers:
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.ensure_future(take())
        await asyncio.sleep(0.01)
        del task  # asyncio.run cancels it

    asyncio.run(main())
    with numbers:
        assert next(iter(numbers)) == 0


def test_an_iterator_outlives_its_loop(kind: Kind) -> None:
    numbers = kind.start(jobs.Endless)
    iterator = aiter_(numbers)

    async def main(iterator: AsyncIterator[int]) -> int:
        return await iterator.__anext__()

    assert [asyncio.run(main(iterator)) for _ in range(3)] == [0, 1, 2]
    del iterator
    assert numbers.state in {"stopping", "stand by"}
    numbers.close()


def test_a_loop_is_closed_while_a_task_waits(kind: Kind, gate: Gate) -> None:
    items = kind.start(partial(jobs.Gated, gate.path))
    loop = asyncio.new_event_loop()
    waiting: Any = aiter_(items).__anext__()
    task = loop.create_task(waiting)
    loop.run_until_complete(asyncio.sleep(0.02))
    loop.close()
    vars_of: Any = task
    vars_of._log_destroy_pending = False  # asyncio would log what this test is about
    del vars_of, task, waiting
    gc.collect()
    assert items.state == "stopping"
    gate.shut()
    items.close()
