"""Watches and signals a process that multiprocessing has started. No other module does so.

A pid is reused: as soon as anybody has taken the exit status of a process, its pid may belong to
another one. And other code does take it: in a program that ignores SIGCHLD the kernel does so at
once, and servers have handlers that reap every child. So a process is identified by a pidfd, which
always refers to the same process. Where there are no pidfds, a signal is sent only after the kernel
has confirmed that the child still exists.
"""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import select
import signal
import threading
from math import inf
from multiprocessing.process import BaseProcess
from time import monotonic, sleep

from .._link.writer import wait_for
from .._system.descriptors import Descriptor, opened
from .._system.process_states import fields, is_ending
from .._system.signals import defer_signals, with_lock
from ..errors import LinkClosedError

FROM_OUTSIDE = frozenset({"SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGALRM"})
"""Signals by which people or the kernel end a process without its fault. A crash has others."""

REAP_SECONDS = 1.0  # how long the exit code may lag behind the end: a fork server reports it
LOOK_SECONDS = 1.0  # how long to wait for the end before checking if another thread has seen it
_PAUSE_SECONDS = 0.01
_went_on: dict[int | None, float] = {}
"""For each pid, when the process was found to continue after a stop. The kernel reports that only
once, and many workers may have the same fork server."""
_UNKNOWN = 255  # the exit code that multiprocessing gives a process whose status it could not get


