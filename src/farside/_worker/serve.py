"""A worker from its first frame to its end; the same for every backend."""

from __future__ import annotations

from .._in_c import deque
from .._payload.job import JOB, Job
from .._payload.pickling import loads
from ..errors import LinkClosedError
from .execute import execute_iterable, refuse
from .listener import CommandListener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._link.frames import Frame
    from .._link.worker_base import WorkerLink


def serve(
    link: WorkerLink,
    job: Job | bytes | bytearray | memoryview | None = None,
    *,
    last_resort: Callable[[], object] | None = None,
) -> None:
    """Be a worker.

    Args:
        link: the way to the parent.
        job: what to do, or the body of the frame that brings it; None: it comes as that frame.
        last_resort: what ends the process when the parent is gone and user code does not end.
    """
    frames: deque[Frame] = deque()
    if job is None:
        try:
            link.receive(frames)
        except LinkClosedError:
            return
        first = frames.popleft()
        assert first.kind == JOB
        job = first.body
        del first  # the body may be large
    if not isinstance(job, Job):
        try:
            job = Job(*loads(job))
        except Exception as error:
            refuse(link, error, "load")
            return
    listener = CommandListener(link, frames, last_resort)
    try:
        listener.start()
    except RuntimeError as error:  # no more threads can be had
        refuse(link, error)
        return
    try:
        try:
            execute_iterable(link, listener.commands, job, listener.finalizers)
        finally:
            _to_the_end(listener.iteration.done)
            _to_the_end(listener.finalizers.run)
    finally:
        _to_the_end(listener.finalization.done)


def _to_the_end(act: Callable[[], None]) -> None:
    """Call something until it returns: the listener may raise SystemExit in the middle of it."""
    while True:
        try:
            return act()
        except SystemExit:
            continue
