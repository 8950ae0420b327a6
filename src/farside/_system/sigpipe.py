"""Keeps a write to a pipe without a reader from ending this process by SIGPIPE.

Python ignores SIGPIPE, so that such a write raises an error. But command-line programs often
restore the signal's default, which ends the process. This concerns writes to workers, and those of
workers that are subinterpreters of this process.
"""

from __future__ import annotations

import os
import signal
from _signal import SIG_DFL, SIGPIPE, getsignal  # type: ignore[import-not-found]  # see `signals`
from _thread import start_new_thread
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ..errors import LinkClosedError
from .descriptors import Descriptor, opened

T = TypeVar("T")


def guarded(write: Callable[..., T], *given: Any) -> T:
    """Write to a pipe. Where SIGPIPE would end the process, block the signal and discard it."""
    if getsignal(SIGPIPE) != SIG_DFL:
        return write(*given)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {SIGPIPE})
    try:
        return write(*given)
    finally:
        if SIGPIPE not in before:
            if SIGPIPE in signal.sigpending():
                signal.sigwait({SIGPIPE})
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGPIPE})


def outlast(end: Descriptor) -> None:
    """Where SIGPIPE would end the process, let a pipe have a reader for as long as it has a writer.

    This is for a writer in this process that does not guard its writes. Call it before `end`, the
    one to read from, is closed.
    """
    if getsignal(SIGPIPE) == SIG_DFL:
        # Perhaps the end is closed already, or no descriptors, or no threads, are left.
        with suppress(LinkClosedError, OSError, RuntimeError):
            start_new_thread(_read_on, (opened(lambda: os.dup(end.fileno())),))


def _read_on(end: Descriptor) -> None:
    with suppress(OSError):
        os.set_blocking(end.fileno(), True)
        while os.read(end.fileno(), 1 << 16):
            pass
    end.close()
