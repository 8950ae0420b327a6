"""What both sides do with pipes. No more is imported than a worker can do without."""

from __future__ import annotations

import errno
import os
import select

from ..errors import ChannelClosedError
from .codec import size
from .frames import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .codec import Part
    from .descriptors import Descriptor
    from .frames import Ref

IOV_MAX = 1000
"""Parts in one system call; POSIX promises 16, Linux and macOS have 1024."""


def write_frame(
    end: Descriptor | int,
    kind: int,
    epoch: int,
    parts: Sequence[Part],
    *,
    count: int = 0,
    refs: Sequence[Ref] = (),
) -> None:
    """Write a whole frame, waiting for room as long as the other side is there."""
    queue: list[Part] = [header(kind, epoch, size(parts), count, refs), *parts]
    try:
        while queue:
            fd = end if isinstance(end, int) else end.fileno()  # it may be closed meanwhile
            try:
                count = os.writev(fd, queue[:IOV_MAX])
            except BlockingIOError:
                wait_for(fd, select.POLLOUT)
                continue
            queue = left_of(queue, count)
    except OSError as error:
        check_gone(error)
        raise ChannelClosedError("the other end of the channel is closed") from None


def left_of(queue: list[Part], count: int) -> list[Part]:
    """Return what is left to write when `count` bytes were."""
    done = 0
    for part in queue:
        length = part.nbytes if isinstance(part, memoryview) else len(part)
        if count < length:
            break
        count -= length
        done += 1
    else:
        return []
    return [memoryview(queue[done])[count:], *queue[done + 1 :]]


def check_gone(error: OSError) -> None:
    """Raise again what does not mean that an end of the pipe is closed.

    EBADF is this side's own end: another thread may close it at any moment.
    """
    if error.errno not in {errno.EPIPE, errno.EBADF}:
        raise error


def wait_for(fd: int, event: int) -> None:
    poll = select.poll()
    poll.register(fd, event)
    poll.poll()
