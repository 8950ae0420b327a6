"""Polars frames of plain columns, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from farside._payload import polars_frames, polars_plain

pl: Any = pytest.importorskip("polars")

if TYPE_CHECKING:
    from tests.payload.ways import Way

ROWS = 4000
NUMBERS = range(ROWS)


def frame(text: str = "row", start: int = 0) -> Any:
    """A frame of plain columns; half of the columns have nulls."""
    numbers = range(start, start + ROWS)
    whole = {
        "int": pl.Series(numbers),
        "small": pl.Series([each % 100 for each in numbers], dtype=pl.Int8),
        "float": pl.Series([each / 7 if each % 5 else float("nan") for each in numbers]),
        "bool": pl.Series([each % 3 == 0 for each in numbers]),
        "short": pl.Series([f"{text} {each}" for each in numbers]),
        "bytes": pl.Series([f"{text} {each}".encode() for each in numbers]),
        "when": pl.Series(numbers).cast(pl.Datetime("us", "Europe/Berlin")),
        "date": pl.Series(numbers).cast(pl.Date),
        "decimal": pl.Series(numbers).cast(pl.Decimal(20, 2)),
        "nothing": pl.Series([None] * ROWS),
    }
    holes = pl.Series([each % 4 != 1 for each in numbers])
    return pl.DataFrame(whole).with_columns(
        pl.when(holes).then(pl.col(name)).alias(f"{name} and nulls") for name in whole
    )


WHOLE = frame()


def is_plain(item: Any) -> bool:
    reduce: Any = {
        pl.Series: polars_frames.reduce_series,
        pl.DataFrame: polars_frames.reduce_frame,
    }[type(item)]
    return reduce(item)[0] in {polars_plain.rebuild_frame, polars_plain.rebuild_series}


def check(way: Way, sent: Any) -> Any:
    assert is_plain(sent)
    got = way.carry(sent)
    assert type(got) is type(sent)
    parts = [[each] if isinstance(each, pl.Series) else each.get_columns() for each in (got, sent)]
    for theirs, ours in zip(*parts, strict=True):
        assert (theirs.name, theirs.dtype, len(theirs)) == (ours.name, ours.dtype, len(ours))
        assert theirs.null_count() == ours.null_count()
        assert theirs.equals(ours, null_equal=True)
    return got
