"""Gives user code memory to make its items in; in a worker, it is part of the arena."""

from __future__ import annotations

import sys

from .._in_c import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsIndex

    from .arena import Arena

_arena: Arena | None = None


def use(arena: Arena | None) -> None:
    """Let `allocate` take memory from an arena in this interpreter; called as a worker starts."""
    global _arena  # noqa: PLW0603  an interpreter is one worker at most
    _arena = arena


def allocate(nbytes: SupportsIndex) -> memoryview:
    """Return memory to make an item in, so that it need not be copied on its way to the parent.

    In a worker the memory is shared with the parent. An item that is made on it (a NumPy array,
    a PyTorch tensor, or anything else whose contents pickle keeps out of band, such as
    ``pickle.PickleBuffer``) is handed over as it lies there. So allocate anew for each item: what
    is written to the memory after it was yielded may show in the parent, which may write to it
    too. The memory is used again once neither side has anything left that lies on it.

    A contiguous part of the memory is handed over likewise, and a read-only array is copied. While
    the parent still has something that lies on the memory, yielding it again makes a copy. Contents
    below 8 KiB, and those of items of a hundred buffers or more, are always copied.

    Outside a worker, or where the shared memory (``arena_bytes``) is full, it is ordinary memory,
    which is copied when it is yielded. So the same code runs anywhere. Any thread may call it.

    Args:
        nbytes: how many bytes. Their contents are arbitrary.

    Returns:
        A writable view of bytes (format ``"B"``).

    Raises:
        TypeError, ValueError: ``nbytes`` is not a whole number, or below 0.
        MemoryError: there is not so much memory.

    Example:
        >>> import farside
        >>> memory = farside.allocate(1_000_000)
        >>> memory.nbytes, memory.readonly
        (1000000, False)
    """
    count = _checked(nbytes)
    view = None if _arena is None else _arena.grant(count)
    return memoryview(bytearray(count)) if view is None else view


def _checked(value: SupportsIndex) -> int:
    cure = "pass a whole number of bytes, 0 or more"
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"nbytes={value!r} is not a whole number; {cure}")
    if number < 0:
        raise ValueError(f"nbytes={value!r} is below 0; {cure}")
    if number > sys.maxsize:
        raise MemoryError(f"nbytes={value!r} is more than can be addressed; {cure}")
    return number
