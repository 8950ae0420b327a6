"""Pickles plain NumPy arrays fast: alike arrays share a description that is pickled only once.

Without its contents, the pickle of an array depends on the type of its elements, its shape, and
whether it is writable. So the encoder and the decoder keep such pickles. An array whose memory has
gaps, or is read backwards, is copied into order. Dates and time spans cross as the integers that
they are. Imported only if NumPy already is.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from copyreg import dispatch_table
from functools import partial
from typing import Any

from numpy import empty, frombuffer, ndarray

from .._memory.allocate import allocate
from .._memory.parts import BLOCK_BYTES, Scattered
from .reducers import MOST_KEPT, Reduced, keep, of_users

OF_OTHERS = 2  # ``isbuiltin`` of a type that another library has registered, such as bfloat16
_LARGE = 1 << 19  # copies of at least so many bytes go into the arena: new memory takes longer
_PIXEL_BYTES = 16
"""A pixel of at most so many bytes is copied as one element. But three channels are copied one
after the other, in half the time."""

_RGB = 3


class Templates:
    """The sending side's pickles of arrays, without their contents.

    With `scatters`, arrays with gaps are copied in order only to where they are to lie.
    """

    def __init__(self, *, scatters: bool = False) -> None:
        self._scatters = scatters
        self.streams: dict[tuple[str, tuple[int, ...], bool], bytes] = {}
        """By the type, shape and permission of an array, its pickle."""
        self._types: dict[int, tuple[Any, str]] = {}

    def add(self, key: tuple[str, tuple[int, ...], bool], array: Any) -> bytes:
        """Add the pickle of an array that has contents, and return it."""
        return keep(self.streams, key, _describe(in_order(array)))  # type: ignore[no-any-return]

    def contents(self, array: Any) -> tuple[memoryview | Scattered, str] | None:
        """Return the contents of an array, in order, and the code of its type.

        Return None if the array has to be pickled as usual.
        """
        if ndarray in dispatch_table or ndarray in of_users:
            return None
        dtype = array.dtype
        known = self._types.get(id(dtype))
        if known is None:
            known = dtype, dtype.str
            if is_of_times(dtype):  # not kept: each array may have such a type of its own
                array = array.view("i8")  # NumPy exports no buffer of times
            elif is_plain(dtype) and len(self._types) < MOST_KEPT:
                # As long as a dtype is kept, no other object has its id. There are few such types.
                self._types[id(dtype)] = known
            else:
                return None
        flags = array.flags
        if not flags.c_contiguous:
            if flags.f_contiguous or axes_in_order(array) is not None:
                return None
            nbytes = array.nbytes
            if self._scatters and BLOCK_BYTES <= nbytes < _LARGE:
                return Scattered(nbytes, partial(_copy_into, array)), known[1]
            array = in_order(array)
        view = pickle.PickleBuffer(array).raw()
        # NumPy makes no array of an empty buffer.
        return (view, known[1]) if view else None


_known: dict[bytes, tuple[Any, ...] | None] = {}
"""The receiving side's: for each pickle, the array's dtype and shape, and whether it is read-only;
None if the array has to be unpickled as usual."""


def load(stream: bytes, buffer: Any) -> Any:
    known = _known.get(stream)
    if known is not None:
        return on_buffer(buffer, *known)
    made = pickle.loads(stream, buffers=[buffer])
    if type(made) is ndarray and stream not in _known:
        # User code may rebuild an array in its own way. Then this is not NumPy's pickle of it.
        plain = is_plain(made.dtype) or is_of_times(made.dtype)
        alike = made.flags.c_contiguous and plain and _describe(made) == stream
        found = (made.dtype, made.shape, not made.flags.writeable) if alike else None
        keep(_known, stream, found)
    return made


def on_buffer(buffer: Any, dtype: Any, shape: tuple[int, ...], readonly: bool) -> Any:  # noqa: FBT001
    """Return an array that lies on a buffer, as NumPy's own unpickling makes it."""
    view = memoryview(buffer).toreadonly() if readonly else buffer
    array: Any = frombuffer(view, dtype)
    return array if len(shape) == 1 else array.reshape(shape)


def is_plain(dtype: Any) -> bool:
    """Tell whether elements are NumPy's own numbers, in native byte order, without metadata."""
    of_numpy = dtype.kind in "biufc" and dtype.isbuiltin != OF_OTHERS
    # For example, NumPy exports no buffer of long doubles in the other byte order.
    return of_numpy and dtype.isnative and dtype.metadata is None


def is_of_times(dtype: Any) -> bool:
    """Tell whether elements are dates or time spans, in native byte order, without metadata."""
    return dtype.kind in "mM" and dtype.isnative and not dtype.metadata


class _Times:
    """An array of dates or time spans, which pickles as the integers that they are."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __reduce__(self) -> Reduced:
        return rebuild_view, (self._array.view("i8"), self._array.dtype.str)


def rebuild_view(array: Any, kind: Any) -> Any:
    """View an array as the dtype, or as the subclass, that it had before it crossed."""
    return array.view(kind)


def _describe(array: Any) -> bytes:
    thing = _Times(array) if array.dtype.kind in "mM" else array
    return pickle.dumps(thing, 5, buffer_callback=lambda _: None)


def axes_in_order(array: Any) -> list[int] | None:
    """Return the order of axes in which an array is contiguous; None if there is none.

    The array is not contiguous in the order that its axes have.
    """
    strides = array.strides
    if [*strides] == sorted(strides, reverse=True):
        return None  # as for a crop: no other order comes into question
    axes = sorted(range(array.ndim), key=strides.__getitem__, reverse=True)
    dense = array.transpose(axes).flags.c_contiguous  # an image with its channels first, say
    return axes if dense else None


def in_order(array: Any) -> Any:
    """Return an array that is contiguous: a copy if need be."""
    flags = array.flags
    if flags.c_contiguous or flags.f_contiguous:
        return array
    if array.nbytes >= _LARGE and not array.dtype.hasobject:
        # What lies in the arena crosses without another copy.
        copy: Any = ndarray(array.shape, array.dtype, allocate(array.nbytes))
    else:
        copy = empty(array.shape, array.dtype)
    _copy(copy, array)
    return copy


def _copy_into(array: Any, memory: memoryview) -> None:
    _copy(ndarray(array.shape, array.dtype, memory), array)


def _copy(to: Any, source: Any) -> None:
    """Copy an array. NumPy copies scattered elements fast, and runs of a few of them slowly."""
    pixel = source.shape[-1] * source.itemsize
    runs = source.strides[-1] == source.itemsize
    if source.ndim > 1 and pixel <= _PIXEL_BYTES and not (runs and source.strides[-2] == pixel):
        if source.shape[-1] == _RGB:
            for channel in range(_RGB):
                to[..., channel] = source[..., channel]
            return
        if runs:
            with suppress(ValueError):  # NumPy before 1.23, for arrays that are not contiguous
                to, source = [array.view(f"V{pixel}") for array in (to, source)]
    to[...] = source
