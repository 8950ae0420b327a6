"""Whose turn it is, against a plain simulation."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._protocol.order import (
    BEGIN,
    Place,
    Sharding,
    Turns,
    count_of,
    draw,
    gaps_of,
    order_of,
    ranges_of,
    shard_seed,
    with_numbers,
)
from tests.simulated import reach, simulate, walk
from tests.steady import STEADY

LENGTHS = st.lists(st.integers(0, 4), max_size=12)


@STEADY
@given(LENGTHS, st.integers(1, 6))
def test_it_is_the_order_of_the_description(lengths: list[int], cycle: int) -> None:
    turns = Turns.begin(Sharding(len(lengths), cycle))
    assert list(walk(turns, lengths)) == list(simulate(lengths, cycle))


def test_an_example_by_hand() -> None:
    lengths = [3, 1, 2, 2]
    got = list(walk(Turns.begin(Sharding(4, 2)), lengths))
    assert got == [(0, 0), (1, 0), (0, 1), (3, 0), (0, 2), (3, 1), (2, 0), (2, 1)]


@STEADY
@given(LENGTHS, st.integers(1, 6), st.integers(1, 4))
def test_each_part_is_read_alone_in_the_order_of_all(
    lengths: list[int], cycle: int, workers: int
) -> None:
    # This is what makes labels needless: what the workers send, taken in turn, is the sequence.
    whole = Turns.begin(Sharding(len(lengths), cycle))
    owners = [range(worker, cycle, workers) for worker in range(workers)]
    sent = [iter(list(walk(whole.part(slots), lengths))) for slots in owners]
    owner = {
        shard: slot % workers for slot in range(cycle) for shard in range(slot, len(lengths), cycle)
    }
    for each in simulate(lengths, cycle):
        assert next(sent[owner[each[0]]]) == each
    assert [list(rest) for rest in sent] == [[]] * workers


@STEADY
@given(LENGTHS, st.integers(1, 6), st.integers(1, 4), st.integers(0, 30))
def test_parts_can_be_taken_at_any_place(
    lengths: list[int], cycle: int, workers: int, count: int
) -> None:
    now = reach(Turns.begin(Sharding(len(lengths), cycle)), lengths, count)
    left = list(simulate(lengths, cycle))[count:]
    for worker in range(workers):
        slots = range(worker, cycle, workers)
        own = {shard for slot in slots for shard in range(slot, len(lengths), cycle)}
        assert list(walk(now.part(slots), lengths)) == [each for each in left if each[0] in own]


@STEADY
@given(
    LENGTHS,
    st.integers(1, 6),
    st.integers(0, 30),
    st.none() | st.integers(0, 99),
    st.integers(0, 5),
)
def test_a_pass_goes_on_from_a_place_as_if_it_had_never_been_left(
    lengths: list[int], cycle: int, count: int, seed: int | None, epoch: int
) -> None:
    sharding = Sharding(len(lengths), cycle, seed is not None, seed or 0)
    order = order_of(sharding, epoch)
    in_order = [lengths[shard] for shard in order]
    now = reach(Turns.begin(sharding), in_order, count)
    again = Turns.begin(sharding, now.place())
    left = [(order[shard], number) for shard, number in walk(again, in_order)]
    assert left == list(simulate(lengths, cycle, order))[count:]
    assert again.place(now.place().ended) == now.place()


@STEADY
@given(LENGTHS, st.integers(1, 6), st.integers(1, 6), st.integers(0, 30))
def test_a_place_is_also_right_for_another_cycle(
    lengths: list[int], cycle: int, other: int, count: int
) -> None:
    # In another order; but nothing is missing, and nothing comes twice.
    now = reach(Turns.begin(Sharding(len(lengths), cycle)), lengths, count)
    again = Turns.begin(Sharding(len(lengths), other), now.place())
    assert sorted(walk(again, lengths)) == sorted(list(simulate(lengths, cycle))[count:])


@STEADY
@given(st.integers(0, 12), st.sets(st.integers(0, 11)), st.integers(1, 6))
def test_shards_of_one_item_come_in_their_order_whichever_had_ended_before(
    total: int, ended: set[int], cycle: int
) -> None:
    before = ranges_of(shard for shard in ended if shard < total)
    turns = Turns.begin(Sharding(total, cycle, before=before), Place(ended=before))
    left = [shard for shard in range(total) if shard not in ended]
    assert [shard for shard, _ in walk(turns, [1] * total)] == left


def test_what_is_left_behind_those_that_had_ended_before_is_no_list() -> None:
    before = ((0, 100),)
    turns = Turns.begin(Sharding(1000, 16, before=before), Place(ended=before))
    assert turns.chains == tuple(range(100 + slot, 1000, 16) for slot in range(16))


@STEADY
@given(LENGTHS, st.integers(1, 6), st.integers(1, 4), st.integers(0, 30))
def test_the_places_of_the_parts_are_the_place_of_the_whole(
    lengths: list[int], cycle: int, workers: int, count: int
) -> None:
    now = reach(Turns.begin(Sharding(len(lengths), cycle)), lengths, count)
    parts = [now.part(range(worker, cycle, workers)).place() for worker in range(workers)]
    whole = now.place()
    assert {part.ended for part in parts} == {whole.ended}
    assert sorted(each for part in parts for each in part.begun) == list(whole.begun)


@STEADY
@given(LENGTHS, st.integers(1, 6), st.lists(st.integers(0, 7), max_size=8))
def test_many_steps_at_once_are_the_same_as_one_by_one(
    lengths: list[int], cycle: int, steps: list[int]
) -> None:
    # Where no shard ends meanwhile: so they are made long enough.
    long = [100 + length for length in lengths]
    at_once = one_by_one = Turns.begin(Sharding(len(long), cycle))
    for count in steps if long else ():
        at_once = at_once.advance(count)
        for _ in range(count):
            one_by_one = one_by_one.advance(1).settled()
    assert at_once.settled() == one_by_one.settled()
    if long:
        assert (at_once.slot, at_once.shard) == (one_by_one.slot, one_by_one.shard)
        assert at_once.next_index == one_by_one.read_of(one_by_one.shard)
        coming = at_once.coming(len(long))
        assert coming[0] == at_once.slot
        assert coming == one_by_one.coming(len(long))


def test_a_step_changes_nothing_that_was_there() -> None:
    before = Turns.begin(Sharding(3, 2), Place(begun=((0, 1),)))
    copy = before._replace(read=dict(before.read))
    before.advance(5).settled().end().part([0]).place()
    assert before == copy


def test_far_more_slots_than_shards_cost_nothing() -> None:
    turns = Turns.begin(Sharding(3, sys.maxsize))
    assert list(walk(turns, [2, 0, 1])) == [(0, 0), (2, 0), (0, 1)]
    assert Turns.begin(Sharding(0, sys.maxsize)).over


def test_turns_of_nothing_are_over() -> None:
    turns = Turns.begin(Sharding(0, 4))
    assert turns.over
    assert turns.coming(4) == ()
    assert turns.place() == BEGIN
    assert turns.part([0, 1]).over


def test_a_turn_of_a_slot_without_shards_is_that_of_the_next() -> None:
    chains = ((0,), (), (2,), ())
    assert [Turns.of(chains, turn=turn).slot for turn in range(5)] == [0, 2, 2, 0, 0]


# Ranks and shuffling ------------------------------------------------------------------------------


@STEADY
@given(st.integers(0, 30), st.integers(1, 5), st.none() | st.integers(0, 99), st.integers(0, 3))
def test_ranks_share_the_shards(total: int, size: int, seed: int | None, epoch: int) -> None:
    parts = [
        list(order_of(Sharding(total, 3, seed is not None, seed or 0, rank, size), epoch))
        for rank in range(size)
    ]
    assert sorted(shard for part in parts for shard in part) == list(range(total))
    counts = [len(part) for part in parts]
    assert max(counts) - min(counts) <= 1


@STEADY
@given(st.integers(0, 30), st.integers(1, 5), st.booleans())
def test_ranks_that_have_to_read_as_many_leave_out_the_last_shards_alone(
    total: int,
    size: int,
    shuffled: bool,  # noqa: FBT001  of a strategy
) -> None:
    whole = [*order_of(Sharding(total, 1, shuffled), 0)]
    ranks = [Sharding(total, 1, shuffled, 0, rank, size, even=True) for rank in range(size)]
    parts = [[*order_of(each, 0)] for each in ranks]
    assert {len(part) for part in parts} == {total // size}
    assert [count_of(each) for each in ranks] == [len(part) for part in parts]
    assert {shard for part in parts for shard in part} == {*whole[: total - total % size]}


@STEADY
@given(st.integers(0, 30), st.integers(0, (1 << 64) - 1), st.integers(0, 100))
def test_shuffling_leaves_nothing_out(total: int, seed: int, epoch: int) -> None:
    order = order_of(Sharding(total, 1, True, seed), epoch)
    assert sorted(order) == list(range(total))
    assert list(order) == list(order_of(Sharding(total, 1, True, seed), epoch))


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    orders = {
        tuple(order_of(Sharding(20, 1, True, seed), epoch))
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(orders) == 25
    assert tuple(range(20)) not in orders


def test_each_shard_comes_first_about_as_often_as_any_other() -> None:
    first = Counter(order_of(Sharding(4, 1, True, 0), epoch)[0] for epoch in range(400))
    assert all(60 <= first[shard] <= 140 for shard in range(4))


def test_without_shuffling_no_epoch_changes_anything() -> None:
    sharding = Sharding(7, 2)
    assert [list(order_of(sharding, epoch)) for epoch in (0, 9)] == [list(range(7))] * 2


# Numbers that are drawn ---------------------------------------------------------------------------


SEEDS = [4333380598028777951, 12701599257177791313, 9953629033873812541]
ORDERS = [[5, 4, 6, 1, 2, 3, 0, 7], [4, 0, 3, 1, 2, 7, 5, 6]]


def test_numbers_are_the_same_on_every_machine() -> None:
    """They decide what a program computes, so they never change: a state names them."""
    assert shard_seed(0, 0, 0) == SEEDS[0]
    assert shard_seed(1, 2, 3) == SEEDS[1]
    assert shard_seed((1 << 64) - 1, (1 << 64) - 1, (1 << 64) - 1) == SEEDS[2]
    assert list(order_of(Sharding(8, 1, True, 42), 0)) == ORDERS[0]
    assert list(order_of(Sharding(8, 1, True, 42), 1)) == ORDERS[1]


def test_numbers_for_different_ends_differ() -> None:
    assert draw(b"farside shard", 1, 2, 3) != draw(b"farside shuffle", 1, 2, 3)
    drawn = {
        shard_seed(seed, epoch, index) for seed in (0, 1) for epoch in (0, 1) for index in (0, 1)
    }
    assert len(drawn) == 8
    assert all(0 <= each < 1 << 64 for each in drawn)


@pytest.mark.parametrize(
    ("numbers", "ranges"),
    [
        ([], ()),
        ([3], ((3, 4),)),
        ([4, 0, 1, 2], ((0, 3), (4, 5))),
        ([1, 2, 2, 3], ((1, 4),)),
    ],
)
def test_numbers_are_written_as_ranges(numbers: list[int], ranges: object) -> None:
    assert ranges_of(set(numbers)) == ranges


@STEADY
@given(st.sets(st.integers(0, 200)), st.lists(st.integers(0, 200), unique=True))
def test_numbers_are_added_to_ranges_in_any_order(before: set[int], added: list[int]) -> None:
    new = [number for number in added if number not in before]
    assert with_numbers(ranges_of(before), new) == ranges_of({*before, *new})


def test_very_many_numbers_are_added_to_ranges() -> None:
    assert with_numbers(((0, 2), (500, 600)), range(2, 400, 2)) == ranges_of(
        {0, 1, *range(2, 400, 2), *range(500, 600)}
    )


@STEADY
@given(st.integers(1, 99), st.integers(1, 5), st.sets(st.integers(0, 98)), st.booleans())
def test_what_is_left_of_the_chains_is_what_has_not_ended(
    total: int,
    cycle: int,
    ended: set[int],
    first: bool,  # noqa: FBT001  of a strategy
) -> None:
    numbers = range(len(ended)) if first else sorted(ended)
    place = Place(ended=ranges_of([number for number in numbers if number < total]))
    chains = Turns.begin(Sharding(total, cycle), place).chains
    left = [number for number in range(total) if number not in numbers]
    assert [[*chain] for chain in chains] == [
        [number for number in left if number % cycle == slot] for slot in range(min(cycle, total))
    ]
    assert [number for gap in gaps_of(place.ended, total) for number in range(*gap)] == left


def test_what_is_left_of_very_many_shards_takes_no_memory() -> None:
    chains = Turns.begin(Sharding(10**9, 16), Place(ended=((0, 10**8 + 3),))).chains
    assert [type(chain) for chain in chains] == [range] * 16
    assert sum(map(len, chains)) == 9 * 10**8 - 3


def test_no_range_is_looked_for_in_each_of_very_many_chains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It took a hundred times as long as to look at all shards."""
    looks: list[object] = []
    monkeypatch.setattr("farside._protocol.order._rest", lambda *given: looks.append(given))
    ended = tuple((number, number + 3) for number in range(0, 1000, 10))
    chains = Turns.begin(Sharding(1000, 500), Place(ended=ended)).chains
    assert sum(map(len, chains)) == 700
    assert not looks


def test_a_shard_that_has_ended_does_not_count_as_begun() -> None:
    turns = Turns.of(((0, 2), (1, 3))).advance(3).end()
    assert turns.place_after(((1, 2),)) == Place(((1, 2),), ((0, 2),), 1)
