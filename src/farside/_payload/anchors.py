"""Digests of items, by which a pass that is made once more is compared with what it was before.

The parent takes them of items that have arrived, before the loop gets these; a worker takes them of
items that it makes again. An item that may cross in several ways has a digest for each, and
`of_item` returns them all.
"""

from __future__ import annotations

import io
import pickle
from _blake2 import blake2b  # without hashlib around it: that is start-up time of a worker
from sys import modules

from .._in_c import SimpleNamespace
from . import handlers
from .decoder import parts_of
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

_WHOLE = 1 << 12  # contents of so many bytes are read wholly; of larger ones, a sample

_SETS = (set, frozenset)
_OF_SETS = ("EMPTY_SET", "FROZENSET")  # what a pickle calls them

_UNLIKE = ("_make_skeleton_class", "_load_from_bytes")
"""Functions of cloudpickle and torch whose arguments differ from process to process."""

_LONG_DOUBLES = "gG"  # NumPy's names of types, which have 10 bytes in 16 on most machines

_SAMPLES = 16
_SAMPLE_BYTES = 64


def of_entry(entry: Any, blocks: Sequence[memoryview], *, plain: bool) -> bytes:
    """Return the digest of an item that has arrived. A plain entry is the item itself."""
    if plain or type(entry) not in _PICKLED:
        return _of_value(entry)
    if type(entry) is bytes:
        joined = entry.startswith(HEAD)  # it was a piece, on its way with others that had none
        return _of_value(pickle.loads(entry)) if joined else _digest([entry])
    stream, buffers = entry
    return _digest(_contents([stream, *buffers], blocks))


def of_input(entry: Any) -> bytes:
    """Return the digest of an item that is on its way: of an input, or what an encoder returns."""
    if type(entry) is bytes:
        return _digest([entry])
    return _digest(_contents(entry.places, ())) if type(entry) is Stored else _of_value(entry)


def of_item(item: Any, encoder: Encoder) -> set[bytes]:
    """Return the digests that an item may have when it arrives. The encoder has no arena."""
    found = {of_input(encoder.encode(item))}
    try:
        found.add(_of_value(item))
    except Exception as error:  # it has no piece
        if handlers.raised(error):
            raise
    return found


def is_comparable(item: Any, encoder: Encoder) -> bool:
    """Tell whether equal items have equal digests. It takes long, and is for those that differ.

    Not so if there are sets, or arrays with bytes that are no part of a value. Nor where
    cloudpickle gives a class that it pickles by value a random name, or torch writes the addresses
    of what lies on a GPU.
    """
    import pickletools

    if _has_any_bytes(item):
        return False
    entry: Any = encoder.encode(item)
    stream: Any = entry.places[0] if type(entry) is Stored else entry
    found = pickletools.genops(bytes(stream))
    # Sets too: pickle itself may have got no farther than a function, and that may have some.
    return True not in [
        argument in _UNLIKE or operation.name in _OF_SETS for operation, argument, _ in found
    ]


def _has_any_bytes(item: Any) -> bool:
    """Tell whether something in an item has no pickle of its own, as far as pickle itself gets."""
    finder = _AnyBytesFinder(io.BytesIO(), 5, buffer_callback=lambda _: None)
    finder.dispatch_table = table_of_items()
    try:
        finder.dump(item)
    except Exception as error:  # cloudpickle may take it
        if handlers.raised(error):
            raise
    return finder.found


class SetFinder(pickle.Pickler):
    """Finds out whether there are sets in what it pickles. To read the pickle takes far longer.

    The seed of the process's hashes decides in which order one is pickled; and if its class is the
    user's, it is pickled as a list.
    """

    found = False

    def persistent_id(self, value: Any) -> None:
        self.found = self.found or issubclass(type(value), _SETS)


class _AnyBytesFinder(SetFinder):
    """Finds sets, and values of NumPy with bytes that hold what was in the memory before."""

    def persistent_id(self, value: Any) -> None:
        super().persistent_id(value)
        numpy: Any = modules.get("numpy")
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
            self.found = self.found or _has_padding(value.dtype)


def _has_padding(dtype: Any) -> bool:
    """Tell whether values of a type of NumPy have bytes that nobody writes."""
    dtype = dtype.base  # of an array in a structure
    if dtype.names is None:
        return dtype.char in _LONG_DOUBLES
    fields, end = [dtype.fields[name][:2] for name in dtype.names], 0
    for field, offset in sorted(fields, key=lambda each: each[1]):  # some may lie in one place
        if offset > end or _has_padding(field):
            return True
        end = max(end, offset + field.itemsize)
    return bool(end < dtype.itemsize)


def _of_value(value: Any) -> bytes:
    """Return the digest of an item that has arrived as itself; raise if it cannot have."""
    kind = type(value)
    if kind in ATOMS or kind is int:
        return _digest([pickle.dumps(value, 5)])
    if kind is not str and not (kind in ADD_COPY and ADD_COPY[kind](value, [])):
        piece = piece_of(value)
        if len(piece) > _LONGEST_PIECE:
            raise NotPlainError
        return _digest([_tell(pickle.loads(piece))])  # read once more, it is as it arrives
    file = io.BytesIO()
    pickler = pickle.Pickler(file, 5)
    pickler.fast = True  # whether equal parts are one object makes no difference
    pickler.dump(value)
    return _digest([file.getbuffer()])


def _tell(value: Any) -> bytes:
    """Return what a value of plain classes says: the same for equal values, on both sides.

    Which texts in it are one object may differ, and what the main module is called. It is an error
    if the value has no piece (see `joined`), or is nested too deep.
    """
    file = io.BytesIO()
    pickler: Any = _Teller(file, 3)
    pickler.dispatch_table = SimpleNamespace(get=lambda cls, *_: plain_classes[cls])
    pickler.dump(value)
    return file.getvalue().replace(b"c__mp_main__\n", b"c__main__\n")


class _Teller(pickle._Pickler):  # noqa: SLF001  the one in Python can be told what gets no number
    def memoize(self, obj: Any) -> None:
        if type(obj) not in {str, bytes, type}:
            super().memoize(obj)  # type: ignore[misc]


_PICKLED = frozenset({bytes, tuple})

_LONGEST_PIECE = 1 << 16  # more than any that crosses has, with what it shares with others


def _contents(places: Iterable[Any], blocks: Sequence[memoryview]) -> list[Any]:
    """Return the stream and the buffers, whether or not some lie in one place."""
    found: list[Any] = []
    for each in places:
        group = type(each) in {tuple, Group}  # as it crosses, or before
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
            step = (size - _SAMPLE_BYTES) // (_SAMPLES - 1)
            parts += [view[at : at + _SAMPLE_BYTES] for at in range(0, step * _SAMPLES, step)]
    return blake2b(b"".join(parts), digest_size=8).digest()
