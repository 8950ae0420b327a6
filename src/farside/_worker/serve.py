"""Runs a worker from its first frame to its end, for every backend but ``"inline"``."""

from __future__ import annotations

from .._in_c import deque, partial
from .._payload.job import JOB, Job
from .._payload.pickling import loads
from ..errors import LinkClosedError, ProtocolError
from . import forward
from .execute import execute_iterable, refuse
from .listener import CommandListener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._link.frames import Frame
    from .._link.worker_base import WorkerLink


def serve(
    link: WorkerLink, job: Job | None = None, *, last_resort: Callable[[], object] | None = None
) -> None:
    """Run a worker until it ends.

    Args:
        link: the way to the parent.
        job: what to do; None: it comes as the first frame.
        last_resort: what ends the process when the parent is gone and user code does not end.
    """
    frames: deque[Frame] = deque()
    if job is None:
        try:
            link.receive(frames)
        except LinkClosedError:
            return
        try:
            job = _load(frames.popleft())
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
            _to_the_end(partial(forward.send_last, link))  # records of the finalizers' threads
    finally:
        _to_the_end(listener.finalization.done)


def _load(frame: Frame) -> Job:
    """Load the job. The caller must keep no reference to its frame, which may be large."""
    if frame.kind != JOB:  # the fault of a backend
        raise ProtocolError(
            f"the first frame is no job, but of kind {frame.kind}; the backend sends the job "
            f"before anything else, as a frame of kind {JOB}"
        )
    return Job(*loads(frame.body, frame.blocks))


def _to_the_end(act: Callable[[], None]) -> None:
    """Call `act` until it returns: the listener may raise SystemExit in the middle of it."""
    while True:
        try:
            return act()
        except SystemExit:
            continue
