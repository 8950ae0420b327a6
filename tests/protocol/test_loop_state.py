"""A state that is broken is refused by the name of what is wrong, before any pass begins."""

from __future__ import annotations

from typing import Any

import pytest

from farside._protocol import loop_state as states
from farside._protocol.order import Place, Sharding, order_of, ranges_of
from farside._protocol.progress import Snapshot


def written(**changes: Any) -> dict[str, Any]:
    place = Place(((0, 2), (4, 5)), ((2, 7), (3, 1)), 1)
    sharding = Sharding(9, 3, seed=2)
    made = states.write(place, sharding, kind="shards", epoch=1, anchors=[(2, 6, b"\1\2")])
    return {**made, **changes}


def test_what_was_written_is_read() -> None:
    state = states.check(written())
    assert states.read(state) == Place(((0, 2), (4, 5)), ((2, 7), (3, 1)), 1)
    assert states.anchors(state) == [(2, 6, b"\1\2")]
    states.check(written(kind="inputs", shards=0))  # of inputs, nobody may know how many


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cycle_length", 0),
        ("world_size", 0),
        ("turn", 3),
        ("ranks", [1]),
        ("ranks", ["0"]),
        ("ended", [[0, 2], [4, 10]]),
        ("ended", [[2, 2]]),
        ("ended", [[4, 5], [0, 2]]),
        ("ended", [[0, 3], [2, 4]]),
        ("ended", [3]),
        ("begun", [[9, 1]]),
        ("begun", [[1, 1]]),
        ("begun", [[2, 1], [2, 2]]),
        ("begun", [[2, -1]]),
        ("anchors", [[2, 6]]),
        ("anchors", [[2, 6, "not hex"]]),
        ("anchors", [[2, 6, "abc"]]),
        ("anchors", [[2, 6, 7]]),
    ],
)
def test_a_broken_state_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"the state has {key}=.*pass what state_dict"):
        states.check(written(**{key: value}))


@pytest.mark.parametrize("wrong", [None, 3, [], "farside", {}, ["x" * 99]])
def test_what_is_no_state_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"state=.{1,60} is not a state of farside; pass what"):
        states.check(wrong)


def test_of_shards_it_is_known_how_many_there_are() -> None:
    with pytest.raises(ValueError, match="the state has ended="):
        states.check(written(shards=0))


# Ranks --------------------------------------------------------------------------------------------


def of_rank(rank: int, ended: int, begun: list[tuple[int, int]], **given: Any) -> dict[str, Any]:
    """Return the state of one of two ranks, with one shard that has ended."""
    place = Place(((ended, ended + 1),), tuple(sorted(begun)), rank)
    anchors = [(shard, count - 1, bytes([rank])) for shard, count in begun]
    kept = [Snapshot(shard, 1, b"L%d" % rank) for shard, _ in begun]
    sharding = Sharding(9, 3, seed=2, rank=rank, world_size=2, **given)
    return states.write(place, sharding, kind="shards", epoch=1, anchors=anchors, snapshots=kept)


@pytest.mark.parametrize("shuffled", [False, True])
def test_of_each_shard_the_rank_tells_that_reads_it(*, shuffled: bool) -> None:
    a, b, c, d, *_ = order_of(Sharding(9, 3, shuffled, 2), 1)
    # Rank 0 has loaded a merged state, and tells how far the other one was then.
    first = of_rank(0, c, [(a, 7), (b, 5)], shuffled=shuffled)
    other = of_rank(1, d, [(b, 6)], shuffled=shuffled)
    merged = states.merge([other, first])
    assert merged == {
        **other,
        "ranks": [0, 1],
        "ended": [[first, end] for first, end in ranges_of([c, d])],
        "begun": sorted([[a, 7], [b, 6]]),
        "anchors": sorted([[a, 6, "00"], [b, 5, "01"]]),
        "snapshots": sorted([[a, 1, "L0"], [b, 1, "L1"]]),
    }
    assert states.check(merged) == merged


@pytest.mark.parametrize(
    "key", ["kind", "epoch", "seed", "fingerprint", "shards", "cycle_length", "world_size"]
)
def test_states_of_different_jobs_are_not_merged(key: str) -> None:
    first, other = of_rank(0, 2, []), of_rank(1, 3, [])
    other[key] += "s" if isinstance(other[key], str) else 1
    with pytest.raises(ValueError, match=f"the states differ in {key}: .* and .*; pass those"):
        states.merge([first, other])


def test_states_of_which_one_is_missing_are_not_merged() -> None:
    for several in ([], [of_rank(0, 2, [])], [of_rank(0, 2, []), of_rank(0, 2, [])]):
        with pytest.raises(ValueError, match=r"states is empty|the states are those of ranks"):
            states.merge(several)


def test_one_state_is_that_of_all_ranks_of_one() -> None:
    state = written(world_size=1)
    assert states.merge([state]) == state


@pytest.mark.parametrize("several", [None, 3, written()])
def test_what_is_no_list_of_states_is_not_merged(several: Any) -> None:
    with pytest.raises(TypeError, match="is not a list of states"):
        states.merge(several)
