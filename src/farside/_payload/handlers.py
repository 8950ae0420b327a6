"""Finds out whether an exception was raised by a signal handler or by the interrupted code."""

from __future__ import annotations

from .true_parts import is_a, traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_VARARGS = 4  # `inspect.CO_VARARGS`, without that module: it costs start-up time


def raised(error: BaseException) -> bool:
    """Tell whether a signal handler has raised an exception, as far as its traceback shows.

    Python passes the interrupted frame to the handler. In a traceback, that frame comes right
    before the handler's own.

    Example:
        >>> raised(ValueError())
        False
    """
    return _frame_of(error) is not None


def raised_outside(error: BaseException) -> bool:
    """Tell whether an exception comes from a signal handler that is not the interrupted code's own.

    If the handler is no longer set, the interrupted code had set it, as a time limit of its own for
    example, and removed it as the exception passed. But an exception that is no `Exception` is
    meant to end more than that code, even if its handler was set for one signal only.
    """
    frame = _frame_of(error)
    if frame is None or not is_a(error, Exception):
        return frame is not None
    from signal import getsignal, valid_signals  # only when something fails

    return frame.f_code in [_code_of(getsignal(each)) for each in valid_signals()]


def struck(error: BaseException) -> bool:
    """Tell whether an exception says nothing about the object that was being pickled.

    This is so if a signal handler raised the exception, or if memory ran out: the object itself may
    well pickle.

    Example:
        >>> struck(MemoryError()), struck(ValueError())
        (True, False)
    """
    return is_a(error, MemoryError) or raised(error)


def _frame_of(error: BaseException) -> FrameType | None:
    """Return the frame of the signal handler that raised an exception; None if none did."""
    above, trace = None, traceback_of(error)
    while trace is not None:
        if above is not None and _was_given(trace.tb_frame, above):
            return trace.tb_frame
        above, trace = trace.tb_frame, trace.tb_next
    return None


def _code_of(handler: Any) -> Any:
    """Return the code of a handler; None if it is not written in Python."""
    from functools import partial

    while isinstance(handler, partial):
        handler = handler.func
    own = getattr(handler, "__code__", None)
    return own or getattr(getattr(type(handler), "__call__", None), "__code__", None)  # noqa: B004


def _was_given(frame: FrameType, above: FrameType) -> bool:
    """Tell whether the function of `frame` was called with `above`, by itself or in ``*args``."""
    code = frame.f_code
    several = bool(code.co_flags & _VARARGS)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + several]
    given = [frame.f_locals.get(name) for name in names]
    parts = [each if type(each) is tuple else (each,) for each in given]
    return True in [part is above for each in parts for part in each]
