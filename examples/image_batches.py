"""What the workers of `decode_images.py` do: turn image files into batches.

The main script makes the files with `make_images`, so the example needs no data.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

import farside.numpy
from farside import get_worker_info

SIDE = 96  # Width and height of an image in a batch.
ORIGINAL_SIDE = 640  # Of a file.


def make_images(folder: str, count: int) -> list[str]:
    """Make JPEG files that look like nothing in particular, the same ones each time.

    Args:
        folder: Where to put them.
        count: How many.

    Returns:
        Their paths, in order.
    """
    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (16, 16, 3), "uint8")
        image = Image.fromarray(coarse).resize((ORIGINAL_SIDE, ORIGINAL_SIDE))
        path = os.path.join(folder, f"{number:05}.jpg")
        image.save(path, quality=90)
        paths.append(path)
    return paths


def cut(paths: list[str], size: int) -> list[list[str]]:
    """Cut the paths into shards: here, a shard is what makes one batch."""
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def read_batch(paths: list[str]) -> Iterator[Any]:
    """Decode the images of a shard into one batch; flip some of them, as training does.

    Which ones are flipped follows from the seed, the epoch and the shard alone. So every number of
    workers makes the same batches.

    Args:
        paths: The image files.

    Yields:
        One array of the shape (images, `SIDE`, `SIDE`, 3).
    """
    info = get_worker_info()
    rng = random.Random(info.shard_seed if info else 0)  # noqa: S311  no secret
    # It lies in memory that both sides share: nothing is copied on the way to the loop.
    batch = farside.numpy.empty((len(paths), SIDE, SIDE, 3), "uint8")
    for row, path in enumerate(paths):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE)))
        batch[row] = pixels[:, ::-1] if rng.random() < 0.5 else pixels  # noqa: PLR2004  a half
    yield batch
