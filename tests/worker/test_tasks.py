"""What a worker with one iterable does in each pass, and where it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from farside import ReplayDivergedError
from farside._payload.user_states import freeze
from farside._worker.passing import LeftError, Skips
from farside._worker.tasks import Whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._protocol.progress import Skipped


class Counting:
    """An iterator of numbers that has a state."""

    def __init__(self, end: int) -> None:
        self.at, self.end = 0, end

    def __iter__(self) -> Counting:
        return self

    def __next__(self) -> int:
        if self.at >= self.end:
            raise StopIteration
        self.at += 1
        return self.at - 1

    def state_dict(self) -> int:
        return self.at

    def load_state_dict(self, state: int) -> None:
        if state < 0:
            raise ValueError("no such place")
        self.at = state


class Numbers:
    """An iterable whose iterators have states; it keeps them."""

    def __init__(self) -> None:
        self.begun: list[Counting] = []

    def __iter__(self) -> Counting:
        self.begun.append(Counting(9))
        return self.begun[-1]


class Reader:
    """What a worker runs, and what it has told."""

    def __init__(self, made: Any, *, left: bool = False) -> None:
        self.told: list[Skipped] = []
        self.said: list[str] = []
        self.task = Whole(made)
        self.task.skips = Skips(self.told.append, self._say, lambda: left)

    def _say(self, text: str, *, warning: bool = False) -> None:
        assert warning
        self.said.append(text)

    def begin(
        self, first: int = 0, kept: tuple[int, bytes] | None = None, *, used: bool = False
    ) -> Iterator[Any]:
        self.task.skips.begin()
        return self.task.begin([first, [], kept, used], 1, 0)

    @property
    def counted(self) -> tuple[int, int]:
        """How many items were made again, and of how many, as it was told last."""
        return self.told[-1].done, self.told[-1].total


def state(at: int) -> tuple[int, bytes]:
    """Return the state before an item, as a plan has it."""
    return at, freeze(at)


def test_a_pass_goes_on_after_the_items_that_were_read_and_the_next_one_begins() -> None:
    reader = Reader(range(9))
    assert [*reader.begin(4)] == [4, 5, 6, 7, 8]
    assert (reader.task.first, reader.counted) == (4, (4, 4))
    assert [*reader.task.begin(None, 2, 0)] == [*range(9)]
    assert (reader.task.first, reader.task.stage) == (0, "next")
    assert [*reader.begin()] == [*range(9)]
    assert reader.task.to_snapshot(9) is None


def test_a_pass_goes_on_from_a_state() -> None:
    numbers = Numbers()
    reader = Reader(numbers)
    items = reader.begin(5, state(3))
    assert (next(items), reader.counted) == (5, (2, 2))
    (iterator,) = numbers.begun
    assert reader.task.to_snapshot(1) == (0, 6, iterator)
    assert iterator.state_dict() == 6
    assert [*items] == [6, 7, 8]
    reader.task.finish(4)
    assert reader.task.to_snapshot(4) is None
    assert not reader.said


@pytest.mark.parametrize("at", [-1, 9], ids=["not loaded", "other items"])
def test_a_state_that_does_not_serve_costs_nothing_but_time(at: int) -> None:
    numbers = Numbers()
    reader = Reader(numbers)
    items = reader.begin(5, (3, freeze(at)))
    assert [*items] == [5, 6, 7, 8]
    assert len(numbers.begun) == 2
    assert reader.counted[0] == reader.counted[1]
    assert ["does not lead to the items" in text for text in reader.said] == [True]
    assert reader.task.to_snapshot(4) == (0, 9, numbers.begun[1])


def test_an_item_that_fails_as_it_is_made_again_is_no_fault_of_iter() -> None:
    """It was said that ``iter()`` has failed, which had returned."""
    reader = Reader(map(int, ["0", "one", "2"]))
    with pytest.raises(ValueError, match="one"):
        reader.begin(2)
    assert reader.task.stage == "next"


def test_a_command_that_waits_is_no_fault_of_a_state() -> None:
    numbers = Numbers()
    reader = Reader(numbers, left=True)
    with pytest.raises(LeftError):
        reader.begin(5, state(3))
    assert (len(numbers.begun), reader.said) == (1, [])


def test_a_state_of_what_has_none_any_more_is_not_used() -> None:
    reader = Reader(range(9))
    assert [*reader.begin(5, state(3))] == [5, 6, 7, 8]
    assert (reader.counted, reader.said) == ((5, 5), [])


def test_an_iterator_goes_on_from_its_own_state() -> None:
    numbers = Counting(9)
    reader = Reader(numbers)
    items = reader.begin(5, state(3), used=True)
    assert reader.counted == (2, 2)
    assert [*items] == [5, 6, 7, 8]
    with pytest.raises(ReplayDivergedError, match="ended after 9 items, where 12 were read"):
        reader.begin(12, state(3))


def test_an_iterator_whose_state_does_not_serve_is_not_made_as_new() -> None:
    reader = Reader(Counting(9))
    with pytest.raises(ValueError, match="no such place"):
        reader.begin(5, (3, freeze(-1)))
    assert reader.task.stage == "load_state_dict"


def test_an_iterator_that_is_as_new_passes_over_what_was_read() -> None:
    assert [*Reader(iter(range(9))).begin(5)] == [5, 6, 7, 8]
    assert [*Reader(iter(range(9))).begin(0)] == [*range(9)]


@pytest.mark.parametrize("first", [0, 5])
def test_an_iterator_of_a_later_pass_does_not_begin_in_a_new_worker(first: int) -> None:
    with pytest.raises(ReplayDivergedError, match="cannot go on in a later pass"):
        Reader(iter(range(9))).begin(first, used=True)
    assert [*Reader(range(9)).begin(first, used=True)] == [*range(first, 9)]
    assert [*Reader(Counting(9)).begin(first, used=True)] == [*range(first, 9)]


def test_an_iterator_that_this_worker_has_left_goes_on_and_passes_over_nothing() -> None:
    reader = Reader(iter(range(9)))
    items = reader.begin()
    assert [next(items), next(items)] == [0, 1]
    reader.task.leave(2)
    assert next(reader.begin(used=True)) == 2
    with pytest.raises(ReplayDivergedError, match="cannot go on in a later pass"):
        reader.begin(3)


def test_only_an_iterator_that_was_left_in_the_middle_goes_on() -> None:
    reader = Reader(iter(range(9)))
    assert not reader.task.goes_on
    next(reader.begin())
    reader.task.leave(0)
    assert not reader.task.goes_on  # the loop had nothing of it
    for made in (1, 0):
        reader.begin()
        reader.task.leave(made)
        assert reader.task.goes_on
    reader.begin()
    reader.task.finish(8)
    assert not reader.task.goes_on
    for again in (range(9), Counting(9)):
        reader = Reader(again)
        next(reader.begin())
        reader.task.leave(1)
        assert not reader.task.goes_on


@pytest.mark.parametrize("length", [0, 3])
def test_the_second_end_of_an_iterator_is_told_if_it_makes_nothing(length: int) -> None:
    for made, told in ((iter(range(length)), True), (range(length), False)):
        reader = Reader(made)
        assert not reader.task.finish(len([*reader.begin()]))
        assert not reader.task.finish(len([*reader.begin(), "an item"]))
        assert reader.task.finish(0) is told


def test_a_pass_that_was_left_has_no_state() -> None:
    reader = Reader(Numbers())
    next(reader.begin())
    assert reader.task.to_snapshot(1) is not None
    reader.task.leave(1)
    assert reader.task.to_snapshot(1) is None
