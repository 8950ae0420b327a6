"""Samples of arrays and plain values arrive as their pickles would."""

import copyreg
import gc
import pickle
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import Any
from weakref import ref

import numpy as np
import pytest

from farside._memory.parts import BLOCK_BYTES
from farside._payload import anchors, decoder, reducers, register, samples
from farside._payload.encoder import Encoder
from farside._payload.items import Stored, unpack
from tests.payload.ways import Way

SIDE = 100


def image(dtype: str = "u1", side: int = SIDE) -> Any:
    return (np.arange(side * side * 3) % 200).astype(dtype).reshape(side, side, 3)


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


class Text(str):
    __slots__ = ()


NUMBERS: list[Any] = [np.asarray(1, code)[()] for code in "?bBhHiIlLqQefdFD"]

SAMPLES: dict[str, Any] = {
    "image and label": (image(), 3),
    "one array": [image()],
    "by name": {"image": image(), "label": 3, "path": "a/b.jpg", "weight": 0.5, "good": True},
    "out of order": {"b": None, "image": image(), "a": "ü€😀"},
    "a small one": {"box": np.arange(4.0), "image": image(), "empty text": ""},
    "large and small": [image("f8", 200), np.arange(3), image(), read_only(np.arange(5))],
    "read-only": (read_only(image()), 1),
    "dates and spans": [np.arange(9).astype("M8[25s]"), np.arange(9000).astype("m8"), 1],
    "crop of dates": {"crop": np.arange(20_000).astype("M8[ns]").reshape(100, 200)[5:, 3:]},
    "one date": (image(), np.array("2026-01-02", "M8[D]")),
    "crop": {"crop": image(side=200)[10:110, 20:120], "flipped": image()[:, ::-1]},
    **{f"{type(number).__name__} {number.dtype.char}": (number, image()) for number in NUMBERS},
    "two numbers": {"a": np.float32(2.5), "image": image(), "b": np.int64(3)},
    "number without axes": (image(), np.array(2.5), -(1 << 63) + 1),
    "many": [image()] + [np.full(5, number) for number in range(63)],
}

PICKLED: dict[str, Any] = {
    "small arrays": {"a": np.arange(4), "b": 3},
    "within": {"image": image(), "target": {"label": 3}},
    "empty array": (image(), np.zeros((0, 3))),
    "Fortran": (np.asfortranarray(image()), 1),
    "objects": [image(), np.array([None, "a"])],
    "structured": [image(), np.zeros(9, "i4, f8")],
    "other keys": {1: image()},
    "keys of a subclass": {Text("image"): image()},
    "texts of a subclass": {"image": image(), "text": Text("a")},
    "a subclass": OrderedDict(image=image()),
    "long text": (image(), "a" * 256),
    "large integer": (image(), 1 << 63),
    "bytes": (image(), b"abc"),
    "too many": [image()] + [0] * 64,
    "too many numbers": (image(), *NUMBERS),
    "long name": {"a" * 256: image()},
}


def is_form(entry: Any) -> bool:
    return isinstance(entry, Stored) and type(entry.places[0]) is tuple


def parts(item: Any) -> list[Any]:
    return [*item.values()] if isinstance(item, dict) else [*item]


@pytest.mark.parametrize("name", [*SAMPLES, *PICKLED])
def test_a_sample_arrives_as_a_pickle_would(way: Way, name: str) -> None:
    item = {**SAMPLES, **PICKLED}[name]
    expected = pickle.loads(pickle.dumps(item, 5))
    for _ in range(2):
        got = way.carry(item)
        assert type(got) is type(item)
        if isinstance(item, dict):
            assert [(type(key), key) for key in got] == [(type(key), key) for key in item]
        for value, same in zip(parts(got), parts(expected), strict=True):
            assert type(value) is type(same)
            if isinstance(value, np.ndarray):
                assert (value.dtype, value.shape) == (same.dtype, same.shape)
                assert value.flags.writeable == same.flags.writeable
                assert np.array_equal(value, same)
            elif not isinstance(value, dict):
                assert value == same


