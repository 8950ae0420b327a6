"""The worker's side of the link over pipes and shared memory."""

from __future__ import annotations

import os
import select
from _weakref import ref

from .._in_c import partial
from .._memory.arena import Arena
from .._memory.mapping import map_what_fits
from .._memory.parts import size
from .._system.signals import at_fork
from ..errors import LinkClosedError, ProtocolError
from .control import (
    ACKNOWLEDGED,
    ATTENTION,
    BEGUN,
    COMMAND_CAME,
    NEVER,
    NOTHING,
    PARENT_WAITS,
    REVOKED,
    WANTED,
    WORKER_WAITED,
    Stopwatch,
    acknowledged_word,
    total_of,
)
from .frames import COMMAND_SCRATCH, Decoder, header
from .spinning import Spinning
from .worker_base import WorkerLink
from .writer import FrameWriter, check_gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._memory.leases import Leases
    from .._memory.mapping import Mapping
    from .._memory.parts import Part, Ref
    from .frames import Frame

_SOON_MS = 1  # milliseconds after which the worker looks at the words again, as `control` tells


class PipeWorkerLink(WorkerLink):
    """The worker's side of the pipes and of the memory.

    It knows the descriptors by number and closes none: those of a subprocess are closed as it ends,
    and those of a subinterpreter by the backend.
    """

    def __init__(self, commands: int, wakes: int, frames: int, memory: int) -> None:
        self._commands = commands
        self._wakes = wakes
        mapping = map_what_fits(memory)
        self._second: Mapping | None = mapping.second
        self._leases: Leases | None = None
        most = 0 if mapping.second is None else mapping.second.arena_bytes
        self._decoder = Decoder(self._lend, most, scratch=COMMAND_SCRATCH)
        self._waits = Stopwatch(mapping.control, WORKER_WAITED)
        self._writer = FrameWriter(lambda: frames, self._waits)
        self._control = mapping.control
        attention = mapping.control[ATTENTION : ATTENTION + 1]
        self.attention: Sequence[int] = attention
        self._attention = attention.cast("B")
        self.alerted: list[int] = [0]
        at_fork(after_in_child=partial(_stop_child, self.alerted, ref(attention)))
        self.begun: Any = mapping.control[BEGUN : BEGUN + 3]
        self.arena: Arena | None = Arena(mapping) if mapping.arena_bytes else None
        for fd in (wakes, frames):
            os.set_blocking(fd, False)  # so that a wait can be timed
        self._spinning = Spinning()
        self._poll = select.poll()
        self._poll.register(wakes, select.POLLIN)

    def send(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part] = (),
        *,
        count: int = 0,
        refs: Sequence[Ref] = (),
        wait: bool = True,
    ) -> bool:
        try:
            # Before the frame is sent: a parent that has read it and waits again sets this again.
            self._attention[PARENT_WAITS] = 0
            frame = [header(kind, epoch, size(parts), count, refs), *parts]
            return self._writer.send(frame, wait=wait)
        except BaseException:  # of a signal handler: the parent may have got nothing and still wait
            self._attention[PARENT_WAITS] = 1
            raise

    def send_soon(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part] = (),
        *,
        count: int = 0,
        refs: Sequence[Ref] = (),
    ) -> bool:
        """Queue a frame, which the next `send` writes together with its own."""
        self._writer.add([header(kind, epoch, size(parts), count, refs), *parts])
        return True

    def post(self, kind: int, epoch: int, parts: Sequence[Part], patience: float) -> bool:
        self._attention[PARENT_WAITS] = 0
        return self._writer.post([header(kind, epoch, size(parts)), *parts], patience)

    def flush(self) -> None:
        self._writer.flush()

    def retire(self) -> None:
        self._writer.close()

    def receive(self, into: deque[Frame]) -> None:
        before = len(into)
        while len(into) == before:
            try:
                count = os.readv(self._commands, [self._decoder.buffer()])
            except OSError as error:  # user code may have closed all descriptors that it found
                check_gone(error)
                count = 0
            if not count:
                raise LinkClosedError("the parent is gone")
            self._decoder.filled(count, into)

    def _lend(self, slot: int, offset: int, nbytes: int) -> memoryview:
        second = self._second
        if second is None:
            raise ProtocolError("a block of an arena that this side has not")
        if self._leases is None:
            from .._memory.leases import Leases  # few workers are sent large contents

            # User code may hold half of the arena. The rest is for what the parent has on its way.
            self._leases = Leases(second, second.arena_bytes // 2)
        self._leases.drop_ended_children()  # a forked child may have ended meanwhile
        return self._leases.lend(slot, offset, nbytes)

    def alert(self, on: bool) -> None:  # noqa: FBT001
        # From left to right. Two threads may do so at once. In this order, `attention` is never
        # left set alone, which would make the loops look up after each item, and find nothing.
        if on:
            self._attention[COMMAND_CAME] = self.alerted[0] = True
        else:
            self.alerted[0] = self._attention[COMMAND_CAME] = False

    def parent_waits(self) -> bool:
        return self._attention[PARENT_WAITS] != 0

    def acknowledged(self, epoch: int) -> int:
        return total_of(self._control[ACKNOWLEDGED], epoch)

    def revoked(self, epoch: int) -> bool:
        return self._control[REVOKED] >= epoch

    def spin_for_credit(self, epoch: int, total: int) -> bool:
        self._waits.begin()
        try:
            return self._spinning.spin(lambda: self.acknowledged(epoch) >= total)
        finally:
            self._waits.end()

    def wait_for_credit(self, epoch: int, total: int) -> bool:
        return self._wait(epoch, total, lambda: self.acknowledged(epoch) >= total)

    def wait_for_parent(self, epoch: int, made: int) -> bool:
        def is_over() -> bool:
            # The parent may have begun to wait before it received the last items.
            return self.parent_waits() and self.acknowledged(epoch) >= made

        return self._wait(epoch, NEVER, is_over)

    def _wait(self, epoch: int, total: int, is_over: Callable[[], bool]) -> bool:
        control, patience = self._control, _SOON_MS
        control[WANTED] = acknowledged_word(epoch, total)
        self._waits.begin()
        try:
            while True:
                if self.revoked(epoch):
                    return False
                if is_over():
                    return True
                woken = self._poll.poll(patience)
                if woken and not self._drain():
                    return False  # the parent is gone; the listener hears it too
                # For good only after a time-out: a wake-up may be left over from earlier. (Not in
                # an `if`: Python 3.14 may begin a loop again outside the `try` then.)
                patience = patience if woken else -1
        finally:
            self._waits.end()
            control[WANTED] = NOTHING

    def _drain(self) -> bool:
        """Read what has woken this thread; False: the parent is gone."""
        try:
            return bool(os.read(self._wakes, 1 << 16))
        except BlockingIOError:
            return True
        except OSError as error:  # the listener reads another descriptor, and would not notice
            check_gone(error)
            raise LinkClosedError("the descriptor that wakes the worker was closed") from error


def _stop_child(alerted: list[int], attention: Callable[[], memoryview | None]) -> None:
    """Keep a forked child that returns to the loop over the items from making any.

    It would make hundreds before it notices that it is a child, and write to shared memory which
    inputs it has begun. The loop watches `alerted`, and then looks up, or shared memory, and fails.
    """
    alerted[0] = 1
    view = attention()
    if view is not None:
        view.release()
