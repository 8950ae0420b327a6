"""The channel over OS pipes and shared memory, the same for every backend.

Three pipes: commands down, wake-ups down, frames up; and one mapping of shared memory, which begins
with a board of words (see `board`) and holds the arena. The parent's ends of the pipes do not
block: it waits with `poll`, so it can wait for frames, for the worker's end and for a deadline at
once. So does a thread of the worker that waits for room or until items were taken, and takes the
time of it; the end of commands blocks. Nobody polls in a loop.
"""

from __future__ import annotations

import fcntl
import os
import select
import termios
import threading
import time
from array import array
from functools import partial
from math import ceil

from ..errors import ChannelClosedError, ProtocolError
from . import sigpipe
from .board import (
    ARENA_PEAK,
    ARENA_USED,
    ATTENTION,
    NOTHING,
    PARENT_WAITS,
    REVOKED,
    TAKEN,
    WANTED,
    WORKER_WAITED,
    taken_word,
)
from .channel import Gauges, ParentChannel
from .descriptors import Bell, Descriptor, opened
from .frames import Decoder
from .interrupts import held_back, try_lock, with_lock
from .leases import Lessor
from .memory import BOARD_BYTES, SLOTS, Mapping
from .pipe_io import check_gone
from .reader import FrameReader
from .readiness import Readiness
from .sender import Sender
from .stopwatch import seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from .codec import Part
    from .frames import Frame

_LOOK_MS = 1000
"""Milliseconds to wait at a time when there is no limit. Python can miss a signal that comes as a
wait begins, while another thread takes the GIL; Ctrl-C is then heard a second late, not never."""

_SOON_MS = 1
"""Milliseconds to wait for a worker that sends many items at a time before it is told."""

_READS = 16
"""How often the pipe is read, at most, where nothing may take long. A worker can fill it again and
again meanwhile; so often it takes about a millisecond."""


_NO_BOARD = memoryview(bytearray(BOARD_BYTES)).cast("Q")
"""Where what is said to a worker that is gone goes."""
_NO_BOARD[WANTED] = NOTHING


