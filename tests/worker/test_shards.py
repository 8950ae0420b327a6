"""What reads shards in a worker, by itself: without a link, and without a parent."""

from __future__ import annotations

import pickle
import sys
import weakref
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside import ReplayDivergedError
from farside._payload.items import Mark
from farside._protocol.order import BEGIN, Place, Sharding, Turns, order_of, shard_seed
from farside._worker.passing import Skips
from farside._worker.shards import ShardReader
from tests.simulated import simulate, walk
from tests.steady import STEADY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LENGTHS = st.lists(st.integers(0, 5), max_size=10)
MARK = "end"


def begin(
    reader: ShardReader,
    sharding: Sharding,
    place: Place = BEGIN,
    *,
    slots: tuple[int, int, int] | None = None,
    dealt: list[tuple[int, int]] | None = None,
    epoch: int = 0,
    seed: int = 0,
) -> Iterator[Any]:
    """Begin a pass, as the parent says."""
    mine = slots or (0, sharding.cycle_length, 1)
    reader.skips = Skips(lambda _: None, lambda _: None, lambda: False)
    return reader.begin((tuple(place), mine, dealt, tuple(sharding), [], []), epoch, seed)


def reader_of(fn: Callable[..., Any], shards: Any = None, setup: Any = None) -> ShardReader:
    return ShardReader(fn, setup, shards)()


def plain(sent: Any) -> list[Any]:
    """Return what was sent, with marks as text."""
    return [MARK if isinstance(each, Mark) else each for each in sent]


def numbers(lengths: list[int]) -> ShardReader:
    """Return a reader whose items say which they are."""
    return reader_of(lambda shard: ((shard, number) for number in range(lengths[shard])))


# Order --------------------------------------------------------------------------------------------


@STEADY
@given(LENGTHS, st.integers(1, 5))
def test_items_are_made_in_the_order_of_the_description(lengths: list[int], cycle: int) -> None:
    made = plain(begin(numbers(lengths), Sharding(len(lengths), cycle)))
    assert [each for each in made if each != MARK] == list(simulate(lengths, cycle))
    assert made.count(MARK) == len(lengths)


@STEADY
@given(LENGTHS, st.integers(1, 5), st.integers(1, 4), st.integers(0, 20))
def test_each_worker_makes_its_part_from_any_place_on(
    lengths: list[int], cycle: int, workers: int, count: int
) -> None:
    sharding, whole = Sharding(len(lengths), cycle), list(simulate(lengths, cycle))
    turns = Turns.begin(sharding)
    for shard, number in whole[:count]:
        while turns.shard != shard or turns.read_of(turns.shard) != number:
            turns = turns.end()
        turns = turns.advance(1)
    place = turns.place()
    for worker in range(workers):
        slots = range(worker, cycle, workers)
        made = plain(begin(numbers(lengths), sharding, place, slots=(worker, cycle, workers)))
        assert [each for each in made if each != MARK] == list(walk(turns.part(slots), lengths))


@STEADY
@given(LENGTHS, st.integers(1, 5), st.integers(1, 3))
def test_a_mark_stands_where_a_shard_has_ended(
    lengths: list[int], cycle: int, workers: int
) -> None:
    # By marks alone the parent knows what each item is.
    sharding = Sharding(len(lengths), cycle)
    for worker in range(workers):
        turns = Turns.begin(sharding).part(range(worker, cycle, workers))
        for each in plain(begin(numbers(lengths), sharding, slots=(worker, cycle, workers))):
            if each == MARK:
                assert turns.read_of(turns.shard) == lengths[turns.shard]
                turns = turns.end()
            else:
                assert each == (turns.shard, turns.read_of(turns.shard))
                turns = turns.advance(1)
        assert turns.over


@pytest.mark.parametrize("cycle", [1, 2, 3])
def test_long_shards_are_read_in_turn_too(cycle: int) -> None:
    # Longer than the rounds that are made at a time.
    lengths = [1000, 3, 700, 65]
    made = plain(begin(numbers(lengths), Sharding(4, cycle)))
    assert [each for each in made if each != MARK] == list(simulate(lengths, cycle))


def test_the_end_of_a_shard_costs_no_look_at_every_slot() -> None:
    # Else a pass over many short shards takes as long as their number times that of the slots.
    class Counted(dict[int, Any]):
        looks = 0

        def __contains__(self, slot: object) -> bool:
            Counted.looks += 1
            return super().__contains__(slot)

    reader, slots, shards = numbers([1] * 2000), 1000, 2000
    reader._open = Counted()
    assert sum(each == MARK for each in plain(begin(reader, Sharding(shards, slots)))) == shards
    assert Counted.looks < 100 * shards


def test_no_shards_are_no_items() -> None:
    assert list(begin(numbers([]), Sharding(0, 4))) == []


