"""Copies small items of plain values as they are yielded, so that a frame pickles them together.

To pickle and unpickle each by itself costs both sides more. A copy that holds only immutable values
cannot change. The checks look at the copy, not at the item, since no other thread can change it.
(`marshal` would be faster than pickle still. But from Python 3.12 on, it makes strings that were
interned in the worker immortal in the parent.)
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
ATOM_BYTES = 9  # bytes that an atom is counted as

MAX_KEYS, MAX_VALUES = 4, 10
"""A dictionary of more keys, or a list or tuple of more values, is pickled at once, since checking
so many would cost more. (Pickling a list has a fixed cost, and checking a key costs extra.)"""

MAX_BYTES = 1 << 11  # an item that is counted as more is pickled at once, so that its size is known
DICT_BYTES, PAIR_BYTES, ITEM_BYTES, VALUE_BYTES = 26, 15, 22, 10
"""How many bytes are counted for a dictionary, and each of its keys with the value; for a list or
tuple, and each of its values. The characters of keys and values are counted beside these, as `WIDE`
bytes each if some are not ASCII. So an item takes no more bytes than it is counted as, even if it
has a pickle of its own."""

WIDE = 4  # bytes that a character may take


def _add_dict(item: dict[Any, Any], entries: list[Any]) -> int:
    if len(item) > MAX_KEYS:
        return 0
    copy = item.copy()
    nbytes = DICT_BYTES
    for key, value in copy.items():
        if type(key) is not str:
            return 0
        nbytes += PAIR_BYTES + (len(key) if key.isascii() else WIDE * len(key))
        kind = type(value)
        if kind is str:
            nbytes += len(value) if value.isascii() else WIDE * len(value)
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
            nbytes += len(value) if value.isascii() else WIDE * len(value)
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
"""By the type of an item, the function that adds a copy of it to a frame's entries. It returns how
many bytes the item is counted as. If the item has too many values, or not all of it is plain, it
adds nothing and returns 0.

These loops are most of what an item costs. So they call no Python code, and the compiler folds
their limits. Integers of one digit are compared in a third of the time that others take."""
