"""Wakes a thread of this process that waits with `poll`."""

from __future__ import annotations

import os

from ..errors import LinkClosedError
from .descriptors import opened, pipe


class Wakeup:
    """A descriptor for a thread to wait for. Any thread may set it, and close it."""

    def __init__(self) -> None:
        try:
            flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
            self._read = self._write = opened(lambda: os.eventfd(0, flags))
        except (AttributeError, OSError):  # not Linux, a policy, or no descriptors are left
            self._read, self._write = pipe()
            os.set_blocking(self._read.fileno(), False)
            os.set_blocking(self._write.fileno(), False)

    @property
    def closed(self) -> bool:
        """Whether it was closed, here or because the process was forked."""
        return self._read.closed

    def fileno(self) -> int:
        return self._read.fileno()

    def set(self) -> None:
        try:
            # Both ends are used, so that neither is closed: a write without a reader may end the
            # process.
            self._read.use(lambda _: self._write.use(_ring))
        except (LinkClosedError, OSError):
            pass  # closed, or so full that the thread wakes up anyway

    def clear(self) -> None:
        try:
            self._read.use(_drain)
        except (LinkClosedError, OSError):
            pass  # closed

    def close(self) -> None:
        self._write.close()  # first, as in `set`
        self._read.close()


def _ring(fd: int) -> None:
    os.write(fd, b"\1" + bytes(7))  # eventfd takes 8 bytes


def _drain(fd: int) -> None:
    os.read(fd, 1 << 12)
