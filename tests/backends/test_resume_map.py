"""States of a map: each input once, in as many lives as it takes."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from farside import ReplayDivergedError, map_in_workers
from tests import mapping_jobs as jobs
from tests.kinds import SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ITEMS = list(range(40))
FLAT = [(number, each) for number in range(12) for each in range(number % 4)]


def lives(function: Any, items: Any, seed: int, backends: list[str], **options: Any) -> list[Any]:
    """Read all results, in several lives, each with other workers and in its own order."""
    draw = random.Random(seed)  # noqa: S311  nothing is kept secret
    got, state = list[Any](), None
    while True:
        with map_in_workers(
            function,
            items,
            draw.choice([0, 1, 2]),
            backend=draw.choice(backends),
            buffer_size=draw.choice([None, 1]),
            in_order=draw.choice([True, False]),
            **options,
        ) as results:
            if state is not None:
                results.load_state_dict(json.loads(json.dumps(state)))
            iterator, most, behind = iter(results), draw.randrange(1, 20), draw.choice([0, 2])
            here = list(islice(iterator, most))
            behind = min(behind, len(here))
            state = results.state_dict(behind=behind)
            got += here[: len(here) - behind]
            if len(here) < most and not behind:
                assert (state["epoch"], state["ended"], state["begun"]) == (1, [], [])
                return got


@pytest.mark.parametrize("backend", ["subprocess", *(kind.backend for kind in SUBINTERPRETERS)])
def test_each_result_comes_once(backend: str) -> None:
    got = lives(jobs.fail_at_threes, ITEMS, 1, [backend], on_error="skip")
    assert sorted(got) == [number for number in ITEMS if number % 3]
    got = lives(jobs.fail_at_threes, ITEMS, 2, [backend], on_error="return")
    assert sorted(each if isinstance(each, int) else each.args[0] for each in got) == ITEMS


@pytest.mark.parametrize("seed", range(3))
def test_each_flat_result_comes_once(seed: int) -> None:
    got = lives(jobs.count_to_remainder, range(12), seed, ["subprocess"], flat=True)
    assert sorted(got) == FLAT


def test_the_order_and_what_workers_know_are_those_of_the_pass_before() -> None:
    items = [None] * 20
    with map_in_workers(jobs.tell, items, 0, seed=3) as results:
        first, wanted = list(results), list(results)
    with map_in_workers(jobs.tell, items, 0, seed=3) as results:
        assert list(results) == first
        iterator = iter(results)
        got = [next(iterator) for _ in range(7)]
        state = results.state_dict()
    with map_in_workers(jobs.tell, iter(items), 2, backend="subprocess") as results:
        results.load_state_dict(state)
        assert (results.epoch, results.seed) == (1, 3)
        rest = [(index, 20, seed, epoch) for index, _, seed, epoch in results]
        assert got + rest == wanted  # of an iterator, nobody knows the number of inputs
        assert results.epoch == 2


def test_an_input_that_has_ended_the_pass_is_tried_again() -> None:
    with map_in_workers(jobs.fail_at_threes, [1, 2, 3, 4], 0) as results:
        with pytest.raises(ValueError, match="3"):
            list(results)
        state = results.state_dict()
    assert state["ended"] == [[0, 2]]
    with map_in_workers(abs, [1, 2, 3, 4], 0) as results:
        results.load_state_dict(state)
        assert list(results) == [3, 4]


def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def test_a_one_shot_iterator_is_one_that_begins_at_the_first_input() -> None:
    with map_in_workers(jobs.square, numbers(5), 0) as results:
        iterator = iter(results)
        next(iterator)
        state = results.state_dict()
        del iterator
        with pytest.raises(ValueError, match="one-shot iterator"):
            results.load_state_dict(state)
    with map_in_workers(jobs.square, numbers(5), 0) as results:
        results.load_state_dict(state)
        assert list(results) == [1, 4, 9, 16]
    with map_in_workers(jobs.square, numbers(0), 0) as results:
        results.load_state_dict(state)
        with pytest.raises(ValueError, match="1 inputs or more were done, and items has 0"):
            list(results)


@pytest.mark.parametrize(
    ("items", "told"),
    [
        (range(6), "has inputs=5, and this iterable has 6; "),
        ([0, 1, 2, 3, 5], "saved with other inputs"),
    ],
)
def test_the_state_of_other_inputs_is_refused(items: Any, told: str) -> None:
    with map_in_workers(jobs.square, range(5), 0) as results:
        state = results.state_dict()
    with map_in_workers(jobs.square, items, 0) as results:
        with pytest.raises(ValueError, match=told):
            results.load_state_dict(state)
        if len(items) == 5:
            results.load_state_dict(state, strict=False)


def test_a_flat_input_that_has_fewer_results_now_is_an_error() -> None:
    with map_in_workers(jobs.count_to, [5, 6], 0, flat=True) as results:
        iterator = iter(results)
        assert list(islice(iterator, 7))[5:] == [(6, 0), (6, 1)]
        state = results.state_dict()
        iterator.close()
    with map_in_workers(jobs.count_to_remainder, [5, 6], 0, flat=True) as results:
        results.load_state_dict({**state, "begun": [[1, 3]]})
        with pytest.raises(ReplayDivergedError, match="of index 1 ended after 2 items, where 3"):
            list(results)


def test_the_state_of_a_flat_input_that_was_begun_is_one_of_flat_maps_only() -> None:
    with map_in_workers(jobs.count_to, [5, 6], 0, flat=True) as results:
        iterator = iter(results)
        assert list(islice(iterator, 7))[6] == (6, 1)
        state = results.state_dict()
    with map_in_workers(jobs.square, [5, 6], 0) as results:
        with pytest.raises(ValueError, match="that of a map with flat=True"):
            results.load_state_dict(state)


def test_a_state_is_of_the_inputs_that_its_pass_has() -> None:
    items = [0, 1, 2, 3]
    with map_in_workers(jobs.square, items, 0) as results:
        before = results.state_dict()
        items[:] = [5, 6, 7]
        with pytest.raises(ValueError, match="this iterable has"):
            results.load_state_dict(before)
        assert next(iter(results)) == 25
        assert list(results) == [25, 36, 49]
        items[:] = [7, 6, 5]
        iterator = iter(results)
        assert next(iterator) == 49
        state = results.state_dict()
        iterator.close()
        items[:] = [1, 2, 3]
        assert results.state_dict() == state
        with pytest.raises(
            ValueError, match="saved with other inputs, or in another order; pass strict=False"
        ):
            results.load_state_dict(state)
    with map_in_workers(jobs.square, [7, 6, 5], 0) as results:
        results.load_state_dict(state)
        assert list(results) == [36, 25]


class Shuffled:
    """Inputs that are no sequence, in an order that their seed decides."""

    def __init__(self, seed: int, kind: Callable[[int], Any] = int) -> None:
        self.seed, self.kind = seed, kind

    def __iter__(self) -> Iterator[Any]:
        order = random.Random(self.seed).sample(range(40), 40)  # noqa: S311
        return (self.kind(number) for number in order)

    async def stream(self) -> AsyncIterator[Any]:
        for item in self:
            yield item


def pair(number: int) -> list[int]:
    return [number, number + 1]


def zeros(number: int) -> bytes:
    return b"%6d" % number + bytes(20_000)  # it goes through shared memory


@pytest.mark.parametrize("kind", [int, str, pair, zeros])
@pytest.mark.parametrize("in_order", [True, False])
def test_inputs_in_another_order_than_before_are_told(
    kind: Callable[[int], Any], *, in_order: bool
) -> None:
    def start(seed: int) -> Any:
        return map_in_workers(jobs.same, Shuffled(seed, kind), 2, in_order=in_order)

    with start(1) as results:
        before = list(islice(results, 5))
        state = json.loads(json.dumps(results.state_dict()))
    with start(1) as results:
        results.load_state_dict(state)
        assert results.state_dict() == state
        iterator = iter(results)
        before += list(islice(iterator, 5))
        state = json.loads(json.dumps(results.state_dict()))
        rest = list(iterator)
    assert sorted(before + rest) == sorted(map(kind, range(40)))
    with start(2) as results:
        results.load_state_dict(state)
        with pytest.raises(ReplayDivergedError, match="the first input differs from that of"):
            list(results)
        results.load_state_dict(state, strict=False)
        assert len(list(results)) == len(rest)


class Slow:
    """Inputs that are no sequence, and that take a while each: the second may be a new one."""

    def __init__(self, *more: Any) -> None:
        self.items = [0, *more, *range(1, 20)]

    def __iter__(self) -> Iterator[Any]:
        for item in self.items:
            time.sleep(0.01)
            yield item

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self:
            yield item


@pytest.mark.parametrize("awaits", [False, True])
@pytest.mark.parametrize("in_order", [True, False])
def test_an_input_that_is_new_among_those_that_are_done_is_told(
    *, in_order: bool, awaits: bool
) -> None:
    async def read(items: Slow, state: Any) -> list[int]:
        with map_in_workers(jobs.same, items, 1, in_order=in_order) as results:
            results.load_state_dict(state)
            return [each async for each in results] if awaits else list(results)

    with map_in_workers(jobs.same, Slow(), 1, in_order=in_order) as results:
        before = list(islice(results, 9))
        state = json.loads(json.dumps(results.state_dict()))
    assert before + asyncio.run(read(Slow(), state)) == list(range(20))
    with pytest.raises(ReplayDivergedError, match=r"the input of index [1-8] differs from that of"):
        asyncio.run(read(Slow(0.5), state))


def test_a_first_input_that_does_not_pickle_any_more_is_another_one() -> None:
    with map_in_workers(jobs.same, Shuffled(1), 0) as results:
        list(islice(results, 2))
        state = results.state_dict()
    lock = threading.Lock()
    with map_in_workers(jobs.same, Shuffled(1, lambda _: lock), 0) as results:
        results.load_state_dict(state)
        with pytest.raises(
            ReplayDivergedError, match=r"the first input differs .* does not pickle"
        ):
            list(results)


class BeginsAnew:
    """An iterator whose `__iter__` sets it back."""

    def __iter__(self) -> BeginsAnew:
        self.at = -1
        return self

    def __next__(self) -> int:
        self.at += 1
        if self.at == 10:
            raise StopIteration
        return self.at


class WithoutIter:
    """Has iterators that have `__next__` alone."""

    def __iter__(self) -> Any:
        class Iterator:
            at = -1
            __next__ = BeginsAnew.__next__

        return Iterator()


@pytest.mark.parametrize("kind", [BeginsAnew, WithoutIter])
def test_inputs_are_not_begun_anew_to_compare_the_first(kind: Callable[[], Any]) -> None:
    with map_in_workers(jobs.same, kind(), 0) as results:
        before = list(islice(results, 3))
        state = results.state_dict()
    with map_in_workers(jobs.same, kind(), 0) as results:
        results.load_state_dict(state)
        assert before + list(results) == list(range(10))


def test_the_next_pass_may_have_another_order() -> None:
    items = Shuffled(1)
    with map_in_workers(jobs.same, items, 0) as results:
        list(results)
        state = results.state_dict()
    items.seed = 2
    with map_in_workers(jobs.same, items, 0) as results:
        results.load_state_dict(state)
        assert sorted(results) == list(range(40))


def test_inputs_that_differ_in_each_process_are_not_compared() -> None:
    with map_in_workers(jobs.same, Shuffled(1, lambda number: {number}), 0) as results:
        list(islice(results, 2))
        state = results.state_dict()
    with map_in_workers(jobs.same, Shuffled(2, lambda number: {number}), 0) as results:
        results.load_state_dict(state)
        assert len(list(results)) == 38


def test_async_inputs_in_another_order_than_before_are_told() -> None:
    async def read(seed: int, most: int, state: Any = None) -> tuple[list[int], Any]:
        items = Shuffled(seed).stream()
        async with map_in_workers(jobs.same, items, 1, backend="subprocess") as results:
            if state is not None:
                results.load_state_dict(state)
            got: list[int] = []
            async for result in results:
                got.append(result)
                if len(got) == most:
                    break
            return got, results.state_dict()

    before, state = asyncio.run(read(1, 5))
    assert sorted(before + asyncio.run(read(1, 100, state))[0]) == list(range(40))
    with pytest.raises(ReplayDivergedError, match="the first input differs from that of"):
        asyncio.run(read(2, 100, state))
