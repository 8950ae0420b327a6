"""What workers do in scripts: they come to a certain point, give a sign, and stay there."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = 20_000_000
"""Bytes of an item that no pipe takes at once."""


class Sign:
    """Given once by one side and awaited by the other, without polling: a FIFO."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        os.mkfifo(self.path)

    def give(self) -> None:
        """Wait for who waits, and let them go on."""
        with open(self.path, "wb"):
            pass

    def wait(self) -> None:
        """Wait for `give`."""
        with open(self.path, "rb") as fifo:
            fifo.read()


def hold_the_gil(fd: int) -> None:
    """Wait for a byte, in C code that keeps the GIL and is not disturbed by signals."""
    import ctypes

    ctypes.PyDLL(None).read(fd, ctypes.create_string_buffer(1), 1)


class Acts:
    """Yields the pid of its process, and goes to where `act` stays.

    ``idle`` ends the pass, ``produce`` yields for ever, ``credit`` does so with ``buffer_size=1``
    until it has to wait, ``send`` sends a large item that nobody takes, ``loop`` runs Python code,
    ``sleep`` is blocked in C, ``gil`` too but holds the GIL. ``thread`` leaves a thread behind that
    goes on for three seconds, and waits as ``credit`` does.
    """

    def __init__(self, act: str, sign: Sign) -> None:
        self.act = act
        self.sign = sign

    def __call__(self) -> Acts:
        """Be the ``fn`` of a remote iterable."""
        return self

    def __iter__(self) -> Iterator[object]:
        yield os.getpid()
        if self.act == "idle":
            return
        if self.act == "thread":
            threading.Thread(target=time.sleep, args=[3]).start()
        if self.act in {"credit", "thread"}:
            yield "the item that waits"
        self.sign.give()
        if self.act == "sleep":
            time.sleep(3600)
        if self.act == "gil":
            hold_the_gil(os.pipe()[0])
        while self.act == "loop":
            pass
        while True:
            yield bytes(LARGE) if self.act == "send" else 0
