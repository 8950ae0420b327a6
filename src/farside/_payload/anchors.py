"""Digests of items, by which a pass that is repeated is compared with the original one.

The parent computes the digest of an item that has arrived, before the loop gets the item. A worker
computes the digests of an item that it makes again. An item that can cross in several forms has a
digest for each, and `of_item` returns them all.
"""

from __future__ import annotations

import io
import pickle
from _blake2 import blake2b  # without hashlib around it: that is start-up time of a worker
from sys import modules

from .._in_c import SimpleNamespace
from .._memory.parts import parts_of
from . import handlers
from .items import Group, Stored
from .joined import HEAD, piece_of
from .plain import ADD_COPY, ATOMS
from .plain_classes import NotPlainError, plain_classes
from .reducers import table_of_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from .encoder import Encoder

_WHOLE = 1 << 12  # bytes; only spots of larger contents are read

_SETS = (set, frozenset)
_OF_SETS = ("EMPTY_SET", "FROZENSET")  # opcodes of pickle

_UNLIKE = ("_make_skeleton_class", "_load_from_bytes")
"""Functions of cloudpickle and torch whose arguments differ from process to process."""

_LONG_DOUBLES = "gG"  # NumPy's codes; on most machines, a value fills only 10 of its 16 bytes

_SPOTS = 16
_SPOT_BYTES = 64


def of_entry(entry: Any, blocks: Sequence[memoryview], *, plain: bool) -> bytes:
    """Return the digest of an item that has arrived; if `plain`, the entry is the item itself."""
    if plain or type(entry) not in _PICKLED:
        return _of_value(entry)
    if type(entry) is bytes:
        joined = entry.startswith(HEAD)  # it was a piece, sent in a frame with items that have none
        return _of_value(pickle.loads(entry)) if joined else _digest([entry])
    stream, buffers = entry
    return _digest(_contents(stream, buffers, blocks))


def of_input(entry: Any) -> bytes:
    """Return the digest of an item before it crosses: an input, or what an encoder returned."""
    if type(entry) is bytes:
        return _digest([entry])
    if type(entry) is not Stored:
        return _of_value(entry)
    return _digest(_contents(entry.places[0], entry.places[1:], ()))


def of_item(item: Any, encoder: Encoder) -> set[bytes]:
    """Return all digests that an item may have when it arrives. The encoder must have no arena."""
    found = {of_input(encoder.encode(item))}
    try:
        found.add(_of_value(item))
    except Exception as error:  # the item has no piece
        if handlers.raised(error):
            raise
    return found


def is_comparable(item: Any, encoder: Encoder) -> bool:
    """Tell whether an equal item would have equal digests. Slow, so only for digests that differ.

    It may have other digests if it holds sets, arrays with padding bytes, a class that cloudpickle
    pickles by value (under a random name), or contents on a GPU (torch writes their address).
    """
    import pickletools

    if _has_any_bytes(item):
        return False
    entry: Any = encoder.encode(item)
    stream: Any = entry.places[0] if type(entry) is Stored else entry
    if type(stream) is tuple:  # a form: numbers, texts, and descriptions of plain arrays
        return True
    found = pickletools.genops(bytes(stream))
    # Look for sets again: plain pickle may have failed at a function that refers to some.
    return True not in [
        argument in _UNLIKE or operation.name in _OF_SETS for operation, argument, _ in found
    ]


def _has_any_bytes(item: Any) -> bool:
    """Tell whether equal parts of an item may pickle differently, as far as plain pickle gets."""
    finder = _AnyBytesFinder(io.BytesIO(), 5, buffer_callback=lambda _: None)
    finder.dispatch_table = table_of_items()
    try:
        finder.dump(item)
    except Exception as error:  # cloudpickle may be able to pickle it
        if handlers.raised(error):
            raise
    return finder.found


