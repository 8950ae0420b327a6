"""Pipelines as users write them: what each makes, in a worker or in a plain loop.

Each is a function of a folder and a number of items, and reuses what its library lets it reuse.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIDE = 64


class Pipeline(NamedTuple):
    """One of them.

    Attributes:
        make: yields so many items.
        modules: what has to be installed.
        in_subinterpreters: whether a subinterpreter may be able to run it.
    """

    make: Callable[[Path, int], Iterator[Any]]
    modules: tuple[str, ...]
    in_subinterpreters: bool = False


def numpy(_: Path, count: int) -> Iterator[Any]:
    """Yield one array, filled anew, and crops of it."""
    import numpy as np

    buffer: Any = np.zeros((SIDE, SIDE, 3), "u1")
    for number in range(count):
        buffer[:] = number
        buffer[number % SIDE] = 255
        yield {"image": buffer, "crop": buffer[8:60, 8:60], "flip": buffer[:, ::-1]}


def pandas(folder: Path, count: int) -> Iterator[Any]:
    """Yield chunks of a CSV file."""
    import pandas as pd

    path = folder / "rows.csv"
    numbers = range(50 * count)
    rows = [f"{each},{each / 7},row {each},2024-01-{each % 28 + 1:02}" for each in numbers]
    path.write_text("number,value,name,day\n" + "\n".join(rows))
    yield from pd.read_csv(path, chunksize=50, parse_dates=["day"])


def pyarrow(folder: Path, count: int) -> Iterator[Any]:
    """Yield batches of a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    numbers = list(range(100 * count))
    table = pa.table({"number": numbers, "text": [f"text {each}" for each in numbers]})
    parquet.write_table(table, folder / "rows.parquet", row_group_size=300)
    for number, batch in enumerate(parquet.ParquetFile(folder / "rows.parquet").iter_batches(100)):
        yield batch if number % 2 else batch.slice(10, 20)


def polars(folder: Path, count: int) -> Iterator[Any]:
    """Yield groups of a frame, and a column of each."""
    import polars as pl

    path = folder / "rows.csv"
    rows = [f"{each % count},{each}" for each in range(100 * count)]
    path.write_text("group,value\n" + "\n".join(rows))
    frame = pl.read_csv(path)
    for number in range(count):
        part = frame.filter(pl.col("group") == number)
        yield part.with_columns(pl.lit("text").alias("name")), part["value"]


def pillow(folder: Path, count: int) -> Iterator[Any]:
    """Yield pictures of JPEG files, changed in place."""
    from PIL import Image

    canvas = Image.new("RGB", (SIDE, SIDE))
    for number in range(count):
        canvas.paste((number * 5 % 256, 99, 7), (0, 0, number % SIDE, SIDE))
        canvas.save(folder / f"{number}.jpg", quality=90)
        with Image.open(folder / f"{number}.jpg") as opened:
            yield opened.convert("RGB"), opened.convert("L").resize((16, 16)), canvas


def opencv(_: Path, count: int) -> Iterator[Any]:
    """Yield pictures that OpenCV decodes and resizes into one array."""
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    resized: Any = np.empty((32, 32, 3), "u1")
    for number in range(count):
        _, data = cv2.imencode(".png", np.full((SIDE, SIDE, 3), number, "u1"))
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        cv2.resize(image, (32, 32), dst=resized)
        yield {"image": image[:, ::-1], "small": resized, "data": data}


def pyav(folder: Path, count: int) -> Iterator[Any]:
    """Yield frames of a video as arrays."""
    import av
    import numpy as np

    path = str(folder / "video.avi")
    with av.open(path, "w") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuvj420p"
        for number in range(count):
            picture: Any = np.full((SIDE, SIDE, 3), number * 9 % 256, "u1")
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode())
    with av.open(path) as video:
        for frame in video.decode(video=0):
            yield frame.pts, frame.to_ndarray(format="rgb24")


def soundfile(folder: Path, count: int) -> Iterator[Any]:
    """Yield blocks of a WAV file, read into one array."""
    import numpy as np
    import soundfile as sf

    sf.write(folder / "a.wav", np.sin(np.arange(count * 2000) / 50), 8000)
    block = np.empty(2000)
    with sf.SoundFile(folder / "a.wav") as sound:
        for _ in range(count):
            yield sound.read(2000, out=block), sound.samplerate


def h5py(folder: Path, count: int) -> Iterator[Any]:
    """Yield rows of a data set, read into one array."""
    import h5py
    import numpy as np

    with h5py.File(folder / "a.h5", "w") as file:
        file["x"] = np.arange(count * 3000).reshape(count, 3000)
        row: Any = np.empty(3000, "i8")
        for number in range(count):
            file["x"].read_direct(row, np.s_[number])
            yield {"row": row, "part": file["x"][number, ::2]}


def zarr(folder: Path, count: int) -> Iterator[Any]:
    """Yield chunks of an array on disk."""
    import numpy as np
    import zarr

    path = str(folder / "a.zarr")
    stored = zarr.create_array(path, shape=(count, 3000), chunks=(1, 3000), dtype="i4")
    stored[:] = np.arange(count * 3000).reshape(count, 3000)
    for number in range(count):
        yield stored[number]


def lmdb(folder: Path, count: int) -> Iterator[Any]:
    """Yield values of a database, and views of its memory."""
    import lmdb

    with lmdb.open(str(folder / "lmdb"), map_size=1 << 24) as database:
        with database.begin(write=True) as writing:
            for number in range(count):
                writing.put(f"{number:05}".encode(), bytes([number % 256]) * 9000)
        with database.begin(buffers=True) as reading:
            for key, value in reading.cursor():
                yield bytes(key), value


