"""Which workers live, and how they end with the process.

Every worker is on record from its start to its end, also one whose iterable was dropped. When
the process exits, each is told to end and waited for. A forked child has none of them.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Worker

EXIT_SECONDS = 2.0
"""How long all workers together may take to end when the process exits."""

LAST_RESORT_SECONDS = 5.0
"""How long the rest of the exit may take when a worker could not be ended."""

_live: set[Worker] = set()


def track(worker: Worker) -> None:
    """Put a worker on record, and take off those that have ended."""
    sweep()
    _live.add(worker)
    # The latest to register is called first: before multiprocessing, whose own function, there
    # since it was imported, would wait for processes that nobody has told to end.
    atexit.unregister(close_all)
    atexit.register(close_all)


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
    deadline = time.monotonic() + EXIT_SECONDS
    workers = list(_live)
    for worker in workers:
        worker.channel.close()
    for worker in workers:
        worker.stop(max(0.1, deadline - time.monotonic()))
    if _live and sys.__stderr__ is not None:
        import faulthandler  # a subinterpreter, which may have workers too, cannot import it

        faulthandler.dump_traceback_later(LAST_RESORT_SECONDS, exit=True, file=sys.__stderr__)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_live.clear)
