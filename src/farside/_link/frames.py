"""The bytes of a frame, and a decoder that takes them as they come. No I/O.

A frame is a header, references to blocks of shared memory, and a body. The header (24 bytes,
little-endian) is a magic byte, the kind of the frame, the number of references (u16), how many
items the frame carries (u32), the epoch, and the length of the body. A reference (16 bytes) is the
slot of a block (16 bits) and its offset in the arena (48 bits), then its length.
"""

from __future__ import annotations

import struct

from .._in_c import partial
from .._named_tuple import NamedTuple
from ..errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence, Sequence
    from typing import Any

    from .._memory.parts import Ref


class Frame(NamedTuple):
    """One message: its kind, its epoch, its body, how many items it carries, and its blocks."""

    kind: int
    epoch: int
    body: bytes | bytearray | memoryview
    items: int = 0
    blocks: Sequence[memoryview] = ()


_frame: Callable[[tuple[int, int, bytes, int, Sequence[memoryview]]], Frame] = partial(
    tuple.__new__, Frame
)
"""Makes a frame without running Python code: at worst, there is one for each small item."""

MAGIC = 0xFA
MAX_BODY = 1 << 48  # longest body in bytes; more is taken for garbage
MAX_REFS = 1024  # blocks that a frame may refer to

_HEADER = struct.Struct("<BBHIQQ")
HEADER_SIZE = _HEADER.size

_REF = struct.Struct("<QQ")
_OFFSET_BITS = 48

_SCRATCH = 1 << 16  # bytes read at once, at first: what a Linux pipe holds by default

_MOST_SCRATCH = 4  # times as much, once reads fill it: each read wakes a writer waiting for room
COMMAND_SCRATCH = 1 << 15
"""Enough for commands: all references of a frame, and a body that needs no buffer of its own."""

_OWN_BUFFER = 1 << 13
"""A body of at least so many bytes that has not arrived in full gets a buffer of its own, so that
the rest is read straight to where it stays."""

_GROWTH = 1 << 26
"""A header alone makes this side allocate no more than this; beyond it, a buffer doubles as its
bytes arrive. So a header made of garbage cannot ask for terabytes."""

_MOST_GROWTH = 1 << 30  # a buffer never grows by more: macOS reads no more than 2 GiB at once


def header(kind: int, epoch: int, length: int, count: int = 0, refs: Sequence[Ref] = ()) -> bytes:
    """Make what comes before the body of a frame. Raise ProtocolError if the body is too long."""
    if length > MAX_BODY:
        raise ProtocolError(f"a body of {length} bytes is too long for a frame")
    head = _HEADER.pack(MAGIC, kind, len(refs), count, epoch, length)
    if not refs:
        return head
    packed = [_REF.pack(slot << _OFFSET_BITS | offset, nbytes) for slot, offset, nbytes in refs]
    return b"".join((head, *packed))


def _refuse(slot: int, offset: int, nbytes: int) -> memoryview:
    raise ProtocolError(f"an unexpected block: slot {slot}, {nbytes} bytes at {offset}")


class Decoder:
    """Turns bytes into frames, wherever reads have cut the stream.

    The caller reads into `buffer`, and passes the number of bytes to `filled`, so large bodies are
    read straight to where they stay. `lend` returns the memory of a block, given its slot, offset
    and length. The blocks of a frame may have `arena_bytes` in all. `scratch` is how many bytes to
    read at once; it has to hold a header with all its references, and `_OWN_BUFFER`.
    """

    __slots__ = (
        "_arena_bytes", "_begun", "_end", "_got", "_lend", "_length", "_most", "_scratch", "_view",
    )  # fmt: skip

    def __init__(
        self,
        lend: Callable[[int, int, int], memoryview] = _refuse,
        arena_bytes: int = 0,
        *,
        scratch: int = _SCRATCH,
    ) -> None:
        self._lend = lend
        self._arena_bytes = arena_bytes
        self._scratch = bytearray(scratch)
        self._most = _MOST_SCRATCH * scratch
        self._view = memoryview(self._scratch)
        self._end = 0  # bytes in scratch
        self._begun: Frame | None = None  # the frame whose body has a buffer of its own
        self._length = 0  # of that body
        self._got = 0

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._begun is not None or self._end > 0

    def buffer(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        if self._begun is None:
            return self._view[self._end :]
        return memoryview(self._begun.body)[self._got :]

    def close(self) -> None:
        """Release all memory. The decoder is not used any more."""
        self._lend = _refuse
        self._begun = None
        self._view = memoryview(b"")
        self._scratch = bytearray()

    def filled(self, count: int, out: MutableSequence[Frame]) -> None:
        """Decode `count` bytes that were read into `buffer`; append the frames now complete."""
        if self._begun is None:
            self._end += count
            full = self._end == len(self._scratch)
            self._parse(out)
            if full and len(self._scratch) < self._most:  # twice as much at once from now on
                self._scratch = self._scratch + bytes(len(self._scratch))
                self._view = memoryview(self._scratch)
            return
        self._got += count
        body: Any = self._begun.body
        if self._got == self._length:
            out.append(self._begun)
            self._begun = None
        elif self._got == len(body):
            body.extend(bytes(min(self._got, self._length - self._got, _MOST_GROWTH)))

    def _parse(self, out: MutableSequence[Frame]) -> None:
        start, end, view = 0, self._end, self._view
        while end - start >= HEADER_SIZE:
            magic, kind, refs, items, epoch, length = _HEADER.unpack_from(view, start)
            if magic != MAGIC or refs > MAX_REFS or length > MAX_BODY:
                raise ProtocolError(
                    f"not a frame: {bytes(view[start : start + HEADER_SIZE]).hex()}"
                )
            begin = start + HEADER_SIZE + refs * _REF.size
            if end - begin < length:
                if length >= _OWN_BUFFER and begin <= end:
                    blocks = self._blocks(view[start + HEADER_SIZE : begin]) if refs else ()
                    part = view[begin:end]
                    body = bytearray(min(length, max(_GROWTH, len(part))))
                    body[: len(part)] = part
                    self._length, self._got = length, len(part)
                    self._begun = Frame(kind, epoch, body, items, blocks)
                    start = end
                break
            blocks = self._blocks(view[start + HEADER_SIZE : begin]) if refs else ()
            start = begin + length
            whole = bytes(view[begin:start]) if length else b""
            out.append(_frame((kind, epoch, whole, items, blocks)))
        rest = end - start
        if start and rest:
            self._scratch[:rest] = self._scratch[start:end]
        self._end = rest

    def _blocks(self, refs: memoryview) -> list[memoryview]:
        mask = (1 << _OFFSET_BITS) - 1
        room = self._arena_bytes
        blocks = []
        for where, nbytes in _REF.iter_unpack(refs):
            blocks.append(self._lend(where >> _OFFSET_BITS, where & mask, nbytes))
            room -= nbytes
            if room < 0:  # the parent may have to copy each
                raise ProtocolError("blocks of a frame that are larger than the arena together")
        return blocks
