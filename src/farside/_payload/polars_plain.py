"""Takes Polars frames and series apart whose columns are plain, and makes them again.

A column is plain if Arrow holds it in one array: numbers, times, booleans, and texts of at most 12
bytes, which lie in the array itself. Polars pickles it as a file, and looks at each text when it
reads that. But it converts to Arrow and back without copying. So the buffers of Arrow cross, out of
band, and the types as a pickle that alike frames share.

Exactly what a column shows crosses. Else a pass that is made again would seem to differ where only
rows do that it does not show. So a column is not plain if a text is longer: such texts lie beside
those of other rows.
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

_MOST_COLUMNS = 1 << 8
_VIEWS = {"string_view", "binary_view"}
_VIEW_BITS = 128

_Layout: TypeAlias = "tuple[bytes, list[int], Any] | None"
_layouts: dict[Any, _Layout] = {}
"""The sending side's, by types: their pickle, how many bits each has for a value, and the newest
way that Polars has of writing Arrow. None if frames with these do not come back as they were."""

_known: dict[bytes, list[Any]] = {}
"""The receiving side's: types by their pickle."""


def parts(
    of: Any, columns: Sequence[Any], names: Sequence[str], key: tuple[Any, ...]
) -> tuple[Any, ...] | None:
    """Return the parts of a frame or series; None if its columns are not all plain.

    The key is the function that makes it again, and the types.
    """
    _, types = key
    if len(types) > _MOST_COLUMNS or sys.modules["polars"].Enum in {*map(type, types)}:
        return None  # the hash of an Enum takes as long as it has categories
    if "\0" in "".join(names):  # of which Polars makes no Arrow data
        return None
    try:
        layout = _layouts[key]
    except KeyError:
        layout = keep(_layouts, key, _layout(of, names, *key))
    try:
        return None if layout is None else _parts_of(columns, names, *layout)
    except sys.modules["pyarrow.lib"].ArrowException:  # an old pyarrow cannot copy texts
        return None


def _layout(of: Any, names: Sequence[str], rebuild: Any, types: tuple[Any, ...]) -> _Layout:
    """Find how frames with these types cross; None if they would not come back."""
    level: Any = getattr(sys.modules["polars"], "CompatLevel", None)
    for row in (of.head(1), of.clear(1)):  # the first may have a long text, the second has none
        try:
            columns = [row] if rebuild is rebuild_series else row.get_columns()
            newest = level.newest()
            kinds = [each.to_arrow(compat_level=newest).type for each in columns]
            layout = pickle.dumps(kinds, 5), [*map(_width, kinds, columns)], newest
            made = _parts_of(columns, names, *layout)
            if made is not None:
                return layout if is_same(rebuild(*made), row, types) else None
        except Exception as error:  # no pyarrow, or an old one, or a type that Arrow lacks
            if struck(error):
                raise
            return None
    return None


def _width(kind: Any, column: Any) -> int:
    """Return how many bits a value of a plain type has in Arrow's memory.

    It is negative for numbers, which NumPy can show too, in less time.
    """
    lib = sys.modules["pyarrow.lib"]
    if kind.num_fields or isinstance(kind, (lib.DictionaryType, lib.BaseExtensionType)):
        raise TypeError(kind)
    if str(kind) in _VIEWS:
        lib.Array.from_buffers(kind, 0, [None, lib.py_buffer(b"")])  # old pyarrow cannot make these
        return _VIEW_BITS
    width: int = 0 if kind == lib.null() else kind.bit_width
    numbers = column.dtype.is_numeric() and "numpy" in sys.modules  # where pyarrow imports it
    shown = column.head(0).to_numpy().dtype if numbers else None  # decimal numbers are objects
    return -width if shown and shown.itemsize * 8 == width and shown.kind in "iuf" else width


