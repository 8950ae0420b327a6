"""Masked arrays arrive as NumPy pickles them, and hard masks stay hard."""

from __future__ import annotations

import copyreg
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside._payload import anchors, reducers, register
from farside._payload.encoder import Encoder
from farside._payload.items import Stored, unpack

if TYPE_CHECKING:
    from tests.payload.ways import Way

ma: Any = np.ma  # its functions have no types


def image() -> Any:
    return (np.arange(400 * 400 * 3) % 251).astype("u1").reshape(400, 400, 3)


def dates(dtype: str) -> Any:
    return np.arange(20_000).astype("i8").astype(dtype)


MASKED: dict[str, Any] = {
    "plain": ma.masked_array(np.arange(9000), np.arange(9000) % 2 == 0),
    "filled": ma.masked_array(np.arange(9000), np.arange(9000) % 2 == 0, fill_value=-7),
    "no mask": ma.masked_array(np.arange(9000)),
    "hard": ma.masked_array(np.arange(9000.0), np.arange(9000) % 3 == 0, hard_mask=True),
    "dates": ma.masked_array(dates("M8[s]"), np.arange(20_000) % 3 == 0),
    "crop": ma.masked_array(image(), image() % 2 == 0)[5:300, ::-1],
    "structured": ma.masked_array([(1, 2.0)] * 3000, [(True, False)] * 3000, "i4, f8"),
    "small": ma.masked_array(np.arange(4), [0, 1, 0, 0]),
    "objects": ma.masked_array(["a", None] * 3000, [True, False] * 3000, object),
    "nothing": ma.masked_array([]),
}


@pytest.mark.parametrize("array", MASKED.values(), ids=MASKED)
@pytest.mark.parametrize("alone", [True, False])
def test_masked_arrays(way: Way, array: Any, *, alone: bool) -> None:
    got = way.carry(array) if alone else way.carry([array])[0]
    assert type(got) is np.ma.MaskedArray
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert np.array_equal(ma.getmaskarray(got), ma.getmaskarray(array))
    assert got.tolist() == array.tolist()
    assert np.array_equal(got.data, array.data)
    assert repr(got.fill_value) == repr(pickle.loads(pickle.dumps(array)).fill_value)
    if array.dtype.names is None and not array.dtype.hasobject:
        assert got.hardmask == array.hardmask
        assert (got.mask is np.ma.nomask) == (array.mask is np.ma.nomask)
    if got.size:
        got[0] = array[1]
        got.data[0] = array.data[1]


def test_what_is_masked_can_be_shown(way: Way) -> None:
    for got in (way.carry([MASKED["filled"]])[0], way.carry(MASKED["filled"])):
        got[0] = 5
        assert got[0] == 5
        assert not got.mask[0]
        assert got.filled()[2] == -7


class SubMasked(np.ma.MaskedArray[Any, Any]):
    """It pickles as NumPy says."""


def test_subclasses_are_left_to_numpy(way: Way) -> None:
    sent: Any = np.arange(9000).view(SubMasked)
    for got in (way.carry([sent])[0], way.carry(sent)):
        assert type(got) is SubMasked
        assert np.array_equal(got, sent)


SAMPLES = {"plain", "no mask", "hard", "dates", "crop"}


@pytest.mark.parametrize("name", MASKED)
def test_no_more_than_needed_is_pickled(roomy: Way, name: str) -> None:
    entry = roomy.encoder.encode(MASKED[name])
    is_form = isinstance(entry, Stored) and type(entry.places[0]) is tuple
    assert is_form == (name in SAMPLES)


def test_a_mask_of_another_class_is_kept(way: Way) -> None:
    array = MASKED["plain"].copy()
    array._mask = array._mask.view(Sub)
    assert np.array_equal(way.carry(array).mask, array.mask)


class Sub(np.ndarray[Any, Any]):
    pass


def test_a_masked_array_is_a_snapshot(way: Way) -> None:
    array = ma.masked_array(np.arange(9000), np.zeros(9000, bool))
    got = []
    for number in range(3):
        array[:] = number
        array[number] = ma.masked
        got.append(way.carry(array))
    assert [each.count() for each in got] == [8999, 8999, 8999]
    assert [each.data[5] for each in got] == [0, 1, 2]
    assert [each.mask.tolist().index(True) for each in got] == [0, 1, 2]


def test_reducers_of_the_user_are_heard(roomy: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    array = MASKED["plain"]
    register.register_reducer(ma.MaskedArray, lambda each: (list, ((each.count(), 1),)))
    try:
        assert roomy.carry(array) == [array.count(), 1]
    finally:
        del reducers.of_users[ma.MaskedArray]
        roomy.encoder._table.pop(ma.MaskedArray)
    assert roomy.carry(array).count() == array.count()
    monkeypatch.setitem(
        copyreg.dispatch_table, ma.MaskedArray, lambda each: (list, ((each.count(), 2),))
    )
    assert roomy.carry(array) == [array.count(), 2]


@pytest.mark.parametrize("name", [name for name in MASKED if name != "objects"])
def test_digests_are_equal_on_both_sides(way: Way, name: str) -> None:
    array = MASKED[name]
    frame = way.frame(way.encoder.encode(array))
    opened = unpack(frame)
    arrived = anchors.of_entry(opened.entries[0], frame.blocks, plain=opened.plain)
    assert arrived in anchors.of_item(array.copy(), Encoder(None))


def test_digests_differ_where_anything_does() -> None:
    array = MASKED["plain"]
    data, mask = array.data, array.mask
    made = [
        array,
        ma.masked_array(data, ~mask),
        ma.masked_array(data + 1, mask),
        ma.masked_array(data),
        ma.masked_array(data, mask, hard_mask=True),
        ma.masked_array(data, mask, fill_value=3),
        [data, mask, False],
    ]
    digests = [anchors.of_input(Encoder(None).encode(item)) for item in made]
    assert len({*digests}) == len(made)
