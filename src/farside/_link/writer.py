"""Writes frames to a pipe, whole and in order, whichever threads send them.

The parent never waits for room. The worker may itself be waiting for the parent to read, and a
stopped worker makes no room at all, while time limits and Ctrl-C have to work all the same.
"""

from __future__ import annotations

import errno
import os
import select
import time

from .._in_c import RLock, deque, partial
from .._memory.parts import size
from .._system.signals import try_lock, with_lock
from ..errors import LinkClosedError, ProtocolError
from .control import Stopwatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._memory.parts import Part

IOV_MAX = 1000  # parts in one system call; POSIX promises 16, Linux and macOS have 1024
BACKLOG_BYTES = 1 << 20  # how much that was posted may be queued before `post` waits for room


class FrameWriter:
    """One end of a pipe, to which any thread writes whole frames.

    All frames go through one queue, so none is cut in two. If an exception of a signal handler, or
    one that another thread has set, strikes in the middle of a frame, the rest of the frame is
    still written before the next one.

    A finalizer or a signal handler may send something while its own thread is writing a frame. So
    the lock is reentrant, and the inner frame waits in the queue for the outer call. `fileno`
    returns the descriptor to write to, which does not block. `waits` runs while a frame waits for
    room.
    """

    def __init__(self, fileno: Callable[[], int], waits: Stopwatch | None = None) -> None:
        self._fileno = fileno
        self._waits = waits or Stopwatch()
        self._lock = RLock()
        self._writing = False
        self._over = False
        self._torn = False  # whether it is unknown how much of a frame was written, or queued
        self._by_part = False  # whether the system refuses to take all of the first frame at once
        # For each frame, or piece of one: the parts left to write, its share of the backlog, and
        # how many bytes of the parts were written.
        self._queue: deque[list[Any]] = deque()
        self._backlog = 0  # the sum of the shares

    @property
    def pending(self) -> bool:
        return bool(self._queue)

    def add(self, parts: list[Part], share: int = 0) -> None:
        """Queue a frame; `share` is what one that was posted adds to the backlog."""
        if self._over:
            raise LinkClosedError("this end of the link is closed")
        if len(parts) <= IOV_MAX:
            self._queue.append([parts, share, []])
            return
        # Queue a long list in pieces: after each write, the list of what is left is copied.
        pieces = [[parts[at : at + IOV_MAX], 0, []] for at in range(0, len(parts), IOV_MAX)]
        pieces[-1][1] = share
        try:
            self._queue.extend(pieces)  # in one call: no other frame comes in between
        except MemoryError:
            self._torn = True
            raise

    def send(self, parts: list[Part], *, wait: bool = True) -> bool:
        """Write a frame, after those that are queued; see `WorkerLink.send`."""
        self.add(parts)
        return with_lock(self._lock, self._write) if wait else self.write_what_fits(0)

    def flush(self) -> None:
        """Write all that is queued, and wait for room."""
        with_lock(self._lock, self._write)

    def post(self, parts: list[Part], patience: float) -> bool:
        """Write a frame as far as there is room; see `WorkerLink.post`."""
        if self._backlog > BACKLOG_BYTES and not self._make_room(patience):
            raise BlockingIOError
        share = size(parts)
        # Two threads may change this at once, but it is enough if the sum is about right.
        self._backlog += share
        self.add(parts, share)
        return self.write_what_fits(0)

    def close(self) -> None:
        """Write nothing from now on: the number of the descriptor will soon be used again."""
        with_lock(self._lock, partial(setattr, self, "_over", True))

    def _make_room(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while not self.write_what_fits(max(0.0, deadline - time.monotonic())):
            if self._backlog <= BACKLOG_BYTES:
                return True
            left = deadline - time.monotonic()
            if left <= 0 or not wait_for(self._fileno(), select.POLLOUT, left):
                return False
        return True

    def write_what_fits(self, patience: float = -1) -> bool:
        """Write what fits, and return whether that was all.

        If another thread writes, wait for it `patience` seconds; -1: until it is done.
        """
        return bool(try_lock(self._lock, partial(self._write, False), patience))

    def try_to_write(self) -> bool:
        """Write what fits; return False if that has failed. The caller then tries again later.

        If the system has no memory, nothing is lost, as it has written nothing. If nobody knows how
        much of a frame was written, the next `write_what_fits` raises ProtocolError.
        """
        try:
            self.write_what_fits()
        except ProtocolError:
            return False
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            return False
        return True

    def _write(self, wait: bool = True) -> bool:  # noqa: FBT001, FBT002  for each frame
        if self._writing:
            return True  # a call further up in this thread writes it
        if self._torn:
            raise ProtocolError("want of memory struck while a frame was written")
        try:
            self._writing = True
            self._write_each(wait)
        except (LinkClosedError, OSError) as error:
            if isinstance(error, OSError):
                check_gone(error)
            self._queue.clear()
            raise LinkClosedError("the other end of the link is closed") from None
        finally:
            self._writing = False
        return not self._queue

    def _write_each(self, wait: bool) -> None:  # noqa: FBT001
        # No loop inside that `try`: if a signal handler raises as a loop starts over, Python 3.13
        # may skip the `finally`, and then nothing would ever be written again.
        queue = self._queue
        while queue and not self._over and self._write_some(queue[0], wait):
            pass

    def _write_some(self, entry: list[Any], wait: bool) -> bool:  # noqa: FBT001
        """Write some of the first frame, or of the first two; return whether to continue."""
        parts, share, counts = entry
        try:
            if not counts:  # else an earlier call has written, before an exception struck
                # The second frame, if there is one, goes along: the reader is woken once for both.
                first = parts
                if len(self._queue) > 1 and len(parts) + len(self._queue[1][0]) <= IOV_MAX:
                    first = parts + self._queue[1][0]
                # One call of C code writes and stores the count: no exception comes in between.
                if self._by_part:
                    counts.extend(map(os.write, (self._fileno(),), (parts[0],)))
                else:
                    counts.extend(map(os.writev, (self._fileno(),), (first,)))
        except BlockingIOError:
            return wait and self._wait_for_room()
        except OSError as error:
            # macOS takes no more than 2 GiB by `writev`. By `write`, Python passes no more on.
            if error.errno != errno.EINVAL or self._by_part:
                raise
            self._by_part = True
            return True
        except MemoryError:  # perhaps only for the count: then the bytes were written
            self._torn = not counts
            raise
        if len(self._queue) > 1 and (of_second := counts[0] - size(parts)) > 0:
            # If an exception strikes after this, the next call sets the same number again.
            self._queue[1][2][:] = [of_second]
        left = left_of(parts, counts[0])
        if left:
            entry[:] = left, share, []  # in one step, too
        else:
            self._queue.popleft()
            self._by_part = False
            self._backlog = self._backlog - share if self._queue else 0
        return True

    def _wait_for_room(self) -> bool:
        self._waits.begin()
        try:
            wait_for(self._fileno(), select.POLLOUT)
        finally:
            self._waits.end()
        return True


def wait_for(fd: int, event: int, seconds: float | None = None) -> bool:
    """Wait for an event of a descriptor, for so many seconds at most; return whether it came."""
    poll = select.poll()
    poll.register(fd, event)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def left_of(queue: list[Part], count: int) -> list[Part]:
    """Return the parts that are left to write after `count` bytes."""
    for index, part in enumerate(queue):
        length = part.nbytes if type(part) is memoryview else len(part)
        if count < length:
            return [memoryview(part)[count:], *queue[index + 1 :]]
        count -= length
    return []


def check_gone(error: OSError) -> None:
    """Raise an error again, unless it means that the other end is closed, or ours (EBADF)."""
    if error.errno not in {errno.EPIPE, errno.EBADF}:
        raise error
