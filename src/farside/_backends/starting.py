"""Starts a worker and sends its job, and leaves none behind if an exception strikes meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pickle import PickleBuffer
from typing import TypeVar

from .._payload import pickling
from .._payload.job import JOB, Job
from .._system.signals import defer_signals, start_thread
from ..errors import LinkClosedError
from . import live_workers
from .base import Worker

_PIECE_SECONDS = 1.0  # of a longer wait

W = TypeVar("W", bound=Worker)


def start(
    begin: Callable[[], W],
    job: Job | None = None,
    run: Callable[[Callable[[], object]], object] = defer_signals,
) -> W:
    """Start a worker by `begin`, which `run` calls, and send it `job`, unless it has one already.

    `run` defers signals meanwhile, or raises an error before the start has come to its end. If
    anything is raised, perhaps by the handler of a signal at the end, the caller does not get the
    worker, so its link is closed.
    """
    begun: list[W] = []
    failed = False

    def work() -> None:
        begun.append(begin())
        live_workers.track(begun[0])  # at once: in a daemon thread, the process may exit meanwhile
        if failed:  # checked after the worker was added: what handles the error uses reverse order
            begun[0].link.close()

    try:
        run(work)
        if job is not None:
            # A worker that is gone already is no error here: reading reports it, with its status.
            with contextlib.suppress(LinkClosedError):
                begun[0].link.send(JOB, 0, pickling.dumps_plain(tuple(with_call_beside(job))))
        return begun[0]
    except BaseException:
        failed = True
        for worker in begun:
            worker.link.close()
        raise


def with_call_beside(job: Job) -> Job:
    """Return the job with the pickle of the call out of band, since that may be large."""
    assert isinstance(job.call, bytes)  # else the start of the process carries it
    return job._replace(call=[PickleBuffer(job.call)])


def within(seconds: float, work: Callable[[], object]) -> None:
    """Do some work in a thread, and wait for it, at most `seconds`. Ctrl-C ends the wait too.

    Raise TimeoutError if the work is not done then; it goes on nevertheless. If no thread can be
    had, the work is done in this one.
    """
    begun, over = threading.Lock(), threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        if not begun.acquire(blocking=False):
            return  # it is done in the other thread
        try:
            work()
        except BaseException as error:  # for the thread that waits
            errors.append(error)
        over.set()

    try:
        start_thread(threading.Thread(target=run, name="farside start", daemon=True))
    except RuntimeError:  # no more threads can be had, or no daemonic ones in this interpreter
        if not begun.acquire(blocking=False):  # it runs: a signal handler has raised the error
            raise
        defer_signals(work, once=True)
        return
    # In pieces: one during which this process is stopped (Ctrl-Z) counts no more than the others.
    while not over.wait(min(seconds, _PIECE_SECONDS)):
        seconds -= _PIECE_SECONDS
        if seconds <= 0:
            raise TimeoutError
    if errors:
        raise errors.pop()  # its traceback refers to this
