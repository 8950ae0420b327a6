"""Keeps a record of the workers that live, and ends them when the process exits.

Every worker is on record from its start to its end, even if its iterable was dropped. When the
process exits, each is told to end and waited for. In a forked child, the record is empty.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from weakref import WeakValueDictionary

from .._system.monkey_patches import in_the_way
from .._system.signals import at_fork, defer_signals
from .._system.weak_values import alive
from .._worker import load, threads
from .base import ExitStatus, Worker, unavailable

EXIT_SECONDS = 2.0  # how long all workers together may take to end when the process exits

IMPORTING = (
    "a worker that imports a module must not start workers itself meanwhile; put what starts them "
    "below if __name__ == '__main__': or into a function"
)

_refused = partial(unavailable, "no worker can be started here")
_EXITING = "the process is exiting"
LAST_RESORT_SECONDS = 5.0  # how long the rest of the exit may take when a worker could not be ended
_live: dict[int, Worker] = {}  # by `id`: a class from elsewhere may not be hashable
# Workers that run in the threads of their users. They end when they are dropped. Strong references
# would keep them, and also their iterables, to which tracebacks in the workers may refer.
_here: WeakValueDictionary[int, Worker] = WeakValueDictionary()
_starting: set[object] = set()  # a token for each start of a worker in this process
# Whether the process exits. It may do so already, in a function of `atexit` that imports farside:
# then Python does not call `close_all` any more. (If `threading` is imported there too, nothing
# tells that.)
_exiting: bool = getattr(threading, "_SHUTTING_DOWN", False)
some_left = False  # whether some have not ended in time as the process exits: Python ends those
all_told = threading.Event()
"""Set as the process exits, once every worker was told to end and needs no further command.

