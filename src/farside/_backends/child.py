"""A process that multiprocessing has started: the one place that looks at it and signals it.

A pid is a name that is given again: as soon as anybody has taken the exit status of a process, its
pid may be that of a stranger. And others do take it: a program that ignores SIGCHLD lets the kernel
do so at once, and servers have handlers that reap every child. So the process is named by a pidfd,
which stays the same process for ever. Where there are none, a signal is sent only after the kernel
has said that the child is still there.
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
from .._system.signals import defer_sigint, with_lock
from ..errors import LinkClosedError

FROM_OUTSIDE = frozenset({"SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGALRM"})
"""What people, or the kernel, end a process by that has done nothing. A crash has other signals."""

REAP_SECONDS = 1.0  # how long the exit code may lag behind the end: a fork server reports it
LOOK_SECONDS = 1.0  # how long to wait for the end before a look whether another thread saw it
_PAUSE_SECONDS = 0.01
_went_on: dict[int | None, float] = {}
"""When a process was found to go on, by its pid. That is told once; a fork server serves many."""
_UNKNOWN = 255  # the exit code that multiprocessing gives a process whose status it could not get


class Child:
    """A process that multiprocessing has just started."""

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid  # for people
        self.code: int | None = None  # negative for a signal; None before its end, or if unknown
        self.lost: str | None = None  # why the exit code will never be known, if it will not
        self.lost_with_server = False  # since the fork server has ended
        self._process = process
        self._popen = vars(process)["_popen"]
        self._served = getattr(self._popen, "method", "") == "forkserver"
        self._ended = False
        self._asked = monotonic()  # when somebody last asked whether it was stopped
        self._lock = threading.RLock()  # a signal handler may close in the middle of a look
        self._handle = _open_pidfd(self.pid)
        # Each time a process is started, and at exit, multiprocessing looks at all there are. Of
        # two threads that look, one would get the status, and the other be told that it is lost.
        self._popen.poll = self._poll

    def fileno(self) -> int:
        """Return the number that becomes readable at its end."""
        # A pidfd tells of this process alone. The sentinel of multiprocessing is a pipe, which a
        # child of the worker may hold open.
        sentinel: int = self._popen.sentinel
        return sentinel if self._handle is None else self._handle.fileno()

    def wait(self, timeout: float) -> bool:
        """Wait for its end, so many seconds at most; tell whether it has ended."""
        if not (self._ended or self._await_end(timeout) or self._asked_by_pid()):
            return self._ended  # another thread has just seen it
        if not self._look():
            self._await_status()
            self._look(last=True)
        return self._ended

    def send(self, number: int) -> bool:
        """Send a signal, unless it has ended; tell whether this process may do that."""
        return self.wait(0) or with_lock(self._lock, lambda: self._send(number))

    def was_stopped(self) -> bool:
        """Tell whether it was stopped and goes on; or the fork server, which Ctrl-Z stops too."""
        from .no_process import server_pid  # only when time is up

        pid = server_pid() if self._served else self.pid
        before, self._asked = self._asked, (now := monotonic())
        with contextlib.suppress(OSError, AttributeError):  # no child of this process; no Linux
            if pid is not None and os.waitid(os.P_PID, pid, os.WCONTINUED | os.WNOHANG) is not None:
                _went_on[pid] = now
        return _went_on.get(pid, -inf) > before

    def _send(self, number: int) -> bool:
        try:
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle.fileno(), number)
            else:
                os.kill(self.pid, number)
        except (ProcessLookupError, LinkClosedError):
            pass  # it has ended, just now
        except PermissionError:  # this process has another user by now
            return False
        return True

    def _asked_by_pid(self) -> bool:
        return self._handle is None and not self._served and self._look()

    def _await_end(self, timeout: float) -> bool:
        end = monotonic() + timeout
        while not self._ended:
            left = min(LOOK_SECONDS, end - monotonic())
            # Another thread may see the end first, and close the descriptor while this one waits:
            # its number may be that of anything else then. So this one looks again.
            try:
                if wait_for(self.fileno(), select.POLLIN, max(0.0, left)):
                    return True
            except (LinkClosedError, ValueError):
                return True  # it was closed, in reaping
            if left < LOOK_SECONDS:
                return False
        return True

    def _await_status(self) -> None:
        """Wait for the status of a process that seems to have ended."""
        if self._served:
            wait_for(self._popen.sentinel, select.POLLIN, REAP_SECONDS)
        elif self._handle is None:  # the end of its pipe came a moment before its own
            deadline = monotonic() + REAP_SECONDS
            while not self._look() and monotonic() < deadline:
                sleep(_PAUSE_SECONDS)

    def _poll(self, flag: int = os.WNOHANG) -> int | None:
        """Do what multiprocessing would by ``waitpid``."""
        self.wait(0 if flag else inf)
        code: int | None = self._popen.returncode
        return code

    def _look(self, *, last: bool = False) -> bool:
        return defer_sigint(lambda: with_lock(self._lock, lambda: self._take_status(last=last)))

    def _take_status(self, *, last: bool) -> bool:
        """Take note of the end of the process, if its status is there or not awaited."""
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
        # A signal handler may have looked meanwhile: one of the two has the status.
        if code is None and (self._ended or lost is None):
            return self._ended
        self.code, self.lost, self.lost_with_server = code, lost, with_server
        self._finish()
        return True

    def _finish(self) -> None:
        """Let go of the process, so that multiprocessing never looks at its pid again."""
        self._popen.returncode = _UNKNOWN if self.code is None else self.code
        vars(self._popen).pop("poll", None)
        with contextlib.suppress(OSError):  # other code has closed all descriptors that it found
            self._popen.close()
        getattr(multiprocessing.process, "_children", set()).discard(self._process)
        if self._handle is not None:
            self._handle.close()
        self._ended = True

    def _status(self) -> int | None:
        if self._handle is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if pid else None
        try:
            found = os.waitid(os.P_PIDFD, self._handle.fileno(), os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            raise
        except OSError:
            self._handle = None  # other code has closed it; or the kernel takes none here
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
        except EOFError:  # process 1 of a container, and the like, gets what the server leaves
            with contextlib.suppress(ChildProcessError):
                if self._handle is not None:
                    self._await_bequest()
                    return self._status()
            raise
        return code

    def _await_bequest(self) -> None:
        """Wait until the server has left its children: its pipes are closed a moment before."""
        deadline = monotonic() + REAP_SECONDS
        with contextlib.suppress(OSError):  # somebody has taken the status
            while is_ending(int(fields(self.pid)[1])) and monotonic() < deadline:
                sleep(_PAUSE_SECONDS)

    def _status_of_zombie(self) -> int | None:
        """Ask the kernel: on a busy machine, the fork server may have to wait long for its turn."""
        assert self._handle is not None
        try:
            told = fields(self.pid)
            # It is there, so nobody had taken its status, and the pid is not a stranger's.
            signal.pidfd_send_signal(self._handle.fileno(), 0)
        except OSError:
            return None
        status = int(told[-1])  # 0 also if this process may not know
        return os.waitstatus_to_exitcode(status) if told[0] == b"Z" and status else None


def _open_pidfd(pid: int) -> Descriptor | None:
    with contextlib.suppress(AttributeError, OSError):  # not Linux; it was reaped; a policy
        return opened(lambda: os.pidfd_open(pid))
    return None
