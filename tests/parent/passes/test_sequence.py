"""What a pass is made of, where something comes in the middle of a change of it."""

from __future__ import annotations

import signal
import sys
from functools import partial
from itertools import count, islice
from operator import methodcaller
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from farside import (
    PassOpenError,
    RemoteIterable,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
)
from farside._parent.passes.sequence import Given
from farside._parent.passes.sharded import OneIterable
from tests.background import Background
from tests.faults.interrupting import Alarm, alarming, strike_at

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Tens:
    """Has a beginning only once it is asked: so it is no sequence, and has anchors."""

    def __iter__(self) -> Any:
        return iter(range(10, 20))


def one() -> RemoteIterable[int]:
    return iterate_in_worker(Tens, backend="inline")


def shards() -> RemoteIterable[int]:
    return iterate_in_workers(range, [3, 4], 0)


def inputs() -> RemoteIterable[int]:
    return map_in_workers(abs, Tens(), 0)


def listed() -> RemoteIterable[int]:
    return map_in_workers(abs, [*range(10, 20)], 0)


@pytest.mark.parametrize("start", [one, shards, inputs])
def test_an_epoch_that_is_set_after_a_loop_was_left_has_not_begun(
    start: Callable[[], RemoteIterable[int]],
) -> None:
    with start() as items:
        for _ in items:
            break
        items.set_epoch(3)
        state = items.state_dict()
    assert (state["epoch"], state["begun"], state["ended"]) == (3, [], [])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [one, shards, inputs])
@pytest.mark.parametrize("given", [["load_state_dict"], ["set_epoch", 3]])
def test_a_handler_that_raises_finds_all_changed_or_nothing(
    make: Callable[[], RemoteIterable[int]], given: list[Any]
) -> None:
    with make() as first:
        whole = list(first)
    with make() as first:
        first.set_epoch(3)
        assert list(islice(first, 2)) == whole[:2]
        state = first.state_dict()
    change = methodcaller(*given, state) if given == ["load_state_dict"] else methodcaller(*given)
    with make() as first:
        change(first)
        changed, rest = first.state_dict(), list(first)
    with alarming():
        for place in count(1):
            with make() as second:
                before = {**second.state_dict(), "seed": changed["seed"]}
                struck = strike_at(place, partial(change, second), signal.SIGUSR1, Alarm)
                after = {**second.state_dict(), "seed": changed["seed"]}
                assert after in (before, changed)
                assert list(second) == (rest if after == changed else whole)
                if not struck.reached:
                    break


def test_a_pass_that_is_resumed_has_a_delivery_of_its_own() -> None:
    sequence = OneIterable(Given(0), counting=False)
    first, _ = sequence.begin(0)
    second, _ = sequence.begin(1)
    assert first is not second
    sequence.load({**sequence.state(2, 0), "begun": [[0, 5]]}, strict=True)(2)
    resumed, _ = sequence.begin(2)
    assert resumed.first == 5


class Watched(list[int]):
    """Does something as soon as an input is looked at."""

    then: Callable[[], object] | None = None

    def __getitem__(self, index: Any) -> Any:
        then, self.then = self.then, None
        if then is not None:
            then()
        return super().__getitem__(index)


@pytest.mark.parametrize("ends", [False, True])
def test_a_pass_of_another_thread_begins_while_a_state_is_looked_at(*, ends: bool) -> None:
    items = Watched(range(10))
    with map_in_workers(abs, items, 1, backend="subprocess") as results:
        assert list(islice(results, 6)) == [*range(6)]
        state, loops = results.state_dict(), list[Any]()

        def begin() -> None:
            loops.append(iter(results))
            assert list(islice(loops[0], 10 if ends else 3)) == [*range(10 if ends else 3)]
            if ends:
                loops[0].close()

        items.then = lambda: Background(begin).result()
        if ends:
            results.load_state_dict(state)
            assert results.state_dict() == state
            assert list(results) == [*range(6, 10)]
        else:
            with pytest.raises(PassOpenError, match="load_state_dict"):
                results.load_state_dict(state)
            here = results.state_dict()
            assert (here["epoch"], here["ended"]) == (1, [[0, 3]])
            assert list(loops[0]) == [*range(3, 10)]
        assert results.epoch == (1 if ends else 2)


def with_another_at(
    place: int, work: Callable[[], T], other: Callable[[], object]
) -> tuple[bool, T]:
    """Do some work, and something else in another thread at a place of it; tell if it got there."""
    left = place

    def look(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            Background(other).result()

    sys.setprofile(look)
    try:
        result = work()
    finally:
        sys.setprofile(None)
    return left <= 0, result


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [one, shards, inputs, listed])
@pytest.mark.parametrize("passes", [0, 1])
def test_a_state_is_not_half_of_one_that_another_thread_loads_meanwhile(
    make: Callable[[], RemoteIterable[int]], passes: int
) -> None:
    with make() as other:
        other.set_epoch(7)
        assert len(list(islice(other, 2))) == 2
        loaded = other.state_dict()
    with make() as results:

        def change() -> None:
            for _ in range(passes):
                assert list(results)
            results.load_state_dict(loaded)

        for place in count(1):
            results.set_epoch(3)
            before = results.state_dict()
            reached, state = with_another_at(place, results.state_dict, change)
            assert state in (before, loaded)
            if not reached:
                break
            assert results.state_dict() == loaded
            assert list(results)
