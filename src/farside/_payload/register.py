"""Reducers that users give for types of their own."""

from __future__ import annotations

import pickle
from types import FunctionType

from .plain_classes import plain_classes
from .reducers import of_users, table_of_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

_PICKLED_BY_THEMSELVES = frozenset({
    bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple, type,
    type(None), FunctionType, pickle.PickleBuffer,
})  # fmt: skip
"""Types for which pickle asks no reducer."""


def register_reducer(
    cls: type[T], reduce: Callable[[T], str | tuple[Any, ...]], /
) -> Callable[[T], str | tuple[Any, ...]]:
    """Say how farside pickles the objects of a class, in this interpreter.

    It is for classes that pickle refuses, or pickles slowly. What is wrapped in a
    `pickle.PickleBuffer` and has 8 KiB or more goes through shared memory, and comes back as a
    writable memoryview of it (as a read-only one, if what was wrapped is).

    The side that sends an object pickles it. Call this on that side: for items in the worker, by an
    ``initializer`` or at the top of the module that yields them; for the callables that a worker is
    given, and for the arguments of calls, in the parent. Both sides import the function that makes
    the object again, so it belongs in a module.

    It holds for everything that is pickled from then on, in workers of any backend, and comes
    before ``copyreg``, the methods of the class, and farside's own ways for NumPy, PyTorch and
    other libraries. It does not hold for subclasses, since an object of the class would arrive
    in place of one of the subclass. Register each of them. Of two that are registered for the same
    class, the later one counts.

    Args:
        cls: the class.
        reduce: is given an object, and returns what `object.__reduce__` would: most often a
            function and a tuple of its arguments, of which the other side makes the object again.

    Returns:
        ``reduce``.

    Raises:
        TypeError: ``cls`` is no class, or one that pickle handles by itself, such as ``dict``; or
            ``reduce`` cannot be called.

    Example:
        A class of a C library, of which pickle knows nothing:

        >>> import ctypes, pickle
        >>> import farside
        >>> class Samples(ctypes.Structure):
        ...     _fields_ = [("count", ctypes.c_int), ("first", ctypes.POINTER(ctypes.c_float))]
        >>> def rebuild_samples(memory):
        ...     floats = (ctypes.c_float * (len(memory) // 4)).from_buffer(memory)
        ...     return Samples(len(floats), ctypes.cast(floats, ctypes.POINTER(ctypes.c_float)))
        >>> def reduce_samples(samples):
        ...     floats = ctypes.c_float * samples.count
        ...     memory = floats.from_address(ctypes.addressof(samples.first.contents))
        ...     return rebuild_samples, (pickle.PickleBuffer(memoryview(memory).cast("B")),)
        >>> def initializer():  # of the worker: iterate_in_worker(..., initializer=initializer)
        ...     farside.register_reducer(Samples, reduce_samples)
    """
    if not isinstance(cls, type):
        raise TypeError(f"cls={cls!r} is not a class; pass the class of the objects, as type(x) is")
    if cls in _PICKLED_BY_THEMSELVES:
        raise TypeError(
            f"cls={cls.__name__}: pickle asks no reducer for these; "
            f"yield objects of a class of your own, a subclass for example"
        )
    if not callable(reduce):
        raise TypeError(
            f"reduce={reduce!r} cannot be called; pass a function of one object, which returns "
            "what object.__reduce__ would"
        )
    of_users[cls] = reduce
    table_of_items()[cls] = reduce
    plain_classes.pop(cls, None)
    return reduce
