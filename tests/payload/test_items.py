"""Items: whatever way their contents go, what arrives is what was yielded, at that moment."""

import ctypes
import pickle
import sys
from array import array
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link.frames import Frame
from farside._memory.parts import BLOCK_BYTES
from farside._payload.decoder import decode
from farside._payload.encoder import Encoder
from farside._payload.items import ITEM_REFS, Stored, pack, unpack
from tests.payload.ways import WAYS, Way, items_in
from tests.steady import STEADY

SIZES = st.sampled_from([0, 1, 300, BLOCK_BYTES - 200, BLOCK_BYTES, 20_000, 70_000])
LEAVES = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    st.builds(lambda n: "é" * n, SIZES),
    st.builds(bytes, SIZES),
    st.builds(bytearray, SIZES),
)
ITEMS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)


@STEADY
@given(st.lists(ITEMS, max_size=4), st.sampled_from(list(WAYS.values())))
def test_items_of_every_kind_and_size_arrive(items: list[Any], arena_bytes: int | None) -> None:
    way = Way(arena_bytes)
    frame = way.frame(*[way.encoder.encode(item) for item in items])
    assert not items or not unpack(frame).plain
    assert items_in(frame, frame.blocks) == items
    way.close()


@STEADY
@given(st.lists(st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)))
def test_atoms_arrive_and_say_what_they_are(items: list[Any]) -> None:
    parts, refs = pack(items)
    assert refs == []
    frame = Frame(1, 1, b"".join(parts), len(items))
    opened = unpack(frame)
    assert (opened.entries, opened.marks, opened.plain) == (items, [], True)


@pytest.mark.parametrize("item", [b"", b"bytes", (0, []), (b"a", [b"b"]), [1], 1 << 70])
def test_items_that_look_like_entries_are_items(way: Way, item: object) -> None:
    assert way.carry(item) == item


def test_atoms_beside_others_need_no_encoder(way: Way) -> None:
    frame = way.frame(None, way.encoder.encode({"a": 1}), "atom", 7, way.encoder.encode(b"bytes"))
    assert items_in(frame, frame.blocks) == [None, {"a": 1}, "atom", 7, b"bytes"]


@pytest.mark.parametrize("size", [10, 5_000, 20_000, 100_000])
def test_items_are_snapshots(way: Way, size: int) -> None:
    item: dict[str, Any] = {"bytearray": bytearray(size), "array": np.zeros(size, np.uint8)}
    entry = way.encoder.encode(item)
    item["bytearray"][:] = b"x" * size
    item["array"][:] = 1
    item["more"] = 2
    frame = way.frame(entry)
    got = decode(unpack(frame).entries[0], frame.blocks)
    assert got.keys() == {"bytearray", "array"}
    assert not any(got["bytearray"])
    assert not got["array"].any()


def test_small_items_are_bytes_and_large_ones_are_stored(roomy: Way) -> None:
    assert type(roomy.encoder.encode([1, "x"])) is bytes
    assert type(roomy.encoder.encode(np.zeros(10))) is bytes
    for large in (b"x" * BLOCK_BYTES, "x" * BLOCK_BYTES, np.zeros(BLOCK_BYTES)):
        stored = roomy.encoder.encode({"large": large})
        assert type(stored) is Stored
        assert len(stored.refs) == 1


