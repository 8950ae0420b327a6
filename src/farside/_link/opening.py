"""Opens a link over pipes and shared memory."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from .._memory.creating import share
from .._named_tuple import NamedTuple
from .._system.descriptors import Descriptor, opened, pipe, with_standard_filled
from .pipes import PipeLink

_PIPE_BYTES = 1 << 18  # how many bytes the pipe of frames holds, where that can be chosen


class WorkerEnds(NamedTuple):
    """The worker's ends of the pipes, and the shared memory."""

    commands: Descriptor
    wakes: Descriptor
    frames: Descriptor
    memory: Descriptor


def open_link(arena_bytes: int, *, both: bool = False) -> tuple[PipeLink, WorkerEnds]:
    """Open a link.

    Args:
        arena_bytes: size of the arena; 0 for none.
        both: whether there is a second arena, for large contents on their way down.

    Returns:
        The parent's side, and the ends that the backend hands to the worker and then closes.

    Raises:
        OSError: no file descriptors are left, or no memory.
    """
    made: list[Descriptor] = []
    try:
        for _ in range(3):
            made += pipe()
        commands, send_commands, wakes, send_wakes, receive_frames, frames = made
        with suppress(AttributeError, OSError):  # not Linux; the user has too many large pipes
            # Fewer wake-ups: a side is woken each time that the pipe gets full or empty.
            fcntl.fcntl(frames.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        # Last: before Python 3.13 a mapping has a descriptor of its own, which stays open as long
        # as anything refers to the mapping.
        memory, mapping = with_standard_filled(lambda: share(arena_bytes, both=both))
        made.append(memory)
        parent = PipeLink(send_commands, send_wakes, receive_frames, mapping)
        if mapping.second is not None:  # this side commits its memory later
            own = opened(lambda: os.dup(memory.fileno()))
            mapping.second.fileno = own.fileno
            parent.keep(own)
    except BaseException:
        for each in made:  # at once: an exception that is kept must not keep them open
            each.close()
        raise
    return parent, WorkerEnds(commands, wakes, frames, memory)
