"""Takes samples apart without a pickler, whose calls for each array cost more than all else does.

A *sample* is a dictionary, a list or a tuple that holds plain NumPy arrays, and beside them only
plain values: an image with its label, say. It crosses as a *form* and the contents of its arrays. A
form is a *layout*, which alike samples share, and the values, where each array is replaced by its
description (see `arrays`). A layout is the names of the values, or else the type of the sample, and
the places of the arrays among the values. Imported only if NumPy already is.
"""

from __future__ import annotations

from copyreg import dispatch_table
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from numpy import asarray, dtype, ndarray

from .._memory.parts import BLOCK_BYTES
from .arrays import Templates, load
from .plain import ATOM_BYTES, ATOMS, INT_LIMIT, STR_LIMIT, WIDE
from .reducers import keep, of_users

if TYPE_CHECKING:
    from collections.abc import Collection

Layout: TypeAlias = "tuple[tuple[str, ...] | str, tuple[int, ...]]"
Form: TypeAlias = "tuple[Layout, list[Any]]"

_NUMBERS: frozenset[type] = frozenset([dtype(code).type for code in "?bBhHiIlLqQefdFD"])
"""The types of NumPy's numbers. Such a number crosses as an array without axes. Its place is told
as the number below zero that `~` gives."""

_KINDS = frozenset({ndarray, int, str, *ATOMS, *_NUMBERS})
_MOST_VALUES = 64  # of a sample: more are pickled


class _Plan(NamedTuple):
    """What to do with samples whose values have the same names and types."""

    layout: Layout
    arrays: tuple[int, ...]  # their places
    numbers: tuple[int, ...]
    texts: tuple[int, ...]
    integers: tuple[int, ...]
    nbytes: int  # of the values, beside the characters of texts


class Samples:
    """The sending side's plans."""

    def __init__(self, templates: Templates) -> None:
        self._find = templates.find
        self._plans: dict[Any, _Plan | None] = {}  # None: it is no sample

    def take_apart(self, item: Any) -> tuple[Form, int, list[memoryview]] | None:
        """Return the form, about how many bytes it has, and the contents of the arrays.

        Return None if the item has to be pickled as usual, or has no large array.
        """
        if len(item) > _MOST_VALUES:
            return None
        named = type(item) is dict
        if named:
            item = item.copy()  # another thread may change it meanwhile
        values = [*item.values()] if named else [*item]
        if not _has_large(values):
            return None
        plan = self._plan((*item,) if named else type(item).__name__, values)
        nbytes = 0 if plan is None else _bytes_of(plan, values)
        if not nbytes:
            return None
        views = self._describe(plan, values)
        return None if views is None else ((plan.layout, values), nbytes, views)

    def _plan(self, names: tuple[str, ...] | str, values: list[Any]) -> Any:
        """Return a plan; None if this is no sample."""
        named = type(names) is tuple
        key = names, (*map(type, names if named else ()), *map(type, values))
        if key in self._plans and _KINDS.isdisjoint(of_users):
            return self._plans[key]
        kinds = [*map(type, values)]
        plan = None
        reduced = dispatch_table.keys() | of_users.keys()  # by functions of other libraries
        if (
            _KINDS.issuperset(kinds)
            and reduced.isdisjoint(kinds)
            and (not named or {*map(type, names)} == {str})
        ):
            arrays, numbers = _places(kinds, {ndarray}), _places(kinds, _NUMBERS)
            plan = _Plan(
                (names, (*arrays, *[~place for place in numbers])),
                arrays,
                numbers,
                _places(kinds, {str}),
                _places(kinds, {int}),
                ATOM_BYTES * len(values),
            )
        return keep(self._plans, key, plan)

    def _describe(self, plan: _Plan, values: list[Any]) -> list[memoryview] | None:
        """Replace arrays by their descriptions, and return their contents; None: pickle them."""
        for place in plan.numbers:
            values[place] = asarray(values[place])
        views: list[memoryview] = []
        for place in (*plan.arrays, *plan.numbers):
            found = self._find(values[place])
            if found is None:
                return None
            values[place], view = found
            views.append(view)
        return views


def _has_large(values: list[Any]) -> bool:
    """Tell whether there is a large array. Pickling small ones takes less time than all this."""
    return True in [type(value) is ndarray and value.nbytes >= BLOCK_BYTES for value in values]


def _places(kinds: list[type], wanted: Collection[type]) -> tuple[int, ...]:
    return tuple([place for place, kind in enumerate(kinds) if kind in wanted])


def _bytes_of(plan: _Plan, values: list[Any]) -> int:
    """Return about how many bytes a form has; 0 if its sample has to be pickled."""
    arrays = plan.arrays
    if len(arrays) > 1 and len({id(values[place]) for place in arrays}) < len(arrays):
        return 0  # an array at two places has to arrive as one
    nbytes = plan.nbytes
    for place in plan.texts:
        characters = len(values[place])
        if characters >= STR_LIMIT:
            return 0
        nbytes += WIDE * characters
    for place in plan.integers:
        if not -INT_LIMIT < values[place] < INT_LIMIT:
            return 0
    return nbytes


def put_together(form: Form, contents: list[Any]) -> Any:
    """Return the sample of a form and the contents of its arrays."""
    (names, places), known = form
    values = [*known]
    for place, buffer in zip(places, contents, strict=True):
        if place >= 0:
            values[place] = load(values[place], buffer)
        else:
            values[~place] = load(values[~place], buffer)[()]
    if type(names) is tuple:
        return dict(zip(names, values, strict=True))
    return values if names == "list" else (*values,)
