"""Small items of plain values: copied when they are yielded, and pickled together.

To pickle each by itself, and to unpickle it, costs both sides more. A copy of what holds nothing
but immutable values stays what it was. The copy is looked at, since no other thread can change it.
(`marshal` would be faster than pickle still. But from Python 3.12 on it makes texts that
were interned in the worker immortal in the parent.)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    AddCopy: TypeAlias = Callable[[Any, list[Any]], int]

ATOMS = frozenset({float, bool, type(None)})
"""Types of items that cross as they are. So do small integers and short strings."""

INT_LIMIT = 1 << 63  # larger integers are pickled at once, so that their size is known
STR_LIMIT = 256  # characters from which on a string is pickled at once, so that its size is known
ATOM_BYTES = 9  # what an atom is counted as

MAX_KEYS, MAX_VALUES = 4, 10
"""A dictionary of more keys, or a list or tuple of more values, is pickled at once: to look at so
many would cost the worker more. (To pickle a list has a price of its own, to look at a key too.)"""

MAX_BYTES = 1 << 11  # an item that is counted as more is pickled at once, so that its size is known
DICT_BYTES, ITEM_BYTES, VALUE_BYTES = 32, 16, 8
"""What a dictionary is counted as, beside the characters of its keys and values; what a list or
tuple is counted as, beside those of its values; and each of these."""


def _add_dict(item: dict[Any, Any], entries: list[Any]) -> int:
    if len(item) > MAX_KEYS:
        return 0
    copy = item.copy()
    nbytes = DICT_BYTES
    for key, value in copy.items():
        if type(key) is not str:
            return 0
        nbytes += len(key)
        kind = type(value)
        if kind is str:
            nbytes += len(value)
        elif kind is int:
            if not -(1 << 29) < value < 1 << 29 and not -(1 << 63) < value < 1 << 63:
                return 0
        elif kind not in ATOMS:
            return 0
    if nbytes > MAX_BYTES:
        return 0
    entries.append(copy)
    return nbytes


def _add_sequence(item: Sequence[Any], entries: list[Any]) -> int:
    count = len(item)
    if count > MAX_VALUES:
        return 0
    copy = item[:]
    nbytes = ITEM_BYTES + VALUE_BYTES * count
    for value in copy:
        kind = type(value)
        if kind is str:
            nbytes += len(value)
        elif kind is int:
            if not -(1 << 29) < value < 1 << 29 and not -(1 << 63) < value < 1 << 63:
                return 0
        elif kind not in ATOMS:
            return 0
    if nbytes > MAX_BYTES:
        return 0
    entries.append(copy)
    return nbytes


ADD_COPY: dict[type, AddCopy] = {dict: _add_dict, list: _add_sequence, tuple: _add_sequence}
"""By the type of an item, what adds a copy of it to a frame's entries. That returns the bytes that
it is counted as; or 0, and adds nothing, if it has too many values, or not all in it is plain.

These loops are what an item costs: they make no calls, and the compiler folds their limits.
Integers of one digit are compared in a third of the time that others take."""
