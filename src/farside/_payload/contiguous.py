"""NumPy arrays in order: those whose memory has gaps, or is read backwards, are copied.

Imported where NumPy is there already.
"""

from __future__ import annotations

from numpy import empty, ndarray

from .._memory.allocate import allocate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LARGE = 1 << 19
"""From here on new memory costs more than memory of the arena, which has been used before."""

_PIXEL_BYTES = 16
"""A pixel of more bytes is copied as fast by NumPy's own loop over its parts."""


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
