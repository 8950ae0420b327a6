"""Inputs of a map are taken many at a time where nothing can change one that was taken."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.supply import Supply
from farside._payload.items import decode
from farside._payload.plain import STR_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

PLENTY = 1 << 18


def supply_of(items: Iterable[Any]) -> Supply:
    supply = Supply(lambda: iter(items))
    assert supply.pass_over() == 0
    return supply


@pytest.mark.parametrize(
    "items",
    [
        list(range(30)),
        [f"file {number}" for number in range(30)],
        [0.5, None, True] * 10,
        [1, "one", None, 2.5] * 10,
        [1 << 63, 1, -(1 << 63)] * 10,
        ["short", "long" * STR_LIMIT] * 10,
        [{"a": 1}, [1, 2], b"bytes"] * 10,
    ],
    ids=["ints", "texts", "atoms", "mixed", "large ints", "long texts", "others"],
)
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_all_inputs_are_taken_in_order(items: list[Any], most: int) -> None:
    supply = supply_of(items)
    found = []
    while not supply.ended:
        entries, nbytes = supply.take(most, PLENTY)
        assert len(entries) <= most
        assert (nbytes > 0) is bool(entries)
        found += [decode(entry, ()) for entry in entries]
        assert supply.taken == len(found)
    assert found == items


def test_what_never_ends_is_taken_in_parts() -> None:
    supply = supply_of(count(5))
    assert supply.take(4, PLENTY)[0] == [5, 6, 7, 8]
    assert supply.take(2, PLENTY)[0] == [9, 10]
    assert not supply.ended


@pytest.mark.parametrize("items", [["x" * (STR_LIMIT - 1)] * 100, ["x" * STR_LIMIT] * 100])
def test_texts_are_no_more_than_there_is_room_for(items: list[str]) -> None:
    entries, nbytes = supply_of(items).take(100, 10 * STR_LIMIT)
    assert 9 <= len(entries) <= 11
    assert nbytes <= 12 * STR_LIMIT
