"""Finds the part of a value that does not pickle, for error messages. The search is short."""

from __future__ import annotations

import functools
import time
from collections import deque
from types import MethodType

from . import pickling
from .reducers import Table, table_of_items
from .true_parts import is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeAlias

    Group: TypeAlias = tuple[Sequence[Any], Callable[[int], str]]
    """Parts of a value, and a function that returns the path to the part at an index."""

_DEPTH = 20
_PROBES = 300
_SECONDS = 1.0
_KEY_CHARACTERS = 60
_OF_PARTS = functools.partial, MethodType
"""Of these, the reducers of multiprocessing pickle the parts."""

_NAMED = (str, int, float, bool, bytes, type(None))


def find(value: Any, name: str, error: BaseException, table: Table | None = None) -> str | None:
    """Name the innermost part that does not pickle with these reducers (default: those for items).

    Returns the path to the part, and the part's type; None if no such part is found. Nothing is
    raised, whatever the value does, and no iterator is advanced.

    Example:
        >>> find({"a": [1, (each for each in "ab")]}, "item", TypeError())
        "item['a'][1]: generator"
    """
    if not is_a(error, Exception) or is_a(error, MemoryError, RecursionError):
        return None
    try:
        return _Search(table).find(value, name)
    except BaseException:  # user code: __reduce__ may raise anything
        return None


class _Search:
    def __init__(self, table: Table | None) -> None:
        self._table = table_of_items() if table is None else table
        self._probes = _PROBES
        self._deadline = time.monotonic() + _SECONDS

    def find(self, value: Any, name: str) -> str | None:
        if not self._refuses(value):
            return None
        for _ in range(_DEPTH):
            if type(value) in self._table and not isinstance(value, _OF_PARTS):
                break  # its reducer has refused it as a whole
            found = next(filter(None, map(self._first, _groups(value))), None)
            if found is None:
                break
            where, value = found
            name += where
        cls = type(value)
        return f"{name}: {cls.__module__}.{cls.__qualname__}".replace(": builtins.", ": ")

    def _first(self, group: Group) -> tuple[str, Any] | None:
        """Find the first part that does not pickle, by bisection, since there may be many parts."""
        parts, where = group
        low, high = 0, len(parts)
        if not parts or not self._refuses(parts):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self._refuses(parts[low:middle]):
                high = middle
            else:
                low = middle
        return where(low), parts[low]

    def _refuses(self, value: Any) -> bool:
        self._probes -= 1
        if self._probes < 0 or time.monotonic() > self._deadline:
            return False
        try:
            pickling.dumps(value, self._table)
        except Exception:  # user code
            return True
        return False


def _groups(value: Any) -> Iterator[Group]:
    if isinstance(value, dict):
        keys = list(dict.keys(value))
        yield list(dict.values(value)), lambda index: f"[{_name(keys[index])}]"
        yield keys, lambda _: " (a key)"
    elif isinstance(value, (list, tuple, deque)):
        yield list(value), lambda index: f"[{index}]"
    elif isinstance(value, (set, frozenset)):
        yield list(value), lambda _: " (an element)"
    elif isinstance(value, functools.partial):
        yield [value.func, value.args, value.keywords], (".func", ".args", ".keywords").__getitem__
    elif isinstance(value, MethodType):
        yield [value.__self__], lambda _: ".__self__"
    if type(value) not in {dict, list, tuple, set, frozenset, deque}:
        yield from _attributes(value)


def _attributes(value: Any) -> Iterator[Group]:
    """Yield the parts that an object's ``__reduce_ex__`` returns, as pickle would get them."""
    try:
        _, arguments, *rest = value.__reduce_ex__(5)
    except Exception:  # it is the culprit itself
        return
    state = rest[0] if rest else None
    for part in state if type(state) is tuple else (state,):
        if type(part) is dict:
            names = list(part)
            yield list(part.values()), lambda index, names=names: f".{names[index]}"  # type: ignore[misc]
        else:
            yield [part], lambda _: " (its state)"
    yield list(arguments), lambda index: f".__reduce_ex__(5)[1][{index}]"


def _name(key: Any) -> str:
    if type(key) not in _NAMED:
        return f"a {type(key).__name__}"
    name = repr(key)
    return name if len(name) <= _KEY_CHARACTERS else f"{name[:_KEY_CHARACTERS]}…"
