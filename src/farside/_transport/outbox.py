"""The worker's items that were made and are not sent yet.

Small items share a frame. They wait here while the parent is busy, for a moment.
"""

from __future__ import annotations

import threading

from . import codec
from .frames import MAX_REFS
from .items import ATOM_BYTES, ITEM_REFS, Encoder, Stored, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .channel import WorkerChannel
    from .credit import Window

BATCH_ITEMS = 1000
"""A frame has no more items: at some 50 ns for each, making them takes ten times as long as sending
a frame."""

BATCH_BYTES = 1 << 15
"""A frame is sent when its pickles reach this size: half of what a Linux pipe holds, so that the
worker can write one frame while the parent reads another."""

BATCH_STORED = MAX_REFS // ITEM_REFS
"""A frame has no more items with contents in the arena."""


class Outbox:
    """Collects entries (see `items`) and sends them as frames.

    The thread that makes items calls everything; another one may call `flush` at any moment.

    Args:
        channel: where they go.
        window: where they are booked.
        nbytes: how much may wait in all; a frame has no more than a quarter of it.

    Attributes:
        entries: what waits.
        encoder: pickles what is no atom.
        batch: how many items a frame has at most.
        batch_bytes: of how many bytes their pickles may be.
        crowded: whether it is time to send, however few items there are.
        refused: whether the last item did not pickle.
        frames: how many frames were sent.
    """

    def __init__(self, channel: WorkerChannel, window: Window, nbytes: int) -> None:
        self.entries: list[Any] = []
        self.refused = False
        self.crowded = False
        self.frames = 0
        self._channel = channel
        self._window = window
        self.encoder = Encoder(channel.arena)
        self._kind = 0
        self._epoch = 0
        self._lock = threading.Lock()  # held while a frame is sent
        self.batch = min(BATCH_ITEMS, 1 + nbytes // (4 * ATOM_BYTES))
        self.batch_bytes = min(BATCH_BYTES, 1 + nbytes // 4)
        self._stored = 0

    def begin(self, kind: int, epoch: int) -> None:
        """Begin a pass, whose items go in frames of a kind."""
        self._kind = kind
        self._epoch = epoch
        self.encoder.notice_torch()

    def rescue(self, item: object, error: BaseException) -> None:
        """Pickle an item that `encoder` has failed to.

        Raises:
            BaseException: what pickling raises; `refused` is then true.
        """
        self.refused = True
        self.encoder.dump_by_value(item, error)
        self.refused = False

    def add_large(self, chunk: bytes) -> None:
        """Add an item that has large contents; `chunk` is the end of its pickle."""
        self.encoder.chunks.append(chunk)
        stored = self.encoder.store()
        self.entries.append(stored)
        self._stored += 1
        self.crowded = self.crowded or stored.unsafe or self._stored == BATCH_STORED
        self.encoder.notice_torch()

    def is_full(self) -> bool:
        """Tell whether it is time to send, whatever the parent does."""
        return self.crowded or len(self.entries) >= self.batch

    def flush(self) -> None:
        """Send what there is.

        Raises:
            ChannelClosedError: the parent does not receive any more.
        """
        with self._lock:
            self._send()

    def drop(self) -> None:
        """Forget what there is: nobody waits for it any more."""
        with self._lock:
            for entry in self.entries:
                if type(entry) is Stored:
                    self.encoder.discard(entry)
            self.entries.clear()
            self.crowded, self._stored = False, 0

    def _send(self) -> None:
        entries = self.entries[:]
        del self.entries[: len(entries)]
        self.crowded, self._stored = False, 0
        if not entries:
            return
        self.frames += 1
        parts, refs = pack(entries)
        nbytes = codec.size(parts) + sum(ref.nbytes for ref in refs)
        self._window.sent(len(entries), nbytes)
        self._channel.send(self._kind, self._epoch, parts, count=len(entries), refs=refs)
