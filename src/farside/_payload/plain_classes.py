"""Finds classes whose objects are rebuilt from their attributes alone, without calling a method."""

from __future__ import annotations

import copyreg
from _operator import methodcaller

from .reducers import keep, table_of_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_REDUCE = methodcaller("__reduce_ex__", 3)
"""Pickle's default for a class, in C. As the table has it, pickle need not search for it."""


class NotPlainError(Exception):
    """The value to be pickled holds an object whose class is not plain."""


class _PlainClasses(dict[type, "Callable[[Any], Any]"]):
    """The reducers of plain classes. For any other class, pickling fails with NotPlainError."""

    def __missing__(self, cls: type) -> Callable[[Any], Any]:
        if not is_plain(cls):
            raise NotPlainError
        # A function may make a class for each item, and a pass may have no end: not all are kept.
        return keep(self, cls, _REDUCE)  # type: ignore[no-any-return]


plain_classes = _PlainClasses()


def is_plain(cls: type) -> bool:
    """Tell whether objects of a class are rebuilt from their attributes alone.

    No method of the class runs then, except those that ``collections.namedtuple`` has made.

    Example:
        >>> class Point:
        ...     def __init__(self, x):
        ...         self.x = x
        >>> class Opened(Point):
        ...     def __setstate__(self, state):
        ...         self.file = open(state["path"])
        >>> is_plain(Point), is_plain(Opened), is_plain(int)
        (True, False, False)
    """
    if type(cls) is not type or cls in copyreg.dispatch_table or cls in table_of_items():
        return False
    base = tuple if cls.__bases__ == (tuple,) else object
    if False in [getattr(cls, name, None) is getattr(base, name, None) for name in _OWN_WAYS]:
        return False
    if not _hashes_as(cls, base):  # unpickling a set or dictionary would call it: see `joined`
        return False
    if base is tuple:
        new, given = (getattr(cls, name, None) for name in ("__new__", "__getnewargs__"))
        made = getattr(new, "__globals__", {}).get("__name__") == f"namedtuple_{cls.__name__}"
        return made and getattr(given, "__globals__", {}).get("__name__") == "collections"
    own = object.__new__, None, None
    found = tuple([getattr(cls, name, None) for name in _ARGUMENTS])
    # Attributes in slots are set one by one, which may run code of the class.
    return found == own and True not in ["__slots__" in vars(each) for each in cls.__mro__[:-1]]


def _hashes_as(cls: type, base: type) -> bool:
    """Tell whether a class has the hash of `base`, one made by a frozen dataclass, or none."""
    found: Any = getattr(cls, "__hash__", None)
    if found is None or found is base.__hash__:
        return True
    file = getattr(getattr(found, "__code__", None), "co_filename", None)
    return file == "<string>" and hasattr(cls, "__dataclass_fields__")


_OWN_WAYS = (
    "__reduce_ex__", "__reduce__", "__getstate__", "__setstate__",
    "__getattribute__", "__getattr__", "__del__",
)  # fmt: skip
_ARGUMENTS = ("__new__", "__getnewargs__", "__getnewargs_ex__")
