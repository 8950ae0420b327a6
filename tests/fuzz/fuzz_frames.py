"""Hostile bytes for the decoder of frames.

Run ``python tests/fuzz/fuzz_frames.py -max_total_time=600``.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

from tests.fuzz.source import Source, fuzz

if TYPE_CHECKING:
    from farside._link.frames import Frame
    from farside._memory.parts import Ref

_HEADER = struct.Struct("<BBHIQQ")
_GROWTH = 1 << 17


class Lender:
    """Lends nothing, and notes what for."""

    def __init__(self) -> None:
        self.refs: list[Ref] = []

    def __call__(self, slot: int, offset: int, nbytes: int) -> memoryview:
        from farside._memory.parts import Ref

        assert 0 <= slot < 1 << 16
        assert 0 <= offset < 1 << 48
        self.refs.append(Ref(slot, offset, nbytes))
        return memoryview(b"")


def piece(source: Source) -> bytes:
    """Return a frame, or what looks like one, or no frame at all."""
    magic = source.choice([0xFA] * 15 + [0])
    refs = source.choice([0, 0, 1, source.edge(11)])
    length = source.choice([source.edge(17), source.number(100), source.edge(64)])
    head = _HEADER.pack(magic, source.number(255), refs, source.edge(32), source.edge(64), length)
    body = source.choice([length, length, source.edge(17)])
    return head + bytes(source.take(16 * min(refs, 2000))) + source.take(8).ljust(body % (1 << 18))


def check(source: Source) -> None:
    """Check that bytes give their frames or a ProtocolError, and take little memory."""
    from farside._link import frames
    from farside.errors import ProtocolError

    frames._GROWTH = _GROWTH
    stream = b"".join(piece(source) for _ in range(1 + source.number(5)))
    lender, out = Lender(), deque[frames.Frame]()
    decoder = frames.Decoder(lender, 1 << 62)
    at = 0
    while at < len(stream):
        with decoder.buffer() as room:
            assert 0 < len(room) <= max(_GROWTH, frames._SCRATCH, at), "memory out of proportion"
            cut = 1 + source.edge(17) if source else len(stream)
            count = min(len(room), len(stream) - at, cut)
            room[:count] = stream[at : at + count]
        at += count
        try:
            decoder.filled(count, out)
        except ProtocolError:
            break
    refs = iter(lender.refs)
    again = b"".join(_encode(frame, [next(refs) for _ in frame.blocks]) for frame in out)
    assert stream.startswith(again), "other frames than were sent"


def _encode(frame: Frame, refs: list[Ref]) -> bytes:
    from farside._link.frames import header

    return header(frame.kind, frame.epoch, len(frame.body), frame.items, refs) + frame.body


if __name__ == "__main__":
    fuzz(check, "farside._link.frames")
