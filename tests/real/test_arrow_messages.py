"""Arrow: small tables of flat columns cross as messages, and are what they were."""

from __future__ import annotations

import decimal
import math
from typing import TYPE_CHECKING, Any

import pytest

from farside._payload import arrow
from farside._payload.encoder import Encoder

pa: Any = pytest.importorskip("pyarrow")

if TYPE_CHECKING:
    from tests.payload.ways import Way

ROWS = 5000
NUMBERS = list(range(ROWS))
COLUMNS = {
    "int": pa.array(NUMBERS),
    "some": pa.array([None if each % 3 else each for each in NUMBERS], pa.int16()),
    "half": pa.array([each / 7 for each in NUMBERS], pa.float64()).cast(pa.float32()),
    "not a number": pa.array([math.nan if each % 2 else each for each in NUMBERS], pa.float64()),
    "bool": pa.array([each % 2 == 0 for each in NUMBERS]),
    "text": pa.array([f"{each} äöü" for each in NUMBERS]),
    "large text": pa.array([str(each) for each in NUMBERS], pa.large_string()),
    "bytes": pa.array([bytes([each % 256]) * (each % 5) for each in NUMBERS]),
    "three bytes": pa.array([b"abc" for _ in NUMBERS], pa.binary(3)),
    "view": pa.array([f"longer than twelve {each}" for each in NUMBERS], pa.string_view()),
    "day": pa.array(NUMBERS, pa.int32()).cast(pa.date32()),
    "when": pa.array(NUMBERS, pa.timestamp("us", tz="Europe/Berlin")),
    "span": pa.array(NUMBERS, pa.duration("ns")),
    "price": pa.array([decimal.Decimal(each) / 4 for each in NUMBERS], pa.decimal128(12, 2)),
    "nothing": pa.nulls(ROWS),
}


def table(*names: str, **metadata: str) -> Any:
    """A table of some columns; default: of all."""
    columns = {name: COLUMNS[name] for name in names or COLUMNS}
    fields = [pa.field(name, of.type, metadata={"of": name}) for name, of in columns.items()]
    schema = pa.schema(fields, metadata={"made": "here", **metadata})
    return pa.Table.from_arrays(list(columns.values()), schema=schema)


def check(way: Way, sent: Any) -> None:
    for got in (way.carry(sent), way.carry([0, sent])[1]):
        got.validate(full=True)
        assert type(got) is type(sent)
        assert got.schema.equals(sent.schema, check_metadata=True)
        # As NaN is not equal to itself.
        assert str(got.to_pydict()) == str(sent.to_pydict())


@pytest.mark.parametrize("name", COLUMNS)
def test_each_type(way: Way, name: str) -> None:
    whole = table(name)
    assert arrow.reduce_table(whole)[0] is arrow.rebuild_table
    for sent in (whole, whole.slice(1001, 3000), whole.slice(4, 1), whole.to_batches()[0][7:90]):
        check(way, sent)


def test_all_types_in_one(way: Way) -> None:
    check(way, table().slice(11, 500))


def test_tables_of_several_kinds_in_turn(way: Way) -> None:
    """What is kept of one schema is not taken for that of another, if only its metadata differ."""
    several = [table("int"), table("int", made="there"), table("text", "int"), table("int", x="y")]
    for sent in several * 2:
        check(way, sent)
    # A schema that is sent for the first time has to be read before it is known.
    arrow._schemas.clear()
    for sent in several:
        check(way, sent)


def test_no_rows_and_no_columns(way: Way) -> None:
    check(way, table().slice(0, 0))
    check(way, table("int", "text").to_batches()[0][3:3])
    check(way, pa.table({}))


def test_several_chunks_stay_several(way: Way) -> None:
    part = table("int", "text").slice(0, 2000)
    sent = pa.concat_tables([part, part.slice(5)])
    check(way, sent)
    assert [each.num_chunks for each in way.carry(sent).columns] == [2, 2]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b"] * 2000).dictionary_encode(),
        pa.array([[each] for each in NUMBERS]),
        pa.array([{"a": each} for each in NUMBERS]),
        pa.array([["a"], []] * 2000).cast(pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    ],
    ids=["dictionary", "list", "struct", "list of dictionary"],
)
def test_what_a_message_does_not_hold_is_pickled(way: Way, column: Any) -> None:
    sent = pa.table({"number": COLUMNS["int"][: len(column)], "column": column})
    assert arrow.reduce_table(sent)[0] is not arrow.rebuild_table
    check(way, sent)
    check(way, sent.to_batches()[0])


def test_a_large_table_is_not_copied_once_more() -> None:
    large = pa.concat_tables([table("int")] * 30).combine_chunks()
    assert arrow.reduce_table(large)[0] is not arrow.rebuild_table


def test_a_small_table_is_one_small_message() -> None:
    sent = table("int", "text", "bool").slice(100, 20)
    entry = Encoder(None).encode(sent)
    assert isinstance(entry, bytes)
    assert len(entry) < 2000
