"""Ends a process whose parent is gone, also while no Python code can run in it.

The listener hears that the parent is gone, but to do something about it, it needs the GIL. A call
of C code that holds the GIL, for ever perhaps, would keep the worker alive without a parent. Only
the kernel can help then: it sends a signal when the other end of a pipe is closed, and the signal's
handler is a function of the C library, which needs no GIL.
"""

from __future__ import annotations

import fcntl
import os
import signal

from .._link.writer import wait_for


def tie(fd: int) -> None:
    """Let this process be ended a second or so after the other end of a pipe is closed.

    Nothing is ever written to the pipe. SIGALRM ends the process, unless user code handles it.
    Until then there is time for an orderly end. Where the system cannot signal that a pipe is
    closed, this does nothing.
    """
    if not hasattr(fcntl, "F_SETSIG"):  # pragma: no cover  not Linux
        return
    number = _unused()
    if number is None or not _alarm_at(number):
        return
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number, signal.SIGALRM})
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, number)
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:  # what passes for Linux may not have it, or a policy forbids it
        signal.signal(number, signal.SIG_DFL)
        return
    if wait_for(fd, 0, 0):  # the other end was closed before the signal was set up
        signal.alarm(1)


def _unused() -> int | None:
    """Find a signal that means nothing else to this process.

    Its handler, ``alarm()``, takes the number of the signal as seconds: SIGHUP is 1. Under
    ``nohup``, SIGHUP is ignored, and must stay so. Then it takes 16 seconds, and 30 on Python 3.10,
    which has no name for SIGSTKFLT.
    """
    for name in ("SIGHUP", "SIGSTKFLT", "SIGPWR"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            return int(number)
    return None


def _alarm_at(number: int) -> bool:
    """Make ``alarm()`` the handler of a signal, and let SIGALRM end the process."""
    try:
        import ctypes  # costs two milliseconds of start-up, and nothing else can do this

        libc = ctypes.CDLL(None)
    except (ImportError, OSError):  # Python is built without libffi, or linked statically
        return False
    # A forked process would run the parent's handlers.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(number, signal.SIG_DFL)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal.restype = ctypes.c_void_p
    libc.signal(number, ctypes.cast(libc.alarm, ctypes.c_void_p))
    return True
