"""Buffers that are used again once nobody has a view of them.

Memory that is new has to be made by the system, page by page, which takes longer than to copy what
goes there.
"""

from __future__ import annotations

_MOST = 4
"""How many buffers are kept."""


class Recycled:
    """Gives buffers, and gives them again.

    What it gives is a view. NumPy's arrays, and whatever else is made of it by the buffer protocol,
    count as views too.
    """

    def __init__(self) -> None:
        self._buffers: list[bytearray] = []

    def take(self, nbytes: int) -> memoryview:
        """Return a writable buffer of so many bytes, whose contents are any."""
        buffers = self._buffers
        for index, buffer in enumerate(buffers):
            if nbytes <= len(buffer) <= 2 * nbytes and _is_free(buffer):
                buffers.append(buffers.pop(index))
                break
        else:
            buffer = bytearray(nbytes)
            buffers.append(buffer)
            if len(buffers) > _MOST:
                del buffers[0]  # whoever has views of it keeps it
        return memoryview(buffer)[:nbytes]


def _is_free(buffer: bytearray) -> bool:
    """Tell whether there are no views: Python refuses to make larger what others have views of."""
    try:
        buffer.append(0)
    except BufferError:
        return False
    buffer.pop()
    return True
