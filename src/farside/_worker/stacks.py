"""Where the threads of this interpreter are, as plain data.

The parent makes text of it. This thread shares a GIL with code that may never pause, and each
look at a file, be it to import a module or to read a line of source, would cost it a turn.
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

_FRAMES = 200  # how many of a deep recursion's frames are told, the innermost
_THREADS = 100  # how many threads are told of


def report() -> list[tuple[str, list[Place]]]:
    """Tell where each thread is, but farside's own; the one that runs the iterable first.

    Returns what to call each, and its stack, the outermost frame first. There, farside's own
    frames, and those that call them, are left out.
    """
    # There it goes through the threads of all interpreters, whose GILs it does not hold, and
    # crashes the process. So does following the list of threads by hand, when one is just ending.
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
    del innermost, frames  # this very frame is among them, so it would keep those of the user
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
    """Find where a worker begins: a forked one has the parent's frames before."""
    codes = [(frame.f_code.co_name, frame.f_code.co_filename) for frame in frames]
    begins = [at for at, code in enumerate(codes) if code == ("execute_iterable", _EXECUTE)]
    return begins[-1] if begins else None


def _thread_name(outermost: FrameType) -> str:
    thread = outermost.f_locals.get("self") if outermost.f_code.co_name == "_bootstrap" else None
    return str(getattr(thread, "name", _FOREIGN))


def _several_interpreters() -> bool:
    from importlib import import_module

    # What the public modules stand on; Python 3.13 has it.
    return len(import_module("_interpreters").list_all()) > 1
