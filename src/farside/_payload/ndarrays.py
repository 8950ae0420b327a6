"""Reducers for NumPy arrays that pickle would copy into its stream. Imported only if NumPy is.

Crops and flips are copied into order, large ones directly into the arena. Dates and time spans
cross as the integers that they are, masked arrays as two arrays, and memory maps as arrays.
"""

from __future__ import annotations

import sys
from copyreg import dispatch_table
from pickle import PickleBuffer
from typing import Any

from numpy import frombuffer, ndarray

from .arrays import OF_OTHERS, axes_in_order, in_order, is_plain, rebuild_view
from .reducers import Reduced, reduce_by_default


def reduce_array(array: Any) -> Reduced:
    """Reduce an array, or one of a subclass that pickles likewise."""
    cls = type(array)
    if cls in dispatch_table:  # copyreg's, which pickle asks only after our table
        return reduce_by_default(array)
    if cls is ndarray:
        return _reduce_plain(array)
    if cls is getattr(sys.modules["numpy"], "memmap", None):
        return rebuild_view, (array.view(ndarray), cls)  # the file itself does not cross
    return reduce_by_default(array)


def _reduce_plain(array: Any) -> Reduced:
    flags, dtype = array.flags, array.dtype
    kind = dtype.kind
    if not flags.forc:
        axes = axes_in_order(array)
        if axes is not None:
            return rebuild_transposed, (array.transpose(axes), axes)
        if kind in "biufcSUmM":  # NumPy would copy an array with gaps into the stream
            array = in_order(array)
            flags = array.flags
    if flags.c_contiguous and array.size and is_plain(dtype):
        # The usual case. NumPy does the same, but pickles the dtype, which takes half of the time.
        return rebuild_plain, (PickleBuffer(array), dtype.str, array.shape)
    if kind in "mM" and not dtype.metadata:
        return rebuild_view, (array.view("i8"), dtype.str)
    if kind == "V" and dtype.isbuiltin == OF_OTHERS and dtype.itemsize in {1, 2, 4, 8}:
        return rebuild_view, (in_order(array).view(f"u{dtype.itemsize}"), dtype)
    return reduce_by_default(array)


def rebuild_plain(contents: Any, kind: str, shape: tuple[int, ...]) -> Any:
    return frombuffer(contents, kind).reshape(shape)


def rebuild_transposed(dense: Any, axes: list[int]) -> Any:
    return dense.transpose(sorted(range(len(axes)), key=axes.__getitem__))


def reduce_masked(array: Any) -> Reduced:
    numpy = sys.modules["numpy"]
    plain = type(array) is numpy.ma.MaskedArray and array.baseclass is ndarray
    if not plain or array.dtype.names is not None or array.dtype.hasobject:
        return reduce_by_default(array)
    mask = None if array.mask is numpy.ma.nomask else array.mask
    fill_value = array._fill_value  # noqa: SLF001  None by default
    return rebuild_masked, (array.data, mask, fill_value, array.hardmask)


def rebuild_masked(data: Any, mask: Any, fill_value: Any, hard: bool) -> Any:  # noqa: FBT001  data
    import numpy as np  # which imports `ma` on access

    ma: Any = np.ma
    mask = ma.nomask if mask is None else mask
    return ma.MaskedArray(data, mask, fill_value=fill_value, hard_mask=hard)
