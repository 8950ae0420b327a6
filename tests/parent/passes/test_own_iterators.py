"""Iterators of Python's own, and the size of inputs that cross as they are."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.passes.own_iterators import is_same, size_of_atoms
from farside._payload.plain import ATOM_BYTES, INT_LIMIT, STR_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator


class Anew:
    """An iterator whose `__iter__` begins anew."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(3))

    def __next__(self) -> int:
        return 0


@pytest.mark.parametrize(
    "items",
    [iter([1]), iter((1,)), iter(range(1)), iter(range(1 << 99)), count(), map(abs, [1]), count(2)],
    ids=lambda items: type(items).__name__,
)
def test_iter_returns_these_as_they_are(items: Any) -> None:
    assert iter(items) is items
    assert is_same(items)


@pytest.mark.parametrize(
    "items",
    [Anew(), [1], count(Fraction(1)), count(0.5)],
    ids=["anew", "list", "fractions", "floats"],
)
def test_no_shortcut_is_taken_for_others(items: Any) -> None:
    assert not is_same(items)


@pytest.mark.parametrize(
    ("entries", "size"),
    [
        (["", "four"], 4),
        (["x" * (STR_LIMIT - 1)], STR_LIMIT - 1),
        ([1 - INT_LIMIT, INT_LIMIT - 1], 2 * ATOM_BYTES),
        ([None, True, 0.5], 3 * ATOM_BYTES),
    ],
)
def test_the_size_of_atoms_is_known(entries: list[Any], size: int) -> None:
    assert size_of_atoms(entries) == size


@pytest.mark.parametrize(
    "entries",
    [["", "x" * STR_LIMIT], [0, INT_LIMIT], [0, -INT_LIMIT], [0.5, INT_LIMIT], ["", 1], [[]]],
    ids=["long", "large", "negative", "mixed", "kinds", "list"],
)
def test_the_size_of_others_is_not_known(entries: list[Any]) -> None:
    assert size_of_atoms(entries) is None
