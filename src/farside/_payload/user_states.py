"""States of what the user iterates on: what their ``state_dict()`` returns, as bytes.

Most are made of plain values. Those cross as the text of a Python literal, from which they are made
again exactly, and without running any code: so they may be in the state of a loop, which is read
from a file. Others are pickled. They serve a worker that is started again, and go nowhere else.
"""

from __future__ import annotations

import _pickle as pickle
from math import isfinite

from .reducers import table_of_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_BYTES = 1 << 16  # a larger state is not kept: of each open shard there may be some

LITERAL, _PICKLED = b"L", b"P"

_DEPTH = 50
_INT_BITS = 4096


class StateTooLargeError(Exception):
    """A state has more than `MOST_BYTES`."""


def freeze(state: object) -> bytes:
    """Turn a state into bytes; a StateTooLargeError if there are too many."""
    if _is_literal(state, [MOST_BYTES], 0):
        body = LITERAL + repr(state).encode()
        if len(body) > MOST_BYTES:
            raise StateTooLargeError
        return body
    file = _Bounded()
    pickler = pickle.Pickler(file, 5)
    pickler.dispatch_table = table_of_items()
    pickler.dump(state)
    return b"".join(file.parts)


def thaw(frozen: bytes) -> Any:
    """Make the state again; a ValueError if it is no text of a state."""
    if frozen[:1] == _PICKLED:
        return pickle.loads(frozen[1:])
    from ast import literal_eval  # only who goes on where another was

    try:
        return literal_eval(frozen[1:].decode())
    except (SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError(f"a state that cannot be read: {error}") from error


def check_literal(frozen: bytes) -> None:
    """Refuse what is in the state of a loop and no literal, by a ValueError. It runs no code."""
    try:
        if frozen[:1] != LITERAL:
            raise ValueError("it is not a literal")
        thaw(frozen)
    except ValueError as error:
        raise ValueError(
            f"the state has a snapshot that cannot be read ({error}); pass what state_dict() "
            "returned"
        ) from error


class _Bounded:
    def __init__(self) -> None:
        self.parts: list[Any] = [_PICKLED]
        self._left = MOST_BYTES

    def write(self, part: Any) -> int:
        size = memoryview(part).nbytes
        self._left -= size
        if self._left < 0:
            raise StateTooLargeError
        self.parts.append(bytes(part))
        return size


def _is_literal(value: Any, left: list[int], depth: int) -> bool:
    """Tell whether the text of a value makes an equal one; a StateTooLargeError: too many parts."""
    kind = type(value)
    left[0] -= len(value) if kind in _SIZED else 1
    if left[0] < 0:
        raise StateTooLargeError
    if kind is int:
        return bool(value.bit_length() <= _INT_BITS)
    if kind is float:
        return isfinite(value)
    if kind in _ATOMS:
        return True
    if depth == _DEPTH:
        return False
    if kind is dict:
        value = [*value, *value.values()]
    elif kind not in _SEVERAL:
        return False
    return False not in [_is_literal(each, left, depth + 1) for each in value]


_ATOMS = frozenset({str, bytes, bool, type(None)})
_SEVERAL = frozenset({tuple, list, set})
_SIZED = frozenset({str, bytes, tuple, list, set, dict})