class SetFinder(pickle.Pickler):
    """Finds out whether an object contains sets, far faster than by reading its pickle.

    The order in which a set is pickled depends on the hash seed of the process. A set of a user's
    class is pickled as a list, so a reader of the pickle would not find it.
    """

    found = False

    def persistent_id(self, value: Any) -> None:
        self.found = self.found or issubclass(type(value), _SETS)


class _AnyBytesFinder(SetFinder):
    """Finds sets, and NumPy values with padding, which holds whatever was in the memory before."""

    def persistent_id(self, value: Any) -> None:
        super().persistent_id(value)
        numpy: Any = modules.get("numpy")
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
            self.found = self.found or _has_padding(value.dtype)


def _has_padding(dtype: Any) -> bool:
    """Tell whether values of a NumPy type have padding: bytes that are never written."""
    dtype = dtype.base  # the element type, if a field of a structure is an array
    if dtype.names is None:
        return dtype.char in _LONG_DOUBLES
    fields, end = [dtype.fields[name][:2] for name in dtype.names], 0
    for field, offset in sorted(fields, key=lambda each: each[1]):  # fields may overlap
        if offset > end or _has_padding(field):
            return True
        end = max(end, offset + field.itemsize)
    return bool(end < dtype.itemsize)


def _of_value(value: Any) -> bytes:
    """Return the digest of an item that crosses as itself; raise if this item cannot."""
    kind = type(value)
    if kind in ATOMS or kind is int:
        return _digest([pickle.dumps(value, 5)])
    if kind is not str and not (kind in ADD_COPY and ADD_COPY[kind](value, [])):
        piece = piece_of(value)
        if len(piece) > _LONGEST_PIECE:
            raise NotPlainError
        return _digest([_tell(pickle.loads(piece))])  # unpickled, it is as it arrives
    return _digest([_dump(value)])


def _dump(value: Any) -> memoryview:
    """Pickle plain values. Whether equal ones are one object makes no difference."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file, 5)
    pickler.fast = True
    pickler.dump(value)
    return file.getbuffer()


def _tell(value: Any) -> bytes:
    """Pickle a value of plain classes so that equal values give equal bytes, on both sides.

    The bytes do not depend on which equal strings are one object, nor on the name of the main
    module. Raise if the value has no piece (see `joined`), or is nested too deeply.
    """
    file = io.BytesIO()
    pickler: Any = _Teller(file, 3)
    pickler.dispatch_table = SimpleNamespace(get=lambda cls, *_: plain_classes[cls])
    pickler.dump(value)
    return file.getvalue().replace(b"c__mp_main__\n", b"c__main__\n")


class _Teller(pickle._Pickler):  # noqa: SLF001  only in this one can `memoize` be overridden
    def memoize(self, obj: Any) -> None:
        if type(obj) not in {str, bytes, type}:
            super().memoize(obj)  # type: ignore[misc]


_PICKLED = frozenset({bytes, tuple})

_LONGEST_PIECE = 1 << 16  # bytes; longer than any piece that crosses, with what it shares


def _contents(stream: Any, buffers: Iterable[Any], blocks: Sequence[memoryview]) -> list[Any]:
    """Return the stream, or form, and each buffer by itself, also if several lie in one place."""
    form = type(stream) is tuple  # see `samples`
    found: list[Any] = [_dump(stream)] if form else []
    for each in buffers if form else [stream, *buffers]:
        group = type(each) in {tuple, Group}  # a tuple has crossed, a Group has not
        place, sizes = each if group else (each, None)
        contents = blocks[place] if type(place) is int else place
        found += [contents] if sizes is None else parts_of(contents, sizes)
    return found


def _digest(contents: Iterable[Any]) -> bytes:
    parts: list[Any] = []
    for each in contents:
        view = memoryview(each)
        size = view.nbytes
        parts.append(b"%d:" % size)
        if size <= _WHOLE:
            parts.append(view)
        else:
            step = (size - _SPOT_BYTES) // (_SPOTS - 1)
            parts += [view[at : at + _SPOT_BYTES] for at in range(0, step * _SPOTS, step)]
    return blake2b(b"".join(parts), digest_size=8).digest()