class PipeParentChannel(ParentChannel):
    """The parent's side of the pipes and of the memory."""

    def __init__(
        self,
        commands: Descriptor,
        wakes: Descriptor,
        frames: Descriptor,
        bell: Bell,
        mapping: Mapping,
    ) -> None:
        for end in (commands, wakes, frames):
            os.set_blocking(end.fileno(), False)
        self._sender = Sender(commands)
        self._wakes = wakes
        self._board = mapping.board
        self._board[WANTED] = NOTHING
        self._attention = mapping.board[ATTENTION : ATTENTION + 1].cast("B")
        self._woken = NOTHING  # the wish that the worker was last woken for
        self._arena_bytes = mapping.arena_bytes
        # Half of the arena is for what the worker has on its way.
        self.lessor = Lessor(mapping, mapping.arena_bytes // 2)
        self._bell = bell
        # Whoever receives holds it, so that no descriptor is closed while it is waited for. A
        # signal handler may close in the middle of that: hence it is reentrant.
        self._receiving = threading.RLock()
        self._stopped = False
        self._interrupted = False
        self._reader = FrameReader(frames, Decoder(self._lend, mapping.arena_bytes))
        self._poll = select.poll()
        self._poll.register(frames.fileno(), select.POLLIN)
        self._poll.register(self._bell.fileno(), select.POLLIN)
        self._quiet = frozenset(end.fileno() for end in (frames, self._bell, commands))
        self._sentinel: Descriptor | None = None
        self._peer_ended = False
        self._guarded = sigpipe.kills()
        self._kept: list[Descriptor] = []
        self._last: Gauges | None = None  # when it was closed

    def keep(self, descriptor: Descriptor) -> None:
        """Own one more descriptor, and close it with the channel."""
        self._kept.append(descriptor)

    def _lend(self, slot: int, offset: int, nbytes: int) -> memoryview:
        if slot >= SLOTS or offset + nbytes > self._arena_bytes:
            raise ProtocolError(f"no block: slot {slot}, {nbytes} bytes at {offset}")
        return self.lessor.lend(slot, offset, nbytes)

    def watch(self, sentinel: int) -> None:
        # A duplicate, for whoever finds that the worker has ended closes the other, at any moment.
        self._sentinel = opened(lambda: os.dup(sentinel))
        self._poll.register(self._sentinel.fileno(), select.POLLIN)

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        self._guarded = sigpipe.kills()
        if not self._sender.send(kind, epoch, parts):
            self.interrupt()  # whoever receives sends the rest

    def take(self, epoch: int, total: int) -> None:
        board, word = self._board, taken_word(epoch, total)
        board[TAKEN] = word
        wanted = board[WANTED]
        if wanted <= word and wanted != self._woken:
            self._woken = wanted
            self._wake()

    def revoke(self, epoch: int) -> None:
        self._board[REVOKED] = epoch
        self._wake()

    def _wake(self) -> None:
        """Wake the worker, should it wait for items to be taken."""
        try:
            if self._guarded:
                with sigpipe.held():
                    os.write(self._wakes.fileno(), b"\0")
            else:
                os.write(self._wakes.fileno(), b"\0")
        except (BlockingIOError, ChannelClosedError):
            pass  # there is more than enough to wake it, or nobody: receiving tells
        except OSError as error:
            check_gone(error)

    def receive(self, into: deque[Frame], timeout: float | None) -> bool:
        return with_lock(self._receiving, lambda: self._receive(into, timeout))

    def _receive(self, into: deque[Frame], timeout: float | None) -> bool:
        self._check()
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._wait(deadline, 0) and self._take_in(into):
            return True
        waits = self.waits
        if waits is None:
            return self._await(into, deadline)
        waits.begin()
        try:
            return self._await(into, deadline)
        finally:
            waits.end()

    def _await(self, into: deque[Frame], deadline: float | None) -> bool:
        # A worker that makes small items fast is not asked at once: it would send a few of them
        # where it can send many.
        if self._reader.streaming and self._wait(deadline, _SOON_MS) and self._take_in(into):
            return True
        self._attention[PARENT_WAITS] = 1
        try:
            while True:
                if self._wait(deadline, _LOOK_MS):
                    if self._take_in(into) or self._is_interrupted():
                        return True
                elif deadline is not None and time.monotonic() >= deadline:
                    return False
        finally:
            self._attention[PARENT_WAITS] = 0

    def receive_now(self, into: deque[Frame]) -> bool:
        work = partial(self._receive_now, into)
        return bool(held_back(lambda: try_lock(self._receiving, work)))

    def _receive_now(self, into: deque[Frame]) -> bool:
        self._check()
        if not self._wait(None, 0):
            return False
        return self._take_in(into, _READS) or self._is_interrupted()

    def readiness(self) -> Readiness:
        ends = (self._reader.end, self._bell, self._sentinel)
        made = Readiness([end.fileno() for end in ends if end is not None])
        if self._stopped:  # meanwhile; then the numbers may be those of other files by now
            made.close()
            raise ChannelClosedError("this side was closed")
        return made

    def patience(self) -> float:
        return _SOON_MS / 1000 if self._reader.streaming else 0.0

    def congested(self) -> bool:
        return self._sender.pending

    def ask(self, on: bool) -> None:  # noqa: FBT001
        self._attention[PARENT_WAITS] = on

    def _check(self) -> None:
        if self._stopped:
            raise ChannelClosedError("this side was closed")
        self._reader.check()

    def _take_in(self, into: deque[Frame], reads: int | None = None) -> bool:
        """Take in what is there, without waiting; tell whether a frame was."""
        self._check()  # closing may have come during the wait
        before = len(into)
        more = self._reader.read(into, reads)
        if len(into) > before:
            return True
        if self._peer_ended and not more:
            # Its process has ended, and what it wrote has been read. Something that it left
            # behind may hold the stream open: there is no end to wait for.
            raise ChannelClosedError("the worker has ended")
        return False

    def _wait(self, deadline: float | None, milliseconds: int) -> bool:
        """Wait, no longer than so, and tell whether something has come."""
        if deadline is not None:
            # Rounded up, for 0.4 must not become a spin at 0.
            left = ceil((deadline - time.monotonic()) * 1000)
            milliseconds = max(0, min(milliseconds, left))
        poll = self._poll
        if self._sender.pending:
            self._sender.flush()
            poll = self._poll_for_room()
        events = poll.poll(milliseconds)
        for fd, _ in events:
            if fd not in self._quiet:
                self._peer_ended = True
        return bool(events)

    def gauges(self) -> Gauges:
        last, board = self._last, self._board
        if last is not None:
            return last
        return Gauges(
            seconds_of(board[WORKER_WAITED]),
            self._unread(),
            board[ARENA_USED],
            board[ARENA_PEAK],
            self.lessor.copies,
        )

    def _unread(self) -> int:
        count = array("i", [0])
        try:
            fcntl.ioctl(self._reader.end.fileno(), termios.FIONREAD, count)
        except (ChannelClosedError, OSError):
            return 0  # closed, just now
        return count[0]

    def interrupt(self) -> None:
        self._bell.ring()
        self._interrupted = True  # whoever sees it knows that the bell was rung

    def _is_interrupted(self) -> bool:
        if not self._interrupted or self._stopped:
            return False
        self._interrupted = False
        self._bell.hush()
        return True

    def _poll_for_room(self) -> select.poll:
        """Return what waits for room for commands as well: one to be thrown away.

        A signal handler's exception might leave the other one changed.
        """
        poll = select.poll()
        for end in (self._reader.end, self._bell, self._sentinel):
            if end is not None:
                poll.register(end.fileno(), select.POLLIN)
        if self._sender.pending:
            poll.register(self._sender.end.fileno(), select.POLLOUT)
        return poll

    def stop_receiving(self) -> None:
        self._stopped = True
        self._sender.give_up()  # nobody would send it any more
        if self._reader.end.closed:  # in a forked child: its lock may be held by nobody
            return
        self._bell.ring()
        with_lock(self._receiving, self._close_upward)

    def _close_upward(self) -> None:
        # Whoever keeps a closed iterable, or the error that it raised, keeps no memory.
        if self._reader.close():
            self.lessor.close()
        self._bell.close()
        if self._sentinel is not None:
            self._sentinel.close()

    def close(self) -> None:
        self._sender.close()
        self._wakes.close()
        for each in self._kept:
            each.close()
        self.stop_receiving()
        self._last = self.gauges()
        self._board = self._attention = _NO_BOARD  # it may still be written to
