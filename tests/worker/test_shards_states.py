"""The state of a shard that a snapshot has is that of the item which the snapshot names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._protocol.order import Place, Sharding
from tests.steady import STEADY
from tests.worker.test_shards import begin, reader_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Counted:
    """A shard that knows how many of its items were made."""

    def __init__(self, shard: int, length: int) -> None:
        self.shard, self.length, self.made = shard, length, 0

    def __iter__(self) -> Counted:
        return self

    def __next__(self) -> int:
        if self.made == self.length:
            raise StopIteration
        self.made += 1
        return self.made

    def state_dict(self) -> int:
        return self.made

    def load_state_dict(self, state: int) -> None:
        self.made = state


def without_state(length: int) -> Iterator[int]:
    yield from range(length)


@pytest.mark.parametrize("dealt", [True, False])
@STEADY
@given(
    shards=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=8),
    cycle=st.integers(1, 4),
    read=st.integers(0, 3),
)
def test_a_snapshot_names_the_item_at_which_its_shard_is(
    *, shards: list[tuple[int, bool]], cycle: int, read: int, dealt: bool
) -> None:
    def make(shard: int) -> Any:
        length, counted = shards[shard]
        return Counted(shard, length) if counted else without_state(length)

    begun = [(shard, min(read, length)) for shard, (length, _) in enumerate(shards)]
    reader = reader_of(make)
    sharding, place = Sharding(len(shards), cycle), Place((), tuple(begun))
    sent = begin(reader, sharding, place, dealt=begun if dealt else None)
    for count, _ in enumerate(sent, 1):
        found = reader.to_snapshot(count)
        if found is not None:
            shard, index, holder = found
            assert (shard, index) == (holder.shard, holder.made)


def test_all_open_shards_are_asked_in_turn() -> None:
    reader = reader_of(lambda shard: Counted(shard, 50))
    sent = begin(reader, Sharding(3, 3))
    asked = []
    for _ in range(9):
        next(sent)
        found = reader.to_snapshot(0)
        assert found is not None
        asked.append(found[0])
    assert asked[3:] == [0, 1, 2] * 2
