"""Arrays that are alike are described once, and arrive as their pickles would."""

import copyreg
import pickle
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from farside._payload import arrays, decoder, reducers
from farside._payload.encoder import Encoder
from tests.payload.ways import Way

SIZE = 20_000


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    arrays._known.clear()
    yield
    arrays._known.clear()


def of(dtype: Any, *shape: int) -> Any:
    return (np.arange(SIZE) % 100).astype(dtype).reshape(shape or (SIZE,))


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


class Sub(np.ndarray[Any, Any]):
    """An array of another class."""


ARRAYS: dict[str, Any] = {
    **{
        name: of(name) for name in ("?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "g", "c8", "c16")
    },
    "big-endian": of(">i4"),
    "long double, swapped": of(np.dtype("longdouble").newbyteorder()),
    "matrix": of("f4", 100, 200),
    "column": of("f4", SIZE, 1),
    "four axes": of("u1", 10, 20, 10, 10),
    "Fortran": np.asfortranarray(of("f4", 100, 200)),
    "transposed": of("f4", 100, 200).T,
    "every second": of("i8")[::2],
    "backwards": of("i8")[::-1],
    "a part": of("i8")[100:15_000],
    "read-only": read_only(of("i8")),
    "dates": of("M8[s]"),
    "spans": of("m8[ns]"),
    "texts": of("U4"),
    "structured": np.zeros(5_000, [("a", "i4"), ("b", "f8", (2,))]),
    "objects": of(object),
    "raw": of("i8").view("V8"),
    "subclass": of("i8").view(Sub),
    "records": np.zeros(5_000, [("a", "i4")]).view(np.recarray),
    "expanded": np.broadcast_to(of("i8"), (3, SIZE)),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_the_first_and_all_others_arrive_as_a_pickle_would(way: Way, array: Any) -> None:
    buffers: list[Any] = []
    pickled = pickle.dumps(array, 5, buffer_callback=buffers.append)
    expected = pickle.loads(pickled, buffers=[bytearray(each) for each in buffers])
    for _ in range(3):
        got = way.carry(array)
        assert type(got) is type(expected)
        assert (got.dtype, got.shape, got.strides) == (
            expected.dtype,
            expected.shape,
            expected.strides,
        )
        assert got.flags.writeable == array.flags.writeable or not array.flags.c_contiguous
        assert np.array_equal(got, array)
        if not got.flags.writeable:
            with pytest.raises(ValueError, match="WRITEABLE"):
                got.flags.writeable = True


def test_both_sides_remember(roomy: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy.carry(of("f4"))
    only = SimpleNamespace(PickleBuffer=pickle.PickleBuffer)
    monkeypatch.setattr("farside._payload.arrays.pickle", only)
    assert np.array_equal(roomy.carry(of("f4")), of("f4"))


def test_each_shape_type_and_permission_is_another(roomy: Way) -> None:
    for _ in range(2):
        for array in (of("f4"), of("i4"), of("f4", 2, -1), read_only(of("f4"))):
            got = roomy.carry(array)
            assert (got.dtype, got.shape) == (array.dtype, array.shape)
            assert got.flags.writeable == array.flags.writeable


PICTURE: Any = (np.arange(150 * 200 * 4) % 251).astype("u1").reshape(150, 200, 4)
CROPS = {
    "rows": PICTURE[10:140, 20:180],
    "RGB": PICTURE[10:140, 20:180, :3],
    "one channel": PICTURE[..., 1],
    "mirrored": PICTURE[:, ::-1],
    "numbers": of("f8", 100, 200)[5:, 7:],
    "column": of("c16", 200, 100)[:, 3:90:2],
    "just large enough": of("u1", 100, 200)[:64, :128],
    "read-only": read_only(of("f4", 100, 200))[:, 5:],
}


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
def test_an_array_with_gaps_is_copied_once(
    roomy: Way, monkeypatch: pytest.MonkeyPatch, crop: Any
) -> None:
    roomy.carry(crop)  # this describes it
    monkeypatch.setattr(arrays, "in_order", None)
    got = roomy.carry(crop)
    in_dictionary = roomy.carry({"crop": crop, "label": 3, "vector": of("i8")})["crop"]
    for each in (got, in_dictionary):
        assert (each.dtype, each.shape) == (crop.dtype, crop.shape)
        assert np.array_equal(each, crop)
        assert each.flags.c_contiguous
        assert each.flags.writeable


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
def test_an_array_with_gaps_is_a_snapshot(way: Way, crop: Any) -> None:
    whole = np.zeros((300, 400, *crop.shape[2:]), crop.dtype)
    window = whole[: 2 * crop.shape[0] : 2, : crop.shape[1]]
    got = []
    for number in range(3):
        window[:] = number
        got.append((way.carry(window), way.carry([window, number])))
    assert [(alone.max(), alone.min()) for alone, _ in got] == [(0, 0), (1, 1), (2, 2)]
    assert [(beside[0].max(), beside[1]) for _, beside in got] == [(0, 0), (1, 1), (2, 2)]


def test_items_are_independent_snapshots(way: Way) -> None:
    array = of("i8")
    got = []
    for number in range(4):
        array[:] = number
        got.append(way.carry(array))
    got[0][:] = 9
    assert [each[0] for each in got] == [9, 1, 2, 3]


def doubled(buffer: Any) -> Any:
    return np.frombuffer(buffer, "u1") * 2


class Doubled:
    """Comes back as an array, but not of its own contents."""

    def __reduce__(self) -> tuple[Any, ...]:
        return doubled, (pickle.PickleBuffer(bytearray(b"\1" * SIZE)),)


def test_what_user_code_makes_of_a_buffer_stays_its_affair(roomy: Way) -> None:
    for _ in range(3):
        assert (roomy.carry(Doubled()) == 2).all()


def test_a_type_that_carries_more_is_pickled(roomy: Way) -> None:
    for note in ({"note": 1}, {"note": 2}):
        array = of("i4").astype(np.dtype("i4", metadata=note))
        assert np.array_equal(roomy.carry(array), array)
    assert not any(known for known in arrays._known.values() if known and known[0].metadata)


def reduced(array: Any) -> tuple[Any, ...]:
    return list, (array[:2].tolist(),)


def test_a_reducer_of_the_users_own_is_heard(roomy: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(roomy.carry(of("i8"))) == SIZE
    monkeypatch.setitem(copyreg.dispatch_table, np.ndarray, reduced)
    assert roomy.carry(of("i8")) == [0, 1]


def test_no_more_is_kept_than_a_limit(roomy: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reducers, "MOST_KEPT", 4)
    for size in range(SIZE, SIZE + 20):
        assert len(roomy.carry(np.zeros(size))) == size
        assert len(arrays._known) <= 4
        assert len(roomy.encoder._templates.streams) <= 4


def test_numpy_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "numpy")
        encoder = Encoder(None)
        assert encoder._array is None
        encoder.encode([1])
    encoder.encode([1])
    assert encoder._array is np.ndarray


def test_numpy_that_may_not_be_imported_is_not(roomy: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr(decoder, "_load_array", None)
    assert roomy.carry(b"x" * SIZE) == b"x" * SIZE
    assert roomy.carry(bytearray(SIZE)) == bytearray(SIZE)
