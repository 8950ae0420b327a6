"""The worker's items that were made and are not sent yet.

Small items share a frame. They wait here while the parent is busy, for a moment.
"""

from __future__ import annotations

import threading

from . import codec
from .encoder import Encoder
from .frames import MAX_REFS
from .interrupts import with_lock
from .items import ATOM_BYTES, ITEM_REFS, Stored, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .channel import WorkerChannel
    from .credit import Window

BATCH_ITEMS = 1000
"""A frame has no more items: at some 50 ns for each, making them takes ten times as long as sending
a frame."""

BATCH_BYTES = 1 << 15
"""A frame is sent when its pickles reach this size: half of what a Linux pipe holds by default, so
that the worker can write one frame while the parent reads another."""

_STORED_SHARE = -(-BATCH_BYTES // (MAX_REFS // ITEM_REFS))
"""What an item with contents in the arena is counted as, at least. It is rounded up, so that no
frame has more references than it may."""

_STORED_DISCOUNT = 2
"""Its contents do not fill the pipe, so a frame may have more of them. But not many more, for what
waits here has no part in the window yet: large items must not pile up."""


class Outbox:
    """Collects entries (see `items`) and sends them as frames.

    The thread that makes items calls everything; another one may call `flush` at any moment.

    Args:
        channel: where they go.
        window: where they are booked.
        nbytes: how much may wait in all; a frame has no more than a quarter of it.

    Attributes:
        entries: what waits. Atoms are appended directly, everything else by `put`.
        batch: how many items a frame has at most.
        refused: whether the last `put` has failed.
        frames: how many frames were sent.
    """

    def __init__(self, channel: WorkerChannel, window: Window, nbytes: int) -> None:
        self.entries: list[Any] = []
        self.batch = min(BATCH_ITEMS, 1 + nbytes // (4 * ATOM_BYTES))
        self.refused = False
        self.frames = 0
        self._channel = channel
        self._window = window
        self._encoder = Encoder(channel.arena)
        self._kind = 0
        self._epoch = 0
        self._lock = threading.Lock()  # held while a frame is sent
        self._batch_bytes = min(BATCH_BYTES, 1 + nbytes // 4)
        # Sums over all time: what `put` has added, and what frames have taken of it. Each has one
        # writer at a time, so that none of two threads undoes what the other does.
        self._bytes = self._bytes_taken = 0

    def begin(self, kind: int, epoch: int) -> None:
        """Begin a pass, whose items go in frames of a kind."""
        self._kind = kind
        self._epoch = epoch
        self._encoder.notice_torch()

    def put(self, item: object) -> bool:
        """Add an item of any kind, as it is now; tell whether it is time to send.

        Raises:
            BaseException: whatever pickling it raises; `refused` is then true.
        """
        self.refused = True
        entry = self._encoder.encode(item)
        self.refused = False
        self.entries.append(entry)
        if isinstance(entry, bytes):
            self._bytes += len(entry)
        else:
            self._bytes += max(_STORED_SHARE, entry.nbytes // _STORED_DISCOUNT)
            self._encoder.notice_torch()
        # As `is_full` does, without a call: this is what a small item costs.
        return self._bytes - self._bytes_taken >= self._batch_bytes

    def encode(self, thing: object) -> bytes | Stored:
        """Pickle something that is no item, and not sent from here.

        Raises:
            BaseException: whatever pickling it raises.
        """
        self._encoder.notice_torch()
        return self._encoder.encode(thing)

    def is_full(self) -> bool:
        """Tell whether it is time to send, whatever the parent does."""
        return (
            len(self.entries) >= self.batch or self._bytes - self._bytes_taken >= self._batch_bytes
        )

    def flush(self) -> None:
        """Send what there is.

        Raises:
            ChannelClosedError: the parent does not receive any more.
        """
        with_lock(self._lock, self._send)

    def drop(self) -> None:
        """Forget what there is: nobody waits for it any more."""
        with_lock(self._lock, self._drop)

    def _drop(self) -> None:
        for entry in self.entries:
            if type(entry) is Stored:
                self._encoder.discard(entry)
        self.entries.clear()
        self._bytes_taken = self._bytes

    def _send(self) -> None:
        # Meanwhile `put` may run in another thread. It adds first and counts then, so what was
        # counted before the entries are looked at is among them.
        self._bytes_taken = self._bytes
        entries = self.entries[:]
        if not entries:
            return
        parts, refs = pack(entries)
        # Not before: what does not go into a frame, for want of memory, fails again, and is told.
        del self.entries[: len(entries)]
        self.frames += 1
        nbytes = codec.size(parts) + sum(ref.nbytes for ref in refs)
        self._window.sent(len(entries), nbytes)
        self._channel.send(self._kind, self._epoch, parts, count=len(entries), refs=refs)
