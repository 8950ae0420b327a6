"""Reads and sets what Python itself keeps in an exception, whatever the class does.

A class of the user's may have a ``__setattr__`` that refuses, as that of a frozen dataclass does,
or properties that raise. `isinstance` too may run its code: it asks an object for ``__class__``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, TypeGuard, TypeVar

    E = TypeVar("E", bound=BaseException)

_PARTS: Any = vars(BaseException)


def is_a(error: BaseException, *kinds: type[E]) -> TypeGuard[E]:
    """Tell whether an exception is of one of these classes."""
    return issubclass(type(error), kinds)


def traceback_of(error: BaseException) -> TracebackType | None:
    traceback: TracebackType | None = _PARTS["__traceback__"].__get__(error)
    return traceback


def put(error: BaseException, name: str, value: object) -> None:
    """Set ``__cause__``, ``__context__`` or ``__traceback__`` of an exception.

    Example:
        >>> error = ValueError()
        >>> put(error, "__cause__", KeyError("a"))
        >>> error.__cause__
        KeyError('a')
    """
    _PARTS[name].__set__(error, value)
