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
    """Let this process end within a second or so after the other end of a pipe was closed.

    Nothing is ever written to the pipe. SIGALRM ends the process, unless user code handles that;
    until then there is time for an orderly end. Where the system has no such signals, nothing
    happens.
    """
    if not hasattr(fcntl, "F_SETSIG"):  # pragma: no cover  not Linux
        return
    number = _unused()
    if number is None or not _alarm_at(number):
        return
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number, signal.SIGALRM})
    fcntl.fcntl(fd, fcntl.F_SETSIG, number)
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    if wait_for(fd, 0, 0):  # it was closed before this process was to be told
        signal.alarm(1)


def _unused() -> int | None:
    """Find a signal that means nothing else to this process.

    The number of the signal is what its handler gets, and so the number of seconds: SIGHUP is 1.
    Under ``nohup`` it is ignored, and must stay so; then it takes 16 seconds, and 30 on Python
    3.10, which has no name for SIGSTKFLT.
    """
    for name in ("SIGHUP", "SIGSTKFLT", "SIGPWR"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            return int(number)
    return None


def _alarm_at(number: int) -> bool:
    """Let the handler of a signal be ``alarm()``, and SIGALRM end the process."""
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
