"""The worker's side of the channel over pipes and shared memory."""

from __future__ import annotations

import os
import select

from ..errors import ChannelClosedError
from .arena import Arena
from .board import (
    ATTENTION,
    COMMAND_CAME,
    NOTHING,
    PARENT_WAITS,
    REVOKED,
    TAKEN,
    WANTED,
    WORKER_WAITED,
    taken_word,
    total_of,
)
from .channel import WorkerChannel
from .codec import size
from .frames import Decoder, header
from .memory import Mapping
from .pipe_io import check_gone
from .stopwatch import Stopwatch
from .writer import FrameWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from .codec import Part
    from .frames import Frame, Ref

_SOON_MS = 1
"""Milliseconds after which a side looks at the board again before it waits for good."""


class PipeWorkerChannel(WorkerChannel):
    """The worker's side of the pipes and of the memory.

    It knows their ends by number and closes none: a subprocess closes them by ending, and for a
    subinterpreter the backend does.
    """

    def __init__(self, commands: int, wakes: int, frames: int, memory: int) -> None:
        self._commands = commands
        self._wakes = wakes
        self._decoder = Decoder()
        mapping = Mapping(memory)
        self._waits = Stopwatch(mapping.board, WORKER_WAITED)
        self._writer = FrameWriter(frames, self._waits)
        self._board = mapping.board
        attention = mapping.board[ATTENTION : ATTENTION + 1]
        self.attention: Sequence[int] = attention
        self._attention = attention.cast("B")
        self.arena: Arena | None = Arena(mapping) if mapping.arena_bytes else None
        os.set_blocking(wakes, False)
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
    ) -> None:
        # Before the frame: a parent that has it and waits again says so again.
        self._attention[PARENT_WAITS] = 0
        self._writer.send([header(kind, epoch, size(parts), count, refs), *parts])

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
            except OSError as error:  # user code may close all descriptors that it finds
                check_gone(error)
                count = 0
            if not count:
                raise ChannelClosedError("the parent is gone")
            self._decoder.filled(count, into)

    def alert(self, on: bool) -> None:  # noqa: FBT001
        self._attention[COMMAND_CAME] = on

    def parent_waits(self) -> bool:
        return self._attention[PARENT_WAITS] != 0

    def taken(self, epoch: int) -> int:
        return total_of(self._board[TAKEN], epoch)

    def await_taken(self, epoch: int, total: int) -> bool:
        board, patience = self._board, _SOON_MS
        board[WANTED] = taken_word(epoch, total)
        self._waits.begin()
        try:
            while True:
                if board[REVOKED] >= epoch:
                    return False
                if self.taken(epoch) >= total:
                    return True
                self._poll.poll(patience)
                patience = -1
                if not self._drain():
                    return False  # the parent is gone; the listener hears it too
        finally:
            self._waits.end()
            board[WANTED] = NOTHING

    def _drain(self) -> bool:
        """Read what has woken this thread; False when nobody can any more."""
        try:
            return bool(os.read(self._wakes, 1 << 16))
        except BlockingIOError:
            return True
        except OSError as error:
            check_gone(error)
            return False
