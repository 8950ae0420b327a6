"""Reports where the threads of this interpreter are, as plain data.

The parent turns it into text. The thread that reports shares the GIL with code that may never
pause. Each access to a file, to import a module or to read a line of source, would cost it a turn.
"""

from __future__ import annotations

import os
import sys
from itertools import dropwhile

from .._system.signals import main_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import TypeAlias

    Place: TypeAlias = tuple[str, int, str]
    """File, line, function."""

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_EXECUTE = os.path.join(_HERE, "_worker", "execute.py")
_ACTOR = os.path.join(_HERE, "_backends", "ray", "actor.py")

_HELPERS = ("farside-flusher", "farside-listener")
_FOREIGN = "that was not begun by Python"

_FRAMES = 200  # how many frames of a deep recursion are reported: the innermost
_THREADS = 100  # how many other threads are reported, about


def report() -> list[tuple[str, list[Place]]]:
    """Report where each thread is except farside's own; the one that runs the iterable is first.

    Returns a name for each thread, and its stack, the outermost frame first. The stack of the
    first begins in user code: farside's own frames, and those that call them, are left out.
    """
    # In these versions, `_current_frames` goes through the threads of all interpreters, without
    # their GILs, and crashes the process. To follow the list of threads here would crash it too, if
    # one of them is just ending.
    if (3, 13) <= sys.version_info < (3, 14, 8) and _several_interpreters():
        return [("Python cannot tell before 3.14.8 where the threads of a subinterpreter are", [])]
    found: list[tuple[str, list[Place]]] = []
    main = main_ident()
    for ident, innermost in sys._current_frames().items():  # noqa: SLF001  a documented function
        frames = _chain(innermost)
        name = "MainThread" if ident == main else _thread_name(frames[0])
        entrance = _entrance(frames)
        called = _ACTOR in [frame.f_code.co_filename for frame in frames]  # by a thread of Ray's
        if name in _HELPERS or _is_ours(frames[0]) or (called and name == _FOREIGN):
            continue
        if entrance is None:
            if len(found) <= _THREADS:
                found.append((f"the thread {name}", _places(frames)))
        else:
            places = _places(_of_user(frames[entrance:]))
            found.insert(0, ("the thread that runs the iterable", places))
    del innermost, frames  # this very frame is among them, and would keep the user's frames
    return found


def _chain(innermost: FrameType) -> list[FrameType]:
    frames = []
    frame: FrameType | None = innermost
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _places(frames: list[FrameType]) -> list[Place]:
    told = [(frame.f_code, frame.f_lineno) for frame in frames[-_FRAMES:]]
    return [(code.co_filename, at or code.co_firstlineno, code.co_name) for code, at in told]


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_HERE)


def _of_user(frames: list[FrameType]) -> list[FrameType]:
    """Skip farside's own frames at the outer end, unless there is nothing else."""
    return [*dropwhile(_is_ours, frames)] or frames


def _entrance(frames: list[FrameType]) -> int | None:
    """Find the frame in which a worker begins: a forked one has the parent's frames before."""
    codes = [(frame.f_code.co_name, frame.f_code.co_filename) for frame in frames]
    begins = [at for at, code in enumerate(codes) if code == ("execute_iterable", _EXECUTE)]
    return begins[-1] if begins else None


def _thread_name(outermost: FrameType) -> str:
    thread = outermost.f_locals.get("self") if outermost.f_code.co_name == "_bootstrap" else None
    return str(getattr(thread, "name", _FOREIGN))


def _several_interpreters() -> bool:
    from importlib import import_module

    # The public modules are built on this one, which Python 3.13 has too.
    return len(import_module("_interpreters").list_all()) > 1
