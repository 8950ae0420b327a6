"""Lists the values of a weak dictionary that are alive, while other threads add some."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar
    from weakref import WeakValueDictionary

    T = TypeVar("T")


def alive(record: WeakValueDictionary[Any, T]) -> list[T]:
    """Return the values that are alive."""
    # Copied by one call of C code: before Python 3.14, to go through a dictionary or a set of weak
    # references fails where another thread adds to it meanwhile.
    found = [reference() for reference in record.valuerefs()]
    return [each for each in found if each is not None]
