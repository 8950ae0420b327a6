"""Finds out what the kernel does at a signal, where code in C has a say in it.

Python knows only its own handlers. When it sets one, it replaces what code in C has installed
(`faulthandler.register`, the runtime of another language), and undoes `signal.siginterrupt`.
"""

from __future__ import annotations

import ctypes  # nothing else can ask the kernel
from _signal import signal  # type: ignore[import-not-found]
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

Step: TypeAlias = "partial[Any]"

_STRUCT_BYTES = 512  # more than a ``struct sigaction`` takes anywhere

_HANDLER = slice(16)
_FLAGS = slice(136, 140)
"""Where the structure has its flags on 64-bit Linux. Before them are the handler and 1024 bits for
signals. The kernel uses 64 of these; the C library fills the rest with anything. (On macOS, the
structure has 16 bytes in all. Where the flags are elsewhere, an action of Python's seems foreign,
and is put back needlessly.)"""


class Sigaction:
    """Tells whether code in C has a say in a signal. The main thread alone may ask.

    To learn how the kernel sees a handler of Python's, the present one is set once. Raise OSError
    if Python may not look into the C library or is linked statically, and AttributeError if the
    library has no ``sigaction``.
    """

    def __init__(self, number: int, handler: Any) -> None:
        self._call = ctypes.PyDLL(None).sigaction  # releasing the GIL would cost more
        self._buffer = ctypes.create_string_buffer(_STRUCT_BYTES)
        view = memoryview(self._buffer).cast("B")
        self._handler, self._flags = view[_HANDLER], view[_FLAGS]  # one call each, to look at them
        self._number = int(number)
        self._ask = partial(self._call, self._number, None, ctypes.byref(self._buffer))
        self._pythons = b"", b""
        self._ask()
        _in_one(partial(signal, number, handler), self._ask, self._put_back())
        self._pythons = bytes(self._handler), bytes(self._flags)

    def setter(self) -> Callable[[int, Any], object]:
        """Return what sets a handler: `signal`, or what also keeps the action of code in C."""
        self._ask()
        handler, flags = self._pythons
        if self._handler == handler and self._flags == flags:
            return signal  # type: ignore[no-any-return]
        return partial(_set_beneath, self._put_back())

    def _put_back(self) -> Step:
        """Return a step that restores the action that was looked at."""
        kept = ctypes.create_string_buffer(self._buffer.raw, _STRUCT_BYTES)
        return partial(self._call, self._number, kept, None)


def _set_beneath(put_back: Step, number: int, handler: Any) -> None:
    _in_one(partial(signal, number, handler), put_back)


def _in_one(*steps: Step) -> None:
    """Do several steps, so that no handler of a signal runs between two of them."""
    deque(map(partial.__call__, steps), 0)  # one call of C code
