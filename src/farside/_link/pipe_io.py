"""What both sides do with pipes. No more is imported than a worker can do without."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._memory.parts import Part

IOV_MAX = 1000
"""Parts in one system call; POSIX promises 16, Linux and macOS have 1024."""


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
