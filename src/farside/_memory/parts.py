"""Contents on their way: in parts, and in blocks of shared memory."""

from __future__ import annotations

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol, TypeAlias

    class Store(Protocol):
        """Takes the large contents that cross beside a frame: an `Arena`, or what replaces it."""

        allocations: Any  # the memory that user code was given; None before the first
        lends: bool  # whether contents stay where the item has them, until it is sent

        def store(self, parts: Sequence[Part], nbytes: int) -> Ref | None:
            """Find a place for contents of so many bytes; None: there is none.

            A memoryview has the format of bytes. It may lie in memory that user code was given.
            """

        def free(self, ref: Ref) -> None:
            """Take back what is not sent."""

        def settle(self) -> None:
            """Get ready for a status: items are not sent at this moment."""


BLOCK_BYTES = 1 << 13  # from here on to the arena: below, two copies through a pipe cost less

Part: TypeAlias = "bytes | memoryview"


class Ref(NamedTuple):
    """Where a block of shared memory lies: its slot, its offset in the arena, its length."""

    slot: int
    offset: int
    nbytes: int


def size(parts: Sequence[Part]) -> int:
    nbytes = 0
    for part in parts:  # a generator would cost more than all of this, where there are one or two
        nbytes += part.nbytes if type(part) is memoryview else len(part)
    return nbytes
