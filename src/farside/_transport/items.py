"""Items to what crosses, and back.

The items of a frame cross together, as one pickled list of *entries*. An entry is

* the item itself, if it is an immutable atom: pickled with others later, it is what it was;
* ``bytes``: the pickle of an item, taken when it was yielded;
* a tuple ``(stream, buffers)`` for an item with large contents. Each is the number of a block of
  the frame, or what did not fit into the arena itself. The stream is the pickle, the buffers are
  what protocol 5 keeps out of it.

A frame that carries atoms alone has the list for its body, any other a tuple around the list.
"""

from __future__ import annotations

import pickle
import sys

from ..errors import ProtocolError
from . import codec
from .frames import Ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    from .arena import Arena
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

_RENEW_BYTES = 1 << 16
"""A pickler keeps a buffer as large as the largest thing that it has written, and makes it anew for
each item. So it is made anew itself after one of this size."""


class Stored:
    """An item with large contents, on its way into a frame."""

    __slots__ = ("nbytes", "places", "unsafe")

    def __init__(self, places: list[Place], nbytes: int) -> None:
        self.places = places  # of the stream, then of the buffers
        self.nbytes = nbytes
        # It still refers to memory of the item, so it must be sent before the next is made.
        self.unsafe = any(type(place) is pickle.PickleBuffer for place in places)

    @property
    def refs(self) -> list[Ref]:
        """The blocks of the arena that it holds."""
        return [place for place in self.places if type(place) is Ref]


class Encoder:
    """Pickles items, with large contents in the arena.

    One pickler serves all items: making one costs as much as pickling a small item.
    """

    def __init__(self, arena: Arena | None) -> None:
        self._arena = arena
        self._chunks: list[bytes] = []
        self._buffers: list[memoryview] = []
        self._write = _Sink(self._chunks.append)
        self._renew()

    def encode(self, item: object) -> bytes | Stored:
        """Pickle an item, as it is now.

        Raises:
            BaseException: whatever pickling raised: cloudpickle's error where it is installed.
        """
        chunks = self._chunks
        try:
            self._dump(item)
            self._forget()
        except BaseException as error:
            self._renew()
            by_value = codec.cloudpickle_dumps() if isinstance(error, Exception) else None
            if by_value is None:
                raise
            self._dump_by_value(by_value, item)
        if len(chunks) == 1 and not self._buffers and len(chunks[0]) < BLOCK_BYTES:
            return chunks.pop()
        return self._store()

    def discard(self, stored: Stored) -> None:
        """Give the blocks of an item back that is not sent."""
        for ref in stored.refs:
            assert self._arena is not None
            self._arena.free(ref)

    def notice_torch(self) -> None:
        """Pickle tensors without their own way, which copies, once torch is there."""
        if not self._knows_torch and "torch" in sys.modules:
            self._renew()

    def _renew(self) -> None:
        self._chunks.clear()
        self._buffers.clear()
        pickler = pickle.Pickler(self._write, 5, buffer_callback=self._offer)
        self._knows_torch = "torch" in sys.modules
        self._dump, self._forget = pickler.dump, pickler.clear_memo

    def _dump_by_value(self, dumps: Callable[..., bytes], item: object) -> None:
        try:
            self._chunks.append(dumps(item, protocol=5, buffer_callback=self._offer))
        except BaseException:
            self._renew()
            raise

    def _offer(self, buffer: pickle.PickleBuffer) -> bool:
        """Take a buffer; tell whether it shall be pickled with the rest instead."""
        view = buffer.raw()
        small = view.nbytes < BLOCK_BYTES
        if not small:
            self._buffers.append(view)
        return small

    def _store(self) -> Stored:
        chunks, buffers = self._chunks, self._buffers
        written = codec.size(chunks)
        places = [self._place(chunks)]
        for number, view in enumerate(buffers, 1):
            places.append(self._place([view]) if number < ITEM_REFS else pickle.PickleBuffer(view))
        stored = Stored(places, written + codec.size(buffers))
        chunks.clear()
        buffers.clear()
        if written >= _RENEW_BYTES:
            self._renew()
        return stored

    def _place(self, parts: Sequence[Part]) -> Place:
        """Find a place for a payload: the arena, or else the frame."""
        large = codec.size(parts) >= BLOCK_BYTES
        ref = self._arena.store(parts) if large and self._arena is not None else None
        if ref is not None:
            return ref
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        return pickle.PickleBuffer(whole) if large else bytes(whole)


class _Sink:
    """A file, as a pickler sees it: what is written goes to a function."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[Any], object]) -> None:
        self.write = write


def pack(entries: list[Any], *, atoms: bool) -> tuple[list[Part], list[Ref]]:
    """Make the body of a frame.

    Args:
        entries: atoms, pickles, and what `Encoder.encode` has stored.
        atoms: whether there are only atoms.

    Returns:
        The parts of the body, and the blocks that belong to the frame.
    """
    if atoms:
        return codec.dumps(entries), []
    refs: list[Ref] = []
    if Stored in map(type, entries):
        entries = [_number(each, refs) if type(each) is Stored else each for each in entries]
    return codec.dumps((entries,)), refs


def _number(stored: Stored, refs: list[Ref]) -> tuple[Any, list[Any]]:
    numbers: list[Any] = []
    for place in stored.places:
        if type(place) is Ref:
            numbers.append(len(refs))
            refs.append(place)
        else:
            numbers.append(place)
    return numbers[0], numbers[1:]


def unpack(frame: Frame) -> tuple[list[Any], bool]:
    """Open the body of a frame: its entries, and whether they are all atoms.

    Raises:
        ProtocolError: it cannot be read, or holds not as many as the frame says.
    """
    try:
        made = codec.loads(frame.body)
        atoms = type(made) is list
        entries: list[Any] = made if atoms else made[0]
        count = len(entries)
        if type(entries) is not list:
            raise TypeError(f"there is no list, but {type(entries).__name__}")
    except Exception as error:
        raise ProtocolError(f"items that cannot be read: {error}") from error
    if count != frame.items:
        raise ProtocolError(f"a frame of {frame.items} items holds {count}")
    return entries, atoms


def decode(entry: Any, blocks: Sequence[memoryview]) -> Any:
    """Turn an entry into its item.

    Large buffers stay in the blocks, which live as long as anything refers to them.

    Raises:
        BaseException: whatever unpickling raises.
    """
    kind = type(entry)
    if kind is bytes:
        return pickle.loads(entry)
    if kind is not tuple:
        return entry
    stream, *buffers = (
        blocks[each] if type(each) is int else each for each in (entry[0], *entry[1])
    )
    return pickle.loads(stream, buffers=buffers)
