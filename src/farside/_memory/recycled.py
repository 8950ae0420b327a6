"""Buffers that are used again once nobody has a view of them.

Memory that is new has to be made by the system, page by page, which takes longer than to copy what
goes there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pickle import PickleBuffer
from sys import maxsize
from typing import Any

_TRIED = 4  # so many that are in use are tried: those given first, most of which are free in turn


class Recycled:
    """Gives buffers, and gives them again.

    What it gives is a view of a ctypes array that lies on the buffer. Whatever is made of the view
    keeps that array, also NumPy's ``ndarray(…, buffer=view)``, which gives the view itself up. So a
    buffer is free when its array is gone. (A weak reference to that would not tell: the garbage
    collector cuts it before finalizers of the user's can still use the view, or even keep it.)

    What `copy_to_send` gives lies on the buffer itself: nobody makes an array of it. A view between
    them would crash Python up to 3.12.6, where both are in a cycle of garbage, such as that of an
    exception that is kept with its traceback (gh-77894 of CPython).

    So many buffers are kept as `most` says, with `most_bytes` in all unless it is one alone.
    """

    def __init__(self, most: int = 4, most_bytes: int = maxsize) -> None:
        self._most, self._most_bytes = most, most_bytes
        # With the size that each had at first, which is that of its memory.
        self._buffers: list[tuple[int, bytearray]] = []

    def take(self, nbytes: int) -> memoryview:
        """Return a writable buffer of so many bytes, whose contents are any."""
        kept, size, buffer = self._get(nbytes)
        buffer.extend(bytes(size - len(buffer)))  # `copy_to_send` may have cut it
        try:
            made = _maker(size)(buffer)
        except (ImportError, OSError):  # Python was built without libffi; no descriptors are left
            return memoryview(buffer)[:nbytes]
        kept.append((size, buffer))
        return memoryview(made).cast("B")[:nbytes]

    def copy(self, parts: Sequence[Any]) -> memoryview:
        """Return a writable copy of parts, one after the other."""
        views = [memoryview(part).cast("B") for part in parts]
        made = self.take(sum([view.nbytes for view in views]))
        _fill(made, views)
        return made

    def copy_to_send(self, parts: Sequence[Any]) -> PickleBuffer:
        """Return a writable copy of parts, one after the other, that is only pickled."""
        views = [memoryview(part).cast("B") for part in parts]
        nbytes = sum([view.nbytes for view in views])
        kept, size, buffer = self._get(nbytes)
        for view in views:  # if it was cut: contents are any, and zeros would be new memory
            buffer.extend(view[: max(0, nbytes - len(buffer))])
        del buffer[nbytes:]  # its memory stays, unless that is more than twice as large
        with memoryview(buffer) as made:
            _fill(made, views)
        copy = PickleBuffer(buffer)
        if nbytes:
            kept.append((size, buffer))
        return copy

    def _get(self, nbytes: int) -> tuple[list[tuple[int, bytearray]], int, bytearray]:
        """Return those that are kept, and one for so many bytes, which is not among them."""
        kept = self._buffers
        found = _find(kept, nbytes)
        if found is None:
            size = _rounded(nbytes or 1)
            found = size, bytearray(size)
            room = self._most_bytes - size
            while kept and (len(kept) >= self._most or sum([each[0] for each in kept]) > room):
                del kept[0]  # whoever has views of it keeps it
        return kept, *found

    def forget(self) -> None:
        """Keep no buffer: nothing more is to be taken, as a finalizer may find."""
        self._buffers = []  # another list: `take` may be in the middle of this one


def _fill(made: memoryview, views: Sequence[memoryview]) -> None:
    position = 0
    for view in views:
        made[position : position + view.nbytes] = view
        position += view.nbytes


def _find(kept: list[tuple[int, bytearray]], nbytes: int) -> tuple[int, bytearray] | None:
    """Take out a buffer that is free, and not much too large."""
    most, tries = 2 * _rounded(nbytes), _TRIED
    for index, (size, buffer) in enumerate(kept):
        if nbytes <= size <= most:
            if _is_free(buffer):
                return kept.pop(index)
            tries -= 1
            if not tries:
                break
    return None


def _is_free(buffer: bytearray) -> bool:
    """Tell whether nothing lies on a buffer: only then can its size change."""
    try:
        buffer.append(buffer.pop())
    except BufferError:
        return False
    return True


def _rounded(nbytes: int) -> int:
    """Return a size that is larger by an eighth at most: ctypes keeps a type for each, for ever."""
    step = 1 << max(0, nbytes.bit_length() - 4)
    return -(-nbytes // step) * step


@cache
def _maker(nbytes: int) -> Callable[[bytearray], Any]:
    import ctypes  # not everybody needs it

    return (ctypes.c_ubyte * nbytes).from_buffer
