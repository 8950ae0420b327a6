"""A state that is broken is refused by the name of what is wrong, before any pass begins."""

from __future__ import annotations

from typing import Any

import pytest

from farside._protocol import loop_state as states
from farside._protocol.order import Place, Sharding


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


@pytest.mark.parametrize("several", [None, 3, written()])
def test_what_is_no_list_of_states_is_not_merged(several: Any) -> None:
    with pytest.raises(TypeError, match="is no list of states"):
        states.merge(several)
