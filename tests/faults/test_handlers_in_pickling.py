"""What a signal handler raises while something is pickled or unpickled is told as itself."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    CallFailedError,
    WorkerFailedError,
    iterate_in_subprocess,
    map_in_workers,
)
from farside._payload import handlers, pickling
from farside._payload.encoder import Encoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Struck(Exception):
    """Raised by a handler."""


def strike(_signal: int, _frame: object) -> None:
    raise Struck


def strike_with_any(*given: Any) -> None:
    strike(*given)


class Strikes:
    def strike(self, *given: Any, **named: Any) -> None:
        del named
        strike(*given)


def arm() -> None:
    signal.signal(signal.SIGUSR1, strike)


def interrupt(parent: int | None = None) -> None:
    """Let the handler strike, perhaps in one process only."""
    if parent in {None, os.getpid()}:
        signal.raise_signal(signal.SIGUSR1)


class StrikesInLoad:
    """Is interrupted as it is unpickled, in one process."""

    def __init__(self, parent: int) -> None:
        self.parent = parent

    def __reduce__(self) -> tuple[Any, ...]:
        return interrupt, (self.parent,)


class StrikesInDump:
    """Is interrupted as it is pickled for the first time, in one process."""

    def __init__(self, parent: int | None = None) -> None:
        self.parent: int | None = parent

    def __reduce__(self) -> tuple[Any, ...]:
        parent, self.parent = self.parent, -1
        interrupt(parent)
        return StrikesInDump, (-1,)


class CountsDumps:
    """Is interrupted each time it is pickled."""

    dumps = 0

    def __reduce__(self) -> tuple[Any, ...]:
        CountsDumps.dumps += 1
        interrupt()
        return CountsDumps, ()


@pytest.fixture(autouse=True)
def _armed() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    arm()
    yield
    signal.signal(signal.SIGUSR1, before)


def load_at_one(parent: int, number: int) -> object:
    return StrikesInLoad(parent) if number == 1 else number


def loads(parent: int) -> list[object]:
    return [load_at_one(parent, number) for number in range(3)]


def test_as_an_item_is_loaded() -> None:
    with iterate_in_subprocess(partial(loads, os.getpid())) as items:
        for _ in range(2):  # the worker stays
            iterator = iter(items)
            assert next(iterator) == 0
            with pytest.raises(Struck):
                next(iterator)


@pytest.mark.parametrize("on_error", ["raise", "return", "skip"])
def test_as_a_result_is_loaded(on_error: Any) -> None:
    function = partial(load_at_one, os.getpid())
    with map_in_workers(function, range(3), 1, backend="subprocess", on_error=on_error) as results:
        for _ in range(2):
            iterator = iter(results)
            assert next(iterator) == 0
            with pytest.raises(Struck):
                next(iterator)


def test_as_an_input_is_pickled() -> None:
    inputs = [0, StrikesInDump(os.getpid()), 2]
    with map_in_workers(type, inputs, 1, backend="subprocess", on_error="skip") as results:
        with pytest.raises(Struck):
            list(results)
        assert list(results) == [int, StrikesInDump, int]


@pytest.mark.timeout(60)
def test_as_an_awaited_input_is_pickled() -> None:
    async def give() -> AsyncIterator[Any]:
        for each in (0, StrikesInDump(os.getpid()), 2):
            yield each

    async def main() -> None:
        async with map_in_workers(type, give(), 1, backend="subprocess") as results:
            iterator, got = aiter(results), list[type]()

            async def take() -> None:
                while True:
                    got.append(await anext(iterator))

            with pytest.raises(Struck):  # once, as what the iterator itself raises
                await take()
            assert got == [int]
            with pytest.raises(StopAsyncIteration):
                await anext(iterator)

    asyncio.run(main())


def dump_at_one(number: int) -> object:
    return StrikesInDump() if number == 1 else number


def dumps() -> list[object]:
    return [dump_at_one(number) for number in range(3)]


def test_as_an_item_is_pickled() -> None:
    with iterate_in_subprocess(dumps, initializer=arm) as items:
        iterator = iter(items)
        assert next(iterator) == 0
        with pytest.raises(Struck) as caught:
            next(iterator)
        error = caught.value
        assert isinstance(error, WorkerFailedError)
        assert (error.stage, error.item_index) == ("next", 1)


def test_as_a_result_is_pickled() -> None:
    with map_in_workers(
        dump_at_one, range(3), 1, backend="subprocess", initializer=arm, on_error="return"
    ) as results:
        first, error, last = results
    assert (first, last) == (0, 2)
    assert isinstance(error, Struck)
    assert isinstance(error, WorkerFailedError)
    assert (error.stage, error.input_index) == ("function", 1)


class Answers:
    def __iter__(self) -> Iterator[int]:
        return iter(())

    def load(self, parent: int) -> object:
        return StrikesInLoad(parent)

    def dump(self, *_: object) -> object:
        return StrikesInDump()

    def dump_counted(self) -> object:
        return CountsDumps()

    def dumps(self) -> int:
        return CountsDumps.dumps


def test_in_a_call() -> None:
    with iterate_in_subprocess(Answers, initializer=arm) as answers:
        with pytest.raises(Struck):
            answers.call("dump", StrikesInDump(os.getpid()))
        with pytest.raises(Struck):
            answers.call("load", os.getpid())
        with pytest.raises(Struck) as caught:
            answers.call("dump")
        assert isinstance(caught.value, CallFailedError)
        with pytest.raises(Struck):
            answers.call("dump_counted")
        assert answers.call("dumps") == 1  # nobody looks for a part of it that does not pickle


def test_as_fn_is_pickled() -> None:
    with pytest.raises(Struck):
        iterate_in_subprocess(partial(iter, StrikesInDump(os.getpid())))


@pytest.mark.parametrize("dump", [pickling.dumps, Encoder(None).encode])
def test_it_is_not_taken_for_what_cloudpickle_may_pickle(dump: Any) -> None:
    with pytest.raises(Struck):
        dump(StrikesInDump())


@pytest.mark.parametrize("handler", [strike, Strikes().strike, partial(strike), strike_with_any])
def test_any_kind_of_handler_is_known_by_the_frame_that_it_is_given(handler: Any) -> None:
    signal.signal(signal.SIGUSR1, handler)
    with pytest.raises(Struck) as caught:
        interrupt()
    assert handlers.raised(caught.value)
    with pytest.raises(Struck) as caught:
        strike(0, None)
    assert not handlers.raised(caught.value)
