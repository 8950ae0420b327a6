"""A Parquet file to batches of columns: ``python examples/parquet_to_batches.py``.

It needs pyarrow, and writes its own file. What to measure: rows a second. Arrow decodes in threads
that let go of the GIL, so here a worker helps most where Python handles rows: filters that Arrow
lacks, texts to numbers. Batches cross as Arrow's memory; a small slice sends what it shows.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beside import run_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 200_000
BATCH = 10_000


class Batches:
    """Reads some columns, and adds one that takes Python."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import parquet

        for batch in parquet.ParquetFile(self.path).iter_batches(BATCH, columns=["id", "text"]):
            words = [len(text.split()) for text in batch.column("text").to_pylist()]
            yield batch.append_column("words", pa.array(words))


def make_file(path: str) -> None:
    """Write what would be there already."""
    import pyarrow as pa
    from pyarrow import parquet

    texts = [f"row {number} of {'some ' * (number % 7)}text" for number in range(ROWS)]
    parquet.write_table(pa.table({"id": list(range(ROWS)), "text": texts}), path)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.parquet")
        make_file(path)
        run_beside(partial(Batches, path), "rows", lambda batch: int(batch.num_rows))