def test_each_pass_is_read_anew_and_shuffled_by_its_epoch() -> None:
    reader, sharding = numbers([1] * 8), Sharding(8, 1, True, 3)
    for epoch in (0, 1, 0):
        made = [each for each in plain(begin(reader, sharding, epoch=epoch)) if each != MARK]
        assert made == [(shard, 0) for shard in order_of(sharding, epoch)]


def test_nothing_is_made_ahead_of_what_is_asked_for() -> None:
    made = []

    def fn(shard: int) -> Iterator[Any]:
        for number in range(3):
            made.append((shard, number))
            yield shard, number

    pass_ = begin(reader_of(fn), Sharding(3, 2))
    for count in range(1, 5):
        next(pass_)
        assert len(made) == count


# What a shard is given ----------------------------------------------------------------------------


def test_a_shard_is_given_its_contents_and_what_setup_has_made() -> None:
    def setup() -> str:
        calls.append("setup")
        return "made"

    calls: list[str] = []
    reader = reader_of(lambda made, shard: [(made, shard)], ["a", "b"], setup)
    for _ in range(2):
        assert plain(begin(reader, Sharding(2, 1))) == [("made", "a"), MARK, ("made", "b"), MARK]
    assert (calls, reader.made) == (["setup"], "made")


def test_a_reader_is_pickled_with_what_it_was_given() -> None:
    copy = pickle.loads(pickle.dumps(ShardReader(range, None, [2, 1])))
    assert plain(begin(copy(), Sharding(2, 2))) == [0, 0, 1, MARK, MARK]


def test_what_is_no_iterable_is_refused() -> None:
    with pytest.raises(TypeError):
        list(begin(reader_of(lambda shard: shard), Sharding(1, 1)))


