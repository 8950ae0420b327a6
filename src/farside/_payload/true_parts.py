"""What Python itself keeps in an exception, whatever its class makes of the same names.

A class of the user's may have a ``__setattr__`` that refuses, as that of a frozen dataclass does,
or properties that raise. `isinstance` asks an object for its ``__class__``, too.
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
    """Set such a part: ``__cause__``, ``__context__`` or ``__traceback__``.

    Example:
        >>> error = ValueError()
        >>> put(error, "__cause__", KeyError("a"))
        >>> error.__cause__
        KeyError('a')
    """
    _PARTS[name].__set__(error, value)
