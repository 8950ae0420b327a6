"""Takes samples apart without a pickler, whose calls for each array cost more than all else does.

A *sample* is a dictionary, a list or a tuple that holds plain NumPy arrays, and beside them only
plain values: an image with its label, say. It crosses as a *form* and the contents of its arrays. A
form is a *layout*, which alike samples share, and the values, with a description in the place of
each array. A layout is the names of the values, or else the type of the sample; the places of the
arrays among the values; and those of NumPy's numbers, which cross as arrays without axes. A masked
array crosses as a sample of its data and its mask. Imported only if NumPy already is.
"""

from __future__ import annotations

from copyreg import dispatch_table
from sys import modules
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from numpy import asarray, dtype, ndarray

from .._memory.parts import BLOCK_BYTES
from .arrays import on_buffer
from .ndarrays import rebuild_masked
from .plain import ATOM_BYTES, ATOMS, INT_LIMIT, STR_LIMIT, WIDE
from .reducers import is_exactly, keep, of_users

if TYPE_CHECKING:
    from collections.abc import Collection

    from .._memory.parts import Scattered
    from .arrays import Templates

Layout: TypeAlias = "tuple[tuple[str, ...] | str, tuple[int, ...], tuple[int, ...]]"
Form: TypeAlias = "tuple[Layout, list[Any]]"

_NUMBERS: frozenset[type] = frozenset([dtype(code).type for code in "?bBhHiIlLqQefdFD"])
_KINDS = frozenset({ndarray, int, str, *ATOMS, *_NUMBERS})
_MOST_VALUES = 64  # of a sample
_MOST_NUMBERS = 2  # of NumPy: a pickler takes less time for more
_ARRAY_BYTES, _AXIS_BYTES = 40, 9  # that a description takes in a pickle
_STR = {str}
_HOLDERS = dict, tuple, list
_MASKED = "masked"


class _Plan(NamedTuple):
    """What to do with samples whose values have the same names and types."""

    layout: Layout
    arrays: tuple[int, ...]  # the places of arrays and numbers
    texts: tuple[int, ...]
    integers: tuple[int, ...]
    nbytes: int  # of the layout, and of the values beside arrays and characters


class Samples:
    """The sending side's plans."""

    def __init__(self, templates: Templates) -> None:
        self._contents = templates.contents
        self._plans: dict[Any, _Plan] = {}

    def kinds(self) -> tuple[type, ...]:
        """Return the types that a sample may have."""
        masked = getattr(modules.get("numpy.ma"), "MaskedArray", None)
        return _HOLDERS if masked is None else (*_HOLDERS, masked)

    def take_apart(self, item: Any) -> tuple[Form, int, list[memoryview | Scattered]] | None:
        """Return the form, how many bytes it has at most, and the contents of the arrays.

        Return None if the item has to be pickled as usual, or has no large array.
        """
        names: tuple[str, ...] | str
        named = type(item) is dict
        if type(item) not in _HOLDERS:
            names, values = _MASKED, _parts_of_masked(item)
        elif ndarray not in {*map(type, item.values() if named else item)}:
            return None
        elif named:
            item = item.copy()  # another thread may change it meanwhile
            names, values = (*item,), [*item.values()]
        else:
            names, values = type(item).__name__, [*item]
        # Pickling small arrays takes less time than all this.
        if True not in [type(each) is ndarray and each.nbytes >= BLOCK_BYTES for each in values]:
            return None
        plan = self._find_plan(names, values) if len(values) <= _MOST_VALUES else None
        nbytes = 0 if plan is None else _bytes_of(plan, values)
        if plan is None or not nbytes:
            return None
        views: list[memoryview | Scattered] = []
        for place in plan.arrays:
            array = values[place]
            if type(array) is not ndarray:
                array = asarray(array)
            found = self._contents(array)
            if found is None:
                return None
            view, code = found
            values[place] = code, array.shape, view.readonly
            views.append(view)
            nbytes += _AXIS_BYTES * array.ndim
        return (plan.layout, values), nbytes, views

    def _find_plan(self, names: tuple[str, ...] | str, values: list[Any]) -> _Plan | None:
        """Return a plan; None if this is no sample, or others say how to pickle a part of it."""
        kinds = (*map(type, values),)
        if not _KINDS.issuperset(kinds):
            return None
        if type(names) is tuple and {*map(type, names)} != _STR:
            return None  # first: no key of the user's is compared
        if not (_KINDS.isdisjoint(of_users) and _KINDS.isdisjoint(dispatch_table)):
            return None
        return self._plans.get((names, kinds)) or self._plan(names, kinds)

    def _plan(self, names: tuple[str, ...] | str, kinds: tuple[type, ...]) -> _Plan | None:
        """Make a plan; return None if there is none for values of these names and types."""
        arrays, numbers = _places(kinds, {ndarray}), _places(kinds, _NUMBERS)
        long = type(names) is tuple and max(map(len, names)) >= STR_LIMIT
        if long or len(numbers) > _MOST_NUMBERS:
            return None
        texts, integers = _places(kinds, _STR), _places(kinds, {int})
        nbytes = ATOM_BYTES * len(kinds) + WIDE * sum(map(len, names))
        nbytes += _ARRAY_BYTES * len(arrays + numbers)
        plan = _Plan((names, arrays, numbers), arrays + numbers, texts, integers, nbytes)
        return keep(self._plans, (names, kinds), plan)  # type: ignore[no-any-return]


def _parts_of_masked(array: Any) -> list[Any]:
    """Return the data of a masked array, its mask, and whether that is hard.

    Return an empty list if it is small or has more, or others say how to pickle it.
    """
    nomask = modules["numpy.ma"].nomask
    usual = array._fill_value is None and array.baseclass is ndarray  # noqa: SLF001
    if array.nbytes < BLOCK_BYTES or not usual or not is_exactly(array, type(array)):
        return []
    mask = array.mask
    return [array.data, None if mask is nomask else mask, array.hardmask]


def _places(kinds: tuple[type, ...], wanted: Collection[type]) -> tuple[int, ...]:
    return tuple([place for place, kind in enumerate(kinds) if kind in wanted])


def _bytes_of(plan: _Plan, values: list[Any]) -> int:
    """Return how many bytes a form has at most; 0 if the sample has to be pickled."""
    arrays, nbytes = plan.arrays, plan.nbytes
    if len(arrays) > 1 and len({id(values[place]) for place in arrays}) < len(arrays):
        return 0  # an array at two places has to arrive as one
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
    (names, arrays, numbers), known = form
    values = [*known]
    for place, buffer in zip(arrays + numbers, contents, strict=True):
        values[place] = on_buffer(buffer, *values[place])
    for place in numbers:
        values[place] = values[place][()]
    if type(names) is tuple:
        return dict(zip(names, values, strict=True))
    if names == _MASKED:
        data, mask, hard = values
        return rebuild_masked(data, mask, None, hard)
    return values if names == "list" else (*values,)
