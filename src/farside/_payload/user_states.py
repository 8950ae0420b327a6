"""Turns states of the user's iterables, as ``state_dict()`` returns them, into bytes and back.

Most states are made of plain values. They cross as the text of a Python literal, which is read back
exactly, and without running any code. So they may be part of the state of a loop, which is read
from a file. Other states are pickled. They are used only to start a worker again.
"""

from __future__ import annotations

import _pickle as pickle
from math import isfinite

from .reducers import table_of_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_BYTES = 1 << 16  # a larger state is not kept, since several may be kept for each open shard

LITERAL, _PICKLED = b"L", b"P"

_DEPTH = 50
_INT_BITS = 4096


class StateTooLargeError(Exception):
    """A state has more than `MOST_BYTES`."""


def freeze(state: object) -> bytes:
    """Turn a state into bytes; raise StateTooLargeError if there are too many."""
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
    """Rebuild a state from bytes; raise ValueError if it is neither a pickle nor a literal."""
    if frozen[:1] == _PICKLED:
        return pickle.loads(frozen[1:])
    from ast import literal_eval  # only needed for a restart or a resume

    try:
        return literal_eval(frozen[1:].decode())
    except (SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError(f"a state that cannot be read: {error}") from error


def check_literal(frozen: bytes) -> None:
    """Raise ValueError if a state within the state of a loop is no literal. This runs no code."""
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
    """Tell whether the ``repr()`` of a value makes an equal one; may raise StateTooLargeError."""
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
