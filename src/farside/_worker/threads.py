"""Starts farside's own threads in a worker, wakes them, and ends user code from another thread.

User code that goes on when it should end gets an exception from outside. Python can raise it only
between two bytecodes, so a call that blocks in C is not interrupted.
"""

from __future__ import annotations

import _thread
import sys
import time

from .._in_c import Lock, get_ident
from .._system.signals import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import Thread

# Before Python 3.13, farside has no workers in subinterpreters.
daemon_threads_allowed: Callable[[], bool]
daemon_threads_allowed = getattr(_thread, "daemon_threads_allowed", lambda: True)


def start(run: Callable[[], object], name: str) -> Thread:
    """Start a thread to `join`; without `threading`, unless something else has imported that.

    `threading` and its imports take some 300 KiB in a subinterpreter. If it is there, debuggers and
    the like may have told it what to do in each thread. Raise RuntimeError if no thread can be had.

    The thread is a daemon, since the exit of a process that the worker shares must not wait for it.
    A subinterpreter allows no daemons.
    """
    daemon = daemon_threads_allowed()
    if sys.version_info >= (3, 13) and "threading" not in sys.modules:
        return _thread.start_joinable_thread(run, daemon=daemon)  # type: ignore[return-value]
    from threading import Thread

    thread = Thread(target=run, name=name, daemon=daemon)
    start_thread(thread)
    return thread


class Bell:
    """Wakes the one thread that waits for it. No exception from outside leaves it half rung."""

    def __init__(self) -> None:
        self._silent = Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake that thread, or let its next wait return at once."""
        try:
            self._silent.release()
        except RuntimeError:
            pass  # it was rung already

    def wait(self, seconds: float = -1) -> bool:
        """Wait until the bell is rung, or for so many seconds; tell whether it was rung."""
        return self._silent.acquire(timeout=seconds)


wakers: list[Callable[[], object]] = []
"""Called after SystemExit was raised in user code. That code may wait for an item of a worker of
its own, in C code that farside itself can break off."""


class Interruptible:
    """Something that the worker's thread does, and that another may have to interrupt."""

    def __init__(self) -> None:
        self._thread = get_ident()
        self.ended = Bell()  # rung when nothing is left to interrupt
        self._raising = self._over = False

    def done(self) -> None:
        """Record that it has ended: nothing is left to interrupt."""
        # What the listener raises may strike anywhere in here; then this is called again. So it
        # takes no lock: if that strikes as a lock is taken, Python 3.14 leaves it locked.
        self._over = True
        self.ended.ring()
        while self._raising:
            time.sleep(0.0001)
        _checkpoint()

    def interrupt(
        self, patience: Iterable[float], closing: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Raise SystemExit in the thread, after each number of seconds, until it has ended.

        Each time, the thread first gets as many more seconds as `closing` returns, to close what it
        has open.
        """
        show = sys.unraisablehook
        for seconds in patience:
            if self.ended.wait(seconds) or self.ended.wait(closing()):
                sys.unraisablehook = show
                break
            # If a generator is dropped, its ``finally`` runs in a finalizer. Python would print the
            # SystemExit that is raised there.
            sys.unraisablehook = lambda it: issubclass(it.exc_type, SystemExit) or show(it)
            self._raising = True
            if not self._over:
                raise_in_thread(self._thread, SystemExit)
                for wake in wakers:
                    wake()
            self._raising = False


def _checkpoint() -> None:
    """Do nothing: at this call Python raises what another thread has raised in this one."""


def raise_in_thread(ident: int, exception: type[BaseException]) -> None:
    """Raise an exception in another thread of this interpreter, at its next bytecode."""
    try:
        import ctypes  # needed at the end only, if ever
    except Exception:  # Python was built without libffi; or no descriptors, or no files, are left
        return
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(exception))
