"""Opens a channel over pipes and shared memory."""

from __future__ import annotations

import fcntl
from collections import namedtuple

from .descriptors import Bell, pipe
from .memory import Mapping, create
from .pipes import PipeParentChannel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from .descriptors import Descriptor

    class WorkerEnds(NamedTuple):
        """The worker's ends of the pipes, and the shared memory."""

        commands: Descriptor
        wakes: Descriptor
        frames: Descriptor
        memory: Descriptor

else:
    WorkerEnds = namedtuple("WorkerEnds", ["commands", "wakes", "frames", "memory"])

_PIPE_BYTES = 1 << 18
"""What the pipe of frames holds, where that can be chosen: as much as may wait by default."""


def open_channel(arena_bytes: int) -> tuple[PipeParentChannel, WorkerEnds]:
    """Open a channel.

    Args:
        arena_bytes: size of the arena; 0 for none.

    Returns:
        The parent's side, and the ends that the backend hands to the worker and then closes.

    Raises:
        OSError: no file descriptors are left, or no memory.
    """
    made: list[Descriptor] = []
    bell: Bell | None = None
    try:
        for _ in range(3):
            made += pipe()
        commands, send_commands, wakes, send_wakes, receive_frames, frames = made
        _widen(frames.fileno())
        memory = create(arena_bytes)
        made.append(memory)
        bell = Bell()
        # The last to take a descriptor (a mapping has one of its own before Python 3.13), since it
        # is not closed as long as anything refers to it.
        mapping = Mapping(memory.fileno())
        parent = PipeParentChannel(send_commands, send_wakes, receive_frames, bell, mapping)
    except BaseException:
        for each in made:  # at once: who keeps the exception does not keep them
            each.close()
        if bell is not None:
            bell.close()
        raise
    return parent, WorkerEnds(commands, wakes, frames, memory)


def _widen(fd: int) -> None:
    """Let a pipe hold more than its default: each time it is full or empty, a side is woken."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux, and Python's module has it from 3.10 on
        try:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            pass  # the user has too many large pipes; this one then stays as it is
