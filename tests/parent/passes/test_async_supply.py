"""The inputs of a map that are awaited. `test_inputs` has those that are iterated."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import warnings
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from farside import (
    ExhaustedIteratorWarning,
    IterableClosedError,
    NotPicklableError,
    map_in_workers,
)
from farside._parent.event_loops import AsyncioWaiter
from farside._parent.passes import async_supply
from farside._parent.passes.async_supply import AsyncSupply
from farside._parent.passes.supply import TAKE_SECONDS
from farside._protocol.order import Place
from tests import mapping_jobs as jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.loops import Loop


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pass that waits for the one before wait until it is told that it need not."""
    monkeypatch.setattr(async_supply, "_PATIENCE", 1000.0)


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


def refuse(_: object) -> NoReturn:
    raise TypeError


Mute: Any = type("Mute", (Exception,), {"__class__": property(refuse)})


def test_an_exception_of_async_inputs_that_cannot_be_looked_at_comes_too(loop: Loop) -> None:
    """It was told that the task of the inputs was cancelled."""

    async def failing() -> AsyncIterator[int]:
        yield 1
        raise Mute

    async def main() -> None:
        async with map_in_workers(jobs.square, failing(), 0) as results:
            try:
                await take_async(results, 2)
            except Mute:
                return
        pytest.fail("nothing was raised")

    loop.run(main)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("in_order", [True, False])
def test_results_come_while_an_input_is_awaited(
    workers: int, loop: Loop, *, in_order: bool
) -> None:
    """So an input may wait for the result of the one before."""
    got: list[Any] = []

    async def fed_back() -> AsyncIterator[int]:
        for number in range(4):
            while len(got) < number:
                await loop.sleep(0.001)
            yield number

    async def main() -> None:
        start = partial(map_in_workers, jobs.square, num_workers=workers, in_order=in_order)
        async with start(fed_back(), backend="subprocess") as results:
            async for result in results:
                got.append(result)  # noqa: PERF401  the inputs look at it meanwhile

    loop.run(main)
    assert got == [0, 1, 4, 9]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_task_that_is_cancelled_while_it_waits_for_an_input_loses_nothing(
    workers: int, loop: Loop
) -> None:
    go_on: list[bool] = []

    async def slow() -> AsyncIterator[int]:
        yield 1
        while not go_on:
            await loop.sleep(0.001)
        yield 2

    async def main() -> None:
        async with map_in_workers(jobs.square, slow(), workers, backend="subprocess") as results:
            iterator = aiter_of(results)
            assert await iterator.__anext__() == 1
            waited = results.stats().parent_wait_seconds
            assert await loop.cut(0.05, iterator.__anext__) is None
            assert results.stats().parent_wait_seconds == waited  # no worker has to do anything
            go_on.append(True)
            assert await iterator.__anext__() == 4
            with pytest.raises(StopAsyncIteration):
                await iterator.__anext__()

    loop.run(main)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("whole", [True, False])
def test_who_waits_for_an_input_learns_that_it_was_closed(
    workers: int, loop: Loop, *, whole: bool
) -> None:
    async def never() -> AsyncIterator[int]:
        await loop.sleep(1000)
        yield 1

    async def main() -> None:
        async with map_in_workers(jobs.square, never(), workers, backend="subprocess") as results:
            iterator = aiter_of(results)

            async def close() -> None:
                await loop.sleep(0.05)
                await (loop.in_thread(results.close) if whole else iterator.aclose())

            error, _ = await loop.together(iterator.__anext__, close)
            assert isinstance(error, IterableClosedError)

    loop.run(main)


@pytest.mark.parametrize("leave", ["close", "drop", "begin anew"])
def test_an_input_that_is_awaited_when_the_loop_is_left_is_cancelled(
    leave: str, loop: Loop
) -> None:
    begun, ended = list[str](), list[str]()

    class Slow:
        async def __aiter__(self) -> AsyncIterator[int]:
            yield 1
            begun.append("begun")
            try:
                await loop.sleep(1000)
            finally:
                ended.append("ended")

    async def main() -> None:
        async with map_in_workers(jobs.square, Slow(), 1, backend="subprocess") as results:
            iterator = aiter_of(results)
            assert await iterator.__anext__() == 1
            while not begun:
                assert await loop.cut(0.05, iterator.__anext__) is None
            if leave == "close":
                await iterator.aclose()
            elif leave == "drop":
                del iterator
            else:
                aiter_of(results)
            while not ended:
                await loop.sleep(0.001)

    loop.run(main)
    assert ended == ["ended"]


