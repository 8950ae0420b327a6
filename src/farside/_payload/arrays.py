"""Plain NumPy arrays: a description is pickled, and unpickled, once for all arrays that have it.

The pickle of an array whose contents are kept out of it depends on the type of its elements, its
shape, and whether it is writable. An array whose memory has gaps, or is read backwards, is copied
in order. Imported where NumPy is there already.
"""

from __future__ import annotations

import pickle
from copyreg import dispatch_table

from numpy import empty, frombuffer, ndarray

from .._memory.allocate import allocate
from .reducers import of_users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST = 256  # how many descriptions are kept. When there are more, all are forgotten

OF_OTHERS = 2
"""What ``isbuiltin`` says of a type that another library has registered, such as bfloat16."""

_LARGE = 1 << 19
"""From here on new memory costs more than memory of the arena, which has been used before."""

_PIXEL_BYTES = 16
"""A pixel of more bytes is copied as fast by NumPy's own loop over its parts."""


class Templates:
    """The worker's: pickles of arrays, without their contents."""

    def __init__(self) -> None:
        self._known: dict[Any, bytes] = {}
        self._types: dict[int, Any] = {}

    def find(self, array: Any) -> tuple[bytes, memoryview] | None:
        """Return the pickle of an array and its contents; None if it has to be pickled.

        The contents of an array with gaps are a copy.
        """
        if ndarray in dispatch_table or ndarray in of_users:
            return None
        dtype = array.dtype
        if id(dtype) not in self._types:
            if not is_plain(dtype) or len(self._types) >= _MOST:
                return None
            # As long as a type is kept, no other one has its number. There are few such types.
            self._types[id(dtype)] = dtype
        flags = array.flags
        if not flags.c_contiguous:
            if flags.f_contiguous or axes_in_order(array) is not None:
                return None
            array = in_order(array)
        view = pickle.PickleBuffer(array).raw()
        key = id(dtype), array.shape, view.readonly
        stream = self._known.get(key)
        if stream is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = stream = _describe(array)
        return stream, view


_known: dict[bytes, tuple[Any, ...] | None] = {}
"""The parent's: by its pickle, the type and the shape of an array and whether it is read-only; None
where the pickle is of something else."""


def load(stream: bytes, buffer: Any) -> Any:
    """Unpickle what has one buffer."""
    known = _known.get(stream)
    if known is not None:
        dtype, shape, readonly = known
        # As NumPy itself does it.
        view = memoryview(buffer).toreadonly() if readonly else buffer
        return frombuffer(view, dtype).reshape(shape)
    made = pickle.loads(stream, buffers=[buffer])
    if type(made) is ndarray and stream not in _known:
        if len(_known) >= _MOST:
            _known.clear()
        # User code may make an array of a buffer in a way of its own: then this is not its pickle.
        alike = made.flags.c_contiguous and is_plain(made.dtype) and _describe(made) == stream
        _known[stream] = (made.dtype, made.shape, not made.flags.writeable) if alike else None
    return made


def is_plain(dtype: Any) -> bool:
    """Tell whether elements are numbers of NumPy's own, of which the type says all."""
    of_numpy = dtype.kind in "biufc" and dtype.isbuiltin != OF_OTHERS
    # NumPy gives no buffer of long doubles in the other byte order, for one.
    return of_numpy and dtype.isnative and dtype.metadata is None


def _describe(array: Any) -> bytes:
    """Pickle an array without its contents."""
    return pickle.dumps(array, 5, buffer_callback=lambda _: None)


def axes_in_order(array: Any) -> list[int] | None:
    """Return the order of axes in which an array is contiguous; None if there is none."""
    axes = sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True)
    dense = array.transpose(axes).flags.c_contiguous  # such as an image with its channels first
    return axes if dense else None


def in_order(array: Any) -> Any:
    """Return an array that is contiguous: a copy if need be."""
    flags = array.flags
    if flags.c_contiguous or flags.f_contiguous:
        return array
    if array.nbytes >= _LARGE and not array.dtype.hasobject:
        # Memory of the arena crosses without another copy.
        copy: Any = ndarray(array.shape, array.dtype, allocate(array.nbytes))
    else:
        copy = empty(array.shape, array.dtype)
    _copy(copy, array)
    return copy


def _copy(to: Any, source: Any) -> None:
    """Copy an array, those of scattered pixels in parts that NumPy copies fast."""
    pixel = source.shape[-1] * source.itemsize
    scattered = source.ndim > 1 and source.strides[-1] == source.itemsize != pixel
    if scattered and pixel <= _PIXEL_BYTES and source.strides[-2] != pixel:
        try:
            to, source = to.view("u1"), source.view("u1")
        except ValueError:  # before NumPy 1.23, of those that are not contiguous
            pass
        else:
            _copy_pixels(to, source, pixel)
            return
    to[...] = source


def _copy_pixels(to: Any, source: Any, pixel: int) -> None:
    """Copy pixels of so many bytes, 16, 8, 4, 2 or 1 of them at a time."""
    begin = 0
    while begin < pixel:
        end = begin + (1 << (pixel - begin).bit_length() - 1)
        kind = f"V{end - begin}"
        to[..., begin:end].view(kind)[...] = source[..., begin:end].view(kind)
        begin = end
