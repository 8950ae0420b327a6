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
    """Set how farside pickles the objects of a class, in this interpreter.

    Use this for classes that pickle refuses, or pickles slowly. If the reducer wraps contents of
    8 KiB or more in a `pickle.PickleBuffer`, they go through shared memory. They come back as a
    writable memoryview of it, or as a read-only one if the wrapped object is read-only.

    Call this on the side that sends the objects. For items, that is the worker: call it in an
    ``initializer``, or at the top of the module that yields the items. For the callables that a
    worker is given, and for the arguments of calls, it is the parent. Both sides import the
    function that rebuilds an object, so define it in a module.

    The reducer is used for everything that is pickled from then on, in workers of any backend. It
    comes before ``copyreg``, the methods of the class, and farside's own reducers for NumPy,
    PyTorch and other libraries. It is not used for subclasses, since their objects would arrive as
    objects of the class itself: register each subclass. If two reducers are registered for a class,
    the later one is used.

    Args:
        cls: the class.
        reduce: is given an object, and returns what `object.__reduce__` would: most often a
            function and a tuple of arguments. The other side calls it to rebuild the object.

    Returns:
        ``reduce``.

    Raises:
        TypeError: ``cls`` is no class, or one that pickle handles by itself, such as ``dict``; or
            ``reduce`` cannot be called.

    Example:
        A class of a C library that pickle knows nothing about:

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
