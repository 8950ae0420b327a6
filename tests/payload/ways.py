"""The way of an item, from an encoder to what the parent gets."""

from collections.abc import Sequence
from typing import Any

from farside._link.frames import Frame
from farside._memory.parts import BLOCK_BYTES
from farside._payload.decoder import decode
from farside._payload.encoder import Encoder
from farside._payload.items import pack, unpack
from tests.memory.blocks_of import Blocks


def items_in(frame: Frame, blocks: Sequence[memoryview]) -> list[Any]:
    """Return the items of a frame."""
    opened = unpack(frame)
    entries = opened.entries
    return entries if opened.plain else [decode(entry, blocks) for entry in entries]


class Way:
    """From an encoder to what the parent gets, through an arena of so many bytes, or none."""

    def __init__(self, arena_bytes: int | None) -> None:
        self.blocks = None if arena_bytes is None else Blocks(arena_bytes)
        self.encoder = Encoder(self.blocks.arena if self.blocks else None)

    def frame(self, *entries: object) -> Frame:
        """Make a frame of entries, as it arrives."""
        parts, refs = pack(list(entries))
        lent = [self.blocks.view(ref) for ref in refs] if self.blocks else []
        # A large body arrives in a buffer of its own, and a small one as bytes.
        body: bytes | bytearray = b"".join(parts)
        return Frame(1, 1, bytearray(body) if len(body) > BLOCK_BYTES else body, len(entries), lent)

    def carry(self, item: object) -> Any:
        """Let one item go all the way."""
        frame = self.frame(self.encoder.encode(item))
        opened = unpack(frame)
        assert not opened.plain
        (entry,) = opened.entries
        return decode(entry, frame.blocks)

    def close(self) -> None:
        del self.encoder
        if self.blocks:
            self.blocks.close()


WAYS: dict[str, int | None] = {"arena": 1 << 24, "full arena": 1 << 14, "no arena": None}
