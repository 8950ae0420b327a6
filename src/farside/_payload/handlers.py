"""Finds out whether an exception was raised by a signal handler, or by the code that it struck."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_VARARGS = 4  # `inspect.CO_VARARGS`, without that module: it costs start-up time


def raised(error: BaseException) -> bool:
    """Tell whether a signal handler has raised an exception, as far as its traceback shows.

    Python calls a handler with the frame that it has interrupted, which is the one above it.

    Example:
        >>> raised(ValueError())
        False
    """
    above, trace = None, error.__traceback__
    while trace is not None:
        if above is not None and _was_given(trace.tb_frame, above):
            return True
        above, trace = trace.tb_frame, trace.tb_next
    return False


def struck(error: BaseException) -> bool:
    """Tell whether an exception says nothing of the object that was just pickled.

    That is so if a signal handler has raised it, or if memory ran out: then it may well pickle.

    Example:
        >>> struck(MemoryError()), struck(ValueError())
        (True, False)
    """
    return isinstance(error, MemoryError) or raised(error)


def _was_given(frame: FrameType, above: FrameType) -> bool:
    """Tell whether a function was called with a frame, by itself or among ``*args``."""
    code = frame.f_code
    several = bool(code.co_flags & _VARARGS)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + several]
    given = [frame.f_locals.get(name) for name in names]
    parts = [each if type(each) is tuple else (each,) for each in given]
    return True in [part is above for each in parts for part in each]
