"""The worker on Ray: an actor whose calls carry frames.

The parent keeps a few calls of `Actor.pull` in flight, which return frames. Commands arrive by
`Actor.push`, which runs beside everything else. The user's code runs in a thread of its own.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import Any

from ..._payload import worker_info
from ..._worker.serve import serve
from .messages import Command, Reply, Words
from .objects import Objects
from .worker_link import ActorLink

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_KEPT_BYTES = 1 << 27


class Actor:
    """The worker's actor, made from the pickled job and, beside it, the call that belongs to it."""

    def __init__(self, job: bytes, call: Any, name: str) -> None:
        self._name = name
        _keep_memory()
        _end_by_sigterm()
        import ray  # it is there: this is an actor

        full = (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError)
        self._link = ActorLink(Objects(ray.put, full))
        self._link.bring(job, [memoryview(call)])
        self._problem: str | None = None
        worker_info.claim()
        # A daemon: Ray ends the process, whatever the user's code does.
        threading.Thread(target=self._run, name="farside-worker", daemon=True).start()

    def __repr__(self) -> str:
        """Return the worker's name: Ray puts it before what the worker prints."""
        return self._name

    def pull(self, words: Words) -> Reply:
        """Wait for the next frames, and return them."""
        self._link.tell(words)
        return self._link.take()

    def push(self, number: int, words: Words, commands: list[Command]) -> None:
        self._link.push(number, words, commands)

    def watch(self) -> str | None:
        """Wait until the worker has ended; return what has gone wrong with it, if anything."""
        self._link.done.wait()
        return self._problem

    def _run(self) -> None:
        try:
            serve(self._link, last_resort=self._end_process)
        except SystemExit:
            pass  # raised by the listener when everything was over already
        except BaseException as error:
            self._problem = f"its thread has failed ({type(error).__name__}: {error})"
        finally:
            self._link.end()

    def _end_process(self) -> None:
        if self._link.abandoned:  # else Ray ends the process, when everything was fetched
            os._exit(1)


def _end_by_sigterm() -> None:
    """Let SIGTERM end the process: Ray's handler takes no more calls, and waits for all pulls."""
    with suppress(ValueError):  # not in the main thread, where Ray makes actors
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _keep_memory() -> None:
    """Let the C library keep freed memory, which is slow to get anew: the process is ours alone."""
    # Python may have no ctypes, and the C library may not be that of GNU.
    with suppress(ImportError, AttributeError, OSError):
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
        for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            mallopt(parameter, _KEPT_BYTES)
