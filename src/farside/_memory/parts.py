"""Contents on their way: in parts, and in blocks of shared memory."""

from __future__ import annotations

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Part: TypeAlias = bytes | memoryview

BLOCK_BYTES = 1 << 13
"""Contents from this size on go to the arena. Below, two copies through a pipe cost less than a
block does."""


class Ref(NamedTuple):
    """Where a block of shared memory lies: its slot, its offset in the arena, its length."""

    slot: int
    offset: int
    nbytes: int


def size(parts: Sequence[Part]) -> int:
    """Return how many bytes there are."""
    nbytes = 0
    for part in parts:  # a generator would cost more than all of this, where there are one or two
        nbytes += part.nbytes if isinstance(part, memoryview) else len(part)
    return nbytes
