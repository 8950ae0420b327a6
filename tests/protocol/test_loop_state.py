"""A state that is broken is refused by the name of what is wrong, before any pass begins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._protocol import loop_state as states
from farside._protocol.order import Place, Sharding, ranges_of
from farside._protocol.progress import Snapshot
from tests.steady import STEADY


def written(**changes: Any) -> dict[str, Any]:
    place = Place(((0, 2), (4, 5)), ((2, 7), (3, 1)), 1)
    sharding = Sharding(9, 3, seed=2)
    made = states.write(place, sharding, kind="shards", epoch=1, anchors=[(2, 6, b"\1\2")])
    return {**made, **changes}


def test_what_was_written_is_read() -> None:
    state = states.check(written())
    assert states.read(state) == Place(((0, 2), (4, 5)), ((2, 7), (3, 1)), 1)
    assert states.anchors(state) == [(2, 6, b"\1\2")]
    states.check(
        written(kind="inputs", shards=0, anchors=[[0, 0, "0102"]])
    )  # of inputs, nobody may know how many


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", None),
        ("epoch", "1"),
        ("shards", True),
        ("in_order", 1),
        ("ended", {}),
        ("epoch", -1),
        ("cycle_length", 0),
        ("world_size", 0),
        ("turn", 3),
        ("ranks", [1]),
        ("ranks", ["0"]),
        ("ranks", []),
        ("ended", [[0, 2], [4, 10]]),
        ("ended", [[2, 2]]),
        ("ended", [[4, 5], [0, 2]]),
        ("ended", [[0, 3], [2, 4]]),
        ("ended", [3]),
        ("begun", [[9, 1]]),
        ("begun", [[1, 1]]),
        ("begun", [[2, 1], [2, 2]]),
        ("begun", [[2, -1]]),
        ("begun", [[2, 1 << 63]]),
        ("seed", 1 << 64),
        ("anchors", [[2, 6]]),
        ("anchors", [[2, 6, "not hex"]]),
        ("anchors", [[2, 6, "abc"]]),
        ("anchors", [[2, 6, 7]]),
        ("anchors", [[2, 7, "0102"]]),
        ("anchors", [[5, 0, "0102"]]),
        ("snapshots", [[2, 8, "state"]]),
        ("snapshots", [[5, 0, "state"]]),
    ],
)
def test_a_broken_state_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"the state has {key}=.*pass what state_dict"):
        states.check(written(**{key: value}))


def test_a_state_of_nothing_is_none_that_is_broken() -> None:
    for kind in ("iterable", "shards", "inputs"):
        state = states.write(Place(), Sharding(0), kind=kind, epoch=0)
        assert states.read(states.check(state)) == Place()


@pytest.mark.parametrize("wrong", [None, 3, [], "farside", {}, ["x" * 99]])
def test_what_is_no_state_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"state=.{1,60} is not a state of farside; pass what"):
        states.check(wrong)


def test_a_state_of_the_version_before_is_read_where_it_means_the_same() -> None:
    assert states.read(states.check(written(farside=1))) == states.read(written())
    begins: dict[str, Any] = {"ended": [], "begun": [], "anchors": []}
    of_ranks: dict[str, Any] = {"world_size": 2, "begun": [], "ended": [[1, 2]]}
    for changes in ({"shuffled": True}, {"shuffled": True, "ended": []}, of_ranks):
        states.check(written(farside=1, **{**changes, **begins}))
        with pytest.raises(ValueError, match=r"version 1, and .* reads 2; load it .*set_epoch"):
            states.check(written(farside=1, **changes))


def test_of_shards_it_is_known_how_many_there_are() -> None:
    with pytest.raises(ValueError, match="the state has ended="):
        states.check(written(shards=0))


# Ranks --------------------------------------------------------------------------------------------


SHARDING = Sharding(23, 3, seed=2)


def written_by(rank: int, size: int, reads: dict[int, int], ended: set[int]) -> dict[str, Any]:
    """Return the state of a rank, of what has come of its part of all shards."""
    own = range(rank, SHARDING.total, size)
    begun = tuple((at, reads[shard]) for at, shard in enumerate(own) if shard in reads)
    place = Place(ranges_of(at for at, shard in enumerate(own) if shard in ended), begun, 1)
    anchors = [(shard, count - 1, bytes([own[shard]])) for shard, count in begun]
    kept = [Snapshot(shard, count, b"L%d" % own[shard]) for shard, count in begun]
    sharding = SHARDING._replace(rank=rank, world_size=size)
    return states.check(
        states.write(place, sharding, kind="shards", epoch=1, anchors=anchors, snapshots=kept)
    )


@STEADY
@given(size=st.integers(2, 5), other=st.integers(1, 5), data=st.data())
def test_the_states_of_all_ranks_make_one_that_others_can_load(
    size: int, other: int, data: st.DataObject
) -> None:
    shards = st.sets(st.integers(0, SHARDING.total - 1))
    ended = data.draw(shards)
    reads = {shard: shard + 1 for shard in data.draw(shards) - ended}
    merged = states.merge([written_by(rank, size, reads, ended) for rank in range(size)])
    whole = written_by(0, 1, reads, ended)
    assert states.check(merged) == {**whole, "world_size": size, "ranks": [*range(size)]}
    for rank in range(other):
        part, alone = states.of_rank(merged, rank, other), written_by(rank, other, reads, ended)
        assert states.read(part) == states.read(alone)
        assert states.anchors(part) == states.anchors(alone)
        assert states.snapshots(part) == states.snapshots(alone)
        assert states.of_rank(alone, rank, other) == alone


def test_the_state_of_one_rank_is_about_its_own_shards_alone() -> None:
    of_one: dict[str, Any] = {"world_size": 2, "ranks": [0]}  # of 9 shards it reads 5
    states.check(written(**of_one))
    for changes in ({"ended": [[0, 2], [4, 6]]}, {"begun": [[5, 1]], "anchors": []}):
        with pytest.raises(ValueError, match=f"the state has {next(iter(changes))}="):
            states.check(written(**of_one, **changes))
        states.check(written(world_size=2, ranks=[0, 1], **changes))


@pytest.mark.parametrize("ranks", [[0, 0], [1, 0], [1, 1]])
def test_a_state_that_names_other_ranks_than_all_is_not_cut_into_theirs(ranks: list[int]) -> None:
    with pytest.raises(ValueError, match="the state is that of rank"):
        states.of_rank(written(world_size=2, ranks=ranks), 0, 2)


def test_the_state_of_all_ranks_is_merged_already() -> None:
    merged = states.merge([of_rank(0), of_rank(1)])
    assert states.merge([merged]) == merged


def test_merged_states_are_of_the_present_version() -> None:
    first, other = of_rank(0), of_rank(1)
    first.update(farside=1, ended=[])  # it has read nothing, and so that version can be read
    assert states.check(states.merge([first, other]))["ended"] == [[1, 2]]


def of_rank(rank: int) -> dict[str, Any]:
    """Return the state of one of two ranks, with one shard that has ended."""
    return written_by(rank, 2, {}, {rank})


OTHERS: dict[str, Any] = {"kind": "iterable", "shuffled": True}


@pytest.mark.parametrize(
    "key",
    ["kind", "epoch", "seed", "fingerprint", "shards", "shuffled", "cycle_length", "world_size"],
)
def test_states_of_different_jobs_are_not_merged(key: str) -> None:
    first, other = of_rank(0), of_rank(1)
    if key in OTHERS:
        other[key] = OTHERS[key]
    else:
        other[key] += "s" if isinstance(other[key], str) else 1
    with pytest.raises(ValueError, match=f"the states differ in {key}: .* and .*; pass those"):
        states.merge([first, other])


def test_states_of_inputs_are_not_merged() -> None:
    """A map has no ranks, so none of its states tells which of the inputs of a job it means."""
    several = [written(kind="inputs", seed=seed) for seed in (1, 2)]
    with pytest.raises(ValueError, match=r"map_in_workers, whose inputs have no ranks, .* again"):
        states.merge(several)
    assert states.merge(several[:1]) == several[0]


def test_states_of_which_one_is_missing_are_not_merged() -> None:
    for several in ([], [of_rank(0)], [of_rank(0), of_rank(0)]):
        with pytest.raises(ValueError, match=r"states is empty|the states are those of ranks"):
            states.merge(several)


def test_one_state_is_that_of_all_ranks_of_one() -> None:
    state = written(world_size=1)
    assert states.merge([state]) == state


@pytest.mark.parametrize("several", [None, 3, written()])
def test_what_is_no_list_of_states_is_not_merged(several: Any) -> None:
    with pytest.raises(TypeError, match="is not a list of states"):
        states.merge(several)
