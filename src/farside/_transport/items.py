"""Items to what crosses, and back.

The items of a frame cross together, as one pickled list of *entries*. An entry is

* the item itself, if it is an immutable atom: pickled with others later, it is what it was;
* ``bytes``: the pickle of an item, taken when it was yielded;
* a tuple ``(stream, buffers)`` for an item with large contents. Each is the number of a block of
  the frame, or what did not fit into the arena itself. The stream is the pickle, the buffers are
  what protocol 5 keeps out of it.
"""

from __future__ import annotations

import pickle
import sys

from ..errors import ProtocolError
from . import codec
from .frames import Ref
from .reducers import Table, reduce_memoryview

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

    __slots__ = ("nbytes", "places")

    def __init__(self, places: list[Place], nbytes: int) -> None:
        self.places = places  # of the stream, then of the buffers
        self.nbytes = nbytes

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
        self._chunks: list[bytes] = []  # of the pickle
        self._buffers: list[memoryview] = []  # what is kept out of it
        self._sink = _Sink(self._chunks.append)
        self._renew()

    def encode(self, item: object) -> bytes | Stored:
        """Pickle an item, as it is now.

        Raises:
            BaseException: whatever pickling raised: cloudpickle's error where it is installed.
        """
        try:
            self._dump(item)
            self._forget()
        except BaseException as error:
            self._dump_by_value(item, error)
        chunks = self._chunks
        pickled = chunks.pop()
        if chunks or self._buffers or len(pickled) >= BLOCK_BYTES:
            chunks.append(pickled)
            return self._store()
        return pickled

    def _dump_by_value(self, item: object, error: BaseException) -> None:
        """Pickle an item with cloudpickle, which takes more, after plain pickling has failed."""
        self._renew()
        dumps = codec.cloudpickle_dumps() if isinstance(error, Exception) else None
        if dumps is None:
            raise error
        try:
            self._chunks.append(dumps(item, protocol=5, buffer_callback=self._offer))
        except BaseException:
            self._renew()
            raise

    def _store(self) -> Stored:
        """Find a place for what is in `_chunks` and `_buffers`."""
        chunks, buffers = self._chunks, self._buffers
        written = codec.size(chunks)
        nbytes = written + sum(view.nbytes for view in buffers)
        places = [self._place(chunks)]
        for number, view in enumerate(buffers, 1):
            places.append(self._place_buffer(view, share=number < ITEM_REFS))
        chunks.clear()
        buffers.clear()
        if written >= _RENEW_BYTES:
            self._renew()
        return Stored(places, nbytes)

    def discard(self, stored: Stored) -> None:
        """Give the blocks of an item back that is not sent."""
        for ref in stored.refs:
            assert self._arena is not None
            self._arena.free(ref)

    def notice_torch(self) -> None:
        """Pickle tensors without their own way, which copies, once torch is there."""
        if not self._knows_torch and _has_torch():
            self._renew()

    def _renew(self) -> None:
        self._chunks.clear()
        self._buffers.clear()
        pickler = pickle.Pickler(self._sink, 5, buffer_callback=self._offer)
        pickler.dispatch_table = Table({memoryview: reduce_memoryview})
        self._knows_torch = _has_torch()
        if self._knows_torch:
            from .tensors import reduce_tensor  # only then

            pickler.dispatch_table[sys.modules["torch"].Tensor] = reduce_tensor
        self._dump, self._forget = pickler.dump, pickler.clear_memo

    def _offer(self, buffer: pickle.PickleBuffer) -> bool:
        """Take a buffer; tell whether it shall be pickled with the rest instead."""
        view = buffer.raw()
        small = view.nbytes < BLOCK_BYTES
        if not small:
            self._buffers.append(view)
        return small

    def _place_buffer(self, view: memoryview, *, share: bool) -> Place:
        """Find a place for a buffer, which may lie in the arena already."""
        if share and self._arena is not None and self._arena.grants is not None:
            claimed = self._arena.claim(view)
            if claimed is not None:
                return claimed
        return self._place([view], share=share)

    def _place(self, parts: Sequence[Part], *, share: bool = True) -> Place:
        """Find a place for a payload: the arena, or else the frame."""
        large = codec.size(parts) >= BLOCK_BYTES
        if large and share and self._arena is not None:
            ref = self._arena.store(parts)
            if ref is not None:
                return ref
        if not large:
            return b"".join(parts)
        # A copy, since the frame may be sent after the next item was begun, and a writable one.
        return pickle.PickleBuffer(bytearray().join(parts))


def _has_torch() -> bool:
    # Another thread may just be importing it: then it may have no tensors yet.
    return hasattr(sys.modules.get("torch"), "Tensor")


class _Sink:
    """A file, as a pickler sees it: what is written goes to a function."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[Any], object]) -> None:
        self.write = write


def pack(entries: list[Any]) -> tuple[list[Part], list[Ref]]:
    """Make the body of a frame.

    Args:
        entries: atoms, pickles, and what `Encoder.encode` has stored.

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
        BaseException: whatever unpickling raises.
    """
    kind = type(entry)
    if kind is bytes:
        return pickle.loads(entry)
    if kind is not tuple:
        return entry
    stream, buffers = entry
    return pickle.loads(
        _take(blocks, stream), buffers=[_take(blocks, buffer) for buffer in buffers]
    )


def _take(blocks: Any, place: Any) -> Any:
    if type(place) is not int:
        return place
    block, blocks[place] = blocks[place], _TAKEN
    return block


_TAKEN = memoryview(b"")
