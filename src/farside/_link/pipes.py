"""The parent's side of the link over OS pipes and shared memory, for workers on this machine.

Three pipes carry commands down, wake-ups down, and frames up. A mapping of shared memory begins
with the control block (see `control`) and holds the arena. The parent's ends of the pipes do not
block, so the parent can `poll` for frames, the death of the worker and a deadline at once. The
worker's end of commands blocks. Neither side polls in a loop, except for a moment in `spinning`.
"""

from __future__ import annotations

import fcntl
import os
import termios
from array import array
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from .._in_c import FREE_THREADED, RLock, partial
from .._memory.arena import ARENA_PEAK, ARENA_USED, Arena
from .._memory.leases import Leases
from .._memory.mapping import CONTROL_BYTES, SECOND_PART, Mapping
from .._memory.parts import Part, Ref, size
from .._system import sigpipe
from .._system.descriptors import Descriptor, opened
from .._system.signals import defer_signals, with_lock
from ..errors import LinkClosedError
from .base import Gauges, Link
from .control import (
    ACKNOWLEDGED,
    ATTENTION,
    BEGUN,
    NOTHING,
    PARENT_WAITS,
    REVOKED,
    WANTED,
    WORKER_WAITED,
    Stopwatch,
    acknowledged_word,
    begun_input,
)
from .frames import Decoder, Frame, header
from .reader import FrameReader
from .writer import FrameWriter, check_gone

_NO_CONTROL = memoryview(bytearray(CONTROL_BYTES)).cast("Q")  # for a worker that is gone
_NO_CONTROL[WANTED] = NOTHING


