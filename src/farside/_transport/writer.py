"""Writes the worker's frames, whole and in order, whichever threads send them."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque

from ..errors import ChannelClosedError
from .codec import size
from .interrupts import with_lock
from .pipe_io import IOV_MAX, check_gone, left_of
from .stopwatch import Stopwatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .codec import Part

BACKLOG_BYTES = 1 << 20
"""How much of what was posted may wait for room, before posting waits."""


class FrameWriter:
    """One end of a pipe, to which any thread writes whole frames.

    Every frame goes into one queue, whose first is written first. So none is cut in two, not even
    when an exception of another thread strikes in the middle of one: what is left of it goes ahead
    of the next.

    A finalizer may send something in the middle of a frame that its own thread writes. Hence the
    lock is reentrant, and what is sent within is left to whoever is at it.

    Args:
        fd: where to write. It is made not to block: so the wait for room can be timed.
        waits: runs while a frame waits for room.
    """

    def __init__(self, fd: int, waits: Stopwatch | None = None) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._waits = waits or Stopwatch()
        self._lock = threading.RLock()
        self._writing = False
        self._over = False
        self._queue: deque[list[Any]] = deque()  # what is left to write of a frame, and its share
        self._backlog = 0  # of the shares of all that was posted

    def send(self, parts: list[Part]) -> None:
        """Write a frame, and what waits before it; wait for room.

        Raises:
            ChannelClosedError: nobody reads any more.
        """
        self._check()
        self._queue.append([parts, 0])
        self.flush()

    def flush(self) -> None:
        """Write what waits; wait for room.

        Raises:
            ChannelClosedError: nobody reads any more.
        """
        with_lock(self._lock, self._write)

    def post(self, parts: list[Part], patience: float) -> bool:
        """Write a frame as far as there is room; the rest waits, and goes ahead of the next frame.

        Args:
            parts: the frame.
            patience: seconds to wait for room when too much waits already.

        Returns:
            Whether nothing waits. If something does, `flush` has to be called by and by.

        Raises:
            BlockingIOError: too much waits still; the frame is dropped.
            ChannelClosedError: nobody reads any more.
        """
        self._check()
        if self._backlog > BACKLOG_BYTES and not self._make_room(patience):
            raise BlockingIOError
        share = size(parts)
        # Two threads may do so at once; that the sum is about right will do.
        self._backlog += share
        self._queue.append([parts, share])
        return self._try_write(0)

    def close(self) -> None:
        """Write nothing any more, since the descriptor will mean something else soon."""
        with_lock(self._lock, self._close)

    def _close(self) -> None:
        self._over = True

    def _check(self) -> None:
        if self._over:
            raise ChannelClosedError("this end of the channel is closed")

    def _make_room(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while not self._try_write(max(0.0, deadline - time.monotonic())):
            if self._backlog <= BACKLOG_BYTES:
                return True
            left = deadline - time.monotonic()
            if left <= 0 or not wait_for(self._fd, select.POLLOUT, left):
                return False
        return True

    def _try_write(self, patience: float) -> bool:
        """Write what there is room for, and tell whether that was all."""
        # Not `with_lock`: no exception is raised from outside in the threads that get here.
        if not self._lock.acquire(timeout=patience):
            return False
        try:
            if self._writing:
                return True  # it is being written, further up in this thread
            self._write(wait=False)
            return not self._queue
        finally:
            self._lock.release()

    def _write(self, *, wait: bool = True) -> None:
        if self._writing:
            return
        try:
            self._writing = True
            while self._queue and not self._over and self._write_some(wait=wait):
                pass
        except OSError as error:
            check_gone(error)
            self._queue.clear()
            raise ChannelClosedError("the other end of the channel is closed") from None
        finally:
            self._writing = False

    def _write_some(self, *, wait: bool) -> bool:
        """Write of the first frame; tell whether to go on."""
        entry = self._queue[0]
        parts, share = entry
        counts: list[int] = []
        try:
            # One call of C code writes and tells how much: an exception that strikes here, from
            # another thread or a signal handler, cannot come in between.
            counts.extend(map(os.writev, (self._fd,), (parts[:IOV_MAX],)))
        except BlockingIOError:
            if wait:
                self._await_room()
            return wait
        finally:
            if counts:
                entry[0] = left_of(parts, counts[0])
                if not entry[0]:
                    self._queue.popleft()
                    self._backlog = self._backlog - share if self._queue else 0
        return True

    def _await_room(self) -> None:
        self._waits.begin()
        try:
            wait_for(self._fd, select.POLLOUT)
        finally:
            self._waits.end()


def wait_for(fd: int, event: int, seconds: float | None = None) -> bool:
    """Wait for an event of a descriptor, for so long at most; tell whether it came."""
    poll = select.poll()
    poll.register(fd, event)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
