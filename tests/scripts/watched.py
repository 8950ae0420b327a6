"""Processes that are no children of this one."""

from __future__ import annotations

import os
import select
import time


class Watched:
    """A process whose end can be awaited though it is no child of this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd = -1

    def ends_by(self, deadline: float) -> bool:
        if self._fd < 0:
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(max(0, deadline - time.monotonic()) * 1000))

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