@pytest.mark.parametrize("leave", ["close", "drop", "begin anew", "end the worker"])
def test_a_generator_of_inputs_that_waits_for_nothing_is_closed_when_the_loop_is_left(
    leave: str, loop: Loop
) -> None:
    """It may await something then. It was dropped: trio warned, and allowed no await."""
    said: list[str] = []

    class Quick:
        async def __aiter__(self) -> AsyncIterator[int]:
            try:
                for number in count():
                    yield number
            finally:
                said.append("closing")
                await loop.sleep(0.01)
                said.append("closed")

    async def main() -> None:
        start = partial(map_in_workers, backend="subprocess", buffer_size=1)
        async with start(jobs.square, Quick(), 1) as results:
            iterator = aiter_of(results)
            assert [await iterator.__anext__() for _ in range(3)] == [0, 1, 4]
            await loop.sleep(0.05)  # the task waits for the loop to want more by then
            if leave == "close":
                await iterator.aclose()
            elif leave == "drop":
                del iterator
            elif leave == "begin anew":
                aiter_of(results)
            else:
                await results.aclose()
            while said != ["closing", "closed"]:
                await loop.sleep(0.001)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        loop.run(main)


def test_an_iterator_of_the_users_own_is_not_closed(loop: Loop) -> None:
    async def endless() -> AsyncIterator[int]:
        for number in count():
            yield number

    async def main() -> None:
        inputs = endless()
        start = partial(map_in_workers, backend="subprocess", buffer_size=1)
        async with start(jobs.square, inputs, 1) as results:
            assert await take_async(results, 3) == [0, 1, 4]
            await loop.sleep(0.05)
        assert await inputs.__anext__() > 0
        await inputs.aclose()  # type: ignore[attr-defined]

    loop.run(main)


def test_what_a_generator_of_inputs_raises_as_it_is_closed_is_printed(
    loop: Loop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)  # not that of pytest

    class Failing:
        async def __aiter__(self) -> AsyncIterator[int]:
            try:
                for number in count():
                    yield number
            finally:
                raise KeyError("mine")

    async def main() -> None:
        start = partial(map_in_workers, backend="subprocess", buffer_size=1)
        async with start(jobs.square, Failing(), 1) as results:
            assert await take_async(results, 3) == [0, 1, 4]
            await loop.sleep(0.05)

    loop.run(main)
    assert "KeyError: 'mine'" in capfd.readouterr().err


class Stream:
    """As one of anyio or trio: it can be closed, and is its own iterator."""

    def __init__(self) -> None:
        self.number = 0
        self.closed = False

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> int:
        self.number += 1
        return self.number

    async def aclose(self) -> None:
        self.closed = True


def test_a_stream_of_the_users_own_is_not_closed(loop: Loop) -> None:
    stream = Stream()

    class Received:
        def __aiter__(self) -> Stream:
            return stream

    async def main() -> None:
        start = partial(map_in_workers, backend="subprocess", buffer_size=1)
        async with start(jobs.square, Received(), 1) as results:
            for _ in range(2):
                assert len(await take_async(results, 3)) == 3
                await loop.sleep(0.05)

    loop.run(main)
    assert not stream.closed


def test_the_task_of_inputs_that_do_not_let_themselves_be_cancelled_ends() -> None:
    """It got one more input, and then waited for a loop that wants another one."""

    class Stubborn:
        async def __aiter__(self) -> AsyncIterator[int]:
            yield 1
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1000)
            yield 2

    async def main() -> None:
        async with map_in_workers(jobs.square, Stubborn(), 0) as results:
            iterator, mine = aiter_of(results), asyncio.all_tasks()
            assert await iterator.__anext__() == 1
            (task,) = asyncio.all_tasks() - mine
            await asyncio.sleep(0.01)
            aiter_of(results)
            await asyncio.sleep(0.01)
            del iterator
            await asyncio.wait([task])

    asyncio.run(main())