def duckdb(folder: Path, count: int) -> Iterator[Any]:
    """Yield chunks of a query."""
    del folder
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:
        query = "select i, i::varchar as t from range(?) r(i) order by i"
        result = connection.execute(query, [count * 10])
        for _ in range(count):
            yield result.fetchmany(10)


def orjson(_: Path, count: int) -> Iterator[Any]:
    """Yield decoded lines of JSON."""
    import orjson

    for number in range(count):
        yield orjson.loads(orjson.dumps({"id": number, "tags": ["a", "b"] * 20, "text": "é" * 99}))


def msgspec(_: Path, count: int) -> Iterator[Any]:
    """Yield structs."""
    import msgspec

    from tests.real.records import Sample

    decoder = msgspec.msgpack.Decoder(Sample)
    for number in range(count):
        yield decoder.decode(msgspec.msgpack.encode({"id": number, "tags": ["x"] * 50}))


def pydantic(_: Path, count: int) -> Iterator[Any]:
    """Yield models."""
    from tests.real.records import Model

    for number in range(count):
        raw = {"id": str(number), "when": "2024-05-06T07:08:09Z", "scores": [1, "2.5"]}
        yield Model.model_validate(raw)


def tokenizers(_: Path, count: int) -> Iterator[Any]:
    """Yield encodings and their numbers."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    for number in range(count):
        encoding = tokenizer.encode("a b " * number + "c")
        yield encoding.ids, encoding.tokens, encoding.offsets


def datasets(folder: Path, count: int) -> Iterator[Any]:
    """Yield rows of a data set of Hugging Face, and a batch as arrays."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    numbers = list(range(count))
    rows = Dataset.from_dict({"x": numbers, "text": [str(each) for each in numbers]})
    rows.save_to_disk(str(folder / "saved"))
    rows = Dataset.load_from_disk(str(folder / "saved")).with_format("numpy")
    for number in range(count):
        yield rows[number], rows[number : number + 3]["x"]


def webdataset(folder: Path, count: int) -> Iterator[Any]:
    """Yield samples of tar shards."""
    import webdataset as wds

    with wds.TarWriter(str(folder / "shard-0.tar")) as shard:
        for number in range(count):
            key = f"{number:05}"
            shard.write({"__key__": key, "txt": f"text {number}", "json": {"id": number}})
    samples = wds.WebDataset(str(folder / "shard-0.tar"), shardshuffle=False).decode()
    for sample in samples:
        yield sample["__key__"], sample["txt"], sample["json"]


def scipy(_: Path, count: int) -> Iterator[Any]:
    """Yield sparse matrices, of several formats."""
    import numpy as np
    from scipy import sparse

    for number in range(count):
        dense = np.zeros((100, 200))
        dense[:, :: number % 5 + 2] = number + 1
        yield getattr(sparse, ("csr_array", "csc_array", "coo_array")[number % 3])(dense)


def torch(_: Path, count: int) -> Iterator[Any]:
    """Yield one tensor, filled anew, and crops of it."""
    import torch

    torch.set_num_threads(1)
    buffer = torch.empty(3, SIDE, SIDE)
    for number in range(count):
        buffer.fill_(number)
        yield {"image": buffer, "crop": buffer[:, 3:50, 3:50], "label": torch.tensor(number)}


def jax(_: Path, count: int) -> Iterator[Any]:
    """Yield arrays that a compiled function makes."""
    import jax

    step = jax.jit(lambda number: jax.numpy.arange(5000) * number)
    for number in range(count):
        yield step(number)


def plain(_: Path, count: int) -> Iterator[Any]:
    """Yield what Python itself has, so that subinterpreters have something everywhere."""
    buffer = bytearray(9000)
    for number in range(count):
        buffer[:] = json.dumps({"id": number}).encode().ljust(9000)
        yield json.loads(buffer), memoryview(buffer)


PIPELINES: dict[str, Pipeline] = {
    "numpy": Pipeline(numpy, ("numpy",)),
    "pandas": Pipeline(pandas, ("pandas",)),
    "pyarrow": Pipeline(pyarrow, ("pyarrow",)),
    "polars": Pipeline(polars, ("polars",)),
    "pillow": Pipeline(pillow, ("PIL",)),
    "opencv": Pipeline(opencv, ("cv2",)),
    "pyav": Pipeline(pyav, ("av", "numpy")),
    "soundfile": Pipeline(soundfile, ("soundfile", "numpy")),
    "h5py": Pipeline(h5py, ("h5py",)),
    "zarr": Pipeline(zarr, ("zarr",)),
    "lmdb": Pipeline(lmdb, ("lmdb",)),
    "duckdb": Pipeline(duckdb, ("duckdb",)),
    "orjson": Pipeline(orjson, ("orjson",)),
    "msgspec": Pipeline(msgspec, ("msgspec",)),
    "pydantic": Pipeline(pydantic, ("pydantic",)),
    "tokenizers": Pipeline(tokenizers, ("tokenizers",)),
    "datasets": Pipeline(datasets, ("datasets",)),
    "webdataset": Pipeline(webdataset, ("webdataset",)),
    "scipy": Pipeline(scipy, ("scipy.sparse",)),
    "torch": Pipeline(torch, ("torch",)),
    "jax": Pipeline(jax, ("jax",)),
    "plain": Pipeline(plain, (), in_subinterpreters=True),
}
