"""The worker's side of the channel over pipes."""

from __future__ import annotations

import os
import select

from ..errors import ChannelClosedError
from .channel import REVOKED, WorkerChannel
from .frames import Decoder
from .pipe_io import GRANT, wait_for, write_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from .codec import Part
    from .frames import Frame


class PipeWorkerChannel(WorkerChannel):
    """The worker's side of the pipes.

    It knows their ends by number and closes none: a subprocess closes them by ending, and for a
    subinterpreter the backend does.
    """

    def __init__(self, commands: int, credit: int, frames: int) -> None:
        self._commands = commands
        self._credit = credit
        self._frames = frames
        self._decoder = Decoder()
        self._revoked = 0  # the latest pass whose credit was revoked
        os.set_blocking(credit, False)

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        write_frame(self._frames, kind, epoch, parts)

    def receive(self, into: deque[Frame]) -> None:
        before = len(into)
        while len(into) == before:
            count = os.readv(self._commands, [self._decoder.buffer()])
            if not count:
                raise ChannelClosedError("the parent is gone")
            self._decoder.filled(count, into)

    def credit(self, epoch: int, *, wait: bool) -> int:
        total = 0
        while True:
            try:
                data = os.read(self._credit, 256 * GRANT.size)
            except BlockingIOError:
                if self._revoked >= epoch:
                    return REVOKED
                if total or not wait:
                    return total
                wait_for(self._credit, select.POLLIN)
                continue
            if not data:
                return REVOKED  # the parent is gone; the listener hears it too
            for of, granted in GRANT.iter_unpack(data):
                if granted == REVOKED:
                    self._revoked = max(self._revoked, of)
                elif of == epoch:
                    total = max(total, granted)
