"""Iterable data sets of Hugging Face, with their own states, as shards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARDS, ITEMS = 3, 60


def whole() -> Any:
    """Return the data set, as it is streamed."""
    import datasets  # in the worker alone: its threads do not survive a fork

    table = datasets.Dataset.from_dict({"number": list(range(ITEMS))})
    return table.to_iterable_dataset(num_shards=SHARDS)


def _square(row: dict[str, int]) -> dict[str, int]:
    time.sleep(0.004)
    return {"square": row["number"] ** 2}


def read(log: str, shard: int) -> Any:
    """Return a shard, which notes what is made of it."""
    part = whole().shard(num_shards=SHARDS, index=shard)

    def note(row: dict[str, int]) -> dict[str, int]:
        with open(log, "a") as file:
            file.write(f"{row['number']}\n")
        return _square(row)

    return part.map(note)


def shuffled(shard: int) -> Any:
    """Return a shard with a buffer that is shuffled: its state does not tell what is in there."""
    part = whole().shard(num_shards=SHARDS, index=shard)
    return part.map(_square).shuffle(seed=1, buffer_size=8)


def shuffled_without_state(shard: int) -> Iterator[Any]:
    yield from shuffled(shard)
