"""The turns of some items ago, against all of them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from farside._parent.passes.in_turn import PastTurns
from farside._protocol.order import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARDS = 3
"""Of each slot."""


def steps(slots: int, most: int, random: Random) -> Iterator[tuple[int, Turns]]:
    """Make up how a pass goes: yield each end, at so many items, and the turns after it."""
    turns = Turns.of(tuple(range(slot, SHARDS * slots, slots) for slot in range(slots)))
    lengths = [random.choice((0, 1, most)) for _ in range(SHARDS * slots)]
    at = 0
    yield at, turns
    while not turns.over:
        if turns.next_index < lengths[turns.shard]:
            turns, at = turns.advance(1), at + 1
        else:
            turns = turns.end()
            yield at, turns


@pytest.mark.parametrize("slots", [1, 5, 150, 700])
def test_they_are_as_they_were(slots: int) -> None:
    random = Random(slots)  # noqa: S311
    made = steps(slots, 4, random)
    past = PastTurns(next(made)[1])
    known: dict[int, Turns] = {0: past.find(0)}  # type: ignore[dict-item]
    at = 0
    for end, turns in made:
        before = known[at]
        known.update({count: before.advance(count - at) for count in range(at + 1, end)})
        known[end], at = turns, end
        past.add(end, turns)
        given = random.choice((end, random.randint(0, end)))
        found = past.find(given)
        assert found is not None
        assert found.settled() == known[given].settled()


def test_of_many_slots_few_copies_are_kept() -> None:
    made = list(steps(1000, 1, Random(0)))  # noqa: S311
    past = PastTurns(made[0][1])
    for at, turns in made[1:]:
        past.add(at, turns)
    assert len(past._copies) < 200  # after 3000 ends
    past.forget(made[-1][0])
    assert len(past._copies) == 1


def test_what_was_forgotten_is_not_known() -> None:
    made = list(steps(2, 3, Random(1)))  # noqa: S311
    past = PastTurns(made[0][1])
    for at, turns in made[1:]:
        past.add(at, turns)
    last = made[-1][0]
    past.forget(last)
    assert past.find(0) is None
    assert past.find(last) == made[-1][1]
