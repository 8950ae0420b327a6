"""Exceptions in one line of text, whatever their classes do."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """Return type and message of an exception, to be named in another one's message.

    Example:
        >>> one_line(KeyError("a"))
        "KeyError: 'a'"
    """
    try:
        name = str(type(error).__name__)
    except BaseException:  # user code: a metaclass
        name = "an exception of unknown type"
    try:
        return f"{name}: {error}"
    except BaseException:  # user code: __str__ may raise anything
        return f"{name}: <str() of the exception failed>"
