"""Inputs of a map are taken many at a time where nothing can change one that was taken."""

from __future__ import annotations

import threading
import tracemalloc
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside._parent.passes.supply import TAKE_SECONDS, Supply
from farside._payload.decoder import decode
from farside._payload.plain import STR_LIMIT
from farside._protocol.order import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLENTY = 1 << 18


class Clock:
    """Time goes by as a test says: a moment without a processor makes no input a slow one."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("farside._parent.passes.supply.monotonic", clock)
    return clock


def supply_of(items: Iterable[Any]) -> Supply:
    supply = Supply(lambda: iter(items))
    assert supply.pass_over() == 0
    return supply


@pytest.mark.parametrize(
    "items",
    [
        list(range(30)),
        [f"file {number}" for number in range(30)],
        [0.5, None, True] * 10,
        [1, "one", None, 2.5] * 10,
        [1 << 63, 1, -(1 << 63)] * 10,
        ["short", "long" * STR_LIMIT] * 10,
        [{"a": 1}, [1, 2], b"bytes"] * 10,
    ],
    ids=["ints", "texts", "atoms", "mixed", "large ints", "long texts", "others"],
)
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_all_inputs_are_taken_in_order(items: list[Any], most: int) -> None:
    supply = supply_of(items)
    found = []
    while not supply.ended:
        entries, nbytes = supply.take(most, PLENTY)
        assert len(entries) <= most
        assert (nbytes > 0) is bool(entries)
        found += [decode(entry, ()) for entry in entries]
        assert supply.taken == len(found)
    assert found == items


@pytest.mark.usefixtures("clock")
def test_what_never_ends_is_taken_in_parts() -> None:
    supply = supply_of(number for number in count(5))
    assert [len(supply.take(40, PLENTY)[0]) for _ in range(8)] == [1] * 6 + [40] * 2
    assert supply.steady
    assert supply.take(2, PLENTY)[0] == [91, 92]
    assert not supply.ended


def test_numbers_that_need_no_time_are_taken_together() -> None:
    supply = supply_of(count(5))
    assert supply.take(40, PLENTY)[0] == (*range(5, 45),)
    assert supply.take(2, PLENTY)[0] == (45, 46)
    assert not supply.ended


def test_the_next_input_is_not_waited_for_where_one_was_slow(clock: Clock) -> None:
    def items() -> Iterator[int]:
        for number in range(1000):
            if number == 200:
                clock.now += 2 * TAKE_SECONDS
            yield number

    supply, found = supply_of(items()), list[int]()
    while len(found) <= 200:
        assert supply.steady or len(found) < 100  # but at the beginning
        found += supply.take(100, PLENTY)[0]
    assert (found[-1], supply.steady) == (200, False)
    assert len(supply.take(100, PLENTY)[0]) == 1


def test_inputs_of_some_microseconds_go_on_to_be_taken_together(clock: Clock) -> None:
    def items() -> Iterator[int]:
        for number in range(2000):
            clock.now += TAKE_SECONDS / 50
            yield number

    supply, runs = supply_of(items()), list[int]()
    while not supply.ended:
        runs.append(len(supply.take(1000, PLENTY)[0]))
    assert runs[:6] == [1] * 6
    assert min(runs[6:-1]) > 40  # as many as come within that time


@pytest.mark.parametrize("items", [["x" * (STR_LIMIT - 1)] * 100, ["x" * STR_LIMIT] * 100])
def test_texts_are_no_more_than_there_is_room_for(items: list[str]) -> None:
    entries, nbytes = supply_of(items).take(100, 10 * STR_LIMIT)
    assert 9 <= len(entries) <= 11
    assert nbytes <= 12 * STR_LIMIT


class Numbers:
    """An iterator that ``iter()`` sets back."""

    def __iter__(self) -> Iterator[int]:
        self.number = -1
        return self

    def __next__(self) -> int:
        self.number += 1
        return self.number


def test_inputs_are_dropped_in_several_places_of_an_iterator_that_begins_anew() -> None:
    supply = Supply(lambda: iter(Numbers()), Place(((0, 2), (4, 6))))
    found: list[int] = []
    for dropped in (2, 0, 2, 0):
        assert supply.pass_over() == dropped
        found += supply.take(1, PLENTY)[0]
    assert found == [2, 3, 6, 7]


def test_what_the_iterator_raises_while_inputs_are_dropped_is_told() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise KeyError("broken")

    supply = Supply(items, Place(((0, 3),)))
    assert supply.pass_over() == 1
    assert supply.ended
    assert isinstance(supply.error, KeyError)


def test_each_check_is_given_its_input() -> None:
    checked: list[tuple[int, int]] = []
    checks = {number: partial(_check, checked, number) for number in (1, 4, 5)}
    supply = Supply(lambda: iter(range(8)), checks=checks)
    assert supply.pass_over() == 0
    assert [each for _ in range(8) for each in supply.take(1, PLENTY)[0]] == [*range(8)]
    assert checked == [(1, 1), (4, 4), (5, 5)]


@pytest.mark.parametrize("numbers", [range(8), range(30, -1, -4), range(1 << 70, 8 + (1 << 70))])
@pytest.mark.parametrize("most", [1, 3, 1000])
def test_parts_of_a_range_are_ranges(numbers: range, most: int) -> None:
    supply = Supply(lambda: numbers)
    found: list[int] = []
    while not supply.ended:
        assert supply.pass_over() == 0
        entries, nbytes = supply.take(most, PLENTY)
        assert type(entries) is range
        assert len(entries) <= most
        assert nbytes >= len(entries)
        found += entries
    assert found == [*numbers]
    assert supply.taken == len(numbers)
    assert supply.error is None


def test_no_more_of_a_range_is_taken_at_once_than_so_many_bytes() -> None:
    supply = Supply(lambda: range(1 << 40))
    assert supply.pass_over() == 0
    assert len(supply.take(1 << 30, PLENTY)[0]) == 1 + PLENTY // STR_LIMIT


def test_parts_of_a_range_are_dropped() -> None:
    supply = Supply(lambda: range(8), Place(((0, 2), (4, 6))))
    found: list[int] = []
    for dropped in (2, 2):
        assert supply.pass_over() == dropped
        found += supply.take(9, PLENTY)[0]
    assert found == [2, 3, 6, 7]


def test_a_range_that_is_too_short_for_a_state_is_told() -> None:
    supply = Supply(lambda: range(3), Place(((0, 4),)))
    supply.pass_over()
    assert supply.ended
    assert "items has 3" in str(supply.error)


def test_inputs_of_a_range_are_checked() -> None:
    checked: list[tuple[int, int]] = []
    supply = Supply(lambda: range(8), checks={4: partial(_check, checked, 4)})
    assert supply.pass_over() == 0
    assert [each for _ in range(8) for each in supply.take(1, PLENTY)[0]] == [*range(8)]
    assert checked == [(4, 4)]


def _check(checked: list[tuple[int, int]], number: int, item: int) -> int:
    checked.append((number, item))
    return item


def test_memory_of_large_inputs_is_used_again_when_they_are_done() -> None:
    """New memory is made by the system page by page, which takes longer than to copy."""
    data = bytes(100_000)
    supply = supply_of([data] * 50)
    places = set()
    kept: list[Any] = []
    while not supply.ended:
        entries, _ = supply.take(1, PLENTY)
        kept = [*kept, *entries][-5:]  # so many are on their way
        for each in entries:
            places.add(np.frombuffer(each.places[0], "u1").ctypes.data)
    assert len(places) <= 6


def test_memory_of_large_inputs_is_not_kept_after_the_pass() -> None:
    data = bytes(100_000)
    supply = supply_of([data] * 2)
    tracemalloc.start()
    try:
        supply.take(1, PLENTY)
        assert tracemalloc.get_traced_memory()[0] > len(data)
        supply.release()
        assert tracemalloc.get_traced_memory()[0] < len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [iter, range, list])
def test_an_input_that_was_begun_is_the_first_of_those_that_are_taken(kind: Any) -> None:
    """A worker is told of the first alone how many of its results the loop has."""
    items = range(9)
    place = Place(ended=((0, 1),), begun=((3, 1), (5, 2)))
    supply = Supply(lambda: items if kind is range else iter(kind(items)), place)
    supply.steady, supply._quick = True, 6
    taken = []
    while not supply.ended:
        supply.pass_over()
        entries, _ = supply.take(PLENTY, PLENTY)
        taken += [[*entries]] if len(entries) else []
    assert [each for part in taken for each in part] == [*range(1, 9)]
    assert {1, 3, 5} <= {part[0] for part in taken}
    assert max(map(len, taken)) > 1


def test_what_items_raise_as_they_begin_is_kept_where_some_were_done() -> None:
    def begin() -> Any:
        raise ValueError("not yet")

    supply = Supply(begin, Place(ended=((0, 2), (3, 4))))
    assert supply.pass_over() == 0
    assert (supply.ended, repr(supply.error)) == (True, "ValueError('not yet')")


@pytest.mark.usefixtures("clock")
def test_large_integers_count_by_their_size() -> None:
    supply = supply_of(each for each in [1 << 80_000] * 50)
    supply._quick = 6
    entries, size = supply.take(1000, 100_000)
    assert 10 <= len(entries) <= 11
    assert size >= 100_000


@pytest.mark.usefixtures("clock")
def test_an_input_that_cannot_be_pickled_is_refused_and_counted() -> None:
    supply = supply_of(each for each in [1, threading.Lock(), 2])
    supply._quick = 6
    assert supply.take(1000, PLENTY)[0] == [1]
    assert (supply.taken, supply.ended, supply.error) == (2, False, None)
    assert "cannot pickle '_thread.lock'" in str(supply.refused)
    assert supply.take(1, PLENTY)[0] == [2]


def test_an_end_among_inputs_that_are_dropped_is_one() -> None:
    """And nothing is asked for after it, as some iterators then begin anew."""
    asked: list[int] = []

    class Anew:
        def __iter__(self) -> Iterator[int]:
            return self

        def __next__(self) -> int:
            asked.append(len(asked))
            if len(asked) == 3:
                raise StopIteration
            return 7

    supply = Supply(lambda: iter(Anew()), Place(ended=((0, 5),)))
    assert supply.pass_over() == 2
    assert (supply.ended, len(asked)) == (True, 3)
    assert "5 inputs or more were done, and items has 2" in str(supply.error)


def test_a_supply_that_is_released_has_ended_without_an_error() -> None:
    def begin() -> Any:
        raise AssertionError("the pass is over")

    supply = Supply(begin, Place(ended=((7, 9),)))
    supply.release()
    assert (supply.ended, supply.error) == (True, None)
    assert supply.pass_over() == 0
    assert supply.error is None


@pytest.mark.parametrize("ended", [(), ((0, 2),)], ids=["nothing was done", "some were done"])
@pytest.mark.parametrize("at", [-1, 0, 3])
def test_what_ends_the_program_is_not_kept_as_an_error(at: int, ended: Any) -> None:
    def items() -> Iterator[int]:
        for number in range(5):
            if number == at:
                raise KeyboardInterrupt
            yield number

    def begin() -> Iterator[int]:
        if at < 0:
            raise KeyboardInterrupt
        return items()

    supply = Supply(begin, Place(ended=ended))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  in one of them
        supply.pass_over()
        while True:
            supply.take(1, PLENTY)
    assert (supply.ended, supply.error) == (False, None)
