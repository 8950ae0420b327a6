"""Arrays that pickle would copy into its stream arrive equal, and out of band."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside._memory import allocate
from farside._payload import arrays
from farside._payload.encoder import Encoder
from farside._payload.items import Stored
from tests.payload.ways import Way

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 400


def image(dtype: str = "u1", channels: int = 3, side: int = SIDE) -> Any:
    count = side * side * channels
    return (np.arange(count) % 251).astype(dtype).reshape(side, side, channels)


def dates(dtype: str) -> Any:
    return np.arange(20_000).astype("i8").astype(dtype)


ARRAYS: dict[str, Any] = {
    "crop": image()[10:200, 20:300],
    "crop, large": image(side=1000)[10:900, 20:900],
    "flip": image()[:, ::-1],
    "flip, large": image(side=1000)[:, ::-1],
    "flip of one channel": image(channels=1)[:, ::-1],
    "flip of wide pixels": image("f8")[::-1, ::-1],
    "one channel of three": image()[..., 1],
    "channels reversed": image()[..., ::-1],
    "channels first": image().transpose(2, 0, 1),
    "dates, channels first": dates("M8[s]").reshape(20, 500, 2).transpose(2, 0, 1),
    "Fortran": np.asfortranarray(image()[:, :, 0]),
    "every second": np.arange(100_000)[::2],
    "expanded": np.broadcast_to(np.arange(100), (500, 100)),
    "big-endian crop": image(">f4")[10:200],
    "complex": image("c16")[:, ::-1],
    "texts": np.array([f"text {number}" for number in range(9000)]).reshape(90, 100)[:, ::-1],
    "dates": dates("M8[ns]"),
    "dates, big-endian": dates(">M8[s]"),
    "dates, backwards": dates("M8[D]")[::-1],
    "dates, in columns": dates("M8[D]").reshape(100, 200).T,
    "dates, transposed and cut": dates("M8[D]").reshape(100, 200).T[5:, 3:],
    "spans": dates("m8[us]"),
    "no unit": dates("m8"),
    "dates, none": dates("M8[s]")[:0],
    "one date": np.array("2026-01-02", "M8[D]"),
    "no pixels": image()[5:5, ::-1],
    "structured": np.zeros((90, 90), [("a", "i4"), ("b", "f8")])[:, ::-1],
    "objects": np.array([[1, "a"], [None, 2.5]] * 5000, object)[:, ::-1],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_what_arrives_is_as_after_a_pickle(way: Way, name: str) -> None:
    array = ARRAYS[name]
    expected = pickle.loads(pickle.dumps(array, 5))
    for got in (way.carry(array), way.carry({"array": array})["array"]):
        assert type(got) is np.ndarray
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
        assert got.strides == (array if "channels first" in name else expected).strides
        assert got.flags.writeable
        assert np.array_equal(got, array)


@pytest.mark.parametrize(
    "name", [name for name in ARRAYS if name not in {"structured", "objects", "one date"}]
)
def test_it_is_kept_out_of_the_stream(name: str) -> None:
    entry = Encoder(None).encode([[ARRAYS[name]]])  # a list in a list is no sample
    stream = entry.places[0] if isinstance(entry, Stored) else entry
    assert isinstance(stream, bytes)
    assert len(stream) < 1000


@pytest.mark.parametrize("side", [60, 200])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", "c16", "S5"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7, 20])
def test_pixels_of_any_size_are_put_in_order(dtype: str, channels: int, side: int) -> None:
    pixels = image(dtype, channels, side)
    flipped, reversed_channels = pixels[:, ::-1], pixels[..., ::-1]
    parts = pixels[::2, 1::3], pixels[::-1, 5:9], pixels[3, ::-1], pixels.transpose(2, 0, 1)[:, 5:]
    for array in (flipped, reversed_channels, *parts):
        got = arrays.in_order(array)
        assert got.flags.c_contiguous
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
        assert np.array_equal(got, array)


def test_a_large_copy_is_made_where_it_crosses(monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way(1 << 24)
    assert way.blocks is not None
    monkeypatch.setattr(allocate, "_arena", way.blocks.arena)
    for name in ("crop, large", "flip, large"):
        assert way.blocks.arena.allocations is None or not way.blocks.arena.allocations._held
        entry = way.encoder.encode(ARRAYS[name])
        (ref,) = entry.refs  # type: ignore[union-attr]
        assert bytes(way.blocks.view(ref)) == ARRAYS[name].tobytes()
        way.encoder.discard(entry)  # type: ignore[arg-type]
        way.blocks.arena.settle()
    way.close()


def test_snapshots(way: Way) -> None:
    array = image()
    got = []
    for number in range(3):
        array[:] = number
        got.append(way.carry(array[:, ::-1]))
    got[0][:] = 9
    assert [each[0, 0, 0] for each in got] == [9, 1, 2]


def test_the_same_array_twice_is_one(way: Way) -> None:
    crop = ARRAYS["crop"]
    got = way.carry([crop, crop])
    assert got[0] is got[1]


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_memory_maps(way: Way, tmp_path: Path, mode: Any) -> None:
    np.save(tmp_path / "a.npy", image())
    sent = np.load(tmp_path / "a.npy", mmap_mode=mode)
    for part in (sent, sent[10:200, ::-1], sent[5:300]):
        for got in (way.carry(part), way.carry([part])[0]):
            assert type(got) is np.memmap
            assert np.array_equal(got, part)


def test_a_memory_map_leaves_its_stream_short(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", image())
    entry = Encoder(None).encode(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert isinstance(entry, Stored)
    assert len(entry.places[0]) < 1000


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_all_may_be_copied_to_where_they_cross(
    way: Way, array: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_LARGE", 0)
    got = way.carry([array])[0]
    assert got.dtype == array.dtype
    assert np.array_equal(got, array)
