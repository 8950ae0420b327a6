"""Iterable data sets of Hugging Face, with their own states, as shards."""

from __future__ import annotations

import sys
import time
from typing import Any

SHARDS, ITEMS = 3, 60


def whole() -> Any:
    """Return the data set, as it is streamed."""
    import datasets  # in the worker alone: its threads do not survive a fork

    table = datasets.Dataset.from_dict({"number": list(range(ITEMS))})
    return table.to_iterable_dataset(num_shards=SHARDS)


def _square(row: dict[str, int]) -> dict[str, int]:
    time.sleep(0.004)
    return {"square": row["number"] ** 2}


def _part(shard: int) -> Any:
    """Return a shard; where PyTorch is installed, the data set asks it for its part."""
    rows = whole()
    return rows if "torch" in sys.modules else rows.shard(num_shards=SHARDS, index=shard)


def read(log: str, shard: int) -> Any:
    """Return a shard, which notes what is made of it."""

    def note(row: dict[str, int]) -> dict[str, int]:
        with open(log, "a") as file:
            file.write(f"{row['number']}\n")
        return _square(row)

    return _part(shard).map(note)


def shuffled(shard: int) -> Any:
    """Return a shard with a buffer that is shuffled: its state does not tell what is in there."""
    return _part(shard).map(_square).shuffle(seed=1, buffer_size=8)


def slowly(row: dict[str, int]) -> dict[str, int]:
    time.sleep(0.01)
    return row


def numbers(rows: list[dict[str, int]]) -> list[int]:
    return [row["number"] for row in rows]
