"""Where the threads of this interpreter are, as text. Imported when it is asked for."""

from __future__ import annotations

import os
import sys
import traceback

from .failure import read_main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_EXECUTE = os.path.join(_HERE, "_worker", "execute.py")

_TEXT_LIMIT = 50_000
"""Characters; there may be many threads."""


def report() -> str:
    """Describe where each thread is, but farside's own; the one that runs the iterable first.

    At the outer end of a stack, what is farside's own or calls that is left out.
    """
    texts: list[str] = []
    for innermost in _innermost_frames():
        frames = [frame for frame, _ in traceback.walk_stack(innermost)][::-1]
        name = _thread_name(frames[0])
        if name in _HELPERS:
            continue
        works = _entrance(frames) is not None
        title = "the thread that runs the iterable" if works else f"the thread {name}"
        texts.insert(0 if works else len(texts), f"{title}:\n{_format(frames)}")
    text = "\n".join(texts)
    if len(text) > _TEXT_LIMIT:
        text = f"{text[:_TEXT_LIMIT]}\n… {len(text) - _TEXT_LIMIT} characters left out …\n"
    return text.encode("utf-8", "backslashreplace").decode()


_HELPERS = ("farside-courier", "farside-listener")


def _thread_name(outermost: FrameType) -> str:
    thread = outermost.f_locals.get("self") if outermost.f_code.co_name == "_bootstrap" else None
    return str(getattr(thread, "name", "that was not begun by Python"))


def _format(frames: list[FrameType]) -> str:
    start = _entrance(frames)
    if start is not None:
        inner = [frame.f_code.co_filename.startswith(_HERE) for frame in frames[start:]]
        if False in inner:  # else the worker does nothing for the user just now
            start += inner.index(False)
        frames = frames[start:]
    read_main()
    lines = ((frame, frame.f_lineno or frame.f_code.co_firstlineno) for frame in frames)
    summary = traceback.StackSummary.extract(lines, limit=-_FRAMES)
    return "".join(summary.format())


def _entrance(frames: list[FrameType]) -> int | None:
    """Find where a worker begins: a forked one has the parent's frames before."""
    for at in range(len(frames) - 1, -1, -1):
        code = frames[at].f_code
        if code.co_name == "execute_iterable" and code.co_filename == _EXECUTE:
            return at
    return None


_FRAMES = 200
"""How many of a deep recursion's frames are shown, the innermost."""


def _innermost_frames() -> Iterable[FrameType]:
    if sys.version_info[:2] == (3, 13):
        return _walk()
    return sys._current_frames().values()  # noqa: SLF001  a documented function


def _walk() -> list[FrameType]:
    """Return the innermost frames of this interpreter's threads.

    ``sys._current_frames()`` of Python 3.13 goes through the threads of all interpreters, whose
    GILs it does not hold, and crashes the process. (3.14 looks at its own alone, and before 3.13
    there are none.) The calls below keep the GIL, so no thread of the interpreter runs meanwhile.
    """
    import ctypes

    api = ctypes.pythonapi
    get_frame = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(
        ("PyThreadState_GetFrame", api)
    )
    get_interpreter = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyInterpreterState_Get", api))
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    get_head = pointer(("PyInterpreterState_ThreadHead", api))
    get_next = pointer(("PyThreadState_Next", api))
    frames = []
    state = get_head(get_interpreter())
    while state:
        try:
            frames.append(get_frame(state))
        except ValueError:  # a null pointer: the thread has no frame
            pass
        state = get_next(state)
    return frames
