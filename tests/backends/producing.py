"""Iterables of the contract tests for memory and batches. They run in workers, so NumPy is late."""

from __future__ import annotations

import os
import time
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Buffers:
    """Yields large buffers: item k is filled with k % 256, and of its own size."""

    def __init__(self, count: int, nbytes: int) -> None:
        self.count = count
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[PickleBuffer]:
        for number in range(self.count):
            yield PickleBuffer(bytearray([number % 256]) * (self.nbytes + number % 7))


def check(item: Any, number: int, nbytes: int) -> None:
    """Check that a buffer is the one of that number, and writable."""
    view = memoryview(item)
    assert view.nbytes == nbytes + number % 7
    assert not view.readonly
    assert bytes(view) == bytes([number % 256]) * view.nbytes


def arrays(count: int, length: int) -> Iterator[Any]:
    import numpy as np

    for number in range(count):
        yield {"number": number, "array": np.full(length + number % 7, number, np.float64)}


def reuse(count: int) -> Iterator[Any]:
    """Yield one list, one bytearray and one large buffer, over and over, changed each time."""
    one: list[int] = []
    small = bytearray(50)
    large = bytearray(30_000)
    for number in range(count):
        one.append(number)
        small[:] = bytes([number % 256]) * 50
        large[:] = bytes([number % 256]) * 30_000
        yield one[-3:], one, small, large, PickleBuffer(large)


def reuse_array(count: int) -> Iterator[Any]:
    """Yield one NumPy array, over and over, changed each time."""
    import numpy as np

    array: Any = np.zeros(30_000, np.int32)
    for number in range(count):
        array[:] = number
        yield array


class Counted:
    """Numbers or buffers without end; a file has one byte for each that was begun."""

    def __init__(self, path: str, nbytes: int = 0) -> None:
        self.path = path
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[Any]:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            number = 0
            while True:
                os.write(fd, b".")
                yield PickleBuffer(bytearray(self.nbytes)) if self.nbytes else number
                number += 1
        finally:
            os.close(fd)


class Bursts:
    """Yields some items, each after a pause, then sleeps for longer than any test."""

    def __init__(self, count: int, pause: float, nbytes: int = 0) -> None:
        self.count = count
        self.pause = pause
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[Any]:
        for number in range(self.count):
            if self.pause:
                time.sleep(self.pause)
            yield bytes([number]) * self.nbytes if self.nbytes else number
        for _ in range(10_000):  # in short steps, so that a subinterpreter can be ended
            time.sleep(0.01)


class Dies:
    """Yields some buffers, then its process is killed."""

    def __init__(self, count: int, nbytes: int) -> None:
        self.count = count
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[PickleBuffer]:
        import signal

        yield from Buffers(self.count, self.nbytes)
        time.sleep(0.2)  # what was made is on its way, and may be lost with the process
        os.kill(os.getpid(), signal.SIGKILL)


class FailsAfter:
    """Yields some buffers, and fails."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Any]:
        yield from Buffers(self.count, 50_000)
        raise ValueError("as wanted")


class Marked:
    """Yields 0 and some bytes objects, and adds to a file once all are made."""

    def __init__(self, path: str, count: int, nbytes: int) -> None:
        self.path = path
        self.count = count
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[Any]:
        yield 0
        for number in range(self.count):
            yield bytes([number % 256]) * self.nbytes
        with open(self.path, "ab") as marks:
            marks.write(b".")
