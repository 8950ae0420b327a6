"""Makes one item of each kind that the libraries have, of about so many bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

Make = Callable[[int], Any]


class Payload(NamedTuple):
    """A kind of item."""

    library: str
    """What has to be installed: a module."""
    name: str
    make: Make
    """Makes an item of about so many bytes."""


def _array(nbytes: int) -> Any:
    import numpy as np

    return np.random.default_rng(1).integers(0, 256, nbytes, "u1")


def _side(nbytes: int) -> int:
    """Return how wide a square picture is that has three bytes for a pixel."""
    return int((nbytes / 3) ** 0.5)


def _image(nbytes: int) -> Any:
    side = _side(nbytes)
    return _array(side * side * 3).reshape(side, side, 3)


def _crop(nbytes: int) -> Any:
    image = _image(nbytes * 2)
    side = _side(nbytes)
    return image[10 : 10 + side, 10 : 10 + side]


def _flip(nbytes: int) -> Any:
    return _image(nbytes)[:, ::-1]


def _batch(nbytes: int) -> Any:
    return {"image": _crop(nbytes * 9 // 10), "features": _array(nbytes // 10), "label": 3}


def _dates(nbytes: int) -> Any:
    return _array(nbytes).view("M8[ns]")


def _masked(nbytes: int) -> Any:
    import numpy as np

    ma: Any = np.ma
    numbers = _array(nbytes * 8 // 72 * 8).view("i8")
    return ma.masked_array(numbers, numbers % 2 == 0)


def _columns(nbytes: int) -> dict[str, Any]:
    rows = nbytes // 28
    return {
        "number": _array(rows * 8).view("i8"),
        "value": _array(rows * 8).view("i8") / 3.0,
        "name": [f"row {number:06}" for number in range(rows)],
    }


def _pandas(nbytes: int) -> Any:
    import pandas as pd

    return pd.DataFrame(_columns(nbytes))


def _arrow(nbytes: int) -> Any:
    import pyarrow as pa

    return pa.table(_columns(nbytes))


def _arrow_slice(nbytes: int) -> Any:
    table = _arrow(nbytes * 4)
    return table.slice(table.num_rows // 2, table.num_rows // 4)


def _polars(nbytes: int) -> Any:
    import polars as pl

    return pl.DataFrame(_columns(nbytes))


def _polars_series(nbytes: int) -> Any:
    import polars as pl

    return pl.Series("number", _array(nbytes).view("i8"))


def _pillow(mode: str, nbytes: int) -> Any:
    from PIL import Image

    return Image.fromarray(_image(nbytes)).convert(mode)


def _pillow_gray(nbytes: int) -> Any:
    return _pillow("L", nbytes * 3)


def _sparse(nbytes: int) -> Any:
    import scipy.sparse as sp

    count = nbytes // 12
    indices = _array(count * 4).view("u4") % 1000
    rows = max(count // 100, 1)
    index_pointer = [min(row * 100, count) for row in range(rows)] + [count]
    return sp.csr_array((_array(count * 8).view("i8"), indices, index_pointer), (rows, 1000))


def _torch(nbytes: int) -> Any:
    import torch

    return torch.from_numpy(_array(nbytes).copy())


def _torch_crop(nbytes: int) -> Any:
    import torch

    return torch.from_numpy(_crop(nbytes))


def _jax(nbytes: int) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(_array(nbytes).view("f4"))


PAYLOADS = [
    Payload("numpy", "array", _array),
    Payload("numpy", "crop of an image", _crop),
    Payload("numpy", "flipped image", _flip),
    Payload("numpy", "dict of a crop and a vector", _batch),
    Payload("numpy", "datetime64", _dates),
    Payload("numpy", "masked array", _masked),
    Payload("pandas", "DataFrame", _pandas),
    Payload("pyarrow", "Table", _arrow),
    Payload("pyarrow", "slice of a Table", _arrow_slice),
    Payload("polars", "DataFrame", _polars),
    Payload("polars", "Series", _polars_series),
    Payload("PIL", "image, RGB", partial(_pillow, "RGB")),
    Payload("PIL", "image, L", _pillow_gray),
    Payload("scipy", "csr_array", _sparse),
    Payload("torch", "tensor", _torch),
    Payload("torch", "crop of an image", _torch_crop),
    Payload("jax", "array", _jax),
]
