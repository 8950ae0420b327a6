"""A worker that is a process: how it ends, and how it is ended."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.util
import os
import select
import signal
from functools import partial
from typing import TYPE_CHECKING

from .._transport.descriptors import Descriptor
from .._transport.interrupts import held_back
from ..errors import ChannelClosedError
from . import lifetime
from .base import ExitStatus, Worker
from .sheltered import exclusively

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from .._transport.pipes import PipeParentChannel

REAP_SECONDS = 1.0
"""How long the exit code may lag behind the end of the process: a fork server reports it."""

_armed_in = 0
"""The process in which `_arm` has done its work."""


class ProcessWorker(Worker):
    """A worker that is a process."""

    def __init__(self, process: BaseProcess, channel: PipeParentChannel) -> None:
        self.channel = channel
        self._process = process
        self._pid = process.pid
        self._owner = os.getpid()
        self._ended = False
        self._exit_code: int | None = None
        self._handle = _open_pidfd(process)
        channel.watch(self._sentinel())
        _arm()
        lifetime.track(self)

    @property
    def label(self) -> str:
        return f"pid {self._pid}"

    def wait(self, timeout: float) -> bool:
        if self._ended or os.getpid() != self._owner:
            return True  # a forked child has no workers
        if not self._await_end(timeout):
            return False
        self._reap()
        return self._ended

    def _await_end(self, timeout: float) -> bool:
        poll = select.poll()
        try:
            poll.register(self._sentinel(), select.POLLIN)
        except (ChannelClosedError, ValueError):
            return True  # it was closed, in reaping
        return bool(poll.poll(max(0.0, timeout) * 1000))

    def _reap(self) -> None:
        held_back(partial(exclusively, self._look))
        if not self._ended:
            # Not at once: it imports modules that, at the exit of a Python before 3.13, let an
            # uncaught KeyboardInterrupt lose its exit status.
            with _unless_closed():
                exclusively(partial(self._process.join, REAP_SECONDS))
            held_back(partial(exclusively, self._look))

    def _look(self) -> None:
        """Take note of the end of the process, if it has ended."""
        if self._ended:
            return
        self._exit_code = self._process.exitcode
        if self._exit_code is None:
            return
        if self._handle is not None:
            self._handle.close()
        self._process.close()
        lifetime.forget(self)
        self._ended = True

    def terminate(self) -> bool:
        if not self.wait(0):
            with _unless_closed():
                self._process.terminate()
        return True

    def kill(self) -> bool:
        if not self.wait(0):
            with _unless_closed():
                self._process.kill()
        return True

    def disown(self) -> None:
        # When a forked child exits, multiprocessing terminates and joins the children that it
        # thinks are its own.
        getattr(multiprocessing.process, "_children", set()).discard(self._process)

    def exit_status(self) -> ExitStatus:
        if not self.wait(REAP_SECONDS):
            self.kill()
            self.wait(REAP_SECONDS)
            return ExitStatus("it closed its end of the channel without ending, and was killed")
        code = self._exit_code
        if code is None or code >= 0:
            return ExitStatus(f"it ended with exit code {code}", code)
        try:
            name = signal.Signals(-code).name
        except ValueError:  # a real-time signal
            name = f"signal {-code}"
        return ExitStatus(f"it was killed by {name} (exit code {code})", code, name)

    def _sentinel(self) -> int:
        # A pidfd tells of this process alone. The sentinel of multiprocessing is a pipe, which a
        # child of the worker may hold open.
        return self._process.sentinel if self._handle is None else self._handle.fileno()


def _unless_closed() -> contextlib.suppress:
    """Pass over a process that a signal handler, or another thread, has just reaped."""
    return contextlib.suppress(ValueError)  # what multiprocessing raises then


def _arm() -> None:
    """Let multiprocessing call `lifetime.close_all` before it waits for its processes at exit.

    It does so in its own processes too, which do not run what is registered with atexit (before
    Python 3.14, or not what was registered before a fork).
    """
    global _armed_in  # noqa: PLW0603  a fork makes another process of this one
    if _armed_in != os.getpid():
        multiprocessing.util.Finalize(None, lifetime.close_all, exitpriority=100)
        _armed_in = os.getpid()


def _open_pidfd(process: BaseProcess) -> Descriptor | None:
    if not hasattr(os, "pidfd_open"):  # pragma: no cover  not Linux
        return None
    assert process.pid is not None
    try:
        return Descriptor(os.pidfd_open(process.pid))
    except OSError:  # it has ended, and was reaped by the fork server
        return None
