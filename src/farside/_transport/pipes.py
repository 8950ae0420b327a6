"""The channel over OS pipes, the same for every backend.

Three pipes: commands down, credit down, frames up. The parent's ends do not block: it waits with
`poll`, so it can wait for frames, for the worker's end and for a deadline at once. The worker's
ends block: each of its threads waits for one thing only. Nobody polls in a loop.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import namedtuple
from contextlib import nullcontext

from ..errors import ChannelClosedError, ProtocolError
from . import sigpipe
from .channel import ParentChannel
from .descriptors import Bell, pipe
from .frames import Decoder
from .interrupts import HeldBack
from .pipe_io import GRANT, check_gone, write_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence
    from typing import NamedTuple

    from .codec import Part
    from .descriptors import Descriptor
    from .frames import Frame

    class WorkerEnds(NamedTuple):
        """The worker's ends of the pipes."""

        commands: Descriptor
        credit: Descriptor
        frames: Descriptor

else:
    WorkerEnds = namedtuple("WorkerEnds", ["commands", "credit", "frames"])

_DAY = 86_400.0  # seconds


def open_channel() -> tuple[PipeParentChannel, WorkerEnds]:
    """Open a channel.

    Returns:
        The parent's side, and the ends that the backend hands to the worker and then closes.

    Raises:
        OSError: no file descriptors are left.
    """
    commands, send_commands = pipe()
    credit, send_credit = pipe()
    receive_frames, frames = pipe()
    parent = PipeParentChannel(send_commands, send_credit, receive_frames)
    return parent, WorkerEnds(commands, credit, frames)


class PipeParentChannel(ParentChannel):
    """The parent's side of the pipes."""

    def __init__(self, commands: Descriptor, credit: Descriptor, frames: Descriptor) -> None:
        for end in (commands, credit, frames):
            os.set_blocking(end.fileno(), False)
        self._commands = commands
        self._credit = credit
        self._frames = frames
        self._bell = Bell()
        # Whoever receives holds it, so that no descriptor is closed while it is waited for. A
        # signal handler may close in the middle of that: hence it is reentrant.
        self._receiving = threading.RLock()
        self._stopped = False
        self._decoder = Decoder()
        self._poll = select.poll()
        self._poll.register(frames.fileno(), select.POLLIN)
        self._poll.register(self._bell.fileno(), select.POLLIN)
        self._peer_ended = False
        self._in_step = True
        self._guarded = sigpipe.kills()
        self._grant = b""  # one that found no room

    def watch(self, sentinel: int) -> None:
        self._poll.register(sentinel, select.POLLIN)

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        self._guarded = sigpipe.kills()
        with sigpipe.held() if self._guarded else nullcontext():
            write_frame(self._commands, kind, epoch, parts)

    def grant(self, epoch: int, total: int) -> None:
        self._grant = GRANT.pack(epoch, total)
        self._send_grant()

    def _send_grant(self) -> None:
        grant = self._grant
        if not grant:
            return
        try:
            with sigpipe.held() if self._guarded else nullcontext():
                os.write(self._credit.fileno(), grant)
        except BlockingIOError:
            # In a pass the worker gets only a few grants before it has to read them (see
            # credit.Ledger), and it reads all when a pass begins. But while it is in one long
            # next(), thousands of passes may be begun and left. The latest grant makes up for
            # all before it; it is sent when there is room, before the parent waits at the latest.
            return
        except ChannelClosedError:
            pass
        except OSError as error:
            check_gone(error)  # receiving tells
        if self._grant is grant:
            self._grant = b""

    def receive(self, into: deque[Frame], timeout: float | None) -> bool:
        with self._receiving:
            return self._receive(into, timeout)

    def _receive(self, into: deque[Frame], timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        before = len(into)
        while True:
            with HeldBack():
                self._read(into)
            if len(into) > before:
                return True
            if self._peer_ended:
                # Its process has ended, and what it wrote has been read. Something that it left
                # behind may hold the stream open: there is no end to wait for.
                raise ChannelClosedError("the worker has ended")
            self._send_grant()
            if not self._wait(deadline):
                return False

    def _read(self, into: deque[Frame]) -> None:
        """Read what is there, without waiting."""
        if self._stopped:
            raise ChannelClosedError("this side was closed")
        fd = self._frames.fileno()
        if not self._in_step:
            raise ProtocolError("an exception of a signal handler struck while frames were read")
        self._in_step = False
        before = len(into)
        try:
            while len(into) == before:
                count = os.readv(fd, [self._decoder.buffer()])
                if not count:
                    break
                self._decoder.filled(count, into)
        except BlockingIOError:
            self._in_step = True
            return
        except OSError as error:  # a signal handler may have closed this side
            check_gone(error)
            raise ChannelClosedError("this side was closed") from None
        # Whatever else was raised between reading and decoding (by a handler of another signal
        # than SIGINT) leaves the stream out of step; then no later frame is trusted.
        self._in_step = True
        if len(into) == before:
            cut = " in the middle of a frame" if self._decoder.partial else ""
            raise ChannelClosedError(f"the worker's stream has ended{cut}")

    def _wait(self, deadline: float | None) -> bool:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return False
        quiet = {self._frames.fileno(), self._bell.fileno()}
        # poll takes whole milliseconds. They are rounded up, for 0.4 must not become a spin at 0,
        # and fit a C int: waking up once a day does no harm.
        for fd, _ in self._poll.poll(None if left is None else int(min(left, _DAY) * 1000) + 1):
            if fd not in quiet:
                self._peer_ended = True
        return True

    def stop_receiving(self) -> None:
        self._stopped = True
        if self._frames.closed:  # in a forked child: its lock may be held by nobody
            return
        self._bell.ring()
        with self._receiving:
            self._frames.close()
            self._bell.close()

    def close(self) -> None:
        self._commands.close()
        self._credit.close()
        self.stop_receiving()
