"""Starts a worker and gives it its job, whatever strikes meanwhile."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from .._payload import pickling
from .._payload.job import JOB, Job
from .._system.signals import defer_sigint
from ..errors import LinkClosedError
from .base import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

W = TypeVar("W", bound=Worker)


def start(
    begin: Callable[[], W],
    job: Job | None = None,
    run: Callable[[Callable[[], W]], object] = defer_sigint,
) -> W:
    """Start a worker.

    Args:
        begin: starts it.
        job: what it is sent, if it does not have its job already.
        run: runs that, and holds Ctrl-C back meanwhile.

    Raises:
        BaseException: whatever any of that raises, or the handler of Ctrl-C at the end. Then nobody
            gets to know the worker, so it is let go.
    """
    begun: list[W] = []

    def work() -> W:
        begun.append(begin())
        return begun[0]

    try:
        run(work)
        if job is not None:
            # A worker that is gone already is no error here: receiving tells, with its status.
            with contextlib.suppress(LinkClosedError):
                begun[0].link.send(JOB, 0, pickling.dumps_plain(tuple(job)))
        return begun[0]
    except BaseException:
        for worker in begun:
            worker.link.close()
        raise