def test_a_pass_over_the_same_iterator_asks_when_the_task_of_the_one_before_has_ended(
    loop: Loop,
) -> None:
    """Streams and generators refuse to be asked twice at the same time."""

    class Stream:
        asked = False
        given = wanted = 0

        def __aiter__(self) -> Stream:
            return self

        async def __anext__(self) -> int:
            assert not self.asked
            self.asked = True
            try:
                await loop.sleep(0 if self.given < self.wanted else 1000)
                self.given += 1
                return self.given
            finally:
                self.asked = False

    got: list[int] = []

    async def main() -> None:
        stream = Stream()
        async with map_in_workers(jobs.square, stream, 0) as results:
            for stream.wanted in [1, 2, 3]:
                iterator = aiter_of(results)
                got.append(await iterator.__anext__())
                while not stream.asked:  # for the next input, which does not come
                    assert await loop.cut(0.01, iterator.__anext__) is None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExhaustedIteratorWarning)
        loop.run(main)
    assert got == [1, 4, 9]


def test_a_pass_does_not_wait_until_the_generator_of_the_one_before_is_closed(loop: Loop) -> None:
    got: list[int] = []

    class Inputs:
        async def __aiter__(self) -> AsyncIterator[int]:
            try:
                for number in count():
                    yield number
            finally:
                while len(got) < 2:
                    await loop.sleep(0.001)

    async def main() -> None:
        async with map_in_workers(jobs.square, Inputs(), 0, buffer_size=1) as results:
            for _ in range(2):
                got.extend(await take_async(results, 1))
                await loop.sleep(0.01)

    loop.run(main)
    assert got == [0, 0]


def test_where_the_task_that_awaits_the_inputs_is_cancelled_the_pass_fails() -> None:
    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(1000)

    async def main() -> None:
        async with map_in_workers(jobs.square, slow(), 0) as results:
            iterator, mine = aiter_of(results), asyncio.all_tasks()
            assert await iterator.__anext__() == 1
            (task,) = asyncio.all_tasks() - mine
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(RuntimeError, match="awaits the inputs was cancelled"):
                await iterator.__anext__()

    asyncio.run(main())


def test_a_task_of_the_inputs_that_was_cancelled_before_it_began_is_not_waited_for() -> None:
    async def main() -> None:
        async with map_in_workers(jobs.square, numbers(3), 0) as results:
            here = asyncio.current_task()
            waits = asyncio.ensure_future(aiter_of(results).__anext__())

            def cancel() -> None:
                others = [each.cancel() for each in asyncio.all_tasks() - {here, waits}]
                if not others:  # on a slow machine it gives the others a turn first
                    waits.get_loop().call_soon(cancel)

            waits.get_loop().call_soon(cancel)
            with pytest.raises(RuntimeError, match="awaits the inputs was cancelled"):
                await waits

    asyncio.run(main())


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_and_comes_from_the_inputs_ends_it(
    loop: Loop, kind: type[BaseException]
) -> None:
    async def leaving() -> AsyncIterator[int]:
        yield 1
        await loop.sleep(0.01)
        raise kind(3)

    async def main() -> None:
        async with map_in_workers(jobs.square, leaving(), 0) as results:
            if loop.name != "trio":  # asyncio ends at once, and trio keeps what has ended it
                await take_async(results, 10)
            with pytest.raises(kind):
                await take_async(results, 10)

    if loop.name == "trio":
        loop.run(main)
    else:
        with pytest.raises(kind):
            loop.run(main)


class NoException(BaseException):
    """As what ends a test of pytest."""


def test_what_comes_from_the_inputs_and_is_no_exception_is_raised(loop: Loop) -> None:
    """It counted as a cancelled task, and broke trio."""

    async def failing() -> AsyncIterator[int]:
        yield 1
        await loop.sleep(0)
        raise NoException("mine")

    async def main() -> None:
        async with map_in_workers(jobs.square, failing(), 0) as results:
            iterator = aiter_of(results)
            assert await iterator.__anext__() == 1
            with pytest.raises(NoException, match="mine"):
                await iterator.__anext__()

    loop.run(main)


def test_what_inputs_raise_when_they_are_cancelled_is_dropped(loop: Loop) -> None:
    """A nursery of trio makes such a group of it, which broke trio."""
    said: list[str] = []

    class Slow:
        async def __aiter__(self) -> AsyncIterator[int]:
            yield 1
            try:
                said.append("asked")
                await loop.sleep(1000)
            finally:
                said.append("ended")
                raise NoException

    async def until_said(what: str) -> None:
        while what not in said:
            await loop.sleep(0.001)

    async def main() -> None:
        async with map_in_workers(jobs.square, Slow(), 0) as results:
            iterator = aiter_of(results)
            assert await iterator.__anext__() == 1
            assert await loop.cut(0.05, iterator.__anext__) is None
            await until_said("asked")
            await iterator.aclose()
            await until_said("ended")

    loop.run(main)


