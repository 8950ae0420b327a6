"""Sending without ever waiting: what finds no room in the pipe is sent later.

The parent must not wait for room. The worker may itself be waiting, for the parent to read; and a
worker that is stopped makes no room at all, while a time limit and Ctrl-C must hold all the same.
"""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext, suppress
from functools import partial

from ..errors import ChannelClosedError, ProtocolError
from . import sigpipe
from .codec import size
from .frames import header
from .interrupts import held_back, with_lock
from .pipe_io import IOV_MAX, check_gone, left_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from .codec import Part
    from .descriptors import Descriptor

    T = TypeVar("T")


class Sender:
    """Writes frames to a pipe that does not block. Any thread may call it; none waits.

    Args:
        end: the end of the pipe to write to.
    """

    def __init__(self, end: Descriptor) -> None:
        self.end = end
        self._queue: list[Part] = []
        # Reentrant, since a signal handler may close the iterable in the middle of it.
        self._lock = threading.RLock()
        self._in_step = True

    @property
    def pending(self) -> bool:
        """Whether anything waits for room."""
        return bool(self._queue)

    def send(self, kind: int, epoch: int, parts: Sequence[Part]) -> bool:
        """Send a frame, or put it behind what waits for room.

        Returns:
            Whether nothing waits.

        Raises:
            ChannelClosedError: the other side is gone, or this end is closed.
        """
        return self._step(partial(self._send, [header(kind, epoch, size(parts)), *parts]))

    def flush(self) -> None:
        """Send of what waits as much as there is room for.

        That nobody can receive it any more is no error here: receiving tells.

        Raises:
            ProtocolError: a signal handler's exception has cut a frame in two.
        """
        self._step(self._flush)

    def give_up(self) -> None:
        """Close the end if anything waits for room: the other side hears that instead."""
        if self._queue or not self._in_step:
            self.close()

    def close(self) -> None:
        """Close the end, once."""
        self.end.close()

    def _step(self, work: Callable[[], T]) -> T:
        return held_back(partial(with_lock, self._lock, work))

    def _send(self, parts: list[Part]) -> bool:
        if not self._in_step:
            raise ChannelClosedError("an earlier frame was cut in two")
        self._queue += parts
        self._write()
        self._queue[:] = map(_kept, self._queue)
        return not self._queue

    def _flush(self) -> None:
        if not self._in_step:
            raise ProtocolError("an exception of a signal handler struck in a send")
        with suppress(ChannelClosedError):
            self._write()

    def _write(self) -> None:
        queue = self._queue
        # Whatever is raised between writing and taking note of it (by the handler of another
        # signal than SIGINT) leaves the stream out of step, as in reading.
        self._in_step = False
        try:
            with sigpipe.held() if sigpipe.kills() else nullcontext():
                while queue:
                    queue[:] = left_of(queue, os.writev(self.end.fileno(), queue[:IOV_MAX]))
        except BlockingIOError:
            pass
        except (ChannelClosedError, OSError) as error:
            queue.clear()
            self._in_step = True
            if isinstance(error, OSError):
                check_gone(error)
            raise ChannelClosedError("the other end of the channel is closed") from None
        self._in_step = True


def _kept(part: Part) -> Part:
    """Return what stays as it is now, whatever its owner does with it."""
    if isinstance(part, memoryview) and type(part.obj) is not bytes:
        return bytes(part)
    return part
