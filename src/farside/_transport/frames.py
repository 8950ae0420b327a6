"""The bytes of a frame, and a decoder that takes them as they come. No I/O.

A frame is a header and a body. The header (24 bytes, little-endian) is a magic byte, the kind of
the frame, six bytes kept for later use (they must be 0), the epoch, and the length of the body.
"""

from __future__ import annotations

import struct
from collections import namedtuple

from ..errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableSequence
    from typing import NamedTuple

    class Frame(NamedTuple):
        """One message: its kind, its epoch, and its body."""

        kind: int
        epoch: int
        body: bytes | bytearray

else:
    Frame = namedtuple("Frame", ["kind", "epoch", "body"])

MAGIC = 0xFA
MAX_BODY = 1 << 48
"""Longest body in bytes; more is taken for garbage."""

_HEADER = struct.Struct("<BBHIQQ")
HEADER_SIZE = _HEADER.size

_SCRATCH = 1 << 16
"""Bytes read at once: what a Linux pipe holds by default."""

_OWN_BUFFER = 1 << 13
"""A body of at least so many bytes that is not wholly there gets a buffer of its own, so that
the rest of it is read to where it stays."""

_GROWTH = 1 << 26
"""No more memory than this is taken on the word of a header alone; past it, a buffer doubles as
its bytes arrive. A header made of garbage thus cannot ask for terabytes."""


def header(kind: int, epoch: int, length: int) -> bytes:
    """Make the header of a frame.

    Raises:
        ProtocolError: the body is longer than ``MAX_BODY``.
    """
    if length > MAX_BODY:
        raise ProtocolError(f"a body of {length} bytes is too long for a frame")
    return _HEADER.pack(MAGIC, kind, 0, 0, epoch, length)


class Decoder:
    """Turns bytes into frames, however the bytes are cut.

    The caller fills `buffer` and says how much with `filled`; so large bodies are read straight
    to where they stay.

    Example:
        >>> decoder, frames = Decoder(), []
        >>> for byte in header(7, 1, 2) + b"ab":
        ...     decoder.buffer()[:1] = bytes([byte])
        ...     decoder.filled(1, frames)
        >>> frames
        [Frame(kind=7, epoch=1, body=b'ab')]
    """

    __slots__ = ("_body", "_end", "_got", "_head", "_length", "_scratch", "_view")

    def __init__(self) -> None:
        self._scratch = bytearray(_SCRATCH)
        self._view = memoryview(self._scratch)
        self._end = 0  # bytes in scratch
        self._body: bytearray | None = None  # of the frame that has a buffer of its own
        self._head = (0, 0)  # kind and epoch of that frame
        self._length = 0
        self._got = 0

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._body is not None or self._end > 0

    def buffer(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        if self._body is None:
            return self._view[self._end :]
        return memoryview(self._body)[self._got :]

    def filled(self, count: int, out: MutableSequence[Frame]) -> None:
        """Take in that `count` bytes of `buffer` are filled, and append the frames now complete.

        Raises:
            ProtocolError: the bytes are no frame.
        """
        if self._body is None:
            self._end += count
            self._parse(out)
            return
        self._got += count
        if self._got == self._length:
            out.append(Frame(*self._head, self._body))
            self._body = None
        elif self._got == len(self._body):
            self._body.extend(bytes(min(self._got, self._length - self._got)))

    def _parse(self, out: MutableSequence[Frame]) -> None:
        start, end, view = 0, self._end, self._view
        while end - start >= HEADER_SIZE:
            magic, kind, zero, zeros, epoch, length = _HEADER.unpack_from(view, start)
            if magic != MAGIC or zero or zeros or length > MAX_BODY:
                raise ProtocolError(
                    f"not a frame: {bytes(view[start : start + HEADER_SIZE]).hex()}"
                )
            begin = start + HEADER_SIZE
            if end - begin < length:
                if length >= _OWN_BUFFER:
                    self._own(kind, epoch, length, view[begin:end])
                    end = begin
                    start = begin
                break
            start = begin + length
            out.append(Frame(kind, epoch, bytes(view[begin:start])))
        rest = end - start
        if start and rest:
            self._scratch[:rest] = self._scratch[start:end]
        self._end = rest

    def _own(self, kind: int, epoch: int, length: int, part: memoryview) -> None:
        self._body = bytearray(min(length, max(_GROWTH, len(part))))
        self._got = len(part)
        self._body[: self._got] = part
        self._head = (kind, epoch)
        self._length = length