class PipeLink(Link):
    """The parent's side of the pipes and of the memory."""

    in_process = False  # whether the worker's writes happen in this process, which they may end

    def __init__(
        self, commands: Descriptor, wakes: Descriptor, frames: Descriptor, mapping: Mapping
    ) -> None:
        for end in (commands, wakes, frames):
            os.set_blocking(end.fileno(), False)
        self._commands = commands
        self._writer = FrameWriter(commands.fileno)
        self._wakes = wakes
        self._control = mapping.control
        self._control[WANTED] = NOTHING
        self._given_back = mapping.given_back
        self._attention = mapping.control[ATTENTION : ATTENTION + 1].cast("B")
        # The latest pass with acknowledged items, its word for no items, and its latest word. They
        # are one object: a signal handler may loop over another pass while this one is being set.
        self._latest, self._beginning = [0, 0, 0], RLock()
        self._woken = NOTHING  # the value of WANTED that the worker was last woken for
        # User code may hold half of the arena. The rest is for what the worker has on its way.
        self.leases = Leases(mapping, mapping.arena_bytes // 2)
        self._arena = None if mapping.second is None else Arena(mapping.second)
        self._reader = FrameReader(frames, Decoder(self.leases.lend, mapping.arena_bytes))
        self._sentinel = Descriptor()
        self._sentinel.closed = True  # until there is one to `watch`
        self._peer_ended = False
        self._kept = [commands, wakes]
        self._last: Gauges | None = None  # the gauges when the link was closed

    def keep(self, descriptor: Descriptor) -> None:
        """Own one more descriptor, and close it with the link."""
        self._kept.append(descriptor)

    @property
    def arena(self) -> Arena | None:  # type: ignore[override]  # the worker may have no room for it
        return self._arena if self._control[SECOND_PART] else None

    def watch(self, sentinel: int) -> None:
        # A duplicate: any thread that finds that the worker has ended may close the original.
        self._sentinel = opened(lambda: os.dup(sentinel))

    def send(
        self, kind: int, epoch: int, parts: Sequence[Part] = (), *, refs: Sequence[Ref] = ()
    ) -> bool:
        writer = self._writer
        writer.add([header(kind, epoch, size(parts), 0, refs), *map(_as_it_is_now, parts)])
        return sigpipe.guarded(writer.try_to_write) and not writer.pending

    def flush(self) -> None:
        with suppress(LinkClosedError):  # `read` raises it
            defer_signals(lambda: sigpipe.guarded(self._writer.write_what_fits))

    def acknowledge(self, epoch: int, total: int) -> None:
        if epoch > self._latest[0]:
            with_lock(self._beginning, partial(self._begin_pass, epoch))
        latest = self._latest
        # If the epochs differ, another thread has begun a newer pass. With a GIL, none can do so
        # between this check and the write of the word: there is no call in between (nor a jump,
        # where Python 3.10 might switch threads).
        if epoch == latest[0]:
            control = self._control
            latest[2] = word = latest[1] + total
            control[ACKNOWLEDGED] = word
            wanted = control[WANTED]
            if wanted <= word and wanted != self._woken:
                self._woken = wanted
                self._wake()
            if FREE_THREADED and self._latest is not latest:
                self._say_latest()

    def _begin_pass(self, epoch: int) -> None:
        new = [epoch, word := acknowledged_word(epoch, 0), word]
        if epoch > self._latest[0]:  # else a signal handler has just begun a later pass
            self._latest, self._woken = new, NOTHING

    def _say_latest(self) -> None:
        """Write the word of the latest pass again: that of an earlier pass has replaced it."""
        said = -1
        while said != self._latest[2]:  # items of that pass may be acknowledged just now
            self._control[ACKNOWLEDGED] = said = self._latest[2]
        self._wake()

    def revoke(self, epoch: int) -> None:
        self._control[REVOKED] = epoch
        self._wake()

    def _wake(self) -> None:
        """Wake the worker, in case it waits for items to be taken."""
        try:
            self._wakes.use(lambda fd: sigpipe.guarded(os.write, fd, b"\0"))
        except (BlockingIOError, LinkClosedError):
            pass  # the pipe is full of wake-ups, or the worker is gone, which `read` reports
        except OSError as error:
            check_gone(error)

    @property
    def streaming(self) -> bool:  # type: ignore[override]  # goes by what is read
        return self._reader.streaming

    @property
    def congested(self) -> bool:  # type: ignore[override]
        return self._writer.pending

    def read(self, into: deque[Frame]) -> bool:
        if self._reader.end.closed:
            raise LinkClosedError("this side was closed")
        self.leases.drop_ended_children()
        before = len(into)
        more = self._reader.read(into)
        if len(into) > before:
            return True
        if self._peer_ended and not more:
            # The worker's process has ended, and all that it wrote has been read. A child that it
            # left behind may hold the stream open, so the end of that may never come.
            raise LinkClosedError("the worker has ended")
        return False

    def filenos(self) -> list[int]:
        return [end.fileno() for end in (self._reader.end, self._sentinel) if not end.closed]

    def room_fileno(self) -> int:
        return self._commands.fileno()

    def notice(self, fd: int) -> None:
        self._peer_ended = self._peer_ended or fd == self._sentinel.fd

    def tell_waiting(self, on: bool) -> None:  # noqa: FBT001
        self._attention[PARENT_WAITS] = on
        # The worker may wait for this, and not for items to be taken. Unlike `acknowledge`, do not
        # compare WANTED with the latest word: that may be of an earlier pass, and yet be larger.
        if on and self._control[WANTED] not in (NOTHING, self._woken):
            self._wake()

    def begun(self, epoch: int) -> tuple[int, float | None]:
        return begun_input(self._control[BEGUN : BEGUN + 3], epoch)

    def gauges(self) -> Gauges:
        control, last = self._control, self._last  # in this order: `close` may run in between
        if last is not None:
            return last
        return Gauges(
            Stopwatch(control, WORKER_WAITED).seconds(),
            self._unread(),
            max(0, control[ARENA_USED] - self._given_back()),
            control[ARENA_PEAK],
            self.leases.copies,
        )

    def _unread(self) -> int:
        count = array("i", [0])
        try:
            fcntl.ioctl(self._reader.end.fileno(), termios.FIONREAD, count)
        except (LinkClosedError, OSError):
            return 0  # closed, just now
        return count[0]

    def close_reading(self) -> None:
        if self._writer.pending:  # nobody would send the rest any more
            self._writer.close()
            self._commands.close()
        if self.in_process:
            sigpipe.outlast(self._reader.end)
        # A closed iterable that is kept, or the error that it raised, must not keep memory.
        if self._reader.close():
            self.leases.close()
        self._sentinel.close()

    def close(self) -> None:
        self._writer.close()  # first: another thread may be writing
        for each in self._kept:
            each.close()
        self.close_reading()
        self._last = self.gauges()
        self.disown()
        self._arena = None
        self._given_back = int  # `gauges` may still call it, and gets 0

    def disown(self) -> None:
        """Stop writing to memory that the worker reads: this is a forked child, or was closed.

        An iterator may still have items that had arrived, and acknowledge them.
        """
        self._control = self._attention = _NO_CONTROL
        self._beginning = RLock()  # the thread that holds it may not be in this process


def _as_it_is_now(part: Part) -> Part:
    """Copy a part, unless its owner cannot change it while it waits for room."""
    if type(part) is memoryview and type(part.obj) is not bytes:
        return bytes(part)
    return part
