"""Arrow: what a slice shows crosses, and nothing of what it hides."""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside._memory.parts import size
from farside._payload.items import Stored
from farside._payload.pickling import dumps, loads
from tests.payload.ways import Way

pa: Any = pytest.importorskip("pyarrow")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind

ROWS = 40_000


def table(rows: int = ROWS) -> Any:
    numbers = list(range(rows))
    columns = {
        "int": pa.array(numbers),
        "null": pa.array([None if each % 3 else each for each in numbers]),
        "text": pa.array([str(each) for each in numbers]),
        "view": pa.array([f"longer than twelve {each}" for each in numbers], pa.string_view()),
        "list": pa.array([[each, each + 1] for each in numbers]),
        "struct": pa.array([{"a": each, "b": str(each)} for each in numbers]),
        "category": pa.array([str(each % 5) for each in numbers]).dictionary_encode(),
        "bool": pa.array([each % 2 == 0 for each in numbers]),
        "when": pa.array(numbers, pa.timestamp("us", tz="UTC")),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(numbers * 2), 2),
        "nothing": pa.nulls(rows),
    }
    fields = [pa.field(name, each.type, metadata={"of": name}) for name, each in columns.items()]
    return pa.Table.from_arrays(
        list(columns.values()), schema=pa.schema(fields, metadata={"made": "here"})
    )


@pytest.fixture(scope="module")
def whole() -> Any:
    return table()


def shown(of: Any) -> dict[str, Any]:
    part = of.slice(12_345, 300)
    return {
        "table": part,
        "batch": part.to_batches()[0],
        "column": part["text"],
        "array": part["null"].chunk(0),
        "joined": pa.concat_tables([part, of.slice(3, 7)]),
        **{name: part[name].chunk(0) for name in part.column_names},
    }


SHOWN = ["table", "batch", "column", "array", "joined", *table(1).column_names]


@pytest.mark.parametrize("name", SHOWN)
def test_a_slice_crosses_by_itself(way: Way, whole: Any, name: str) -> None:
    sent = shown(whole)[name]
    got = way.carry(sent)
    got.validate(full=True)
    assert type(got) is type(sent)
    assert got.equals(sent)
    if name in {"table", "batch", "joined"}:
        assert got.schema.equals(sent.schema, check_metadata=True)
    if name in {"table", "joined"}:
        assert [each.num_chunks for each in got.columns] == [
            each.num_chunks for each in sent.columns
        ]
    assert got.get_total_buffer_size() <= 2 * sent.nbytes + 4096 * len(whole.column_names) * 2


def test_a_slice_is_as_small_in_a_call_and_beside_a_lambda(whole: Any) -> None:
    part = whole.slice(12_345, 300)
    for item in (part, [part, lambda: 1]):
        parts = dumps(item)
        assert size(parts) < 4 * part.nbytes
        got = loads(bytearray().join(parts))
        assert (got if item is part else got[0]).equals(part)


def test_what_hides_nothing_is_not_copied(whole: Any) -> None:
    buffers: list[pickle.PickleBuffer] = []
    pickle.dumps(whole, 5, buffer_callback=buffers.append)
    entry = Way(None).encoder.encode(whole)
    assert isinstance(entry, Stored)
    assert sum(each.raw().nbytes for each in buffers) < entry.nbytes


class Tagged(pa.ExtensionType):  # type: ignore[misc]  # of type Any
    """A type of the user's."""

    def __init__(self) -> None:
        super().__init__(pa.int64(), "tests.tagged")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: Any, _serialized: bytes) -> Tagged:
        return cls()


def test_extension_types(way: Way) -> None:
    sent = pa.ExtensionArray.from_storage(Tagged(), pa.array(range(ROWS))).slice(500, 9)
    got = way.carry(sent)
    assert got.type == sent.type
    assert got.equals(sent)
    assert got.get_total_buffer_size() < 9000


def slices(count: int) -> Iterator[Any]:
    whole = table()
    for number in range(count):
        yield whole.slice(number * 100, 100)


def test_slices_of_a_worker(kind: Kind) -> None:
    if kind.name == "subinterpreter":
        return  # pyarrow does not load there
    whole = table()
    with kind.start(partial(slices, 20)) as items:
        for number, item in enumerate(items):
            assert item.equals(whole.slice(number * 100, 100))
