"""Pickles the items of a worker, with large contents in the arena, and the inputs of a map."""

from __future__ import annotations

import _pickle as pickle
from sys import modules

from .._in_c import SimpleNamespace, partial
from .._memory.parts import BLOCK_BYTES, Ref, joined, size, together
from . import handlers, pickling
from .items import ITEM_REFS, Group, Stored
from .reducers import table_of_items
from .true_parts import is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from .._memory.parts import Scattered, Store
    from .._memory.recycled import Recycled
    from .items import Place
    from .samples import Form

_RENEW_BYTES = 1 << 16
"""For each item, a pickler allocates a buffer as large as the largest that it has needed so far. So
it is replaced after an item of this size."""

_TOGETHER_BYTES = 1 << 17
"""The buffers of an item share one block if the item has fewer bytes than this: a block costs both
sides as much as copying some 50 kB. A user who keeps one of the buffers keeps the memory of all."""


class Encoder:
    """Pickles items, with large contents in the arena.

    One pickler serves all items: making one costs as much as pickling a small item.

    Without an arena, large contents are copied into the frames, in memory that is reused if
    `recycled` is given. With `main_by_value`, the other side has no main module like this one. So
    what is defined there is pickled by value, and not by name.
    """

    def __init__(
        self, arena: Store | None, *, main_by_value: bool = False, recycled: Recycled | None = None
    ) -> None:
        self._arena = arena
        self._put: Callable[[Sequence[Any], int], Place | None] = _copied
        if arena is not None:
            self._put = arena.store
        elif recycled is not None:
            self._put = recycled.copy_to_send
        self._main_by_value = main_by_value
        self._chunks: list[bytes] = []  # of the pickle
        self._buffers: list[memoryview] = []  # kept out of the pickle
        self._sink: Any = SimpleNamespace(write=self._chunks.append)  # a file, as a pickler sees it
        # A bound method would make a cycle, which outlives a map's pass if the collector is off.
        self._offer = partial(_offer, self._buffers)
        self._table = table_of_items()
        self._array: type | None = None  # NumPy's, once it is imported
        self._templates: Any = None
        self._samples: Any = None
        self._of_samples: Collection[type] = ()  # the types that a sample may have
        self._look_for_libraries()
        self._renew()

    def encode(self, item: object) -> bytes | Stored:
        """Pickle an item as it is now. If cloudpickle fails too, its exception is raised."""
        if len(modules) != self._modules:  # a new library may have reducers
            self._look_for_libraries()
        if self._chunks or self._buffers:  # an exception has struck in the middle of an item
            self._renew()
        stored: Stored | None = None
        if type(item) is self._array and item.nbytes >= BLOCK_BYTES:  # type: ignore[attr-defined]
            stored = self._store_array(item)
        elif type(item) in self._of_samples:
            stored = self._store_sample(item)
        if stored is not None:
            return stored
        try:
            self._dump(item)
            self._forget()
            if self._main_by_value:
                pickling.refuse_main(self._chunks)
        except BaseException as error:
            self._dump_by_value(item, error)
        pickled = self._chunks.pop()
        if self._chunks or self._buffers or len(pickled) >= BLOCK_BYTES:
            return self._store(item, pickled)
        return pickled

    def _store_array(self, array: Any) -> Stored | None:
        """Store an array as `arrays` does; return None if it has to be pickled as usual."""
        templates = self._templates
        found = templates.contents(array)
        if found is None:
            return None
        view, code = found
        key = code, array.shape, view.readonly
        stream = templates.streams.get(key) or templates.add(key, array)
        return self._store_beside(stream, len(stream), view)

    def _store_sample(self, item: Any) -> Stored | None:
        """Store a sample as `samples` does; return None if the item has to be pickled as usual."""
        found = self._samples.take_apart(item)
        if found is None:
            return None
        form, written, views = found
        if len(views) == 1:
            return self._store_beside(form, written, views[0])
        return self._find_places(form, written, views)

    def _store_beside(
        self, first: bytes | Form, written: int, view: memoryview | Scattered
    ) -> Stored:
        """Store a large buffer, beside a small pickle, or a form, of so many bytes.

        If that fails, there is nothing to give back: it is all that the item has in the arena.
        """
        nbytes = len(view)
        place = self._put([view], nbytes) or _copied([view], nbytes)
        if type(place) is not Ref:
            return Stored([first, place], written + nbytes)
        return Stored([first, place], written + nbytes, [place], nbytes)

    def _look_for_libraries(self) -> None:
        self._table.look_again()
        self._modules = self._table.modules
        array = getattr(modules.get("numpy"), "ndarray", None)
        if array is not None and self._array is None:
            from .arrays import Templates  # which imports NumPy
            from .samples import Samples

            # What is lent lies in the item's own memory until it is sent.
            copies = self._arena is not None and not self._arena.lends
            self._templates = Templates(scatters=copies)
            self._samples, self._array = Samples(self._templates), array
        if self._samples is not None:
            self._of_samples = self._samples.kinds()

    def _dump_by_value(self, item: object, error: BaseException) -> None:
        """Pickle an item with cloudpickle, which accepts more, after plain pickling has failed."""
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

    def _store(self, item: object, pickled: bytes) -> Stored:
        """Find a place for the last chunk, `_chunks` and `_buffers`, and empty both."""
        chunks, buffers = self._chunks, self._buffers
        if len(buffers) == 1 and not chunks and len(pickled) < BLOCK_BYTES:  # the usual case
            return self._store_beside(pickled, len(pickled), buffers.pop())
        chunks.append(pickled)
        if bytearray in map(type, chunks):
            # This chunk is the user's own object, not a copy, and may have changed since.
            self._renew()
            chunks.append(pickling.dumps_by_reference(item, self._offer, self._table))
        written = size(chunks)
        stored = self._find_places(None, written, buffers)
        chunks.clear()
        buffers.clear()
        if written >= _RENEW_BYTES:
            self._renew()
        return stored

    def _find_places(
        self, form: Form | None, written: int, buffers: Sequence[memoryview | Scattered]
    ) -> Stored:
        """Store buffers, beside a form of so many bytes, or else beside `_chunks`."""
        contents = sum(map(len, buffers))
        nbytes, count = written + contents, len(buffers)
        arena = self._arena
        copies = arena is None or not (arena.lends or arena.allocations)  # all contents are copied
        together = count if nbytes < _TOGETHER_BYTES and copies else 1
        sharing = max(1, together, -(-count // (ITEM_REFS - 1)))  # how many share a block
        first: Any = form
        refs: list[Ref] = []
        inside = 0  # bytes in the arena
        try:
            if first is None:
                first = self._place(self._chunks, written)
                if type(first) is Ref:
                    refs.append(first)
                    inside = written
            places = [first]
            for run in [buffers[at : at + sharing] for at in range(0, count, sharing)]:
                place = self._place_alone(run[0]) if sharing == 1 else self._place_together(run)
                ref = place.place if type(place) is Group else place
                if type(ref) is Ref:
                    refs.append(ref)
                    inside += sum(map(len, run))  # without the gaps of a group
                places.append(place)  # last: after an `if`, Python may jump back outside the `try`
            return Stored(places, nbytes, refs, inside)
        except BaseException:  # what is left would become a part of the next item
            self._free(refs)
            self._renew()
            raise

    def discard(self, stored: Stored) -> None:
        """Give back the blocks of an item that is not sent."""
        self._free(stored.refs)

    def _free(self, refs: Sequence[Ref]) -> None:
        for ref in refs:
            assert self._arena is not None
            self._arena.free(ref)

    def _renew(self) -> None:
        self._chunks.clear()
        self._buffers.clear()
        pickler = pickle.Pickler(self._sink, 5, buffer_callback=self._offer)
        pickler.dispatch_table = self._table
        self._dump, self._forget = pickler.dump, pickler.clear_memo

    def _place_together(self, views: Sequence[Any]) -> Group:
        parts, nbytes = together(views)
        if len(parts) == 1:
            parts.append(b"")  # two parts are always copied, even from granted memory
        return Group(self._place(parts, nbytes), [*map(len, views)])

    def _place_alone(self, buffer: Any) -> Place | bytearray:
        nbytes = len(buffer)
        # A small one is among the arrays of a sample. A copy of ``bytes`` could not be written to.
        return bytearray(buffer) if nbytes < BLOCK_BYTES else self._place([buffer], nbytes)

    def _place(self, parts: Sequence[Any], nbytes: int) -> Place:
        """Put a payload of so many bytes into the arena, or else into the frame."""
        if nbytes < BLOCK_BYTES:
            return b"".join(parts)
        return self._put(parts, nbytes) or _copied(parts, nbytes)


def _copied(parts: Sequence[Any], nbytes: int) -> pickle.PickleBuffer:  # noqa: ARG001
    """Copy a payload: the next item may be begun before the frame is sent. It stays writable."""
    return pickle.PickleBuffer(joined(parts))


def _offer(buffers: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    """Keep a large buffer out of the pickle; return True to pickle a small one with the rest."""
    view = buffer.raw()
    small = len(view) < BLOCK_BYTES
    if not small:
        buffers.append(view)
    return small
