"""A worker from its first frame to its end; the same for every backend."""

from __future__ import annotations

from collections import deque

from ..errors import ChannelClosedError
from .execute import execute_iterable
from .job import JOB
from .listener import CommandListener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._transport.channel import WorkerChannel
    from .._transport.frames import Frame
    from .job import Job


def serve(
    channel: WorkerChannel,
    job: Job | bytes | bytearray | None = None,
    *,
    last_resort: Callable[[], object] | None = None,
) -> None:
    """Be a worker.

    Args:
        channel: the way to the parent.
        job: what to do; None: it comes as the first frame.
        last_resort: what ends the process when the parent is gone and user code does not end.
    """
    frames: deque[Frame] = deque()
    if job is None:
        try:
            channel.receive(frames)
        except ChannelClosedError:
            return
        first = frames.popleft()
        assert first.kind == JOB
        job = first.body
    listener = CommandListener(channel, frames, last_resort)
    listener.start()
    try:
        execute_iterable(channel, listener.commands, job)
    finally:
        _end(listener)


def _end(listener: CommandListener) -> None:
    """Let the listener interrupt nothing any more, and take what it has raised in this thread."""
    while True:
        try:
            listener.done()
        except SystemExit:
            continue
        return
