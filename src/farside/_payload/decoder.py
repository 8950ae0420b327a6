"""Makes items of entries (see `items`), and leaves large contents where they lie."""

from __future__ import annotations

import _pickle as pickle
from sys import modules

from .._memory.parts import parts_of
from ..errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_TAKEN = memoryview(b"")
_CONTENTS = frozenset({bytes, bytearray, memoryview})


def decode(entry: Any, blocks: Sequence[memoryview]) -> Any:
    """Turn an entry into its item.

    Large buffers stay in the blocks, which live as long as anything refers to them. The blocks that
    the item uses are removed from `blocks`, so that only the item refers to them. Raise
    ProtocolError if this is no entry.
    """
    kind = type(entry)
    if kind is bytes:
        return pickle.loads(entry)
    if kind is not tuple:
        return entry
    try:
        stream, buffers = entry
        form = type(stream) is tuple  # of a sample
        if not form and type(stream) is not bytes:
            stream = _take(blocks, stream)
        taken: list[Any] = []
        for buffer in buffers:
            if type(buffer) is tuple:
                place, sizes = buffer
                taken += parts_of(_take(blocks, place), sizes)
            else:  # an input has its contents here: no call, since it costs as much as the rest
                taken.append(buffer if type(buffer) is memoryview else _take(blocks, buffer))
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"an item that cannot be read: {error}") from error
    if form:
        return (_put_together or _look_for_samples())(stream, taken)
    if len(taken) == 1 and type(stream) is bytes:
        load = _load_array or _look_for_arrays()
        if load is not None:
            return load(stream, taken[0])
    return pickle.loads(stream, buffers=taken)


_load_array: Any = None  # kept: an import statement costs more than the rest of `decode`
_put_together: Any = None


def _look_for_arrays() -> Any:
    global _load_array  # noqa: PLW0603  set once NumPy is imported
    if modules.get("numpy") is not None:
        from .arrays import load

        _load_array = load
    return _load_array


def _look_for_samples() -> Any:
    global _put_together  # noqa: PLW0603  set once there was a sample
    from .samples import put_together  # which imports NumPy

    _put_together = put_together
    return put_together


def _take(blocks: Any, place: Any) -> Any:
    if type(place) is not int:
        if type(place) in _CONTENTS:
            return place
        raise TypeError(f"{type(place).__name__} instead of contents")
    if not 0 <= place < len(blocks) or blocks[place] is _TAKEN:
        raise ValueError(f"no block {place}, or taken already")
    block, blocks[place] = blocks[place], _TAKEN
    return block
