"""The memory of objects of C libraries, as buffers that are kept out of a pickle."""

from __future__ import annotations

import ctypes
import pickle
import sys
from typing import Any


class _Memory(ctypes.c_ubyte * (sys.maxsize >> 1)):  # type: ignore[misc]
    """Memory from an address on, of `owner`. One type: ctypes keeps those of arrays for ever."""

    __slots__ = ("owner",)


def buffer_at(address: int, nbytes: int, owner: Any) -> pickle.PickleBuffer:
    """Return a buffer of memory that stays where it is as long as its owner lives."""
    if not nbytes:
        return pickle.PickleBuffer(bytearray())
    memory = _Memory.from_address(address)
    memory.owner = owner
    return pickle.PickleBuffer(memoryview(memory).cast("B")[:nbytes])
