"""Functions and classes that tests run in workers. Nothing heavy is imported here."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

from farside import get_worker_info
from farside.testing.item_jobs import *  # noqa: F403
from farside.testing.jobs import *  # noqa: F403  tests call them jobs.FailsAt and so on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scripts.acts import Sign

EVENTS: list[str] = []
"""What initializers did in this interpreter."""


class Tellers:
    """Says which process and interpreter it runs in."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        yield os.getpid(), WHO


def long_texts() -> Iterator[str]:
    while True:
        yield "x" * 255


class Seeds:
    """Tells what random numbers are drawn from."""

    def __iter__(self) -> Iterator[tuple[int, int]]:
        info = get_worker_info()
        assert info is not None
        yield info.epoch, info.seed
        yield info.epoch, info.seed


def tell_epochs() -> Iterator[int]:
    for _ in range(2):
        info = get_worker_info()
        assert info is not None
        yield info.epoch


WHO = ""
"""Set by tests, in the main interpreter only."""


class Memories:
    """Memory, of `farside.allocate` if that is granted."""

    def __init__(self, count: int, nbytes: int, *, granted: bool) -> None:
        self.count = count
        self.nbytes = nbytes
        self.granted = granted

    def __iter__(self) -> Iterator[memoryview]:
        from farside import allocate

        for _ in range(self.count):
            yield allocate(self.nbytes) if self.granted else memoryview(bytearray(self.nbytes))

    def idle(self) -> None:
        """Do nothing: who has the answer knows that no pass is open."""


def note_one() -> None:
    EVENTS.append("one")


def note_two() -> None:
    EVENTS.append("two")


def events() -> list[str]:
    return EVENTS


def imports_refuser() -> list[int]:
    """Import an extension module that refuses to load in a subinterpreter."""
    import readline

    return [len(readline.__name__)]


def imports_refuser_late(count: int) -> Iterator[int]:
    """Import it in the first ``next()``, or after some items."""
    yield from range(count)
    import readline

    yield len(readline.__name__)


def fails_beside_a_debugger() -> list[int]:
    """Fail after what pdb loads, which wants an extension module, and goes on without it."""
    import rlcompleter  # noqa: F401

    raise KeyError("a")


def argv_and_path() -> list[Any]:
    return [sys.argv, sys.path, sys.getrecursionlimit()]


class Kills:
    """Yields some items, then ends its own process by a signal."""

    def __init__(self, count: int, number: int) -> None:
        self.count = count
        self.number = number

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        os.kill(os.getpid(), self.number)
        signal.pause()


class Exits:
    """Yields some items, then ends its own process by ``os._exit``."""

    def __init__(self, count: int, code: int) -> None:
        self.count = count
        self.code = code

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        os._exit(self.code)


class Sleeps:
    """Yields some items, then sleeps."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        time.sleep(self.seconds)
        yield self.count


class OddWarning(UserWarning):
    pass


class ClosesAll:
    """Yields some items, closes every descriptor that it finds, and goes on."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        yield from range(self.count)
        os.closerange(3, 256)
        time.sleep(1000)


class Shelf(Shelf):  # type: ignore[no-redef]  # noqa: F405  with more methods
    """A shelf with methods that take their time."""

    def spin(self) -> None:
        spin_busily()

    def hold_the_gil(self, seconds: int) -> None:
        import ctypes

        ctypes.PyDLL(None).sleep(seconds)

    def needs_refuser(self) -> int:
        """Import an extension module that refuses to load in a subinterpreter."""
        import readline

        return len(readline.__name__) + self.count

    def size(self, what: bytes) -> int:
        return len(what)

    def wait(self, reached: Any, sign: Any) -> int:
        """Say that it has begun; wait for a sign, then have one item more."""
        reached.give()
        sign.wait()
        self.count += 1
        return self.count


def busy() -> int:
    return sum(range(100))


def spin_busily() -> Any:
    """Run Python code for ever."""
    while True:
        busy()


def say_and_hang(sign: Sign) -> NoReturn:
    """Give a sign, and run for ever."""
    sign.give()
    hang()  # noqa: F405


class SpinsBusily:
    """Runs Python code for ever, in its first ``next()``."""

    def __iter__(self) -> Iterator[int]:
        while True:
            busy()
        yield 0


class HasThread:
    """Has a thread of its own, which has to be ended."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._end.wait, name="helper")
        self._thread.start()

    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])

    def end(self) -> bool:
        self._end.set()
        self._thread.join()
        return True


SHUT = 255


class Gated:
    """Yields what a test writes to a named pipe, a byte for an item, up to `SHUT`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[int]:
        with open(self.path, "rb", buffering=0) as gate:
            while (byte := gate.read(1)) and byte[0] != SHUT:
                yield byte[0]


class SleepsEachTime:
    """Takes its time for each item."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            time.sleep(self.seconds)
            yield number

    def nap(self, seconds: float) -> None:
        time.sleep(seconds)
