"""What items cross as: the body of a frame of items, packed and unpacked.

The items of a frame cross together, as one pickled list of *entries*. An entry is

* the item itself, if it is an immutable atom: pickled with others later, it is what it was;
* ``bytes``: the pickle of an item, taken when it was yielded;
* a tuple ``(stream, buffers)`` for an item with large contents. Each is the number of a block of
  the frame, or what did not fit into the arena itself. The stream is the pickle, the buffers are
  what protocol 5 keeps out of it.
"""

from __future__ import annotations

import pickle

from ..errors import ProtocolError
from . import codec
from .frames import Ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    from .codec import Part
    from .frames import Frame

    Place: TypeAlias = "Ref | bytes | pickle.PickleBuffer"

ATOMS = frozenset({float, bool, type(None)})
"""Types of items that cross as they are. So do small integers and short strings."""

INT_LIMIT = 1 << 63
"""Integers of a larger magnitude are pickled at once, so that their size is known."""

STR_LIMIT = 256
"""Characters from which on a string is pickled at once, so that its size is known."""

ATOM_BYTES = 9
"""What an atom is counted as."""

BLOCK_BYTES = 1 << 13
"""Payloads from this size on go to the arena. Below, two copies through a pipe cost less than a
block does."""

ITEM_REFS = 100
"""Blocks that one item may have."""


class Stored:
    """An item with large contents, on its way into a frame."""

    __slots__ = ("nbytes", "places")

    def __init__(self, places: list[Place], nbytes: int) -> None:
        self.places = places  # of the stream, then of the buffers
        self.nbytes = nbytes

    @property
    def refs(self) -> list[Ref]:
        """The blocks of the arena that it holds."""
        return [place for place in self.places if type(place) is Ref]


def pack(entries: list[Any]) -> tuple[list[Part], list[Ref]]:
    """Make the body of a frame.

    Args:
        entries: atoms, and what `encoder.Encoder` has made of other items.

    Returns:
        The parts of the body, and the blocks that belong to the frame.
    """
    refs: list[Ref] = []
    if Stored in map(type, entries):
        entries = [_number(each, refs) if type(each) is Stored else each for each in entries]
    return codec.dumps(entries), refs


def _number(stored: Stored, refs: list[Ref]) -> tuple[Any, list[Any]]:
    numbers: list[Any] = []
    for place in stored.places:
        if type(place) is Ref:
            numbers.append(len(refs))
            refs.append(place)
        else:
            numbers.append(place)
    return numbers[0], numbers[1:]


def unpack(frame: Frame) -> list[Any]:
    """Open the body of a frame: return its entries.

    Raises:
        ProtocolError: it cannot be read, or holds not as many as the frame says.
    """
    try:
        entries: list[Any] = codec.loads(frame.body)
        count = len(entries)
    except Exception as error:
        raise ProtocolError(f"items that cannot be read: {error}") from error
    if type(entries) is not list or count != frame.items:
        raise ProtocolError(f"a frame of {frame.items} items holds {count}")
    return entries


def all_atoms(entries: list[Any]) -> bool:
    """Tell whether each entry is the item itself."""
    return _ENCODED.isdisjoint(map(type, entries))


_ENCODED = frozenset({bytes, tuple})


def decode(entry: Any, blocks: Sequence[memoryview]) -> Any:
    """Turn an entry into its item.

    Large buffers stay in the blocks, which live as long as anything refers to them. What is used is
    taken out of `blocks`, so that the item alone does.

    Raises:
        ProtocolError: it is no entry.
        BaseException: whatever unpickling raises.
    """
    kind = type(entry)
    if kind is bytes:
        return pickle.loads(entry)
    if kind is not tuple:
        return entry
    try:
        stream, buffers = entry
        stream = _take(blocks, stream)
        taken = [_take(blocks, buffer) for buffer in buffers]
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"an item that cannot be read: {error}") from error
    return pickle.loads(stream, buffers=taken)


def _take(blocks: Any, place: Any) -> Any:
    if type(place) is not int:
        if type(place) in _CONTENTS:
            return place
        raise TypeError(f"{type(place).__name__} instead of contents")
    if not 0 <= place < len(blocks) or blocks[place] is _TAKEN:
        raise ValueError(f"no block {place}, or taken already")
    block, blocks[place] = blocks[place], _TAKEN
    return block


_TAKEN = memoryview(b"")
_CONTENTS = frozenset({bytes, bytearray, memoryview})
