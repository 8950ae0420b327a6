"""Tar shards to batches of samples: ``python examples/shards_to_batches.py``.

It needs nothing, and writes its own shards, in the layout of WebDataset: the files of a sample
share a name. What to measure: samples a second. It is bound by Python's reading of tar headers,
which holds the GIL: in a worker, that costs the main thread nothing.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beside import run_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARDS = 4
SAMPLES = 500
BATCH = 50


class Batches:
    """Reads shards one after the other; each batch is a list of samples."""

    def __init__(self, folder: str) -> None:
        self.paths = sorted(Path(folder).glob("*.tar"))

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        batch: list[dict[str, Any]] = []
        for path in self.paths:
            for sample in read_shard(path):
                batch.append(sample)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch


def read_shard(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the samples of a shard."""
    sample: dict[str, Any] = {}
    with tarfile.open(path) as shard:
        for member in filter(tarfile.TarInfo.isfile, shard):
            folder, slash, base = member.name.rpartition("/")
            stem, _, kind = base.partition(".")
            key = folder + slash + stem
            if sample and sample["key"] != key:
                yield sample
                sample = {}
            file = shard.extractfile(member)
            if file is not None:
                contents = file.read()
                sample["key"] = key
                sample[kind] = json.loads(contents) if kind == "json" else contents
    if sample:
        yield sample


def make_shards(folder: str) -> None:
    """Write what would be there already."""
    for number in range(SHARDS):
        with tarfile.open(Path(folder) / f"{number}.tar", "w") as shard:
            for index in range(SAMPLES):
                for kind, contents in {
                    "bin": bytes(10_000),
                    "json": json.dumps({"label": index % 10}).encode(),
                }.items():
                    info = tarfile.TarInfo(f"{number}-{index:05}.{kind}")
                    info.size = len(contents)
                    shard.addfile(info, io.BytesIO(contents))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make_shards(folder)
        run_beside(partial(Batches, folder), "samples", len)
