"""The worker's items that were made and are not sent yet.

Small items share a frame. They wait here while the parent is busy, for a moment.
"""

from __future__ import annotations

import threading

from .._link.frames import MAX_REFS
from .._memory.parts import size
from .._payload.encoder import Encoder
from .._payload.items import ITEM_REFS, Stored, pack
from .._payload.plain import ADD_COPY, ATOM_BYTES, MAX_VALUES
from .._system.signals import with_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._link.base import WorkerLink
    from .._protocol.credit import Window

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

_MISSES = 32
"""After so many items in a row that are not plain, none of the pass is looked at any more."""


class Outbox:
    """Collects entries (see `items`) and sends them as frames.

    The thread that makes items calls everything; another one may call `flush` at any moment.

    Args:
        link: where they go.
        window: where they are booked.
        nbytes: how much may wait in all; a frame has no more than a quarter of it.

    Attributes:
        entries: what waits. Atoms are appended directly, everything else by `put`.
        batch: how many items a frame has at most.
        refused: whether the last `put` has failed.
        frames: how many frames were sent.
    """

    def __init__(self, link: WorkerLink, window: Window, nbytes: int) -> None:
        self.entries: list[Any] = []
        self.batch = min(BATCH_ITEMS, 1 + nbytes // (4 * ATOM_BYTES))
        self.refused = False
        self.frames = 0
        self._link = link
        self._window = window
        self._encoder = Encoder(link.arena)
        self._tries = 0  # how many more items that are not plain may come in a row
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
        self._tries = _MISSES

    def put(self, item: object) -> bool:
        """Add an item of any kind, as it is now; tell whether it is time to send.

        Raises:
            BaseException: whatever pickling it raises; `refused` is then true.
        """
        self.refused = True
        add_copy = ADD_COPY.get(type(item)) if self._tries else None
        if (
            add_copy is not None
            and len(item) <= MAX_VALUES  # type: ignore[arg-type]
            and (nbytes := add_copy(item, self.entries))
        ):
            self.refused = False
            self._tries = _MISSES
            self._bytes += nbytes
            return self._bytes - self._bytes_taken >= self._batch_bytes
        entry = self._encoder.encode(item)
        self.refused = False
        if self._tries:
            self._tries -= 1
        self.entries.append(entry)
        if isinstance(entry, bytes):
            self._bytes += len(entry)
        else:
            self._bytes += max(_STORED_SHARE, entry.nbytes // _STORED_DISCOUNT)
        # As `is_full` does, without a call: this is what a small item costs.
        return self._bytes - self._bytes_taken >= self._batch_bytes

    def encode(self, thing: object) -> bytes | Stored:
        """Pickle something that is no item, and not sent from here.

        Raises:
            BaseException: whatever pickling it raises.
        """
        return self._encoder.encode(thing)

    def is_full(self) -> bool:
        """Tell whether it is time to send, whatever the parent does."""
        return (
            len(self.entries) >= self.batch or self._bytes - self._bytes_taken >= self._batch_bytes
        )

    def flush(self) -> bool:
        """Send what there is: wait for room, unless as much may wait as likes.

        Returns:
            Whether nothing waits. If something does, the link has to be flushed by and by.

        Raises:
            LinkClosedError: the parent does not receive any more.
        """
        return with_lock(self._lock, self._send)

    def drop(self) -> None:
        """Forget what there is: nobody waits for it any more."""
        with_lock(self._lock, self._drop)

    def _drop(self) -> None:
        for entry in self.entries:
            if type(entry) is Stored:
                self._encoder.discard(entry)
        self.entries.clear()
        self._bytes_taken = self._bytes

    def _send(self) -> bool:
        # Meanwhile `put` may run in another thread. It adds first and counts then, so what was
        # counted before the entries are looked at is among them.
        self._bytes_taken = self._bytes
        entries = self.entries[:]
        if not entries:
            return True
        parts, refs = pack(entries)
        # Not before: what does not go into a frame, for want of memory, fails again, and is told.
        del self.entries[: len(entries)]
        self.frames += 1
        nbytes = size(parts)
        if refs:
            nbytes += sum([ref.nbytes for ref in refs])
        count, kind, epoch = len(entries), self._kind, self._epoch
        self._window.sent(count, nbytes)
        if self._window.unlimited:
            return self._link.send(kind, epoch, parts, count=count, refs=refs, wait=False)
        self._link.send(kind, epoch, parts, count=count, refs=refs)
        return True
