"""A write to a worker that is gone must not end this process.

Python ignores SIGPIPE, so that such a write raises. But command-line programs often restore the
signal's default, which ends the process.
"""

from __future__ import annotations

import signal
from _signal import (  # type: ignore[import-not-found]  # see `signals`
    SIG_DFL,
    SIGPIPE,
    getsignal,
)
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def kills() -> bool:
    """Tell whether a write to a pipe that nobody reads would end this process."""
    does: bool = getsignal(SIGPIPE) == SIG_DFL
    return does


@contextmanager
def held() -> Iterator[None]:
    """Hold SIGPIPE back in this thread, and take it off when it came."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        yield
    finally:
        if signal.SIGPIPE not in before:
            if signal.SIGPIPE in signal.sigpending():
                signal.sigwait({signal.SIGPIPE})
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPIPE})
