"""The forms of contents on their way: parts, and references to blocks of shared memory.

Contents that share one place follow each other there, each at a multiple of `ALIGN` bytes.
"""

from __future__ import annotations

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol, TypeAlias

    class Store(Protocol):
        """Takes the large contents that cross beside a frame: an `Arena`, or what replaces it."""

        allocations: Any  # the memory that user code was given; None before the first
        lends: bool  # whether contents stay in the item's own memory until they are sent

        def store(self, parts: Sequence[Any], nbytes: int) -> Ref | None:
            """Store contents of so many bytes; None: there is no room.

            The parts are bytes, memoryviews and, if the store does not lend, scattered contents.

            Memoryviews in `parts` have the format of bytes, and may lie in memory that user code
            was given.
            """

        def free(self, ref: Ref) -> None:
            """Take back contents that are not sent after all."""

        def settle(self) -> None:
            """Update what the store tells the parent. Called before a status, between items."""


BLOCK_BYTES = 1 << 13  # least size for the arena: below, two copies through a pipe cost less

ALIGN = 64  # bytes: enough for any type of data, and for vector instructions

SHARED_BYTES = 1 << 18
"""How many bytes of inputs share a block, at most, unless there are very many. A block costs both
sides as much as copying some 50 kB. A worker that keeps one of the inputs keeps the block."""

_MOST_RUNS = 256  # at most twice as many: two neighbouring runs have more bytes than one may have

_PADS = bytes(ALIGN)

Part: TypeAlias = "bytes | memoryview"


class Ref(NamedTuple):
    """Where a block of shared memory lies: its slot, its offset in the arena, its length."""

    slot: int
    offset: int
    nbytes: int


class Scattered:
    """Contents with gaps between them: they are copied in order to where they are to lie."""

    __slots__ = ("_nbytes", "copy_to")
    readonly = False  # what is copied can be written to

    def __init__(self, nbytes: int, copy_to: Callable[[memoryview], object]) -> None:
        self._nbytes = nbytes
        self.copy_to = copy_to

    def __len__(self) -> int:
        return self._nbytes

    def in_order(self) -> bytearray:
        """Return a copy in new memory."""
        memory = bytearray(self._nbytes)
        self.copy_to(memoryview(memory))
        return memory


def joined(parts: Sequence[Any]) -> bytearray:
    """Copy parts into new memory."""
    return bytearray().join([p.in_order() if type(p) is Scattered else p for p in parts])


def size(parts: Sequence[Part | Scattered]) -> int:
    nbytes = 0
    for part in parts:  # with one or two of them, a generator would cost more than all of this
        nbytes += part.nbytes if type(part) is memoryview else len(part)
    return nbytes


def together(views: Sequence[Any]) -> tuple[list[Any], int]:
    """Return the parts of contents that share a place, and how many bytes they have."""
    parts: list[Any] = []
    nbytes = pad = 0
    for view in views:
        if pad:
            parts.append(_PADS[:pad])
        parts.append(view)
        nbytes += pad + len(view)
        pad = -nbytes % ALIGN
    return parts, nbytes


def runs(sizes: Sequence[int]) -> list[slice]:
    """Return which contents of these sizes share a block: neighbours, up to `SHARED_BYTES`.

    A frame can refer to so many blocks only, so many contents share larger ones.
    """
    most = max(SHARED_BYTES, sum(sizes) // _MOST_RUNS)
    found: list[slice] = []
    begin = nbytes = 0
    for number, length in enumerate(sizes):
        if nbytes + length > most and number > begin:
            found.append(slice(begin, number))
            begin, nbytes = number, 0
        nbytes += length
    found.append(slice(begin, len(sizes)))
    return found


def parts_of(contents: Any, sizes: Sequence[int]) -> list[memoryview]:
    """Return views of contents that share a place, as `together` has put them there."""
    whole = memoryview(contents)
    position, parts = 0, []
    for length in sizes:
        end = position + length
        if not position <= end <= whole.nbytes:
            raise ValueError(f"no {length} bytes at {position} of {whole.nbytes}")
        parts.append(whole[position:end])
        position = end + -end % ALIGN
    return parts
