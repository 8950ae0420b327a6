"""A write to a worker that is gone must not end this process.

Python ignores SIGPIPE, so that such a write raises. But command-line programs often restore the
signal's default, which ends the process.
"""

from __future__ import annotations

import signal
from _signal import SIG_DFL, SIGPIPE, getsignal  # type: ignore[import-not-found]  # see `signals`

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")


def guarded(write: Callable[..., T], *given: Any) -> T:
    """Write to a pipe. Where SIGPIPE would end the process, hold it back, and take it off."""
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
