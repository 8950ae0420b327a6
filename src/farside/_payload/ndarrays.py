"""NumPy arrays that pickle would copy into its stream. Imported where NumPy is there already.

Crops and flips are copied in order, large ones at once to where they cross. Dates and spans cross
as the integers that they are, masked arrays as two arrays, and memory maps as arrays.
"""

from __future__ import annotations

import sys
from copyreg import dispatch_table

from numpy import ascontiguousarray, ndarray

from .._memory.allocate import allocate
from .arrays import OF_OTHERS
from .reducers import reduce_by_default

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .reducers import Reduced

_LARGE = 1 << 19
"""From here on new memory costs more than memory of the arena, which has been used before."""

_PIXEL_BYTES = 16

_PLAIN = frozenset("biufcSU")
"""Kinds of types of which NumPy shows the memory to everybody."""


def reduce_array(array: Any) -> Reduced:
    """Reduce an array, or one of a subclass that pickles likewise."""
    cls = type(array)
    if cls in dispatch_table:  # pickle would ask it second, after our table
        reduced: Reduced = dispatch_table[cls](array)
        return reduced
    if cls is ndarray:
        return _reduce_plain(array)
    if cls is getattr(sys.modules["numpy"], "memmap", None):
        return rebuild_view, (array.view(ndarray), cls)  # the file stays on the other side
    return reduce_by_default(array)


def _reduce_plain(array: Any) -> Reduced:
    if array.flags.forc:
        if array.dtype.kind in _PLAIN:  # most are, and there are many of them
            return reduce_by_default(array)
    else:
        axes = sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True)
        dense = array.transpose(axes)
        if dense.flags.c_contiguous:  # such as an image with its channels first
            return rebuild_transposed, (dense, axes)
    dtype = array.dtype
    kind = dtype.kind
    if kind in _PLAIN:
        return reduce_by_default(in_order(array))
    if kind in "mM" and dtype.metadata is None:
        return rebuild_view, (in_order(array).view("i8"), dtype)
    if kind == "V" and dtype.isbuiltin == OF_OTHERS and dtype.itemsize in {1, 2, 4, 8}:
        return rebuild_view, (in_order(array).view(f"u{dtype.itemsize}"), dtype)
    return reduce_by_default(array)


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


def rebuild_transposed(dense: Any, axes: list[int]) -> Any:
    """Make an array whose axes come in another order."""
    return dense.transpose(sorted(range(len(axes)), key=axes.__getitem__))


def rebuild_view(array: Any, kind: Any) -> Any:
    """Make an array of a type that crossed as integers, or of a class that crossed as arrays."""
    return array.view(kind)


def reduce_masked(array: Any) -> Reduced:
    """Reduce a masked array to its contents and its mask."""
    numpy = sys.modules["numpy"]
    plain = type(array) is numpy.ma.MaskedArray and array.baseclass is ndarray
    if not plain or array.dtype.names is not None or array.dtype.hasobject:
        return reduce_by_default(array)
    mask = None if array.mask is numpy.ma.nomask else array.mask
    arguments = array.data, mask, array._fill_value, array.hardmask  # noqa: SLF001  None by default
    return rebuild_masked, arguments


def rebuild_masked(data: Any, mask: Any, fill_value: Any, hard: bool) -> Any:  # noqa: FBT001  data
    """Make a masked array."""
    import numpy as np  # it imports `ma` when it is asked for

    ma: Any = np.ma
    mask = ma.nomask if mask is None else mask
    return ma.MaskedArray(data, mask, fill_value=fill_value, hard_mask=hard)
