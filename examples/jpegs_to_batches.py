"""A folder of JPEG files to batches of pixels: ``python examples/jpegs_to_batches.py``.

It needs NumPy and Pillow, and makes its own pictures. What to measure: images a second, and the
processor time of the main thread, which only takes batches when a worker decodes. It is bound by
decoding, so one worker gives what one core gives: take several, each with its own part of the
files, until the loop does not wait any more (``stats()`` tells).
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beside import run_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = 200
BATCH = 25
SIDE = 128


class Batches:
    """Decodes, crops and flips; each batch is one array."""

    def __init__(self, folder: str) -> None:
        self.paths = sorted(Path(folder).glob("*.jpg"))

    def __iter__(self) -> Iterator[Any]:
        import numpy as np
        from PIL import Image

        for start in range(0, len(self.paths), BATCH):
            paths = self.paths[start : start + BATCH]
            batch: Any = np.empty((len(paths), SIDE, SIDE, 3), "uint8")
            for index, path in enumerate(paths):
                with Image.open(path) as image:
                    pixels = np.asarray(image.convert("RGB").resize((SIDE + 32, SIDE + 32)))
                batch[index] = pixels[16 : SIDE + 16, SIDE + 15 : 15 : -1]
            yield batch


def make_pictures(folder: str) -> None:
    """Write what would be there already."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(1)
    for number in range(FILES):
        colors = random.integers(0, 256, (20, 20, 3), "uint8")
        image = Image.fromarray(colors).resize((500, 375))
        image.save(Path(folder) / f"{number:04}.jpg", quality=90)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(folder)
        run_beside(partial(Batches, folder), "images", len)