@pytest.mark.parametrize("closed", [False, True])
def test_a_pass_does_not_wait_for_inputs_on_a_loop_that_was_left(
    closed: bool,  # noqa: FBT001
) -> None:
    """The second one never comes: the loop would get the result of one that has come."""

    async def ask(iterator: Any) -> Any:
        return await iterator.__anext__()

    async def inputs() -> AsyncIterator[int]:
        yield 0
        await asyncio.sleep(1000)

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    with map_in_workers(jobs.square, inputs(), 0) as results:
        iterator = aiter_of(results)
        assert first.run_until_complete(ask(iterator)) == 0
        (task,) = asyncio.all_tasks(first)
        if closed:
            first.close()
        with pytest.raises(RuntimeError, match="does not run any more"):
            second.run_until_complete(ask(iterator))
        if not closed:
            first.run_until_complete(asyncio.wait([task]))
            first.close()
    second.close()


def test_who_asks_again_after_an_exception_struck_as_the_task_was_begun_gets_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody would ever ask for an input."""

    def strike(*_: object) -> None:
        raise LookupError("of a signal handler")

    async def main() -> None:
        async with map_in_workers(jobs.square, numbers(3), 0) as results:
            iterator = aiter_of(results)
            with monkeypatch.context() as patched:
                patched.setattr(AsyncioWaiter, "begin", strike)
                with pytest.raises(LookupError):
                    await iterator.__anext__()
            with pytest.raises(LookupError):
                await iterator.__anext__()

    asyncio.run(main())


class Striking:
    """What an exception of a signal handler strikes in, when it is called or asked for an item."""

    def __call__(self, *_: object) -> NoReturn:
        raise LookupError

    __next__ = __call__

    def __iter__(self) -> Striking:
        return self


@pytest.mark.parametrize("place", ["iter", "_Input"])
def test_an_input_that_an_exception_strikes_at_is_not_counted(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a loop would wait for its result."""
    supply = AsyncSupply(Striking())
    supply._add_input(0)
    at = {"iter": lambda _: Striking(), "_Input": Striking()}[place]
    monkeypatch.setattr(async_supply, place, at, raising=False)
    with pytest.raises(LookupError):
        supply._add_input(1)
    assert supply.taken == 1
    assert not supply.ended, "the first one has yet to be given"
    assert supply.take(10, 1000)[0] == [0]
    assert supply.take(10, 1000) == ([], 0)
    assert supply.ended
    assert isinstance(supply.error, LookupError)


def test_only_the_first_of_inputs_that_go_together_may_have_been_begun() -> None:
    """A worker is told for that one alone how many results to skip."""
    place = Place(ended=((1, 2),), begun=((4, 1), (6, 2)))
    supply = AsyncSupply(Striking(), place)
    for number in range(8):
        supply._add_input(number)
    found = []
    while supply.has_come:
        found.append(supply.take(100, 1000)[0] or supply.pass_over())
    assert found == [[0], 1, [2, 3], [4, 5], [6, 7]]


def aiter_of(results: Any) -> Any:
    return results.__aiter__()


def test_a_loop_that_cannot_await_says_so() -> None:
    with map_in_workers(jobs.square, numbers(3), 0) as results:
        with pytest.raises(TypeError, match="async for"):
            list(results)


def test_inputs_that_are_awaited_at_once_are_taken_together_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def items() -> AsyncIterator[int]:
        for number in range(100_000):
            yield number

    times = count(0.0, TAKE_SECONDS / 50)  # so many come before those that did are sent
    monkeypatch.setattr("farside._parent.passes.async_supply.monotonic", lambda: next(times))
    supply = AsyncSupply(items)

    async def feed() -> int:
        supply.wanted = 1000
        await supply.feed()
        return len(supply.take(1000, 1 << 18)[0])

    async def main() -> list[int]:
        return [await feed() for _ in range(20)]

    found = asyncio.run(main())
    assert found[:6] == [1] * 6
    assert min(found[6:]) > 40
