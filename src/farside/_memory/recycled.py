"""Buffers that are used again once nobody has a view of them.

The system has to provide new memory page by page, which takes longer than copying contents there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pickle import PickleBuffer
from sys import maxsize
from typing import Any

_TRIED = 4  # how many in use to try, the oldest first: these are mostly the first to be free again


class Recycled:
    """Hands out buffers, and uses them again.

    `take` returns a view of a ctypes array that lies on the buffer. Whatever is made of the view
    keeps that array, even NumPy's ``ndarray(…, buffer=view)``, which drops the view itself. So a
    buffer is free when its array is gone. (A weak reference to the array would not do: the garbage
    collector clears it before it runs finalizers of the user, which may use the view, or keep it.)

    What `copy_to_send` returns lies on the buffer itself, as nobody makes an array of it. A view in
    between would crash Python up to 3.12.6 if both are in a cycle of garbage, such as that of an
    exception that is kept with its traceback (gh-77894 of CPython).

    At most `most` buffers are kept, with `most_bytes` in all, unless one alone is larger.
    """

    def __init__(self, most: int = 4, most_bytes: int = maxsize) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._largest = 0  # bytes of the largest so far: where it allows, nobody adds up all sizes
        # Each with its original size, which is that of its memory.
        self._buffers: list[tuple[int, bytearray]] = []

    def take(self, nbytes: int) -> memoryview:
        """Return a writable buffer of so many bytes, with arbitrary contents."""
        kept, size, buffer = self._get(nbytes)
        buffer.extend(bytes(size - len(buffer)))  # `copy_to_send` may have shortened it
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

    def copy_to_send(self, parts: Sequence[bytes | memoryview], nbytes: int) -> PickleBuffer:
        """Return a writable copy of parts, one after the other, only to be pickled.

        They have so many bytes in all; memoryviews have the format of bytes.
        """
        kept = self._buffers
        # Most have the size of those before, and find the oldest buffer free.
        if kept and len(kept[0][1]) == nbytes and _is_free(kept[0][1]):
            size, buffer = kept.pop(0)
        else:
            kept, size, buffer = self._get(nbytes)
            for part in parts:
                if len(buffer) < nbytes:  # it was shortened: zeros would be new memory
                    buffer.extend(part[: nbytes - len(buffer)])
            del buffer[nbytes:]  # its memory stays, unless that is more than twice as large
        with memoryview(buffer) as made:
            _fill(made, parts)
        copy = PickleBuffer(buffer)
        if nbytes:
            kept.append((size, buffer))
        return copy

    def _get(self, nbytes: int) -> tuple[list[tuple[int, bytearray]], int, bytearray]:
        """Return the list of kept buffers, and a buffer for so many bytes that is not in it."""
        kept = self._buffers
        found = _find(kept, nbytes)
        if found is None:
            size = _rounded(nbytes or 1)
            found = size, bytearray(size)
            room, self._largest = self._most_bytes - size, max(self._largest, size)
            while kept and (
                len(kept) >= self._most
                or (len(kept) * self._largest > room and sum([each[0] for each in kept]) > room)
            ):
                del kept[0]  # views of it keep it alive
        return kept, *found

    def forget(self) -> None:
        """Keep no buffers, as no more will be taken. A finalizer may call this at any moment."""
        self._buffers = []  # another list: `take` may be in the middle of this one


def _fill(made: memoryview, parts: Sequence[bytes | memoryview]) -> None:
    position = 0
    for part in parts:
        end = position + len(part)
        made[position:end] = part
        position = end


def _find(kept: list[tuple[int, bytearray]], nbytes: int) -> tuple[int, bytearray] | None:
    """Remove and return a buffer that is free, large enough, and not much too large."""
    most, left = 2 * _rounded(nbytes), _TRIED
    for index, (size, buffer) in enumerate(kept):
        if nbytes <= size <= most:
            if _is_free(buffer):
                return kept.pop(index)
            left -= 1
            if not left:
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
    """Round a size up, by an eighth at most: ctypes keeps a type for each size for ever."""
    step = 1 << max(0, nbytes.bit_length() - 4)
    return -(-nbytes // step) * step


@cache
def _maker(nbytes: int) -> Callable[[bytearray], Any]:
    import ctypes  # not everybody needs it

    return (ctypes.c_ubyte * nbytes).from_buffer