def test_it_tells_which_step_has_failed() -> None:
    def fn(shard: int) -> Any:
        if shard == 0:
            return iter([1])
        if shard == 1:
            raise KeyError(shard)
        return (1 // each for each in (1, 0))

    reader = reader_of(fn)
    with pytest.raises(KeyError):
        list(begin(reader, Sharding(2, 1)))
    assert reader.stage == "shard"
    assert reader.where()[0] == 1
    with pytest.raises(ZeroDivisionError):
        list(begin(reader, Sharding(3, 1), Place(((0, 2),))))
    assert reader.stage == "next"
    assert reader.where()[0] == 2


# Where it is --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cycle", [1, 2, 3, 5])
def test_user_code_is_told_the_shard_that_it_runs_for(cycle: int) -> None:
    lengths = [3, 0, 130, 1, 2]

    def fn(shard: int) -> Iterator[Any]:
        told.append((shard, reader.where()))
        for number in range(lengths[shard]):
            told.append((shard, reader.where()))
            yield shard, number
        told.append((shard, reader.where()))

    told: list[Any] = []
    reader = reader_of(fn)
    list(begin(reader, Sharding(5, cycle), epoch=4, seed=9))
    assert len(told) == 2 * len(lengths) + sum(lengths)
    assert all(where == (shard, 5, shard_seed(9, 4, shard)) for shard, where in told)


# The end of a shard, and of a pass ----------------------------------------------------------------


class Restarting:
    """An iterator whose ``iter()`` would begin anew."""

    def __init__(self, stop: int) -> None:
        self.stop, self.at = stop, 0

    def __iter__(self) -> Restarting:
        self.at = 0
        return self

    def __next__(self) -> int:
        if self.at == self.stop:
            raise StopIteration
        self.at += 1
        return self.at


@pytest.mark.parametrize("cycle", [1, 2])
@pytest.mark.parametrize("read", [0, 2])
def test_an_iterator_that_begins_anew_is_asked_to_once(cycle: int, read: int) -> None:
    place = Place(begun=((0, read), (1, read))) if read else BEGIN
    made = plain(begin(reader_of(lambda _: Restarting(4)), Sharding(2, cycle), place))
    wanted = [each for each in range(read + 1, 5) for _ in range(cycle)] * (2 // cycle)
    assert [each for each in made if each != MARK] == wanted


@pytest.mark.parametrize("cycle", [1, 3])
def test_who_leaves_a_pass_closes_what_is_open(cycle: int) -> None:
    def fn(shard: int) -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(shard)

    closed: list[int] = []
    reader = reader_of(fn)
    pass_ = begin(reader, Sharding(4, cycle))
    list(islice(pass_, 5))
    reader.leave()
    assert sorted(closed) == list(range(cycle))
    reader.leave()
    assert len(closed) == cycle
    # And the next pass begins from the start.
    assert next(begin(reader, Sharding(4, cycle))) == 0
    reader.leave()


def test_what_is_no_generator_is_only_let_go() -> None:
    class Items:
        def __iter__(self) -> Items:
            return self

        def __next__(self) -> int:
            return 1

        def close(self) -> None:
            raise AssertionError("a method that farside knows nothing of")

    reader = reader_of(lambda _: Items())
    next(begin(reader, Sharding(1, 1)))
    reader.leave()


@pytest.mark.parametrize("cycle", [1, 3])
@pytest.mark.parametrize("steps", [1, 5])
def test_who_leaves_a_pass_lets_go_of_its_iterators(cycle: int, steps: int) -> None:
    def fn(shard: int) -> Restarting:
        iterator = Restarting(100)
        made.append((shard, weakref.ref(iterator)))
        return iterator

    made: list[Any] = []
    reader = reader_of(fn)
    pass_ = begin(reader, Sharding(4, cycle))
    list(islice(pass_, steps))
    told = reader.where()
    del pass_
    reader.leave()
    assert [shard for shard, iterator in made if iterator() is not None] == []
    assert reader.where() == told


# Going on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cycle", [1, 2])
def test_items_that_the_loop_has_had_are_passed_over(cycle: int) -> None:
    place = Place(((0, 1),), ((1, 2),), 1 % cycle)
    made = plain(begin(numbers([4, 3, 2]), Sharding(3, cycle), place))
    items = [each for each in made if each != MARK]
    assert sorted(items) == [(1, 2), (2, 0), (2, 1)]
    assert items[0] == (1, 2)


def test_a_shard_that_has_become_shorter_is_an_error() -> None:
    with pytest.raises(ReplayDivergedError, match="shard 1 ended after 3 items, where 5 were read"):
        list(begin(numbers([4, 3]), Sharding(2, 2), Place(begun=((1, 5),))))


def test_an_item_that_fails_as_it_is_made_again_is_no_fault_of_fn() -> None:
    """It was said that ``fn(shard)`` has failed, which had returned."""
    reader = reader_of(lambda _: map(int, ["0", "one", "2"]))
    with pytest.raises(ValueError, match="one"):
        list(begin(reader, Sharding(1), Place(begun=((0, 2),))))
    assert reader.stage == "next"


def test_a_shard_of_which_all_was_read_has_only_its_end_left() -> None:
    made = plain(begin(numbers([2]), Sharding(1, 1), Place(begun=((0, 2),))))
    assert made == [MARK]


# Dealt out ----------------------------------------------------------------------------------------


def test_shards_that_are_dealt_are_read_one_by_one() -> None:
    reader = numbers([1, 2, 0, 3])
    pass_ = begin(reader, Sharding(4, 2), dealt=[(1, 0), (2, 0)])
    assert plain(pass_) == [(1, 0), (1, 1), MARK, MARK]
    assert reader.out_of_tasks
    reader.add([(3, 1), (0, 0)])
    assert not reader.out_of_tasks
    assert plain(reader.items_left()) == [(3, 1), (3, 2), MARK, (0, 0), MARK]
    assert reader.out_of_tasks


def test_shards_that_are_added_in_the_middle_come_after() -> None:
    reader = numbers([2, 2])
    pass_ = begin(reader, Sharding(2, 2), dealt=[(0, 0)])
    assert next(pass_) == (0, 0)
    reader.add([(1, 0)])
    assert not reader.out_of_tasks
    assert plain(pass_) == [(0, 1), MARK, (1, 0), (1, 1), MARK]


def test_no_shards_may_be_dealt() -> None:
    reader = numbers([1])
    assert list(begin(reader, Sharding(1, 1), dealt=[])) == []
    assert reader.out_of_tasks


def test_a_pass_that_was_left_leaves_nothing_to_the_next() -> None:
    reader = numbers([3, 2])
    next(begin(reader, Sharding(2, 2), dealt=[(0, 0), (1, 0)]))
    reader.leave()
    assert plain(begin(reader, Sharding(2, 2), dealt=[(1, 0)])) == [(1, 0), (1, 1), MARK]
    assert plain(begin(reader, Sharding(2, 1), slots=(0, 1, 1)))[0] == (0, 0)
    reader.leave()


# torch --------------------------------------------------------------------------------------------


def test_torch_is_told_of_the_shard_where_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = SimpleNamespace(_worker_info=None)
    monkeypatch.setitem(sys.modules, "torch.utils.data._utils.worker", torch)

    def fn(shard: int) -> Iterator[Any]:
        for _ in range(2):
            info: Any = torch._worker_info
            yield shard, info.id, info.num_workers, info.seed, info.dataset

    made = plain(begin(reader_of(fn), Sharding(3, 2), epoch=1, seed=6))
    items = [each for each in made if each != MARK]
    assert len(items) == 6
    for shard, *told in items:
        assert told == [shard, 3, shard_seed(6, 1, shard) >> 1, None]
    assert all(0 <= each[3] < 1 << 63 for each in items)


def test_torch_is_not_imported_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.data._utils.worker", raising=False)
    list(begin(numbers([1]), Sharding(1, 1)))
    assert "torch.utils.data._utils.worker" not in sys.modules
