"""What ``bench`` measures: endless iterables. Workers import it: nothing heavy here."""

from __future__ import annotations

from functools import partial
from itertools import count, repeat
from pickle import PickleBuffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ints = count


def dicts() -> Iterator[dict[str, Any]]:
    """Yield small samples, as of a text."""
    for number in count():
        yield {"id": number, "label": "cat", "weight": 0.5, "tokens": [1, 2, 3, 4]}


def blocks(nbytes: int) -> Iterator[PickleBuffer]:
    """Yield buffers of a size."""
    return repeat(PickleBuffer(bytearray(nbytes)))


blocks_100k, blocks_1m = partial(blocks, 100_000), partial(blocks, 1_000_000)