ARRAYS: dict[str, Any] = {
    "C": np.arange(60_000).reshape(300, 200),
    "Fortran": np.asfortranarray(np.arange(60_000).reshape(300, 200)),
    "not contiguous": np.arange(60_000).reshape(300, 200)[::3, ::-2],
    "small": np.arange(10),
    "empty": np.zeros((0, 5)),
    "scalar": np.array(5.5),
    "structured": np.zeros(5_000, dtype=[("a", "i4"), ("b", "f8", (2,))]),
    "dates": np.arange(20_000).astype("M8[s]"),
    "big-endian": np.arange(20_000, dtype=">i4"),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_arrive_equal_and_writable(way: Way, array: Any) -> None:
    got = way.carry({"array": array})["array"]
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert np.array_equal(got, array)
    assert got.flags.writeable
    got[...] = np.ones(1).astype(array.dtype)
    assert (got == np.ones(1).astype(array.dtype)).all()


def test_fortran_order_stays(way: Way) -> None:
    assert way.carry(ARRAYS["Fortran"]).flags.f_contiguous


@pytest.mark.parametrize("size", [10, 50_000])
def test_read_only_arrays_arrive_read_only(way: Way, size: int) -> None:
    array: Any = np.arange(size)
    array.flags.writeable = False
    got = way.carry(array)
    assert np.array_equal(got, array)
    assert not got.flags.writeable


def test_arrays_of_objects_arrive(way: Way) -> None:
    array: Any = np.array([{"a": 1}, "x" * 20_000, None, np.arange(5_000)], dtype=object)
    got = way.carry(array)
    assert list(got[:3]) == list(array[:3])
    assert np.array_equal(got[3], array[3])
    assert got[3].flags.writeable


@pytest.mark.parametrize("count", [ITEM_REFS - 2, ITEM_REFS - 1, ITEM_REFS, 3 * ITEM_REFS])
def test_any_number_of_buffers(way: Way, count: int) -> None:
    sizes = [BLOCK_BYTES + number % 100 for number in range(count)]
    arrays: list[Any] = [np.full(size, number, np.uint16) for number, size in enumerate(sizes)]
    entry = way.encoder.encode([b"x" * 20_000, *arrays])
    assert type(entry) is Stored
    assert len(entry.refs) <= ITEM_REFS
    frame = way.frame(entry)
    _, *got = decode(unpack(frame).entries[0], frame.blocks)
    assert [len(each) for each in got] == sizes
    for number, each in enumerate(got):
        assert (each == number).all()
        assert each.flags.writeable
        assert each.flags.aligned


@pytest.mark.parametrize("count", [ITEM_REFS - 1, ITEM_REFS, 3 * ITEM_REFS, 10_000])
def test_many_buffers_are_all_in_blocks(count: int) -> None:
    """A view keeps a part of the item at most."""
    way = Way(1 << 27)
    array: Any = np.zeros(BLOCK_BYTES + 1, np.uint8)
    entry = way.encoder.encode([array.view() for _ in range(count)])
    assert type(entry) is Stored
    assert 50 <= len(entry.refs) <= ITEM_REFS
    assert len(way.frame(entry).body) < 1 << 16
    assert max(ref.nbytes for ref in entry.refs) < entry.nbytes / 40
    way.close()


def test_the_buffers_of_a_medium_item_share_a_block(roomy: Way) -> None:
    item = {"image": np.arange(90_001, dtype=np.uint8), "vector": np.ones(2_000), "label": 3}
    entry = roomy.encoder.encode(item)
    assert type(entry) is Stored
    assert len(entry.refs) == 1
    got = roomy.carry(item)
    assert (got["image"] == item["image"]).all()
    assert (got["vector"] == 1).all()
    assert got["vector"].flags.writeable
    assert got["vector"].flags.aligned


def test_what_user_code_has_in_the_arena_already_is_not_copied_into_a_block(roomy: Way) -> None:
    assert roomy.blocks
    memory = roomy.blocks.arena.grant(20_000)
    assert memory is not None
    entry = roomy.encoder.encode([np.frombuffer(memory, np.uint8), np.ones(2_000)])
    assert type(entry) is Stored
    assert len(entry.refs) == 2
    assert bytes(roomy.blocks.view(entry.refs[0])[:3]) == b"\0\0\0"
    memory[:3] = b"abc"
    assert bytes(roomy.blocks.view(entry.refs[0])[:3]) == b"abc"
    del memory


def test_one_buffer_that_is_there_twice_arrives_as_one(roomy: Way) -> None:
    array: Any = np.zeros(20_000)
    first, second = roomy.carry([array, array])
    first[0] = 1
    assert second[0] == 1


def test_two_items_do_not_share_memory(way: Way) -> None:
    array: Any = np.zeros(20_000)
    first, second = way.carry(array), way.carry(array)
    first[0] = 1
    assert second[0] == 0


VIEWS: dict[str, memoryview] = {
    "bytes": memoryview(b"abc"),
    "writable": memoryview(bytearray(20_000)),
    "large and readonly": memoryview(bytes(20_000)),
    "numbers": memoryview(array("d", range(5000))),
    "a matrix": memoryview(array("i", range(6000))).cast("B").cast("i", [60, 100]),
    "every second": memoryview(bytes(range(200)) * 200)[::2],
    "empty": memoryview(b""),
    "no numbers": memoryview(array("d")),
    "of ctypes": memoryview((ctypes.c_ubyte * 20_000)()),
    "numbers of ctypes": memoryview((ctypes.c_double * 3000)()),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_memoryviews_arrive(way: Way, view: memoryview) -> None:
    got = way.carry([view])[0]
    assert got.tobytes() == view.tobytes()
    assert (got.shape, got.readonly) == (view.shape, view.readonly)
    assert got.format == (view.format[1:] if view.format[:1] == "<" else view.format)


COMPLEX = pytest.param("c16", marks=pytest.mark.skipif(sys.version_info >= (3, 15), reason="Zd"))
"""Memoryviews of Python 3.15 know the format of complex numbers, "Zd"."""


@pytest.mark.skipif(sys.version_info < (3, 15), reason="Zd")
def test_memoryviews_of_complex_numbers_arrive(way: Way) -> None:
    array: Any = np.arange(5000, dtype="c16")
    got = way.carry([memoryview(array)])[0]
    assert (got.format, got.tolist()) == ("Zd", array.tolist())


@pytest.mark.parametrize("code", [">i4", COMPLEX, "i4,f8"])
def test_memoryviews_that_cannot_be_made_again_are_refused_here(way: Way, code: str) -> None:
    array: Any = np.zeros(5000, code)
    with pytest.raises(TypeError, match=r"a memoryview of the format .* cannot be made again"):
        way.encoder.encode(memoryview(array))
    assert way.carry("after") == "after"


class Change:
    """When it is pickled, it changes a bytearray."""

    def __init__(self, data: bytearray, length: int) -> None:
        self._data, self._length = data, length

    def __getstate__(self) -> dict[str, Any]:
        self._data[:] = b"x" * self._length
        return {}


@pytest.mark.parametrize("length", [3, 100_000, 200_000])
def test_a_bytearray_that_changes_while_its_item_is_pickled_is_whole(length: int) -> None:
    data = bytearray(100_000)
    stored = Encoder(None).encode([data, Change(data, length), "tail"])
    assert isinstance(stored, Stored)
    data[:] = bytes(5)  # it is a copy by now
    found, _, tail = pickle.loads(cast("Any", stored.places[0]))
    assert (found, tail) == (bytearray(b"x" * length), "tail")
