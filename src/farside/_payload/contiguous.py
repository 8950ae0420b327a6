"""NumPy arrays in order: those whose memory has gaps, or is read backwards, are copied.

Imported where NumPy is there already.
"""

from __future__ import annotations

from numpy import ascontiguousarray, ndarray

from .._memory.allocate import allocate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LARGE = 1 << 19
"""From here on new memory costs more than memory of the arena, which has been used before."""

_PIXEL_BYTES = 16


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
        to, source = _by_pixel(copy, array)
        to[...] = source
        return copy
    return ascontiguousarray(_by_pixel(array)[0]).view(array.dtype).reshape(array.shape)


def _by_pixel(*arrays: Any) -> Any:
    """Return views in which a contiguous pixel is one element: NumPy copies by elements."""
    last = arrays[-1]
    pixel = last.shape[-1] * last.itemsize
    if last.ndim == 1 or last.strides[-1] != last.itemsize or pixel > _PIXEL_BYTES:
        return arrays
    try:
        return [array.view(f"V{pixel}") for array in arrays]
    except ValueError:  # before NumPy 1.23, of those that are not contiguous
        return arrays