Finalizers that run after that find this and other modules emptied by Python. They cannot use any
global name, so they keep this event in an attribute of their own."""


def check_start(*, in_thread: bool = False) -> None:
    """Raise BackendUnavailableError if no workers can be started now."""
    # None can be started while the process exits, or where nothing can wait for them (`in_thread`
    # means that a thread of farside would wait). And a process that is itself a worker would start
    # others without end while it imports the main script or the module of fn, or if it runs a
    # frozen program that does not notice that it is a worker.
    _check_exit()
    reason = ""
    if not threading.main_thread().is_alive():
        reason = f"{_EXITING}: its main thread has ended"
    elif load.importing():
        reason = IMPORTING
    elif getattr(sys, "frozen", False) and _serves_multiprocessing():
        reason = (
            "a frozen program is started again for each worker, and has to call "
            "multiprocessing.freeze_support() first thing below if __name__ == '__main__':"
        )
    reason = reason or in_the_way(of_threads=in_thread) or ""
    if reason:
        raise _refused(reason)


def _serves_multiprocessing() -> bool:
    """Return whether this process was started to be a worker, or a helper of multiprocessing."""
    # A frozen program that does not notice it would start further processes without end.
    arguments = sys.argv[1:]
    command = arguments[arguments.index("-c") + 1 :][:1] if "-c" in arguments else []
    # From Python 3.14 on, the command of a fork server imports `sys` first, and the program's own
    # arguments come after it.
    return "--multiprocessing-fork" in arguments or "from multiprocessing." in "".join(command)


def _check_exit() -> None:
    """Raise an error if the process exits; see `end_thread_at_exit`."""
    if _exiting:  # first: the exit may begin in between, and that ends a daemon
        end_thread_at_exit()
        raise _refused(_EXITING)


def track(worker: Worker) -> None:
    """Put a worker on record, unless it is there already, and remove those that have ended."""
    record = _live if worker.beside else _here
    if id(worker) in record:
        return
    sweep()
    record[id(worker)] = worker
    if _exiting:  # another thread has just ended all that it found
        worker.link.close()
        _check_exit()


def before_exit(work: Callable[[], object]) -> None:
    """Do `work`, which starts a worker in this process and records it; the exit waits for that."""
    # Python crashes where a subinterpreter still runs as the process ends.
    token = object()
    try:
        _starting.add(token)
        _check_exit()  # after the token was added: `close_all` does both in reverse order
        defer_signals(work)
    finally:
        _starting.discard(token)


def forget(worker: Worker) -> None:
    """Remove a worker from the record, since it has ended."""
    for record in (_live, _here):
        record.pop(id(worker), None)


def _all() -> list[Worker]:
    return [*_live.values(), *alive(_here)]  # a copy: other threads may start workers meanwhile


def sweep() -> None:
    """Remove all workers that have ended, which also reaps their processes."""
    for worker in _all():
        if worker.wait(0):
            forget(worker)


def close_all() -> None:
    """End every worker, as the process exits."""
    # A subinterpreter that runs C code cannot be ended. If that code has released its GIL, the exit
    # goes on without it; if not, the exit would hang, so the process is then ended with exit code
    # 1, after a traceback of all threads.
    global _exiting  # noqa: PLW0603  a process exits once
    _exiting = True
    deadline = time.monotonic() + EXIT_SECONDS
    _whole(lambda: _await_starts(deadline))
    found = _all()  # others end meanwhile
    workers = [each for each in found if each.beside]
    try:
        _whole(lambda: [worker.link.close() for worker in workers])
        _close_here(found)
    finally:
        all_told.set()
        _whole(lambda: _end(workers, deadline))


def _close_here(found: list[Worker]) -> None:
    for each in found:
        if not each.beside:
            each.link.close()  # runs finalizers, in which Ctrl-C may strike


def _await_starts(deadline: float) -> None:
    while _starting and time.monotonic() < deadline:
        time.sleep(0.001)


def _whole(work: Callable[[], object]) -> None:
    """Do some work, short or with a time limit, to its end, even if Ctrl-C is pressed again."""
    # Python crashes if a subinterpreter still runs as the process ends. And Ctrl-C only asks for
    # the end of the process, which is coming anyway.
    with contextlib.suppress(KeyboardInterrupt):
        defer_signals(work)


def _end(workers: list[Worker], deadline: float) -> None:
    for worker in workers:
        if worker.stop(max(0.1, deadline - time.monotonic())):
            forget(worker)  # else it keeps its client, whose descriptors outlive a subinterpreter
    if not _starting and _live.keys().isdisjoint(map(id, workers)):
        return
    global some_left  # noqa: PLW0603  a process exits once
    some_left = True
    # They are abandoned on purpose, so Python need not warn.
    warnings.filterwarnings("ignore", "remaining subinterpreters", RuntimeWarning)
    _limit_the_rest()


def _limit_the_rest() -> None:
    """End the process by force if the rest of its exit takes too long."""
    try:
        import faulthandler
    except ImportError:  # this is a subinterpreter, whose end is not that of the process
        return
    try:
        fd = sys.__stderr__.fileno()  # type: ignore[union-attr]  # see below
    except (AttributeError, ValueError, OSError):  # there is none, or it was closed
        fd = os.open(os.devnull, os.O_WRONLY)
    faulthandler.dump_traceback_later(LAST_RESORT_SECONDS, exit=True, file=fd)


atexit.register(close_all)


def close_all_first() -> None:
    """Let `close_all` run before everything that was registered with `atexit` until now."""
    atexit.unregister(close_all)
    atexit.register(close_all)


def _wake_who_waits() -> None:
    for worker in _all():
        if worker.wake is not None:
            worker.wake()


# This process, or interpreter, may be a worker itself, whose user code waits for workers.
threads.wakers.append(_wake_who_waits)


def end_thread_at_exit() -> None:
    """If the process exits and this thread is a daemon, end it silently, by SystemExit."""
    # A daemon that waits for an item would see its worker end, and print a traceback in the middle
    # of an orderly exit. It has to end, as later steps of the exit may wait for it.
    # Other threads have mostly ended before. But before Python 3.14, a process of multiprocessing
    # waits for them only after its workers were ended. Then they need an error, which tells that
    # items are missing.
    thread = threading.current_thread()
    if _exiting and thread.daemon and thread is not threading.main_thread():
        raise SystemExit


def status_at_exit() -> ExitStatus | None:
    """Return how workers have ended, if this process exits; None: it does not exit."""
    text = "it was ended, since this process exits; join the thread that uses it before"
    return ExitStatus(text, again=False) if _exiting else None


def _disown_in_child() -> None:
    for worker in _all():
        worker.disown()
    _live.clear()
    _here.clear()
    _starting.clear()


at_fork(after_in_child=_disown_in_child)