@pytest.mark.parametrize("name", [*SAMPLES, *PICKLED])
def test_no_more_than_needed_is_pickled(roomy: Way, name: str) -> None:
    entry = roomy.encoder.encode({**SAMPLES, **PICKLED}[name])
    assert is_form(entry) == (name in SAMPLES)


def test_a_sample_is_a_snapshot(way: Way) -> None:
    large, small = image(), np.zeros(3)
    item = {"large": large, "small": small, "label": 0}
    got = []
    for number in range(4):
        large[:], small[:], item["label"] = number, number, number
        got.append(way.carry(item))
    got[0]["large"][:] = got[0]["small"][:] = 9
    assert [each["large"][0, 0, 0] for each in got] == [9, 1, 2, 3]
    assert [each["small"][0] for each in got] == [9, 1, 2, 3]
    assert [each["label"] for each in got] == [0, 1, 2, 3]


def test_an_array_at_two_places_arrives_as_one(way: Way) -> None:
    array = image()
    for item in ([array, array], {"a": array, "b": 1, "c": array}):
        first, *_, last = parts(way.carry(item))
        assert first is last
    first, last = way.carry((array, array[:]))
    first[:] = 7
    assert not (last == 7).all()


def test_reducers_of_the_user_are_heard(roomy: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    item = {"image": image(), "weight": np.float32(2.5)}
    assert is_form(roomy.encoder.encode(item))
    register.register_reducer(np.float32, lambda number: (float, (float(number) + 1,)))
    try:
        assert roomy.carry(item)["weight"] == 3.5
    finally:
        del reducers.of_users[np.float32]
        roomy.encoder._table.pop(np.float32)
    assert roomy.carry(item)["weight"] == 2.5
    with monkeypatch.context() as patch:
        patch.setitem(
            copyreg.dispatch_table, np.float32, lambda number: (float, (float(number) + 2,))
        )
        assert roomy.carry(item)["weight"] == 4.5
    monkeypatch.setitem(copyreg.dispatch_table, np.ndarray, lambda array: (list, ((array.size,),)))
    assert roomy.carry(item)["image"] == [image().size]


def take_apart_while_it_gets(roomy: Way, item: dict[str, Any], value: Any) -> Any:
    code = roomy.encoder._samples.take_apart.__code__

    def change(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code is code and event == "line" and frame.f_lineno > code.co_firstlineno + 5:
            item[f"after line {frame.f_lineno}"] = value
        return change

    before = sys.gettrace()
    sys.settrace(change)
    try:
        return roomy.encoder._samples.take_apart(item)
    finally:
        sys.settrace(before)


def test_a_dictionary_that_gets_a_value_of_another_type_meanwhile_is_pickled(roomy: Way) -> None:
    item: dict[str, Any] = {"image": image(), "a": 1}
    assert take_apart_while_it_gets(roomy, item, Text("b")) is None
    assert len(item) > 2


def test_a_dictionary_that_another_thread_changes_is_told_whole(roomy: Way) -> None:
    item: dict[str, Any] = {"image": image(), "a": 1}
    taken = take_apart_while_it_gets(roomy, item, 2)
    (names, *_), values = taken[0]
    assert len(item) > len(names) + 3
    assert len(names) == len(values)


def test_nothing_of_other_items_is_kept(roomy: Way) -> None:
    class Key:
        pass

    key, value = Key(), type("Value", (), {})
    for item in ({key: image()}, {"image": image(), "value": value()}, (image(), value())):
        with suppress(AttributeError, pickle.PicklingError):  # local classes do not pickle
            roomy.encoder.encode(item)
    known = ref(key), ref(value)
    del key, value, item, Key
    gc.collect()
    assert [each() for each in known] == [None, None]
    assert not roomy.encoder._samples._plans


@pytest.mark.parametrize(
    "item",
    [
        {"image": image(), "text": "ü€😀" * 80},
        {"ü€😀" * 80: image(), "b" * 250: 3},
        [image()] + [np.full((1,) * 8, number) for number in range(63)],
        (image("f8", 200), *[np.full((1,) * 8, number) for number in range(63)]),
        (image(), "a", 2.5, 1 << 62, -(1 << 62), None, True),
        [image()] + [2.5] * 63,
    ],
)
def test_the_bytes_of_a_form_are_counted(way: Way, item: Any) -> None:
    entry: Any = way.encoder.encode(item)
    assert is_form(entry)
    body = len(way.frame(entry).body)
    outside = entry.nbytes - entry.arena_bytes
    assert entry.arena_bytes <= sum(ref.nbytes for ref in entry.refs)
    assert body - 300 <= outside  # a frame has some bytes of its own


def test_no_more_plans_are_kept_than_a_limit(roomy: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farside._payload.reducers.MOST_KEPT", 4)
    for number in range(20):
        assert roomy.carry({f"image {number}": image()}).keys() == {f"image {number}"}
        assert len(roomy.encoder._samples._plans) <= 4


def test_alike_samples_of_a_frame_share_their_layout(roomy: Way) -> None:
    items = [{"a long name of an image": image(), "label": number} for number in range(10)]
    ten = roomy.frame(*map(roomy.encoder.encode, items)).body
    assert bytes(ten).count(b"a long name") == 1


@pytest.mark.parametrize("name", [*SAMPLES, *PICKLED])
def test_digests_are_equal_on_both_sides(way: Way, name: str) -> None:
    item = {**SAMPLES, **PICKLED}[name]
    frame = way.frame(way.encoder.encode(item))
    opened = unpack(frame)
    arrived = anchors.of_entry(opened.entries[0], frame.blocks, plain=opened.plain)
    assert arrived in anchors.of_item(item, Encoder(None))
    if name in SAMPLES:
        again = pickle.loads(pickle.dumps(item, 5))
        assert arrived in anchors.of_item(again, Encoder(None))
    assert arrived == anchors.of_input(Encoder(None).encode(item))


def test_digests_differ_where_anything_does() -> None:
    made = [
        {"image": image(), "label": 1},
        {"image": image(), "label": 2},
        {"image": image(), "labels": 1},
        {"label": 1, "image": image()},
        {"image": image() + 1, "label": 1},
        {"image": image().reshape(-1), "label": 1},
        (image(), 1),
        [image(), 1],
        (image(), 1.0),
        (image(), True),
        (image(), np.int64(1)),
        (image(), "1"),
    ]
    digests = [anchors.of_input(Encoder(None).encode(item)) for item in made]
    assert len({*digests}) == len(made)


def test_a_sample_is_comparable() -> None:
    assert anchors.is_comparable((image(), 3), Encoder(None))
    assert not anchors.is_comparable((image("g"), 3), Encoder(None))


def test_where_numpy_may_not_be_imported_the_item_says_so(
    roomy: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = roomy.encoder.encode((image(), 3))
    monkeypatch.setattr(decoder, "_put_together", None)
    monkeypatch.delitem(sys.modules, "farside._payload.samples")
    monkeypatch.delitem(sys.modules, "farside._payload.arrays")
    monkeypatch.setitem(sys.modules, "numpy", None)
    frame = roomy.frame(entry)
    with pytest.raises(ImportError, match="numpy"):
        decoder.decode(unpack(frame).entries[0], frame.blocks)


def test_a_form_that_does_not_fit_is_refused(roomy: Way) -> None:
    form, _, (contents,) = roomy.encoder._samples.take_apart((image(), 3))
    for given in ([], [contents, contents]):
        with pytest.raises(ValueError, match="argument 2 is"):
            samples.put_together(form, given)


def test_small_arrays_share_the_block_of_the_large_one(roomy: Way) -> None:
    entry: Any = roomy.encoder.encode({"image": image(), "box": np.arange(4)})
    assert len(entry.refs) == 1
    assert entry.nbytes >= image().nbytes + 32
    assert image().nbytes > BLOCK_BYTES
