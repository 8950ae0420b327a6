"""Buffers that are used again once nobody has a view of them.

Memory that is new has to be made by the system, page by page, which takes longer than to copy what
goes there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST = 4
"""How many buffers are kept."""


class Recycled:
    """Gives buffers, and gives them again.

    What it gives is a view of a ctypes array that lies on the buffer. Whatever is made of the view
    keeps that array, also NumPy's ``ndarray(…, buffer=view)``, which gives the view itself up. So a
    buffer is free when its array is gone. (A weak reference to that would not tell: the garbage
    collector cuts it before finalizers of the user's can still use the view, or even keep it.)
    """

    def __init__(self) -> None:
        self._buffers: list[bytearray] = []

    def take(self, nbytes: int) -> memoryview:
        """Return a writable buffer of so many bytes, whose contents are any."""
        kept, most = self._buffers, 2 * _rounded(nbytes)
        for index, buffer in enumerate(kept):
            if nbytes <= len(buffer) <= most and _is_free(buffer):
                del kept[index]
                break
        else:
            buffer = bytearray(_rounded(nbytes or 1))
        try:
            made = _maker(len(buffer))(buffer)
        except (ImportError, OSError):  # Python was built without libffi; no descriptors are left
            return memoryview(buffer)[:nbytes]
        kept.append(buffer)
        if len(kept) > _MOST:
            del kept[0]  # whoever has views of it keeps it
        return memoryview(made).cast("B")[:nbytes]


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
