"""The forms of contents on their way: parts, and references to blocks of shared memory."""

from __future__ import annotations

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol, TypeAlias

    class Store(Protocol):
        """Takes the large contents that cross beside a frame: an `Arena`, or what replaces it."""

        allocations: Any  # the memory that user code was given; None before the first
        lends: bool  # whether contents stay in the item's own memory until they are sent

        def store(self, parts: Sequence[Part], nbytes: int) -> Ref | None:
            """Store contents of so many bytes; None: there is no room.

            Memoryviews in `parts` have the format of bytes, and may lie in memory that user code
            was given.
            """

        def free(self, ref: Ref) -> None:
            """Take back contents that are not sent after all."""

        def settle(self) -> None:
            """Update what the store tells the parent. Called before a status, between items."""


BLOCK_BYTES = 1 << 13  # least size for the arena: below, two copies through a pipe cost less

Part: TypeAlias = "bytes | memoryview"


class Ref(NamedTuple):
    """Where a block of shared memory lies: its slot, its offset in the arena, its length."""

    slot: int
    offset: int
    nbytes: int


def size(parts: Sequence[Part]) -> int:
    nbytes = 0
    for part in parts:  # with one or two of them, a generator would cost more than all of this
        nbytes += part.nbytes if type(part) is memoryview else len(part)
    return nbytes
