"""Takes Polars frames and series apart whose columns are plain, and makes them again.

A column is plain if Arrow holds it in one array: numbers, times, texts, bytes and booleans. Polars
pickles it as a file, and looks at each text when it reads that. But it converts to Arrow and back
without copying. So the buffers of Arrow cross, out of band, and the names and types as a pickle
that alike frames share.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from pickle import PickleBuffer
from typing import Any, TypeAlias

from .arrow import copied
from .handlers import struck
from .reducers import keep

_HIDDEN_BYTES = 1 << 12  # a slice of texts may carry so many beside its own
_PIECE_BYTES = 1 << 12  # texts in smaller pieces than this are joined
_MOST_NAMES = 1 << 8
_MOST_CHARACTERS = 1 << 13
_VIEWS = {"string_view": "large_string", "binary_view": "large_binary"}

_Layout: TypeAlias = "tuple[bytes, list[int], tuple[Any, Any]] | None"
_layouts: dict[Any, _Layout] = {}
"""The sending side's, by names and types: their pickle, how many bits each type has for a value,
and the newest and oldest way that Polars has of writing Arrow. None if frames with these do not
come back as they were."""

_known: dict[bytes, tuple[list[str], list[Any]]] = {}
"""The receiving side's: names and types by their pickle."""


def parts(of: Any, columns: Sequence[Any], key: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return the parts of a frame or series; None if its columns are not all plain."""
    _, names, types = key
    if len(names) > _MOST_NAMES or sys.modules["polars"].Enum in {*map(type, types)}:
        return None  # the hash of an Enum takes as long as it has categories
    try:
        layout = _layouts[key]
    except KeyError:
        joined = "".join(names)
        if len(joined) > _MOST_CHARACTERS or "\0" in joined:  # of which Polars makes no Arrow data
            return None
        layout = keep(_layouts, key, _layout(of, *key))
    try:
        return None if layout is None else _parts_of(columns, *layout)
    except sys.modules["pyarrow.lib"].ArrowException:  # an old pyarrow cannot copy texts
        return None


def _layout(of: Any, rebuild: Any, names: tuple[str, ...], types: tuple[Any, ...]) -> _Layout:
    """Find how frames with these names and types cross; None if they would not come back."""
    try:
        row = of.head(1)
        columns = [row] if rebuild is rebuild_series else row.get_columns()
        levels = sys.modules["polars"].CompatLevel
        levels = levels.newest(), levels.oldest()
        kinds = [each.to_arrow(compat_level=levels[0]).type for each in columns]
        layout = pickle.dumps(([*names], kinds), 5), [*map(_width, kinds, columns)], levels
        back = rebuild(*_parts_of(columns, *layout))
        found = [back.dtype] if rebuild is rebuild_series else back.dtypes
        return layout if (*found,) == types and back.equals(row) else None
    except Exception as error:  # no pyarrow, or an old one, or a type that Arrow lacks
        if struck(error):
            raise
        return None


def _width(kind: Any, column: Any) -> int:
    """Return how many bits a value of a plain type has in Arrow's memory.

    It is negative for numbers, which NumPy can show too, in less time.
    """
    lib = sys.modules["pyarrow.lib"]
    if kind.num_fields or isinstance(kind, (lib.DictionaryType, lib.BaseExtensionType)):
        raise TypeError(kind)
    if str(kind) in _VIEWS:
        nothing = lib.py_buffer(b"")
        lib.Array.from_buffers(kind, 0, [None, nothing, nothing])  # old pyarrow cannot make these
        return 128
    width: int = 0 if kind == lib.null() else kind.bit_width
    numbers = column.dtype.is_numeric() and "numpy" in sys.modules  # where pyarrow imports it
    shown = column.head(0).to_numpy().dtype if numbers else None  # decimal numbers are objects
    return -width if shown and shown.itemsize * 8 == width and shown.kind in "iuf" else width


def _parts_of(
    columns: Sequence[Any], pickled: bytes, widths: list[int], levels: tuple[Any, Any]
) -> tuple[Any, ...]:
    order = order_of(columns)  # first: some versions forget it as they convert
    contents: list[Any] = []
    for column, width in zip(columns, widths, strict=True):
        if width < 0 and not column.null_count():
            shown = column.to_numpy()
            shown.flags.writeable = False  # nor is one that is no copy: pickles of both are equal
            contents.append(PickleBuffer(shown))
        else:
            # Some versions change what they convert, and a series is the user's own.
            own = column.clone() if len(columns) == 1 else column
            contents.append(_contents(own, abs(width), levels))
    return pickled, len(columns[0]), contents, order


def _contents(
    column: Any, width: int, levels: tuple[Any, Any]
) -> tuple[int, list[PickleBuffer | None], bool]:
    """Return the null count and the buffers of a column, and whether these are a copy of texts."""
    array = column.to_arrow(compat_level=levels[0])
    buffers = array.buffers()
    joined = len(buffers) > 2 and _is_scattered(column, buffers[2:])  # noqa: PLR2004
    if joined:
        array = column.to_arrow(compat_level=levels[1])
        buffers = array.buffers()
    if array.offset:
        buffers = _cut(array, buffers, 0 if joined else width)
    wrapped = [None if each is None else PickleBuffer(each) for each in buffers]
    return array.null_count, wrapped, joined


def _cut(array: Any, buffers: list[Any], width: int) -> list[Any]:
    """Return the buffers of a slice without what is before it."""
    begin = array.offset
    if not width or (begin % 8 and (width == 1 or buffers[0] is not None)):
        # A byte has bits of others too. Buffers that are not copied are read-only as well.
        found = copied(array).buffers()
        return [None if each is None else memoryview(each).toreadonly() for each in found]
    bits = 1, width
    for index, each in enumerate(buffers[:2]):
        buffers[index] = None if each is None else each.slice(begin * bits[index] // 8)
    return buffers


def _is_scattered(column: Any, texts: list[Any]) -> bool:
    """Tell whether the buffers of a column hold much more than its texts, or are many."""
    shown: int = column.estimated_size()
    held: int = sum([each.size for each in texts])
    return held > 2 * shown + _HIDDEN_BYTES or len(texts) > 8 + shown // _PIECE_BYTES


def rebuild_frame(
    pickled: bytes, rows: int, contents: list[Any], known: Sequence[tuple[int, bool]]
) -> Any:
    import polars as pl  # both are the user's
    import pyarrow as pa

    names, arrays = _arrays(pickled, rows, contents)
    return with_order(pl.DataFrame(pa.RecordBatch.from_arrays(arrays, names)), known)


def rebuild_series(
    pickled: bytes, rows: int, contents: list[Any], known: Sequence[tuple[int, bool]]
) -> Any:
    import polars as pl  # the user's

    [name], [array] = _arrays(pickled, rows, contents)
    series = pl.Series(name, array)
    return series.set_sorted(descending=known[0][1]) if known else series


def _arrays(pickled: bytes, rows: int, contents: list[Any]) -> tuple[list[str], list[Any]]:
    import pyarrow as pa  # the user's

    layout = _known.get(pickled)
    if layout is None:
        layout = keep(_known, pickled, pickle.loads(pickled))
    names, kinds = layout
    arrays = []
    for kind, each in zip(kinds, contents, strict=True):
        if type(each) is tuple:
            nulls, buffers, joined = each
            parts = [None if each is None else pa.py_buffer(each) for each in buffers]
            made = pa.type_for_alias(_VIEWS[str(kind)]) if joined else kind
            arrays.append(pa.Array.from_buffers(made, rows, parts, nulls))
        else:  # numbers
            arrays.append(pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(each)], 0))
    return names, arrays


def order_of(columns: Sequence[Any]) -> list[tuple[int, bool]]:
    """Return the index of each column that Polars knows to be sorted, and whether descending."""
    found = []
    for index, column in enumerate(columns):
        flags = column.flags
        if flags["SORTED_ASC"] or flags["SORTED_DESC"]:
            found.append((index, flags["SORTED_DESC"]))
    return found


def with_order(frame: Any, known: Sequence[tuple[int, bool]]) -> Any:
    """Tell Polars which columns of a frame are sorted."""
    for index, descending in known:
        frame.replace_column(index, frame.to_series(index).set_sorted(descending=descending))
    return frame
