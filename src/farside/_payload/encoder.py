"""Pickles a worker's items, with large contents in the arena."""

from __future__ import annotations

import _pickle as pickle
from sys import modules

from .._in_c import SimpleNamespace, partial
from .._memory.parts import BLOCK_BYTES, size
from . import handlers, pickling
from .items import ALIGN, ITEM_REFS, Group, Stored
from .reducers import table_of_items
from .true_parts import is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._memory.parts import Part, Store
    from .._memory.recycled import Recycled
    from .items import Place

_RENEW_BYTES = 1 << 16
"""A pickler allocates, for each item, a buffer as large as the largest that it has needed. So after
an item of this size there is a new pickler."""

_TOGETHER_BYTES = 1 << 17
"""The buffers of an item that has fewer bytes in all share a block: to both sides, a block costs as
much as the copy of some 50 kB. Whoever keeps one of them keeps the others' memory too."""

_PADS = bytes(ALIGN)


class Encoder:
    """Pickles items, with large contents in the arena.

    One pickler serves all items: making one costs as much as pickling a small item.

    Without an arena, large contents go into the frames: copies, in memory that is used again if
    `recycled` is given. Where the other side has no main module like this one, what is defined
    there is sent itself (`main_by_value`), and not as its name.
    """

    def __init__(
        self, arena: Store | None, *, main_by_value: bool = False, recycled: Recycled | None = None
    ) -> None:
        self._arena = arena
        self._recycled = recycled
        self._main_by_value = main_by_value
        self._chunks: list[bytes] = []  # of the pickle
        self._buffers: list[memoryview] = []  # what is kept out of it
        self._sink: Any = SimpleNamespace(write=self._chunks.append)  # a file, as a pickler sees it
        # No method: a cycle would be left of each pass of a map, where the collector is off.
        self._offer = partial(_offer, self._buffers)
        self._table = table_of_items()
        self._array: type | None = None  # of NumPy, where it is there
        self._templates: Any = None
        self._look_for_libraries()
        self._renew()

    def encode(self, item: object) -> bytes | Stored:
        """Pickle an item, as it is now. If cloudpickle is installed, what it raises is raised."""
        if len(modules) != self._modules:  # a new library may have a way of its own
            self._look_for_libraries()
        if self._chunks or self._buffers:  # an exception has struck in the middle of an item
            self._renew()
        if type(item) is self._array and item.nbytes >= BLOCK_BYTES:  # type: ignore[attr-defined]
            found = self._templates.find(item)
            if found is not None:
                stream, view = found
                nbytes = len(view)
                return Stored([stream, self._place([view], nbytes)], len(stream) + nbytes)
        try:
            self._dump(item)
            self._forget()
            if self._main_by_value:
                pickling.refuse_main(self._chunks)
        except BaseException as error:
            self._dump_by_value(item, error)
        chunks = self._chunks
        pickled = chunks.pop()
        if chunks or self._buffers or len(pickled) >= BLOCK_BYTES:
            chunks.append(pickled)
            if bytearray in map(type, chunks):
                # It is the user's own, and may have been changed since: nothing was copied yet.
                self._renew()
                self._chunks.append(pickling.dumps_by_reference(item, self._offer, self._table))
            return self._store()
        return pickled

    def _look_for_libraries(self) -> None:
        self._table.look_again()
        self._modules = self._table.modules
        array = getattr(modules.get("numpy"), "ndarray", None)
        if array is not None and self._array is None:
            from .arrays import Templates  # where NumPy is there

            self._templates = Templates()
            self._array = array

    def _dump_by_value(self, item: object, error: BaseException) -> None:
        """Pickle an item with cloudpickle, which takes more, after plain pickling has failed."""
        self._renew()
        final = not is_a(error, Exception) or handlers.raised(error)
        try:
            pickled = None if final else pickling.dumps_by_value(item, self._offer)
        except BaseException:
            self._renew()
            raise
        if pickled is None:
            raise error
        self._chunks.append(pickled)

    def _store(self) -> Stored:
        """Find a place for what is in `_chunks` and `_buffers`."""
        chunks, buffers = self._chunks, self._buffers
        written = size(chunks)
        nbytes = written + sum(map(len, buffers))
        places: list[Place | Group] = []
        arena = self._arena
        copies = arena is None or not (arena.lends or arena.allocations)  # all, wherever it lies
        together = len(buffers) if nbytes < _TOGETHER_BYTES and copies else 1
        each = max(together, -(-len(buffers) // (ITEM_REFS - 1)))  # how many buffers a block has
        try:
            places.append(self._place(chunks, written))
            if each > 1:
                starts = range(0, len(buffers), each)
                places.extend(self._place_together(buffers[at : at + each]) for at in starts)
            else:
                places.extend(self._place([each], len(each)) for each in buffers)
        except BaseException:  # the rest would become a part of the next item
            self.discard(Stored(places, nbytes))
            self._renew()
            raise
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

    def _renew(self) -> None:
        self._chunks.clear()
        self._buffers.clear()
        pickler = pickle.Pickler(self._sink, 5, buffer_callback=self._offer)
        pickler.dispatch_table = self._table
        self._dump, self._forget = pickler.dump, pickler.clear_memo

    def _place_together(self, views: Sequence[memoryview]) -> Group:
        sizes = list(map(len, views))
        parts: list[Part] = []
        nbytes = 0
        for view, length in zip(views, sizes):  # noqa: B905  same length; strict costs here
            pad = -length % ALIGN
            nbytes += length + pad
            parts.append(view)
            if pad:
                parts.append(_PADS[:pad])
        if len(parts) == 1:
            parts.append(b"")  # it is copied as the others are, even if it lies in granted memory
        return Group(self._place(parts, nbytes), sizes)

    def _place(self, parts: Sequence[Part], nbytes: int) -> Place:
        """Find a place for a payload of so many bytes: the arena, or else the frame."""
        if nbytes < BLOCK_BYTES:
            return b"".join(parts)
        ref = None if self._arena is None else self._arena.store(parts, nbytes)
        if ref is not None:
            return ref
        # A copy, since the frame may be sent after the next item was begun, and a writable one.
        recycled = self._recycled
        if recycled is None:
            return pickle.PickleBuffer(bytearray().join(parts))
        return recycled.copy_to_send(parts)


def _offer(buffers: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    """Take a buffer; tell whether it shall be pickled with the rest instead."""
    view = buffer.raw()
    small = len(view) < BLOCK_BYTES
    if not small:
        buffers.append(view)
    return small
