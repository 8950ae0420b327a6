"""Reduces Polars frames and series. Imported only if Polars already is.

Those with plain columns cross as `polars_plain` says, if they are large enough. Large ones with
other columns cross as pyarrow pickles them, with their buffers out of band. Polars itself pickles
all others, and all if there is no pyarrow.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .handlers import struck
from .polars_plain import (
    is_same,
    order_of,
    parts,
    rebuild_frame,
    rebuild_series,
    series_with_order,
    with_order,
)
from .reducers import Reduced, is_exactly, keep, reduce_by_default

# Below, Python code of both libraries takes longer than reading a file does.
LEAST_BYTES = 20 << 10  # of a plain column, on average
LEAST_OTHER_BYTES = 1 << 18  # of a frame or series with other columns

_return: dict[Any, bool] = {}  # whether columns of these types come back as they were


def reduce_frame(frame: Any) -> Reduced:
    width = frame.width if is_exactly(frame, sys.modules["polars"].DataFrame) else 0
    nbytes = frame.estimated_size() if width else -1
    if nbytes >= width * LEAST_BYTES:
        key = rebuild_frame, (*frame.dtypes,)
        made = parts(frame, frame.get_columns(), frame.columns, key)
        if made is not None:
            return rebuild_frame, made
    # Polars gives a column of a table without a name another name, and panics at a null character.
    if nbytes >= LEAST_OTHER_BYTES and all(each and "\0" not in each for each in frame.columns):
        table = _to_arrow(frame, (*frame.dtypes,))
        if table is not None:
            batches = table.to_batches()
            if len(batches) == 1:  # a batch takes half the time to pickle
                table = batches[0]
            return rebuild_other_frame, (table, order_of(frame.get_columns()))
    return reduce_by_default(frame)


def reduce_series(series: Any) -> Reduced:
    own = is_exactly(series, sys.modules["polars"].Series)
    nbytes = series.estimated_size() if own else -1
    if nbytes >= LEAST_BYTES:
        key = rebuild_series, (series.dtype,)
        made = parts(series, [series], (series.name,), key)
        if made is not None:
            return rebuild_series, made
    if nbytes >= LEAST_OTHER_BYTES and "\0" not in series.name:
        array = _to_arrow(series, (series.dtype,))
        if array is not None:
            return rebuild_other_series, (series.name, array, order_of([series]))
    return reduce_by_default(series)


def rebuild_other_frame(table: Any, known: Sequence[tuple[int, bool]]) -> Any:
    import polars as pl  # the user's

    return with_order(pl.from_arrow(table), known)


def rebuild_other_series(name: str, array: Any, known: Sequence[tuple[int, bool]]) -> Any:
    import polars as pl  # the user's

    return series_with_order(pl.from_arrow(array).alias(name), known)


def _to_arrow(of: Any, types: tuple[Any, ...]) -> Any:
    """Convert a frame or series to Arrow; None if it would not come back as it is."""
    polars = sys.modules["polars"]
    known = _return.get(types)
    if known is False:
        return None
    try:
        made = of.to_arrow(compat_level=polars.CompatLevel.newest())
        if known is None:
            known = is_same(polars.from_arrow(made.slice(0, 1)), of.head(1), types)
    except Exception as error:  # no pyarrow, or a type that Arrow lacks
        if struck(error):
            raise
        known = False
    return made if keep(_return, types, known) else None
