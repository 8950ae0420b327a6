"""Pillow: images of every mode cross with what they carry, pixels out of band where that helps."""

from __future__ import annotations

import io
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import iterate_in_worker
from farside._payload import images
from farside._payload.encoder import Encoder
from farside._payload.items import Stored

Image: Any = pytest.importorskip("PIL.Image")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind
    from tests.payload.ways import Way

MODES = [
    "1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I", "F",
    "I;16", "La", "RGBa",
]  # fmt: skip
SIZES = [(317, 211), (1, 1), (33, 2), (4001, 3)]


def image(mode: str, size: tuple[int, int] = SIZES[0], start: int = 0) -> Any:
    made = Image.new(mode, size)
    count = len(made.tobytes())
    made.frombytes(bytes((start + number * 7) % 251 for number in range(count)))
    if mode == "P":
        made.putpalette([number % 256 for number in range(768)])
    made.info = {"dpi": (72, 72), "note": "kept"}
    return made


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_every_mode(way: Way, mode: str, size: tuple[int, int]) -> None:
    sent = image(mode, size)
    for got in (way.carry(sent), way.carry({"image": sent})["image"]):
        assert type(got) is Image.Image
        assert (got.mode, got.size, got.info) == (sent.mode, sent.size, sent.info)
        assert got.getpalette() == sent.getpalette()
        assert got.tobytes() == sent.tobytes()
        assert got == pickle.loads(pickle.dumps(sent))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
def test_images_on_foreign_memory(way: Way, mode: str) -> None:
    """Pillow before 13 crashes if it is asked where their pixels are."""
    sent = Image.frombuffer(mode, (512, 16), bytes(512 * 16 * len(mode)), "raw", mode, 0, 1)
    got = way.carry(sent)
    assert got.tobytes() == sent.tobytes()
    assert way.carry(got).tobytes() == sent.tobytes()
    assert way.carry(got.copy()).tobytes() == sent.tobytes()


def test_images_with_gaps_between_rows(way: Way) -> None:
    before = Image.core.get_alignment()
    Image.core.set_alignment(64)
    try:
        sent = image("L", (33, 300))
        assert way.carry(sent).tobytes() == sent.tobytes()
    finally:
        Image.core.set_alignment(before)


@pytest.mark.parametrize("mode", sorted(images._BYTES))
def test_pixels_are_kept_out_of_the_stream(mode: str) -> None:
    if not hasattr(Image.Image, "__arrow_c_array__"):
        return  # before Pillow 11.3
    entry = Encoder(None).encode(image(mode))
    assert isinstance(entry, Stored)
    assert len(entry.places[0]) < 1000
    assert len(entry.places) == 2


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "I;16"])
def test_what_arrives_can_be_drawn_on_and_is_its_own(way: Way, mode: str) -> None:
    sent = image(mode)
    got, other = way.carry(sent), way.carry(sent)
    value = sent.getpixel((5, 5))
    black = 0 if isinstance(value, (int, float)) else (0,) * len(value)
    got.load()[0, 0] = black
    got.putpixel((1, 0), black)
    got.paste(black, (2, 0, 3, 1))
    assert [got.getpixel((x, 0)) for x in range(3)] == [black] * 3
    assert other == sent
    assert got.resize((50, 40)).size == (50, 40)
    kept = got.copy()
    del got
    assert kept.getpixel((1, 0)) == black


def test_images_without_pixels(way: Way) -> None:
    got = way.carry(Image.new("RGB", (0, 5)))
    assert (got.size, got.mode) == ((0, 5), "RGB")


def test_an_image_in_several_pieces(way: Way) -> None:
    sent = Image.new("L", (5000, 5000), 7)
    got = way.carry(sent)
    assert got.size == sent.size
    assert got.getextrema() == (7, 7)


def test_a_file_that_is_not_read_yet(way: Way) -> None:
    file = io.BytesIO()
    image("L").save(file, "PNG")
    sent = Image.open(io.BytesIO(file.getvalue()))
    got = way.carry(sent)
    assert got.size == sent.size
    assert got.tobytes() == image("L").tobytes()
    assert way.carry(sent.convert("RGB")) == sent.convert("RGB")


def test_crops_are_snapshots(way: Way) -> None:
    canvas = image("RGB")
    got = []
    for number in range(3):
        canvas.paste((number,) * 3, (0, 0, 100, 100))
        got.append(way.carry(canvas.crop((0, 0, 90, 90))))
        got.append(way.carry(canvas))
    assert [each.getpixel((0, 0))[0] for each in got] == [0, 0, 1, 1, 2, 2]


def pictures(count: int) -> Iterator[Any]:
    for number in range(count):
        yield image("RGB", start=number), image("L", start=number)


def test_images_of_a_worker(kind: Kind) -> None:
    if kind.name == "subinterpreter":
        return  # Pillow does not load there
    with kind.start(partial(pictures, 5)) as items:
        assert list(items) == list(pictures(5))


def test_arrow_gets_the_pixels_of_an_image_on_foreign_memory() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    with iterate_in_worker(gray, backend="subprocess") as images:
        for image in images:
            assert set(pyarrow.array(image).to_pylist()) == {7}


def gray() -> Iterator[Image.Image]:
    yield Image.new("L", (300, 200), 7)