def _parts_of(
    columns: Sequence[Any], names: Sequence[str], pickled: bytes, widths: list[int], level: Any
) -> tuple[Any, ...] | None:
    order = order_of(columns)  # first: some versions forget it as they convert
    contents: list[Any] = []
    for column, width in zip(columns, widths, strict=True):
        if width < 0 and not column.null_count():
            shown = column.to_numpy()
            shown.flags.writeable = False  # nor is one that is no copy: pickles of both are equal
            contents.append(PickleBuffer(shown))
            continue
        # Some versions change what they convert, and a single column may be the user's own series.
        own = column.clone() if len(columns) == 1 else column
        found = _contents(own.to_arrow(compat_level=level), abs(width))
        if found is None:
            return None
        contents.append(found)
    return [*names], order, pickled, len(columns[0]), contents


def _contents(array: Any, width: int) -> tuple[int, list[PickleBuffer | None]] | None:
    """Return the null count and the buffers of an array; None if it has long texts."""
    buffers = array.buffers()
    if len(buffers) > 2:  # noqa: PLR2004  the texts are beside the views
        return None
    if array.offset % 8 and (width == 1 or buffers[0] is not None):
        array = copied(array)  # it begins within a byte
        buffers = array.buffers()
    begin, count = array.offset, len(array)
    made = [
        None if each is None else _shown(each, begin * bits, count * bits)
        for each, bits in zip(buffers, (1, width), strict=False)  # null has one buffer
    ]
    return array.null_count, made


def _shown(buffer: Any, begin: int, bits: int) -> PickleBuffer:
    """Return so many bits of a buffer. They begin at a byte; in the last byte, others become 0."""
    start, beside = begin // 8, bits % 8
    view = memoryview(buffer).cast("B").toreadonly()[start : start + -(-bits // 8)]
    if beside and view[-1] >> beside:
        last = view[-1] & ((1 << beside) - 1)
        view = memoryview(bytes(view[:-1]) + bytes([last]))
    return PickleBuffer(view)


def rebuild_frame(names: list[str], known: Sequence[tuple[int, bool]], *parts: Any) -> Any:
    import polars as pl  # both are the user's
    import pyarrow as pa

    batch = pa.RecordBatch.from_arrays(_arrays(*parts), names)
    return with_order(pl.DataFrame(batch), known)


def rebuild_series(names: list[str], known: Sequence[tuple[int, bool]], *parts: Any) -> Any:
    import polars as pl  # the user's

    [name], [array] = names, _arrays(*parts)
    return series_with_order(pl.Series(name, array), known)


def _arrays(pickled: bytes, rows: int, contents: list[Any]) -> list[Any]:
    import pyarrow as pa  # the user's

    kinds = _known.get(pickled)
    if kinds is None:
        kinds = keep(_known, pickled, pickle.loads(pickled))
    arrays = []
    for kind, each in zip(kinds, contents, strict=True):
        nulls, buffers = each if type(each) is tuple else (0, [None, each])  # numbers
        parts = [None if each is None else pa.py_buffer(each) for each in buffers]
        arrays.append(pa.Array.from_buffers(kind, rows, parts, nulls))
    return arrays


def order_of(columns: Sequence[Any]) -> list[tuple[int, bool]]:
    """Return the index of each column that Polars knows to be sorted, and whether descending."""
    found = []
    for index, column in enumerate(columns):
        flags = column.flags
        if flags["SORTED_ASC"] or flags["SORTED_DESC"]:
            found.append((index, flags["SORTED_DESC"]))
    return found


def is_same(back: Any, sent: Any, types: tuple[Any, ...]) -> bool:
    """Tell whether a frame or series has come back as it was sent, with columns of these types."""
    found = back.dtypes if hasattr(back, "dtypes") else [back.dtype]
    return (*found,) == types and bool(back.equals(sent))


def series_with_order(series: Any, known: Sequence[tuple[int, bool]]) -> Any:
    """Tell Polars whether a series is sorted, and return it."""
    return series.set_sorted(descending=known[0][1]) if known else series


def with_order(frame: Any, known: Sequence[tuple[int, bool]]) -> Any:
    """Tell Polars which columns of a frame are sorted."""
    for index, descending in known:
        frame.replace_column(index, frame.to_series(index).set_sorted(descending=descending))
    return frame
