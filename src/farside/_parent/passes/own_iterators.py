"""Recognizes iterators of Python's own, for which a `Supply` can take shortcuts."""

from __future__ import annotations

from collections.abc import Sequence
from gc import get_referents
from itertools import chain, count, islice
from typing import Any

from ..._payload.plain import ATOM_BYTES, ATOMS, INT_LIMIT, STR_LIMIT

IN_C = frozenset(
    {type(iter([])), type(iter(())), type(iter(range(0))), type(iter(range(1 << 99))), count}
)
"""Iterators that run no Python code between two inputs, so that no code can change an input that
was taken before. For `count`, this holds if it counts integers."""

_SAME = {type(each for each in ""), map, zip, filter, enumerate, chain, islice}


def is_same(items: Any) -> bool:
    """Tell whether `iter` returns an iterator as it is. That of other types may begin anew.

    For a `count`, tell whether it counts integers.
    """
    if type(items) is count:  # from Python 3.12 on, its type is among what it refers to
        return set(map(type, get_referents(items))) <= {int, type}
    return type(items) in IN_C or type(items) in _SAME


def size_of_atoms(entries: Sequence[Any]) -> int | None:
    """Return about how many bytes atoms have; None if some are none, or their size is unknown."""
    kinds = set(map(type, entries))
    if kinds == {str}:
        return sum(map(len, entries)) if max(map(len, entries)) < STR_LIMIT else None
    small = kinds == {int} and min(entries) > -INT_LIMIT and max(entries) < INT_LIMIT
    return ATOM_BYTES * len(entries) if small or kinds <= ATOMS else None
