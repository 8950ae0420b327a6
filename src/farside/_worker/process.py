"""Entry point of a worker that is a process."""

from __future__ import annotations

import os
import signal

from .._transport.allocate import use
from .._transport.worker_pipes import PipeWorkerChannel
from . import info
from .lifeline import tie
from .serve import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .job import Job


def main(ends: Iterable[int], job: Job | None) -> None:
    """Run a worker in this process.

    Args:
        ends: the worker's ends of the pipes, and of the one that ties it to its parent: numbers, or
            what multiprocessing made of them.
        job: the job, when the process was forked; else it comes through the channel.
    """
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(
        signal.SIG_UNBLOCK, {signal.SIGINT}
    )  # so that it is not held for children
    # A forked process would run the parent's handler, and write to its event loop's pipe.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    fds = [end if isinstance(end, int) else end.detach() for end in ends]
    for fd in fds:
        # A spawned process gets them inheritable; its own children must not hold them open.
        os.set_inheritable(fd, False)
    *fds, lifeline = fds
    tie(lifeline)
    channel = PipeWorkerChannel(*fds)
    use(channel.arena)
    info.claim()
    serve(channel, job, last_resort=lambda: os._exit(1))
