"""Describes an exception in one line of text, whatever its class does."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """Return the type and the message of an exception, for the message of another one.

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
