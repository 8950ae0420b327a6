"""Collects the worker's items until they are sent, and tells how many more may be made.

Small items share a frame. While the parent is busy, they wait here for a moment.
"""

from __future__ import annotations

from .._in_c import Lock, partial
from .._memory.parts import size
from .._payload.encoder import Encoder
from .._payload.items import Mark, Stored, pack
from .._payload.joined import Joiner
from .._payload.pickling import dumps_plain
from .._payload.plain import ADD_COPY
from .._payload.row_code import MAX_BYTES
from .._payload.rows import Rows
from .._protocol.messages import Status
from .._system.signals import with_lock
from .flusher import Flusher
from .frame_limits import BATCH_ITEMS, FrameLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._link.worker_base import WorkerLink
    from .._payload.plain import AddCopy
    from .._protocol.credit import Window

_APART_BYTES = 24  # what an entry takes beside its contents if it becomes a pickle of its own
_MISSES = 32  # after so many items in a row that are not plain, a pass looks for no more of them


class Outbox:
    """Collects entries (see `items`) and sends them as frames.

    The thread that makes items calls all methods. The flusher's thread may send what waits at any
    moment. Items that are sent are booked in the `window`, which knows the credit of the parent.
    Up to `nbytes` bytes may wait. With `spins`, the thread looks for credit before it sleeps.
    """

    def __init__(
        self, link: WorkerLink, window: Window, nbytes: int, *, spins: bool = False
    ) -> None:
        # What waits. Atoms are appended directly, copies by `copies`, all else by `put`; ``bytes``
        # are pieces (see `joined`), or pickles where none are made any more.
        self.entries: list[Any] = []
        self.copies: dict[type, AddCopy] = dict(ADD_COPY)  # empty while few items are plain
        # With a small budget, a frame would have few rows, as their bytes are not counted.
        self.rows = Rows(self.copies, allowed=nbytes >= 4 * MAX_BYTES * BATCH_ITEMS)
        self.refused = False  # whether the last `put` has failed
        self.flusher = Flusher(self._send_late)
        self._frames = self._frames_before = self._settled = 0  # sent: see `_send_late`, `_flush`
        self._lost = self._apart = False  # see `_send_or_note` and `_begin_frame`
        self._link, self._window, self._spins = link, window, spins
        self.encoder = Encoder(link.arena)
        self._lends = link.arena is not None and link.arena.lends
        self._joiner, self._joins = Joiner(), True  # whether the ``bytes`` that wait are pieces
        self._limits = FrameLimits(window, nbytes)
        self.epoch = self._misses = 0  # items in a row that were no copies
        self._lock = Lock()  # held while a frame is sent
        # Bytes that were added since the beginning, without contents in the arena, and at how many
        # it is time to send; the same for these. Only the thread that makes items changes them.
        self.nbytes = self._stored = self.full = self._full_stored = 0
        self._begin_frame()
        self._nbytes_before = 0  # the sum after the last item that was no copy
        self._sent = 0  # items of the pass that were sent, or count as made

    def make_ready(self) -> None:
        """Drop what waits, and prepare for the next pass, which then begins sooner."""
        with_lock(self._lock, self._drop)
        self._window.reset()
        self._misses, self._joins = 0, True
        self._limits.begin()
        self._joiner.begin()
        self.rows.begin()
        self._begin_frame()

    def begin(self, epoch: int, made: int = 0, nbytes: int = 0) -> None:
        """Begin a pass, the first or after `make_ready`. Some of its items may count as made."""
        if made:
            self._window.sent(made, nbytes)
        self.epoch, self._sent = epoch, made

    def put(self, item: object) -> bool:
        """Pickle an item of any kind, as it is now, and add it; tell whether it is time to send."""
        self.refused = True
        entry: Any = self._joiner.piece(item) if self._joins else None
        if entry is None:
            entry = self.encoder.encode(item)
            if type(entry) is bytes and self._joins:  # else it would be taken for a piece
                entry = Stored([entry], len(entry))
        stored = type(entry) is Stored
        nbytes = entry.nbytes if stored else len(entry)
        if self.copies and self.rows.kind is Rows:  # else the item ends rows, and is no miss
            # A copy that was counted since the last miss ends the run of misses.
            self._misses = self._misses + 1 if self.nbytes == self._nbytes_before else 1
            if self._misses == _MISSES:
                self.copies.clear()
        self.refused = False  # first: from here on the item may be sent, whatever is raised
        if self._lends and stored and entry.refs:
            with_lock(self._lock, partial(self._send_alone, entry))
            return True
        self.entries.append(entry)  # first: whatever is raised below, `drop` gives its blocks back
        if stored or self._apart:
            self._keep_apart()
        if stored:
            self._stored += entry.arena_bytes
            nbytes -= entry.arena_bytes
        self.nbytes += nbytes
        self._nbytes_before = self.nbytes
        return self.nbytes >= self.full or self._stored >= self._full_stored

    def _keep_apart(self) -> None:
        """Count what entries take more where each is a pickle of its own, with the common start."""
        each = _APART_BYTES + len(self._joiner.start)
        nbytes = each * (1 if self._apart else max(0, len(self.entries) - 1))
        if not self._apart and self.nbytes + nbytes >= self.full:
            with_lock(self._lock, partial(self._send, end=-1))  # that would be too much
        self.full, self._apart = self.full - nbytes, True

    def put_failure(self, failure: tuple[Any, ...]) -> None:
        """Add a mark for an input that has failed."""
        self.full -= size(dumps_plain(failure))  # `nbytes` would end rows
        self.entries.append(Mark(failure))

    def _send_alone(self, entry: Stored) -> None:
        """Send an item at once whose contents are the user's own memory, which may change later.

        The flusher must not send it: the thread that has made the item would go on meanwhile.
        """
        self._send()
        self.entries.append(entry)
        self._send()

    def is_full(self) -> bool:
        """Tell whether it is time to send, whatever the parent does."""
        full = self.nbytes >= self.full or self._stored >= self._full_stored
        return full or len(self.entries) >= self._most

    def send_due(self, made: int, *, each: bool) -> int:
        """Send what is due; return how many items may be made in all: `made` if without credit."""
        if self.entries:
            if self._link.parent_waits() or self.is_full() or each:
                self._flush()
            else:
                self.flusher.call()
        stop = self._window.stop(self._link.acknowledged(self.epoch))
        waiting = len(self.entries)  # the flusher may send them at any moment
        if not waiting:  # the parent may have taken some since
            self._begin_frame()
        # `look_up` is called after the first item of a batch, so that the flusher hears of it.
        return min(stop, made + max(1, 0 if each or not waiting else self._most - waiting))

    def _begin_frame(self) -> None:
        """Limit the frame that begins: with it, no more waits than may."""
        limits, stored = self._limits.within_room(self.rows.most_bytes, len(self._joiner.start))
        self._most, self.short, counted = limits
        self._apart = False  # whether each entry of the frame becomes a pickle of its own
        self.full, self._full_stored = self.nbytes + counted, self._stored + stored

    def wait_for_credit(self, made: int) -> bool:
        """Wait until a further item may be made; False: a command came, or the parent is gone."""
        while True:
            self._flush()
            wish = self._window.wish(made)
            spun = self._spins and self._link.spin_for_credit(self.epoch, wish)
            if not (spun or self._link.wait_for_credit(self.epoch, wish)):
                return False
            if self._window.stop(self._link.acknowledged(self.epoch)) > made:
                self._begin_frame()
                return True

    def wait_for_parent(self) -> bool:
        """Wait until all was taken and the parent waits; False: as in `wait_for_credit`."""
        self._flush()
        # Not the number of items made: an exception of a signal handler in `_send` may lose some.
        return self._link.wait_for_parent(self.epoch, self._sent)

    def _send_late(self) -> bool:
        """Send what has waited for long enough, for the flusher; tell whether more waits."""
        self._link.flush()  # frames that have found no room
        frames, self._frames_before = self._frames_before, self._frames
        if frames != self._frames or self._lost:
            return not self._lost  # the items that wait were made since the last call
        try:
            sent = with_lock(self._lock, self._send_or_note)
        finally:
            self._link.alert(True)  # calls `look_up`: a new batch begins, or memory is short
        return not sent or bool(self.entries)

    def _send_or_note(self) -> bool:
        """Send what waits; note if it is lost, which the thread that makes items reports."""
        frames = self._frames
        try:
            return self._send()
        except MemoryError:
            self._lost = self._frames != frames  # items are lost; else all still wait
            raise

    def flush(self, *, soon: bool = False) -> None:
        """Send what waits, and wait for room; with unlimited credit, the flusher waits instead."""
        if self._flush(soon=soon):
            self._begin_frame()

    def _flush(self, *, soon: bool = False) -> bool:
        """Do as `flush`, but begin no frame; tell whether the next one may have other limits."""
        if not with_lock(self._lock, partial(self._send, soon=soon)):
            self.flusher.call()
        if self.entries or self._frames == self._settled:  # pieces that wait would be void
            return False
        self._settled = self._frames
        self._joins = self._joiner.settle()
        self.rows.settle(self.nbytes)
        self._limits.follow(rows=self.rows.kind is not Rows)
        return True

    def drop(self) -> None:
        """Drop what waits to be sent: the parent does not want it any more."""
        with_lock(self._lock, self._drop)
        self._begin_frame()

    def _drop(self) -> None:
        for entry in self.entries:
            if type(entry) is Stored:
                self.encoder.discard(entry)
        self.entries.clear()
        self._lost = False

    def _send(self, *, soon: bool = False, end: int | None = None) -> bool:
        """Send what waits, up to `end`; tell whether it has found room. `soon`: see `send_soon`."""
        if self._lost:
            self._drop()  # no item comes after those that are missing
            raise MemoryError("there was no memory to send items that were made")
        if not (entries := self.entries[:end]):  # another thread may add some meanwhile
            return True
        parts, refs = pack(entries, self._joiner if self._joins else None, self.rows)
        nbytes = size(parts) + sum([ref.nbytes for ref in refs])
        count, wait = len(entries), not self._window.unlimited
        # After `pack`: if that finds no memory, all items still wait, and the next call reports it.
        self._frames += 1
        self._window.sent(count, nbytes)  # once no entries wait, the other thread asks for room
        self._most -= count  # first: once no entries wait, the other thread sets the next limits
        del self.entries[:count]
        self.rows.weigh(count, nbytes)
        self._limits.sent(count, nbytes, stored=bool(refs))
        send = self._link.send_soon if soon else partial(self._link.send, wait=wait)
        done = send(Status.ITERATOR_SUCCESS, self.epoch, parts, count=count, refs=refs)
        self._sent += count
        return done
