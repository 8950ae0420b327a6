"""Copies a data set for each epoch, and makes sure that copies for earlier epochs are freed."""

from __future__ import annotations

import gc
from copy import deepcopy
from itertools import islice
from weakref import ref

from .._payload import handlers
from .._payload.one_line import one_line
from ..errors import FarsideWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_PLAIN = {dict, list, tuple}  # there may be very many of them, and they allow no weak references
_MOST = 1000  # how many parts of a copy are looked at later; the outermost come first


class Copies:
    """Makes copies, one after the other."""

    def __init__(self) -> None:
        self.left = False  # whether the epoch before has not come to its end
        self._before: list[ref[Any]] = []  # parts of the previous copy, which should be gone by now

    def make(self, dataset: Any, collate: Any) -> tuple[Any, Any, str]:
        """Copy a data set and its collate function together: the latter may be a method of it.

        Returns:
            The copies and an empty text; or the originals and why they could not be copied.
        """
        try:
            return *self._copied(dataset, collate), ""
        except Exception as error:  # user code
            if handlers.raised(error):
                raise
            why = one_line(error)
        if self.left:
            import warnings  # hardly ever

            text = (
                f"the data set cannot be copied ({why}), and the epoch before was left in the "
                "middle: if it keeps its place in itself, this epoch goes on there; let its "
                "__iter__ begin anew, or give it a __deepcopy__"
            )
            warnings.warn(text, FarsideWarning, stacklevel=2)
        return dataset, collate, why

    def _copied(self, dataset: Any, collate: Any) -> tuple[Any, Any]:
        if any(each() is not None for each in self._before):
            # A cycle keeps it, as in a data set that refers to its own method. Python may not look
            # for cycles for many epochs, since it counts a large array as one object.
            gc.collect()
        memo: dict[int, Any] = {}
        try:
            copy, collates = deepcopy((dataset, collate), memo)
        finally:
            self._before = [*islice(_references(memo), _MOST)]
        # A wrapper that forwards attributes may find ``__deepcopy__`` of the object that it wraps.
        if type(copy) is not type(dataset) or copy is dataset:
            kind = "itself" if copy is dataset else f"a {type(copy).__name__}"
            raise TypeError(f"the copy of a {type(dataset).__name__} is {kind}")
        return copy, collates


def _references(memo: dict[int, Any]) -> Iterator[ref[Any]]:
    """Yield weak references to the parts of a copy that it does not share with the original."""
    for original, part in memo.items():
        if type(part) not in _PLAIN and original != id(part):
            try:
                yield ref(part)
            except TypeError:  # the class of the part does not allow any
                continue
