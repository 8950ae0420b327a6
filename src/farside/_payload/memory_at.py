"""Makes out-of-band buffers of memory that belongs to objects of C libraries."""

from __future__ import annotations

import ctypes
import pickle
import sys
from typing import Any


class _Memory(ctypes.c_ubyte * (sys.maxsize >> 1)):  # type: ignore[misc]
    """Memory at an address, which `owner` keeps alive. ctypes never frees types, so this is one."""

    __slots__ = ("owner",)


def buffer_at(address: int, nbytes: int, owner: Any) -> pickle.PickleBuffer:
    """Return a buffer of memory that stays valid as long as its owner lives."""
    if not nbytes:
        return pickle.PickleBuffer(bytearray())
    memory = _Memory.from_address(address)
    memory.owner = owner
    return pickle.PickleBuffer(memoryview(memory).cast("B")[:nbytes])
