"""Which digests of a pass are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farside._parent import anchors
from farside._parent.anchors import InputAnchors

if TYPE_CHECKING:
    import pytest


def test_the_first_input_of_a_long_map_is_still_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "_SHARDS", 3)
    made = InputAnchors()
    for number in range(0, 100, 10):
        made.add(number, 0, number, None)
    ends = {end: [number for number, *_ in made.known_of([(0, end)])] for end in (5, 85, 100)}
    assert ends == {5: [0], 85: [0, 80], 100: [0, 90]}
