"""Keeps descriptors of farside's away from 0, 1 and 2, which may be closed, as in a daemon.

The next descriptors that are opened get these numbers. Then what a C library prints goes there: to
a pipe of frames, for example, which is out of step from then on.
"""

from __future__ import annotations

import os

_COUNT = 3


def above_standard(fd: int) -> int:
    """Return a descriptor, or, in place of 0, 1 or 2, a duplicate above them, close-on-exec."""
    if fd >= _COUNT:
        return fd
    import fcntl  # hardly ever needed

    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _COUNT)
    finally:
        os.close(fd)


def closed_standard() -> list[int]:
    closed = []
    for number in range(_COUNT):
        try:
            os.fstat(number)
        except OSError:
            closed.append(number)
    return closed


def fill_standard() -> list[int]:
    """Open the null device as those that are closed, while descriptors are left; return which."""
    filled = []
    for _ in closed_standard():
        try:
            fd = os.open(os.devnull, os.O_RDWR)
        except OSError:
            break
        if fd >= _COUNT:  # another thread has just opened something
            os.close(fd)
        else:
            os.set_inheritable(fd, True)
            filled.append(fd)
    return filled
