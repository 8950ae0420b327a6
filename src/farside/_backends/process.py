"""A worker that is a process: how it ends, and how it is ended."""

from __future__ import annotations

import multiprocessing.util
import os
import signal

from .._link.pipes import PipeLink
from .._system.cgroup import OomKills
from .._system.process_states import is_ending
from . import live_workers
from .base import ExitStatus, Worker
from .child import REAP_SECONDS, Child

_armed_in = 0  # the process in which `_arm` has done its work


_ENDING_SECONDS = 10.0  # for the end of a process that the kernel is just taking down

FROM_OUTSIDE = frozenset({"SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGALRM"})
"""What people, or the kernel, end a process by that has done nothing. A crash has other signals."""


class ProcessWorker(Worker):
    def __init__(self, child: Child, link: PipeLink) -> None:
        self.link = link
        self._child = child
        self._owner = os.getpid()
        self._oom_kills = OomKills(child.pid)
        link.watch(child.fileno())
        _arm()

    @property
    def label(self) -> str:
        return f"pid {self._child.pid}"

    def wait(self, timeout: float) -> bool:
        if os.getpid() != self._owner:
            return True  # a forked child has no workers
        return self._child.wait(timeout)

    def terminate(self) -> bool:
        return self.wait(0) or self._child.send(signal.SIGTERM)

    def kill(self) -> bool:
        return self.wait(0) or self._child.send(signal.SIGKILL)

    def was_stopped(self) -> bool:
        return self._child.was_stopped()

    def exit_status(self) -> ExitStatus:
        ended = self.wait(REAP_SECONDS)
        if not ended and is_ending(self._child.pid):
            ended = self.wait(_ENDING_SECONDS)
        if not ended:
            self.kill()
            self.wait(REAP_SECONDS)
            return ExitStatus("it closed its end of the link without ending, and was killed")
        if self._child.lost is not None:
            text = f"how it ended is not known, since {self._child.lost}"
            return ExitStatus(text, struck=self._child.lost_with_server)
        code = self._child.code
        if code is None or code >= 0:
            return ExitStatus(f"it ended with exit code {code}", code)
        try:
            name = signal.Signals(-code).name
        except ValueError:  # a real-time signal
            name = f"signal {-code}"
        text = f"it was killed by {name} (exit code {code})"
        if code == -signal.SIGALRM:  # see `_worker.lifeline`
            text += ", by which a worker ends a second after it got SIGHUP"
        kills = self._oom_kills.since() if code == -signal.SIGKILL else 0
        if kills:
            text += (
                f"; since it began, {kills} of the processes in its control group were killed, as "
                "the group had run out of memory"
            )
        return ExitStatus(text, code, name, struck=name in FROM_OUTSIDE)


def _arm() -> None:
    """Let multiprocessing call `live_workers.close_all` before it waits for its processes at exit.

    It does so in its own processes too, which do not run what is registered with atexit (before
    Python 3.14, or not what was registered before a fork).
    """
    global _armed_in  # noqa: PLW0603  a fork makes another process of this one
    if _armed_in != os.getpid():
        multiprocessing.util.Finalize(None, live_workers.close_all, exitpriority=100)
        _armed_in = os.getpid()