class Child:
    """A process that multiprocessing has just started."""

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid  # for people
        self.code: int | None = None  # negative for a signal; None before its end, or if unknown
        self.lost: str | None = None  # why the exit code will never be known, if it will not
        self.lost_with_server = False  # whether that is because the fork server has ended
        self._process = process
        self._popen = vars(process)["_popen"]
        method = getattr(self._popen, "method", "")
        self._served, self.spawned = method == "forkserver", method == "spawn"
        self._ended = False
        self._asked = monotonic()  # when somebody last asked whether it was stopped
        self._lock = threading.RLock()  # a signal handler may close in the middle of a look
        self._handle = _open_pidfd(self.pid)
        # multiprocessing polls all its processes whenever it starts one, and at exit. If two
        # threads polled, one would get the status, and the other would find that it is lost.
        self._popen.poll = self._poll

    def fileno(self) -> int:
        """Return the descriptor that becomes readable at its end."""
        # A pidfd is about this process alone. The sentinel of multiprocessing is a pipe, which a
        # child of the worker may hold open.
        sentinel: int = self._popen.sentinel
        return sentinel if self._handle is None else self._handle.fileno()

    def wait(self, timeout: float) -> bool:
        """Wait for its end, at most `timeout` seconds; return whether it has ended."""
        if not (self._ended or self._await_end(timeout) or self._asked_by_pid()):
            return self._ended  # another thread has just seen it
        if not self._look():
            self._await_status()
            self._look(last=True)
        return self._ended

    def send(self, number: int) -> bool:
        """Send a signal, unless it has ended; return False if this process may not do so."""
        return self.wait(0) or with_lock(self._lock, lambda: self._send(number))

    def was_stopped(self) -> bool:
        """Return whether it was stopped and continued since the last call, as far as is known.

        A process of a fork server is no child of this one, so the server is asked about instead:
        Ctrl-Z stops both.
        """
        from .no_process import server_pid  # only when time is up

        pid = server_pid() if self._served else self.pid
        before, self._asked = self._asked, (now := monotonic())
        with contextlib.suppress(OSError, AttributeError):  # no child of this process; no Linux
            if pid is not None and os.waitid(os.P_PID, pid, os.WCONTINUED | os.WNOHANG) is not None:
                _went_on[pid] = now
        return _went_on.get(pid, -inf) > before

    def _send(self, number: int) -> bool:
        try:
            if self._handle is None or not self._send_by(self._handle, number):
                os.kill(self.pid, number)
        except (ProcessLookupError, LinkClosedError):
            pass  # it has ended, just now
        except PermissionError:  # this process has another user by now
            return False
        return True

    @staticmethod
    def _send_by(handle: Descriptor, number: int) -> bool:
        try:
            signal.pidfd_send_signal(handle.fileno(), number)
        except ProcessLookupError:
            raise
        except OSError:  # a policy forbids it
            return False
        return True

    def _asked_by_pid(self) -> bool:
        return self._handle is None and not self._served and self._look()

    def _await_end(self, timeout: float) -> bool:
        end = monotonic() + timeout
        while not self._ended:
            left = min(LOOK_SECONDS, end - monotonic())
            # Another thread may see the end first, and close the descriptor while this one waits.
            # Its number may then belong to anything else. So each wait is short, and then repeated.
            try:
                if wait_for(self.fileno(), select.POLLIN, max(0.0, left)):
                    return True
            except (LinkClosedError, ValueError):
                return True  # it was closed as the process was reaped
            if left < LOOK_SECONDS:
                return False
        return True

    def _await_status(self) -> None:
        """Wait for the status of a process that seems to have ended."""
        if self._served:
            wait_for(self._popen.sentinel, select.POLLIN, REAP_SECONDS)
        elif self._handle is None:  # its pipe hangs up a moment before it ends
            deadline = monotonic() + REAP_SECONDS
            while not self._look() and monotonic() < deadline:
                sleep(_PAUSE_SECONDS)

    def _poll(self, flag: int = os.WNOHANG) -> int | None:
        """Do what multiprocessing would do by ``waitpid``."""
        self.wait(0 if flag else inf)
        code: int | None = self._popen.returncode
        return code

    def _look(self, *, last: bool = False) -> bool:
        return defer_signals(lambda: with_lock(self._lock, lambda: self._take_status(last=last)))

    def _take_status(self, *, last: bool) -> bool:
        """Record the end of the process, once its status is known or will not be known any more.

        `last` means that the status is not awaited any longer. Returns whether it has ended.
        """
        if self._ended:
            return True
        code, lost, with_server = None, None, False
        try:
            code = self._status_from_server() if self._served else self._status()
            if code is None and last and self._handle is not None:
                code = self._status_of_zombie()
                lost = "the fork server does not tell its exit status" if code is None else None
        except ChildProcessError:
            lost = "its exit status was taken by another part of the program"
        except EOFError:
            lost = "the fork server, which alone is told of its exit status, has ended"
            with_server = True
        except LinkClosedError:
            if not self._ended:
                raise
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            lost = "the descriptor that tells it was closed by another part of the program"
        # A signal handler may have taken the status meanwhile.
        if code is None and (self._ended or lost is None):
            return self._ended
        self.code, self.lost, self.lost_with_server = code, lost, with_server
        self._finish()
        return True

    def _finish(self) -> None:
        """Release the process, so that multiprocessing never looks at its pid again."""
        self._popen.returncode = _UNKNOWN if self.code is None else self.code
        self._ended = True  # first: what follows may be cut off, and the status is told once
        vars(self._popen).pop("poll", None)
        with contextlib.suppress(OSError):  # other code has closed all descriptors that it found
            self._popen.close()
        getattr(multiprocessing.process, "_children", set()).discard(self._process)
        if self._handle is not None:
            self._handle.close()

    def _status(self) -> int | None:
        if self._handle is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if pid else None
        try:
            found = os.waitid(os.P_PIDFD, self._handle.fileno(), os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            raise
        except OSError:
            self._handle = None  # other code has closed it, or the kernel takes no pidfd here
            return self._status()
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def _status_from_server(self) -> int | None:
        from multiprocessing.forkserver import read_signed

        if not wait_for(self._popen.sentinel, select.POLLIN, 0):
            return None
        try:
            code: int = read_signed(self._popen.sentinel)
        except EOFError:  # process 1 of a container, or a subreaper, gets the server's children
            with contextlib.suppress(ChildProcessError):
                if self._handle is not None:
                    self._await_bequest()
                    return self._status()
            raise
        return code

    def _await_bequest(self) -> None:
        """Wait for the dying server to pass on its children, a moment after it closed its pipes."""
        deadline = monotonic() + REAP_SECONDS
        with contextlib.suppress(OSError):  # somebody has taken the status
            while is_ending(int(fields(self.pid)[1])) and monotonic() < deadline:
                sleep(_PAUSE_SECONDS)

    def _status_of_zombie(self) -> int | None:
        """Ask the kernel: on a busy machine, the fork server may not run for a long time."""
        assert self._handle is not None
        try:
            told = fields(self.pid)
            # It still exists, so nobody had taken its status, and `told` is not about another one.
            signal.pidfd_send_signal(self._handle.fileno(), 0)
        except OSError:
            return None
        status = int(told[-1])  # also 0 if this process may not know it
        return os.waitstatus_to_exitcode(status) if told[0] == b"Z" and status else None


def _open_pidfd(pid: int) -> Descriptor | None:
    with contextlib.suppress(AttributeError, OSError):  # not Linux; it was reaped; a policy
        return opened(lambda: os.pidfd_open(pid))
    return None
