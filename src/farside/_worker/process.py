"""Entry point of a worker that is a process."""

from __future__ import annotations

import os
import signal

from .._link.worker_pipes import PipeWorkerLink
from .._memory.allocate import use
from .._payload import worker_info
from .._system.monkey_patches import check_threads
from .._system.standard import above_standard, fill_standard
from .execute import refuse
from .lifeline import tie
from .serve import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._payload.job import Job


def main(ends: Iterable[int], job: Job | None) -> None:
    """Run a worker in this process. If `job` is None, the job comes through the link.

    `ends` has the descriptors of the link, and last that of the lifeline: as numbers, or as objects
    by which multiprocessing has passed them.
    """
    # Ctrl-C reaches the whole process group; the parent alone decides what it means. Since SIGINT
    # is ignored here, it need not stay blocked, which children would inherit.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A forked process would run the parent's handler, and write to its event loop's pipe.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A daemon may have a thread of its own for signals, and have blocked them for all others.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    signal.set_wakeup_fd(-1)
    # Ends that come from a fork server of a daemon may have the numbers of standard streams.
    fds = [above_standard(end if isinstance(end, int) else end.detach()) for end in ends]
    fill_standard()
    for fd in fds:
        # They are inheritable in a spawned process, but its own children must not hold them open.
        os.set_inheritable(fd, False)
    *fds, lifeline = fds
    tie(lifeline)
    link = PipeWorkerLink(*fds)
    use(link.arena)
    worker_info.claim()
    try:
        check_threads()
    except RuntimeError as error:
        refuse(link, error)
        return
    serve(link, job, last_resort=lambda: os._exit(1))
