"""What a worker tells of its place: written and read, and which snapshots are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._protocol.progress import KEPT, MOST_SHARDS, Skipped, Snapshot, Snapshots, read, write
from farside.errors import ProtocolError
from tests.steady import STEADY


@pytest.mark.parametrize("told", [Snapshot(3, 1 << 40, b"state"), Skipped(2, 5, 0.5)])
def test_what_is_told_is_read(told: Snapshot | Skipped) -> None:
    assert read(bytearray(write(told))) == told


@pytest.mark.parametrize("body", [b"", b"S", b"S1234567", b"K", b"K" * 24, b"X" + bytes(24)])
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"^progress "):
        read(body)


@STEADY
@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(0, 10_000))
def test_the_one_to_go_on_from_is_not_beyond_what_was_read(places: list[int], count: int) -> None:
    snapshots = Snapshots(Snapshot(0, each, b"%d" % each) for each in places)
    found = snapshots.before([(0, count), (1, count)], {})
    if len({*places}) <= KEPT:
        best = max((each for each in places if each <= count), default=None)
        assert [each.item for each in found] == ([] if best is None else [best])
    for each in found:
        assert each.item <= count
        assert each.state == b"%d" % each.item


@pytest.mark.parametrize("behind", [0, 10, 100, 1000, 10_000, 50_000])
def test_few_are_kept_of_a_long_pass_and_little_is_skipped(behind: int) -> None:
    # A loop that is so far behind the worker goes back by a small part of that.
    snapshots = Snapshots()
    for place in range(0, 100_001, 5):
        loop = max(0, place - behind)
        snapshots.add(Snapshot(0, place, b""), loop)
        if place and not place % 1000:
            (found,) = snapshots.before([(0, loop)], {})
            assert loop - found.item <= max(behind / 3, 5)


def test_some_before_the_loop_are_kept() -> None:
    snapshots = Snapshots()
    for place in range(0, 1000, 10):
        snapshots.add(Snapshot(0, place, b""), 25)
    assert snapshots.before([(0, 29)], {})[0].item == 20
    assert snapshots.before([(0, 19)], {})[0].item == 10  # a state of some items ago


def test_only_one_that_leaves_an_item_to_compare_is_taken() -> None:
    snapshots = Snapshots([Snapshot(0, 10, b"a"), Snapshot(0, 20, b"b")])
    assert snapshots.before([(0, 30)], {0: 20})[0].item == 20
    assert snapshots.before([(0, 30)], {0: 19})[0].item == 10
    assert snapshots.before([(0, 30)], {0: 9}) == []
    assert snapshots.before([(0, 30)], {})[0].item == 20
    assert snapshots.before([(0, 9)], {}) == []


def test_of_very_many_shards_the_latest_are_kept() -> None:
    snapshots = Snapshots()
    for shard in range(3 * MOST_SHARDS):
        snapshots.add(Snapshot(shard, 1, b"a"))
        snapshots.add(Snapshot(0, shard, b"b"))  # one that is read for long
    assert len(snapshots._kept) == MOST_SHARDS
    first, latest = (0, 10**6), (3 * MOST_SHARDS - 1, 1)
    assert len(snapshots.before([first, (1, 10), latest], {})) == 2
