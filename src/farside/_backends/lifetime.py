"""Which workers live, and how they end with the process.

Every worker is on record from its start to its end, also one whose iterable was dropped. When
the process exits, each is told to end and waited for. A forked child has none of them.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING

from .._worker import interruptible, job
from ..errors import BackendUnavailableError

if TYPE_CHECKING:
    from .base import Worker

EXIT_SECONDS = 2.0
"""How long all workers together may take to end when the process exits."""

LAST_RESORT_SECONDS = 5.0
"""How long the rest of the exit may take when a worker could not be ended."""

_live: set[Worker] = set()
_exiting = False


class Epilogue:
    """What comes after the end of all workers, as the process exits.

    Finalizers that run then find that Python has emptied this and other modules: they cannot use
    any global name, and look at this by an attribute of their own.

    Attributes:
        begun: whether every worker has been told to end, so that nothing is left to say.
    """

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = False


epilogue = Epilogue()


def check_start() -> None:
    """Check that this is a time to start workers.

    Raises:
        BackendUnavailableError: the process exits, or it is a worker itself that is just
            importing the main script, which would start workers without end.
    """
    process: object = None
    if "multiprocessing.process" in sys.modules:  # its workers have imported it
        from multiprocessing.process import current_process  # another thread may be just at it

        process = current_process()
    reason = ""
    if _exiting or not threading.main_thread().is_alive():
        reason = "the process is exiting"
    elif job.importing_main or getattr(process, "_inheriting", False):
        reason = (
            "a worker that imports the main script must not start workers itself; move what "
            "starts them below if __name__ == '__main__':"
        )
    if reason:
        raise BackendUnavailableError(f"no worker can be started here: {reason}", reason=reason)


def track(worker: Worker) -> None:
    """Put a worker on record, and take off those that have ended."""
    sweep()
    _live.add(worker)


def forget(worker: Worker) -> None:
    """Take a worker off, since it has ended."""
    _live.discard(worker)


def sweep() -> None:
    """Take off all that have ended, which also reaps their processes."""
    for worker in list(_live):
        worker.wait(0)


def close_all() -> None:
    """End every worker, as the process exits.

    A subinterpreter that runs C code cannot be ended. If that code has released its GIL, the
    exit goes on without it; if not, the exit would hang, so the process is then ended with exit
    code 1, after a traceback of all threads.
    """
    global _exiting  # noqa: PLW0603  a process exits once
    _exiting = True
    deadline = time.monotonic() + EXIT_SECONDS
    workers = list(_live)
    for worker in workers:
        worker.channel.close()
    epilogue.begun = True
    for worker in workers:
        worker.stop(max(0.1, deadline - time.monotonic()))
    if not _live:
        return
    # They are abandoned knowingly; Python need not tell.
    warnings.filterwarnings("ignore", "remaining subinterpreters", RuntimeWarning)
    _limit_the_rest()


def _limit_the_rest() -> None:
    """Let the process end by force when the rest of its exit takes too long."""
    try:
        import faulthandler
    except ImportError:  # this is a subinterpreter, and its end not that of the process
        return
    try:
        assert sys.__stderr__ is not None
        fd = sys.__stderr__.fileno()
    except (AssertionError, ValueError, OSError):  # there is none, or it was closed
        fd = os.open(os.devnull, os.O_WRONLY)
    faulthandler.dump_traceback_later(LAST_RESORT_SECONDS, exit=True, file=fd)


atexit.register(close_all)


def _wake_who_waits() -> None:
    for worker in list(_live):
        worker.channel.interrupt()


# This process, or interpreter, may be a worker itself.
interruptible.wakers.append(_wake_who_waits)


def park_at_exit() -> None:
    """Never return, once the process exits.

    Only daemon threads are left then. One that waits for an item would see its worker end, and
    print a traceback into an orderly exit; it rather waits until Python freezes it.
    """
    if _exiting and threading.current_thread() is not threading.main_thread():
        threading.Event().wait()


def _disown_in_child() -> None:
    for worker in _live:
        worker.disown()
    _live.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_in_child)
