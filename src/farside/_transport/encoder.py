"""Pickles a worker's items, with large contents in the arena."""

from __future__ import annotations

import pickle
import sys

from . import codec
from .items import BLOCK_BYTES, ITEM_REFS, Stored
from .reducers import Table, reduce_memoryview

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .arena import Arena
    from .codec import Part
    from .items import Place

_RENEW_BYTES = 1 << 16
"""A pickler keeps a buffer as large as the largest thing that it has written, and makes it anew for
each item. So it is made anew itself after one of this size."""


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
