"""Reducers for pandas frames and their strings. Imported only if pandas already is.

pandas pickles the names of the columns anew with each frame, and joins the parts of each column of
strings, which takes more time than all else for a frame of 100 kB. So the names cross as a pickle
that alike frames share, and strings as the buffers of Arrow that they are. It takes pandas 3, which
has a public function that makes a frame of such parts (``create_dataframe_from_blocks``); frames of
older pandas are pickled as usual.
"""

from __future__ import annotations

import pickle
import sys
from struct import Struct
from typing import Any

from .arrow import copied
from .reducers import Reduced, is_exactly, keep, reduce_by_default

_END = Struct("=q")  # where a string ends, in Arrow's memory
_MOST_NAMES = 32  # pandas pickles more names in less time than looking at each takes
_MOST_CHARACTERS = 1 << 12

_latest: tuple[Any, Any, bytes] = None, None, b""
"""The sending side's: the latest columns, the name that they have together, and their pickle."""

_written: dict[Any, bytes] = {}  # the sending side's: pickles by the names
_columns: dict[bytes, Any] = {}  # the receiving side's: columns by their pickles


def reduce_frame(frame: Any) -> Reduced:
    pandas = sys.modules["pandas"]
    plain = (
        is_exactly(frame, pandas.DataFrame)
        and not (frame.attrs or frame._metadata)  # noqa: SLF001
        and frame.flags.allows_duplicate_labels
    )
    if not plain or not _has_internals(pandas):
        return reduce_by_default(frame)
    return rebuild_frame, _parts(frame._mgr, pandas)  # noqa: SLF001  there is no public way


def _has_internals(pandas: Any) -> bool:
    """Tell whether this is pandas 3 or later."""
    return hasattr(pandas.api, "internals")


def _parts(manager: Any, pandas: Any) -> tuple[Any, ...]:
    columns, index = manager.axes
    if is_exactly(index, pandas.RangeIndex) and type(index.name) in {str, type(None)}:
        index = index.start, index.stop, index.step, index.name
    if is_exactly(columns, pandas.Index):
        columns = _pickled(columns, pandas)
    return columns, index, [(_where(block.mgr_locs), block.values) for block in manager.blocks]


def _where(places: Any) -> tuple[int, int, int] | list[int]:
    """Return which columns a block has: as a range, or else as a list."""
    found = places.as_slice if places.is_slice_like else None
    if found is not None and found.step > 0:  # else its stop may be None
        return found.start, found.stop, found.step
    return places.as_array.tolist()  # type: ignore[no-any-return]


def _pickled(columns: Any, pandas: Any) -> Any:
    """Return the pickle that alike columns share; the columns themselves if they share none."""
    global _latest  # noqa: PLW0603  frames are mostly alike
    latest, title, known = _latest
    if latest is columns and title is columns.name:
        return known
    title, dtype = columns.name, columns.dtype
    # Names in memory of Arrow cannot be changed. Others may be in an array, which frames would
    # share.
    plain = type(dtype) is pandas.StringDtype and dtype.storage == "pyarrow"
    if not plain or len(columns) > _MOST_NAMES or type(title) not in {str, type(None)}:
        return columns
    names = (*columns,)
    if {*map(type, names)} != {str} or sum(map(len, names)) > _MOST_CHARACTERS:
        return columns
    key = names, title, dtype
    pickled = _written.get(key)
    if pickled is None:
        # Made anew: pickles of equal columns can differ, and what is sent must not depend on
        # which of them came first.
        made = pandas.Index([*names], dtype=dtype, name=title)
        pickled = keep(_written, key, pickle.dumps(made, 5))
    _latest = columns, title, pickled
    return pickled


def rebuild_frame(columns: Any, index: Any, blocks: list[tuple[Any, Any]]) -> Any:
    import numpy as np  # both are the user's
    import pandas as pd

    if type(columns) is bytes:
        known = _columns.get(columns)
        if known is None:
            known = keep(_columns, columns, pickle.loads(columns))
            known.get_loc(known[0])  # threads that look for a column find its table finished
        columns = known.view()  # its name can be set, which is to change this frame only
    if type(index) is tuple:
        start, stop, step, name = index
        index = pd.RangeIndex.from_range(range(start, stop, step), name=name)
    made = []
    for where, values in blocks:
        places = np.arange(*where) if type(where) is tuple else np.array(where, np.intp)
        made.append((values, places))
    create: Any = pd.api.internals.create_dataframe_from_blocks
    return create(made, index=index, columns=columns)


def reduce_strings(strings: Any) -> Reduced:
    """Reduce a column of strings in memory of Arrow to its buffers, if they are in one piece."""
    pandas = sys.modules["pandas"]
    own = is_exactly(strings, pandas.arrays.ArrowStringArray) and _has_internals(pandas)
    pieces = strings._pa_array if own else None  # noqa: SLF001  there is no public way
    if pieces is None or pieces.num_chunks != 1 or not len(pieces):
        return reduce_by_default(strings)
    piece = pieces.chunk(0)
    if not _is_whole(piece):
        # A slice shares the buffers of the whole, and what is beside the slice must not cross.
        piece = copied(piece)
    buffers = [None if each is None else pickle.PickleBuffer(each) for each in piece.buffers()]
    return rebuild_strings, (strings.dtype, len(piece), piece.null_count, buffers)


def _is_whole(piece: Any) -> bool:
    """Tell whether the buffers of some strings hold these, and nothing else."""
    validity, ends, text = piece.buffers()
    if piece.offset or validity is not None or text is None:
        return False
    begin, [end] = _END.unpack_from(ends)[0], _END.unpack_from(ends, _END.size * len(piece))
    return not begin and (ends.size, text.size) == (_END.size * (len(piece) + 1), end)


def rebuild_strings(dtype: Any, count: int, nulls: int, buffers: list[Any]) -> Any:
    import pandas as pd  # both are the user's
    import pyarrow as pa

    parts = [None if each is None else pa.py_buffer(each) for each in buffers]
    piece = pa.Array.from_buffers(pa.large_string(), count, parts, nulls)
    return pd.arrays.ArrowStringArray(pa.chunked_array([piece]), dtype=dtype)
