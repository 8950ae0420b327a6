"""Reduces Polars frames and series to Arrow data. Imported only if Polars already is.

Polars itself pickles them as a file. pyarrow pickles its buffers out of band, and Polars converts
to Arrow without copying. Without pyarrow, Polars itself pickles them, and small ones always.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .reducers import Reduced, keep, reduce_by_default

LEAST_BYTES = 1 << 18  # below, Python code of both libraries takes longer than copying a file does
_return: dict[Any, bool] = {}  # whether columns of these types come back from Arrow as they were


def reduce_frame(frame: Any) -> Reduced:
    own = type(frame) is sys.modules["polars"].DataFrame
    # Polars gives an Arrow column without a name another name.
    plain = own and frame.width and "" not in frame.columns
    if plain and frame.estimated_size() >= LEAST_BYTES:
        table = _to_arrow(frame, tuple(frame.dtypes))
        if table is not None:
            batches = table.to_batches()
            if len(batches) == 1:  # a batch takes half the time to pickle
                table = batches[0]
            return rebuild_frame, (table, _sorted(frame.get_columns()))
    return reduce_by_default(frame)


def reduce_series(series: Any) -> Reduced:
    own = type(series) is sys.modules["polars"].Series
    if own and series.estimated_size() >= LEAST_BYTES:
        array = _to_arrow(series, (series.dtype,))
        if array is not None:
            return rebuild_series, (series.name, array, _sorted([series]))
    return reduce_by_default(series)


def rebuild_frame(table: Any, known: Sequence[tuple[int, bool]]) -> Any:
    import polars as pl  # the user's

    frame = pl.from_arrow(table)
    if not known:
        return frame
    columns = frame.get_columns()
    for index, descending in known:
        columns[index] = columns[index].set_sorted(descending=descending)
    return pl.DataFrame(columns)


def rebuild_series(name: str, array: Any, known: Sequence[tuple[int, bool]]) -> Any:
    import polars as pl  # the user's

    series = pl.from_arrow(array).alias(name)
    return series.set_sorted(descending=known[0][1]) if known else series


def _to_arrow(of: Any, types: tuple[Any, ...]) -> Any:
    """Convert a frame or series to Arrow; None if it would not come back as it is."""
    polars = sys.modules["polars"]
    known = _return.get(types)
    if known is False:
        return None
    try:
        made = of.to_arrow(compat_level=polars.CompatLevel.newest())
        if known is None:
            known = _comes_back(of.head(1), made.slice(0, 1), types)
    except Exception:  # no pyarrow, or a type that Arrow lacks
        known = False
    return made if keep(_return, types, known) else None


def _comes_back(of: Any, arrow: Any, types: tuple[Any, ...]) -> bool:
    back = sys.modules["polars"].from_arrow(arrow)
    found = (back.dtype,) if len(types) == 1 and not hasattr(back, "dtypes") else back.dtypes
    return tuple(found) == types and bool(back.equals(of))


def _sorted(columns: Sequence[Any]) -> list[tuple[int, bool]]:
    """Return the index of each column that Polars knows to be sorted, and whether descending."""
    found = []
    for index, column in enumerate(columns):
        flags = column.flags
        if flags["SORTED_ASC"] or flags["SORTED_DESC"]:
            found.append((index, flags["SORTED_DESC"]))
    return found
