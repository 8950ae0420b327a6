"""Polars: frames and series cross as Arrow's memory, and are what they were."""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside._payload import polars_frames, polars_plain, reducers
from farside._payload.encoder import Encoder
from farside._payload.items import Stored

pl: Any = pytest.importorskip("polars")
pytest.importorskip("pyarrow")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind
    from tests.payload.ways import Way

ROWS = 6000

pl.LazyFrame({"a": [1]}).collect()  # it opens descriptors, once and for all


def columns(start: int = 0) -> list[Any]:
    numbers = list(range(start, start + ROWS))
    ints = pl.Series("int", numbers[::-1])
    return [
        ints,
        pl.Series("up", numbers).sort(),
        pl.Series("down", numbers).sort(descending=True),
        pl.Series("float", [None if each % 3 else each / 7 for each in numbers]),
        pl.Series("text", [f"row {each}" for each in numbers]),
        pl.Series("long text", [f"longer than twelve {each}" for each in numbers]),
        pl.Series("bytes", [str(each).encode() for each in numbers]),
        pl.Series("bool", [each % 2 == 0 for each in numbers]),
        pl.Series("list", [[each, None] for each in numbers]),
        pl.Series("array", [[each, 1] for each in numbers], dtype=pl.Array(pl.Int32, 2)),
        pl.Series("struct", [{"a": each, "b": str(each)} for each in numbers]),
        pl.Series("category", [str(each % 5) for each in numbers], dtype=pl.Categorical),
        pl.Series("enum", [str(each % 2) for each in numbers], dtype=pl.Enum(["0", "1"])),
        ints.cast(pl.Datetime("us", "UTC")).alias("when"),
        ints.cast(pl.Duration("ms")).alias("span"),
        ints.cast(pl.Date).alias("date"),
        ints.cast(pl.Decimal(20, 2)).alias("decimal"),
        ints.cast(pl.Int128).alias("wide"),
        pl.Series("nothing", [None] * ROWS),
        pl.Series("none", [], dtype=pl.String),
    ]


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small ones go as large ones do."""
    monkeypatch.setattr(polars_frames, "LEAST_BYTES", 0)
    monkeypatch.setattr(polars_frames, "LEAST_OTHER_BYTES", 0)


COLUMNS = {each.name: each for each in columns()}
BY_POLARS = {"enum", "wide"}
"""These do not come back from Arrow as they are."""


def order(frame: Any) -> list[tuple[bool, bool]]:
    """Tell which columns Polars knows to be sorted."""
    flags = [each.flags for each in frame.get_columns()]
    return [(each["SORTED_ASC"], each["SORTED_DESC"]) for each in flags]


@pytest.mark.parametrize("name", COLUMNS)
def test_series(way: Way, name: str) -> None:
    sent = COLUMNS[name]
    for _ in range(2):  # the second time it is known whether the type comes back
        got = way.carry(sent)
        assert (got.name, got.dtype) == (sent.name, sent.dtype)
        assert order(pl.DataFrame([got])) == order(pl.DataFrame([sent]))
        assert got.equals(sent)


@pytest.mark.parametrize("name", COLUMNS)
def test_frames(way: Way, name: str) -> None:
    column = COLUMNS[name]
    for sent in (
        pl.DataFrame([column]),
        pl.DataFrame([*columns()[:5], column.alias("other")][:6])
        if len(column)
        else pl.DataFrame([column]),
    ):
        for part in (sent, sent.slice(100, 300), sent.head(0)):
            got = way.carry({"frame": part})["frame"]
            assert got.schema == part.schema
            assert got.equals(part)
            assert order(got) == order(part)


@pytest.mark.parametrize("name", sorted(set(COLUMNS) - BY_POLARS - {"none", "nothing"}))
def test_the_contents_are_kept_out_of_the_stream(name: str) -> None:
    for item in (COLUMNS[name], pl.DataFrame([COLUMNS[name]])):
        entry = Encoder(None).encode(item)
        if isinstance(entry, Stored):
            stream: Any = entry.places[0]
            # Texts come in buffers of several sizes, and small ones stay in the stream.
            assert memoryview(stream).nbytes < 1000 + entry.nbytes / 5
        else:
            assert len(entry) < 3000


def test_a_slice_crosses_by_itself() -> None:
    frame = pl.DataFrame([each for each in columns() if each.name in {"int", "text", "list"}])
    whole, part = (Encoder(None).encode(each) for each in (frame, frame.slice(1000, 500)))
    assert isinstance(whole, Stored)
    assert (part.nbytes if isinstance(part, Stored) else len(part)) < whole.nbytes / 5


def test_frames_without_columns(way: Way) -> None:
    assert way.carry(pl.DataFrame()).equals(pl.DataFrame())


def test_a_column_may_have_no_name(way: Way) -> None:
    numbers = list(range(ROWS))
    for names in (["a", "b"], ["", "b"], ["a", ""], ["", "column_0"], [""]):
        sent = pl.DataFrame(dict.fromkeys(names, numbers))
        for each in (sent, sent.with_columns(pl.all().set_sorted()), pl.concat([sent, sent])):
            assert way.carry(each).schema == each.schema
            assert way.carry(each).equals(each)


def test_a_name_may_have_a_null_character(way: Way) -> None:
    for name in ("int", "list"):
        sent = COLUMNS[name].alias("a\0b")
        assert way.carry(sent).equals(sent, check_names=True)
        assert way.carry(sent.to_frame()).equals(sent.to_frame())


def test_frames_in_several_pieces(way: Way) -> None:
    sent = pl.concat([pl.DataFrame(columns()[:5])] * 2, rechunk=False)
    assert way.carry(sent).equals(sent)


class SubFrame(pl.DataFrame):  # type: ignore[misc]  # of type Any
    """One of a subclass."""


def test_subclasses_and_lazy_frames_are_left_to_polars(way: Way) -> None:
    sent = SubFrame({"a": list(range(ROWS))})
    assert type(way.carry(sent)) is type(pickle.loads(pickle.dumps(sent)))
    assert way.carry(sent.lazy()).collect().equals(pl.DataFrame(sent))


def test_without_pyarrow(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polars_frames, "_return", {})
    monkeypatch.setattr(polars_plain, "_layouts", {})

    def to_arrow(*_: object, **_named: object) -> None:
        raise ModuleNotFoundError("no pyarrow")

    monkeypatch.setattr(pl.DataFrame, "to_arrow", to_arrow)
    monkeypatch.setattr(pl.Series, "to_arrow", to_arrow)
    for name in ("int", "text", "list"):
        assert way.carry(COLUMNS[name]).equals(COLUMNS[name])
        sent = pl.DataFrame([COLUMNS[name]])
        assert way.carry(sent).equals(sent)
        assert polars_frames.reduce_frame(sent)[0] is reducers.reduce_by_default(sent)[0]


def test_what_arrived_can_be_changed_and_stays(way: Way) -> None:
    first, second = (pl.DataFrame(columns(start)[:3]) for start in (0, 5))
    got = way.carry(first)
    others = [way.carry(second) for _ in range(5)]
    got[0, "int"] = -1
    assert got[0, "int"] == -1
    assert got[1:].equals(first[1:])
    assert all(each.equals(second) for each in others)


def frames(count: int) -> Iterator[Any]:
    for number in range(count):
        yield pl.DataFrame([each for each in columns(number) if each.name not in BY_POLARS][:-1])


def test_frames_of_a_worker(kind: Kind) -> None:
    if kind.name == "subinterpreter":
        return  # Polars does not load there
    with kind.start(partial(frames, 5)) as items:
        kept = list(items)
    assert all(got.equals(sent) for got, sent in zip(kept, frames(5), strict=True))
