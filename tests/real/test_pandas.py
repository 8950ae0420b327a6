"""pandas: frames share the names of their columns, and are what they were."""

from __future__ import annotations

import copyreg
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from farside import register_reducer
from farside._payload import pandas_frames, pickling
from farside._payload.anchors import of_item
from farside._payload.encoder import Encoder

pd: Any = pytest.importorskip("pandas", minversion="3.0")
np: Any = pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind
    from tests.payload.ways import Way

ROWS = 3000
NUMBERS = np.arange(ROWS)


def frame(start: int = 0) -> Any:
    """A frame with columns of many kinds, some of which share a block."""
    numbers = NUMBERS + start
    days = pd.date_range("2026-01-01", periods=ROWS, freq="h")
    columns = {
        "int": numbers,
        "float": numbers / 3,
        "text": [f"row {each}" for each in numbers],
        "more": numbers * 2,
        "bool": numbers % 2 == 0,
        "small": numbers.astype("i2"),
        "complex": numbers * 1j,
        "some text": ["a", None, "b"] * (ROWS // 3),
        "when": days,
        "there": days.tz_localize("UTC").tz_convert("Europe/Berlin"),
        "span": days - days[0],
        "month": days.to_period("M"),
        "category": pd.Categorical(["a", "b", None] * (ROWS // 3)),
        "ordered": pd.Categorical([3, 1, 2] * (ROWS // 3), ordered=True),
        "interval": pd.arrays.IntervalArray.from_breaks(np.arange(ROWS + 1)),
        "sparse": pd.arrays.SparseArray(numbers % 7 == 0),
        "nullable": pd.array([1, None, 2] * (ROWS // 3), dtype="Int64"),
        "arrow": pd.array([1.5, None, 2] * (ROWS // 3), dtype="double[pyarrow]"),
        "other text": pd.array(["a", None, "ä"] * (ROWS // 3), dtype="string[pyarrow]"),
        "python text": pd.array(["a", None, "ä"] * (ROWS // 3), dtype="string[python]"),
        "object": [{"a": each} for each in numbers.tolist()],
    }
    return pd.DataFrame(columns)


WHOLE = frame()
FEW = WHOLE[["int", "text", "float"]]
FRAMES = {
    "few columns": FEW,
    "some rows": WHOLE.iloc[100:2000],
    "each third row": WHOLE.iloc[::3],
    "the last rows": WHOLE.tail(5),
    "no rows": WHOLE.iloc[:0],
    "no columns": WHOLE[[]],
    "nothing": pd.DataFrame(),
    "in another order": WHOLE[WHOLE.columns[::-1]],
    "sorted": WHOLE.sort_values("float", ascending=False),
    "columns twice": pd.concat([WHOLE, WHOLE], axis=1),
    "rows twice": pd.concat([FEW, FEW]),
    "in several pieces": pd.concat([FEW, FEW], ignore_index=True),
    "an index of texts": WHOLE.set_index("text"),
    "an index of dates": WHOLE.set_index("when"),
    "an index of two": WHOLE.set_index(["text", "int"]),
    "an index with a name": FEW.rename_axis(index="place"),
    "an index with an odd name": FEW.rename_axis(index=2.5),
    "columns with a name": FEW.rename_axis(columns="names"),
    "columns with an odd name": FEW.rename_axis(columns=3),
    "names as objects": FEW.set_axis(pd.Index(["a", "b", "c"], dtype=object), axis=1),
    "names and numbers": FEW.set_axis(pd.Index(["a", 1, 2.0], dtype=object), axis=1),
    "no name": FEW.set_axis(pd.Index(["a", None, "c"]), axis=1),
    "numbers for names": pd.DataFrame(NUMBERS.reshape(-1, 3) * 1.0),
    "names in two levels": pd.DataFrame({("a", "b"): NUMBERS, ("a", "c"): NUMBERS}),
    "many names": pd.DataFrame({f"column {each}": NUMBERS[:50] for each in range(100)}),
    "a long name": pd.DataFrame({"a" * 10_000: NUMBERS}),
    "rows first": pd.DataFrame(np.ones((ROWS, 3)), columns=list("abc")),
    "columns first": pd.DataFrame(np.ones((ROWS, 3), order="F"), columns=list("abc")),
    "backwards": pd.DataFrame(np.arange(3.0 * ROWS).reshape(-1, 3), columns=list("abc"))[::-1],
    "attributes": FEW.copy(),
    "columns from right to left": pd.DataFrame(np.ones((4, 4)), columns=list("abcd")),
    "scattered columns": pd.DataFrame(np.ones((4, 4)), columns=list("abcd")),
    "nulls only": pd.DataFrame({"text": pd.array([None] * ROWS, dtype="str")}),
    "empty texts": pd.DataFrame({"text": [""] * ROWS}),
    "no names twice": FEW.copy().set_flags(allows_duplicate_labels=False),
}
FRAMES["attributes"].attrs["made"] = "here"
FRAMES["columns from right to left"].isetitem([2, 1, 0], NUMBERS[:12].reshape(4, 3))
FRAMES["scattered columns"].isetitem([3, 0], NUMBERS[:8].reshape(4, 2))


def check(sent: Any, got: Any) -> None:
    by_pandas = pickle.loads(pickle.dumps(sent, 5))
    assert type(got) is type(by_pandas)
    pd.testing.assert_frame_equal(got, sent, check_freq=True, check_flags=True)
    assert got.attrs == sent.attrs
    assert [type(each) for each in got.axes] == [type(each) for each in by_pandas.axes]
    assert [each.names for each in got.axes] == [each.names for each in sent.axes]
    assert [each.dtype for each in got.axes] == [each.dtype for each in sent.axes]
    assert layout(got) == layout(by_pandas)


def layout(of: Any) -> list[Any]:
    """Tell which columns lie together, and which can be written to."""
    return [
        (block.mgr_locs.as_array.tolist(), type(values), values.shape, can_be_written(values))
        for block in of._mgr.blocks
        for values in [block.values]
    ]


def can_be_written(values: Any) -> bool:
    return not isinstance(values, np.ndarray) or bool(values.flags.writeable)


@pytest.mark.parametrize("name", FRAMES)
def test_frames(way: Way, name: str) -> None:
    sent = FRAMES[name]
    for _ in range(2):  # the second time, the names are known
        check(sent, way.carry(sent))
        check(sent, way.carry({"frame": sent, "label": 3})["frame"])


@pytest.mark.parametrize("name", WHOLE.columns)
def test_columns(way: Way, name: str) -> None:
    for sent in (WHOLE[[name]], WHOLE[[name]].iloc[7:1001]):
        check(sent, way.carry(sent))


@pytest.mark.parametrize("name", WHOLE.columns)
def test_series(way: Way, name: str) -> None:
    sent = WHOLE[name].iloc[5:2000]
    pd.testing.assert_series_equal(way.carry(sent), sent)


def test_alike_frames_share_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[Any, bytes] = {}
    monkeypatch.setattr(pandas_frames, "_written", written)
    streams = [streamed(frame(start)) for start in range(5)]
    (pickled,) = written.values()
    assert [stream.count(pickled) for stream in streams] == [1] * 5


def streamed(item: Any) -> bytes:
    entry: Any = Encoder(None).encode(item)
    return bytes(entry.places[0])


def test_a_name_that_is_set_changes_one_frame_only(way: Way) -> None:
    sent = FEW.copy()
    got = [way.carry(sent) for _ in range(3)]
    got[0].columns.name = "theirs"
    got[1].columns = ["a", "b", "c"]
    check(sent, got[2])
    check(sent, way.carry(sent))
    sent.columns.name = "mine"  # after the same columns were sent without it
    check(sent, way.carry(sent))


def test_names_that_are_equal_and_not_alike(way: Way) -> None:
    for kind in ("str", object, "string[pyarrow]", "string[python]", "str"):
        sent = FEW.set_axis(pd.Index(["a", "b", "c"], dtype=kind), axis=1)
        check(sent, way.carry(sent))


def test_names_as_objects_are_not_shared(way: Way) -> None:
    sent = FEW.set_axis(pd.Index(["a", "b", "c"], dtype=object), axis=1)
    first, second = way.carry(sent), way.carry(sent)
    np.asarray(first.columns)[0] = "Z"
    check(sent, second)
    check(sent, way.carry(sent))


def test_equal_frames_have_one_digest_whatever_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a pass that is made again would seem to differ."""
    part = frame().iloc[:, 1:3]
    alone = pd.DataFrame({"float": NUMBERS / 3, "text": [f"row {each}" for each in NUMBERS]})
    digests = set()
    for several in ([part], [alone], [part, alone], [alone, part], [WHOLE, part]):
        monkeypatch.setattr(pandas_frames, "_written", {})
        monkeypatch.setattr(pandas_frames, "_latest", (None, None, b""))
        encoder = Encoder(None)
        digests.add([frozenset(of_item(each, encoder)) for each in several][-1])
    assert len(digests) == 1


@pytest.mark.parametrize(
    "part", [slice(2, 8), slice(0, 1500), slice(1500, None), slice(2999, None)]
)
def test_what_is_beside_a_slice_of_texts_does_not_cross(way: Way, part: slice) -> None:
    sent, secret = pd.Series(FEW["text"]), pd.Series(FEW["text"])
    secret[sent.index.difference(sent.index[part])] = "secret"
    digests = {frozenset(of_item(each.iloc[part], Encoder(None))) for each in (sent, secret)}
    assert len(digests) == 1
    pd.testing.assert_series_equal(way.carry(secret.iloc[part]), sent.iloc[part])
    assert b"secret" not in pickling.dumps_by_reference(secret.iloc[part].array)


def test_a_slice_crosses_by_itself() -> None:
    whole, part = (Encoder(None).encode(each) for each in (FEW, FEW.iloc[1000:1100]))
    sizes = [each.nbytes if hasattr(each, "nbytes") else len(each) for each in (whole, part)]
    assert sizes[1] < sizes[0] / 5


class SubFrame(pd.DataFrame):  # type: ignore[misc]  # of type Any
    _metadata: ClassVar[list[str]] = ["extra"]

    @property
    def _constructor(self) -> type[SubFrame]:
        return SubFrame


def test_subclasses_are_left_to_pandas(way: Way) -> None:
    sent = SubFrame({"a": NUMBERS})
    sent.extra = 3
    got = way.carry(sent)
    assert (type(got), got.extra) == (SubFrame, 3)
    assert got.equals(sent)


def test_reducers_of_users_count(way: Way) -> None:
    register_reducer(pd.Index, lambda index: (pd.Index, ([f"{each}!" for each in index],)))
    assert [*way.carry(FEW).columns] == ["int!", "text!", "float!"]


def test_reducers_of_copyreg_count(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    way.carry(FEW)
    upper = lambda index: (pd.Index, ([*map(str.upper, index)],))  # noqa: E731
    monkeypatch.setitem(copyreg.dispatch_table, pd.Index, upper)
    assert [*way.carry(FEW).columns] == ["INT", "TEXT", "FLOAT"]


def test_reducers_of_copyreg_for_frames_count_at_once(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.carry(FEW)
    monkeypatch.setitem(copyreg.dispatch_table, pd.DataFrame, lambda frame: (len, (frame.shape,)))
    monkeypatch.setitem(
        copyreg.dispatch_table, pd.arrays.ArrowStringArray, lambda texts: (str, (texts[0],))
    )
    assert way.carry(FEW) == 2
    assert way.carry(FEW["text"].array) == "row 0"


def test_an_older_pandas_pickles_as_usual(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pd.api, "internals")
    assert pandas_frames.reduce_frame(FEW)[0] is not pandas_frames.rebuild_frame
    check(FEW, way.carry(FEW))


def test_what_arrived_can_be_changed_and_stays(way: Way) -> None:
    first, second = frame(0), frame(5)
    got = way.carry(first)
    others = [way.carry(second) for _ in range(3)]
    got.loc[0, "int"] = -1
    got["float"] += 1
    got["new"] = 3
    assert got.loc[0, "int"] == -1
    check(first[["text", "when"]], got[["text", "when"]])
    for each in others:
        check(second, each)


def frames(count: int) -> Iterator[Any]:
    made = frame()
    for number in range(count):
        made["int"] = NUMBERS + number
        yield made


def test_frames_of_a_worker(kind: Kind) -> None:
    if kind.name == "subinterpreter":
        pytest.skip("pandas does not load there")
    with kind.start(partial(frames, 5)) as items:
        kept = list(items)
    for number, got in enumerate(kept):
        check(frame().assign(int=NUMBERS + number), got)
