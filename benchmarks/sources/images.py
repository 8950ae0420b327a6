"""Batches of pixels, each decoded from a list of JPEG files: work that several workers share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .base import Source, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = 500
BATCH = 25
SIDE = 128
_PICTURES = 20
"""How many are different; making more of them would only take time."""
_STEP = 12
"""The difference between the shades of a corner, by which a picture is known again."""


def read_batch(paths: list[str]) -> Any:
    """Make an item: decode, scale, crop and flip each picture."""
    import numpy as np
    from PIL import Image

    batch: Any = np.empty((len(paths), SIDE, SIDE, 3), "uint8")
    for row, path in enumerate(paths):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize((SIDE + 32, SIDE + 32)))
        batch[row] = pixels[16 : SIDE + 16, SIDE + 15 : 15 : -1]
    return batch


class JpegBatches(Source):
    """All files again and again; `make_files` makes them first."""

    nbytes = BATCH * SIDE * SIDE * 3
    direct = staticmethod(read_batch)

    def __init__(self, length: int | None = None, folder: str = "") -> None:
        super().__init__(length)
        self.folder = folder

    def make_files(self, folder: str) -> None:
        """Write the pictures into a folder, from which the items are then read."""
        import numpy as np
        from PIL import Image

        self.folder = folder
        for number in range(_PICTURES):
            colors = np.random.default_rng(number).integers(0, 256, (20, 20, 3), "uint8")
            image = Image.fromarray(colors).resize((500, 375))
            image.paste((number * _STEP,) * 3, (0, 0, 100, 100))
            image.save(self._path(number), quality=90)
        for index in range(_PICTURES, FILES):
            with open(self._path(index % _PICTURES), "rb") as file:
                content = file.read()
            with open(self._path(index), "wb") as file:
                file.write(content)

    def _path(self, index: int) -> str:
        return os.path.join(self.folder, f"{index % FILES:03}.jpg")

    def _paths(self, index: int) -> list[str]:
        return [self._path(each) for each in range(index * BATCH, (index + 1) * BATCH)]

    def inputs(self) -> Iterator[list[str]]:
        """Return the paths of each batch."""
        return map(self._paths, self.indices())

    def item(self, index: int) -> Any:
        """Decode a batch."""
        return read_batch(self._paths(index))

    def check(self, item: Any, index: int) -> None:
        """Compare the size, and the first and the last picture."""
        expect(f"shape of item {index}", tuple(item.shape), (BATCH, SIDE, SIDE, 3))
        for row in (0, BATCH - 1):
            shade = int(item[row, 0, SIDE - 1, 0])
            picture = round(shade / _STEP)
            expect(f"row {row} of item {index}", picture, (index * BATCH + row) % _PICTURES)

    def verify(self, item: Any, index: int) -> None:
        """Decode it here too, and compare all."""
        self.check(item, index)
        expect(f"item {index}", bool((item == self.item(index)).all()), True)
