"""Generates code for items that are alike (see `rows`), which needs no loop over their values.

The code is made from text, as in `collections.namedtuple` and `dataclasses`. That text has nothing
of an item in it: keys are variables. The code for a dictionary with the keys "id" and "text"::

    def code(given, entries):
        values = given.values()
        try:
            (k0, k1,), (v0, v1,) = given, values
        except (ValueError, RuntimeError):
            return 0
        if k0 is not K0 and (type(k0) is not str or k0 != K0): return 0
        if k1 is not K1 and (type(k1) is not str or k1 != K1): return 0
        size = 18
        if type(v0) is int and (-536870912 < v0 < 536870912 or ...): pass
        elif type(v0) is str: size += len(v0) if v0.isascii() else 4 * len(v0)
        elif type(v0) not in ATOMS: return 0
        if type(v1) is str: size += len(v1) if v1.isascii() else 4 * len(v1)
        elif ...
        if size > 240: return 0
        entries.append((v0, v1,))
        return size
"""

from __future__ import annotations

from sys import version_info

from .._in_c import FREE_THREADED
from .plain import ATOM_BYTES, ATOMS, INT_LIMIT, WIDE
from .reducers import keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    Keys: TypeAlias = tuple[str, ...]
    Add: TypeAlias = Callable[[Any, list[Any]], int]
    Make: TypeAlias = Callable[[list[Any]], list[dict[str, Any]]]

MAX_BYTES = 240
"""The most bytes that a row is counted as, without its keys. So a worker need not add up the bytes
of rows: those of a frame are limited by their number."""

_UNCOUNTED = 50  # bytes that a row may take beside those that it is counted as, and its keys

MAX_KEYS = 10  # of a dictionary: checking more costs as much as pickling them

_adders: dict[Any, Add] = {}
_makers: dict[Keys, Make] = {}


def may_be_row(item: Any) -> bool:
    """Tell whether an item may be a row: it holds only plain values, and few if it has keys."""
    if type(item) is dict:
        return (
            0 < len(item) <= MAX_KEYS and {*map(type, item)} == {str} and _is_plain(item.values())
        )
    return type(item) in _ROWS and bool(item) and _is_plain(item)


def _is_plain(values: Iterable[Any]) -> bool:
    return {*map(type, values)} <= {int, str, *ATOMS}


def is_like(item: Any, sample: Any) -> bool:
    """Tell whether an item is of the type of a sample, and has the same keys, or as many values."""
    if type(item) is not type(sample):
        return False
    if type(item) is not dict:
        return len(item) == len(sample)
    # With -bb, texts must not be compared with bytes.
    return {*map(type, item)} == {str} and tuple(item) == tuple(sample)


def adder(sample: Any) -> Add:
    """Return a function that adds an item to entries if it is like a sample.

    The function returns how many bytes the item is counted as, or 0 if it was not added.
    """
    keyed = type(sample) is dict
    keys = tuple(sample) if keyed else ()
    kinds = tuple(map(type, sample.values() if keyed else sample))
    # The types of the values are left out: each pass may begin with others, and any code takes all.
    name = (type(sample), keys, len(kinds))
    made = _adders.get(name)
    if made is None:
        row = _ROWS[type(sample)]
        lines = [
            *_taken(type(sample), len(kinds)),
            *[_OTHER_KEY.format(number) for number in range(len(keys))],
            f"size = {ATOM_BYTES * len(kinds)}",
            *[line for number, kind in enumerate(kinds) for line in _look(number, kind)],
            f"if size > {MAX_BYTES}: return 0",
            f"entries.append({row.format(_values(len(kinds)))})",
            "return size",
        ]
        made = keep(_adders, name, _compiled("given, entries", lines, keys))
    return made


def most_bytes(keys: Keys | None) -> int:
    """Return how many bytes a row takes at most if it is pickled by itself."""
    return MAX_BYTES + _UNCOUNTED + sum([6 + WIDE * len(key) for key in keys or ()])


def maker(keys: Keys) -> Make:
    """Return a function that makes dictionaries from one list of the values of all of them."""
    made = _makers.get(keys)
    if made is None:
        count = len(keys)
        pairs = ", ".join([f"K{number}: v{number}" for number in range(count)])
        lines = [
            "walk = iter(given)",
            f"return [{{{pairs}}} for {_values(count)}, in zip({'walk, ' * count})]",
        ]
        made = keep(_makers, keys, _compiled("given", lines, keys))
    return made


def _compiled(parameters: str, lines: Iterable[str], keys: Keys) -> Any:
    """Make a function with these lines, in which ``K0`` and so on are the keys."""
    names = ["ATOMS", *[f"K{number}" for number in range(len(keys))]]
    text = f"def make({', '.join(names)}):\n    def code({parameters}):\n"
    text += "".join([f"        {line}\n" for line in lines]) + "    return code\n"
    made: dict[str, Any] = {}
    exec(text, globals(), made)  # noqa: S102  a text of this module: see above
    return made["make"](ATOMS, *keys)


def _values(count: int) -> str:
    return ", ".join([f"v{number}" for number in range(count)])


def _taken(kind: type, count: int) -> list[str]:
    """Return lines that unpack the values of an item; a ValueError means more or fewer values.

    Without a GIL, other threads may change the item meanwhile, so it is copied first. With a GIL,
    they can run only at a call or a jump. From Python 3.12 on, that also holds for the cyclic
    garbage collector, which may run user code. (A RuntimeError means that such code has changed a
    dictionary.) Signal handlers run there too, so no call is within the ``try``: their errors must
    not pass for those of the item.
    """
    lines = ["given = given.copy()"] if FREE_THREADED and kind is not tuple else []
    apart = f"{_values(count)}, = given"
    if kind is dict and version_info >= (3, 12):
        lines.append("values = given.values()")
        keys = ", ".join([f"k{number}" for number in range(count)])
        apart = f"({keys},), ({_values(count)},) = given, values"
    elif kind is dict:
        lines.append("given = given.items()")
        apart = ", ".join([f"(k{number}, v{number})" for number in range(count)])
        apart += ", = given"
    return [
        *lines,
        "try:",
        f"    {apart}",
        "except (ValueError, RuntimeError):",
        "    return 0",
    ]


_ROWS: dict[type, str] = {dict: "({},)", list: "[{}]", tuple: "given"}
_OTHER_KEY = "if k{0} is not K{0} and (type(k{0}) is not str or k{0} != K{0}): return 0"
_SMALL = 1 << 29  # integers below that are compared in a third of the time of others
_IN_LIMITS = f"-{_SMALL} < v{{0}} < {_SMALL} or -{INT_LIMIT} < v{{0}} < {INT_LIMIT}"
_LOOKS = {
    int: f"type(v{{0}}) is int and ({_IN_LIMITS}): pass",
    str: f"type(v{{0}}) is str: size += len(v{{0}}) if v{{0}}.isascii() else {WIDE} * len(v{{0}})",
    float: "type(v{0}) is float: pass",
    bool: "type(v{0}) is bool: pass",
    type(None): "v{0} is None: pass",
}


def _look(number: int, kind: type) -> list[str]:
    """Return lines that check a value, and first whether it has the type of the first sample's."""
    looks = [
        "if " + _LOOKS[kind],
        *["elif " + _LOOKS[other] for other in (int, str) if other is not kind],
    ]
    return [look.format(number) for look in [*looks, "elif type(v{0}) not in ATOMS: return 0"]]
