"""What goes wrong in a worker, and where: the worker's half of the matrix.

Nothing heavy is imported here. A `Fault` is one way to go wrong; each of the classes below puts it
into a stage of a worker's life, and goes on with 0 … 4 if the fault lets it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.scripts.acts import Sign, hold_the_gil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ITEMS = range(5)
EARLIER = 3
"""How many of them come before the fault, where any do."""


class Fault:
    """One way to go wrong. It says when it happens, in a file, and that it does, with a sign."""

    def __init__(self, way: str, folder: str, *, announced: bool) -> None:
        self.way = way
        self.when = os.path.join(folder, "when")
        self.ending = os.path.join(folder, "ending")
        os.mkfifo(self.ending)
        self.happens = Sign(os.path.join(folder, "happens")) if announced else None

    def __call__(self) -> None:
        # A FIFO that is open for writing too never ends: what is stuck stays so until a byte comes.
        stuck = os.open(self.ending, os.O_RDWR) if self.way in STUCK else -1
        sign = -1 if self.happens is None else os.open(self.happens.path, os.O_WRONLY)
        with open(f"{self.when}.new", "w") as file:
            file.write(str(time.monotonic()))
        os.replace(file.name, self.when)  # at once: it may be killed in the middle of this
        if self.way == HOLDS:
            import ctypes

            sys.setswitchinterval(3600)
            ctypes.PyDLL(None).close(sign)  # from here on, no other thread gets the GIL
        elif sign >= 0:
            if self.way == CLOSES:  # closes it last
                fcntl.fcntl(sign, fcntl.F_DUPFD, HIGHEST)
            os.close(sign)
        try:
            WAYS[self.way](stuck)
        finally:
            if stuck >= 0:
                os.close(stuck)

    def end(self) -> None:
        """Let what is stuck go on."""
        with open(os.open(self.ending, os.O_RDWR | os.O_NONBLOCK), "r+b", buffering=0) as fifo:
            fifo.write(b"\0")


def _raise(_: int) -> None:
    raise ValueError("the fault")


def _exit(_: int) -> None:
    raise SystemExit(3)


def _signalled(number: int) -> Callable[[int], None]:
    def die(_: int) -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if "faulthandler" in sys.modules:  # a forked worker has pytest's
            sys.modules["faulthandler"].disable()
        os.kill(os.getpid(), number)
        time.sleep(3600)

    return die


def _run_out_of_memory(_: int) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, limits[1]))
    try:
        bytearray(1 << 31)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _loop(_: int) -> None:
    while True:
        pass


def _sleep(fd: int) -> None:
    os.read(fd, 1)


def close_streams(_: int = -1) -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is not None:
            stream.close()
    os.closerange(0, 3)


def _close_descriptors(_: int) -> None:
    os.closerange(3, HIGHEST + 1)


CLOSES = "closed descriptors"
HIGHEST = 1000

HOLDS = "a call that holds the GIL"
STUCK = {"a Python loop": _loop, "a blocking call": _sleep, HOLDS: hold_the_gil}
WAYS: dict[str, Callable[[int], Any]] = {
    "exception": _raise,
    "SystemExit": _exit,
    "os._exit(0)": lambda _: os._exit(0),
    "os._exit(3)": lambda _: os._exit(3),
    "SIGKILL": _signalled(signal.SIGKILL),
    "SIGTERM": _signalled(signal.SIGTERM),
    "SIGSEGV": _signalled(signal.SIGSEGV),
    "out of memory": _run_out_of_memory,
    **STUCK,
    "closed streams": close_streams,
    CLOSES: _close_descriptors,
}


# Stages -------------------------------------------------------------------------------------------


class AtLoad:
    """Goes wrong as it is unpickled."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def __reduce__(self) -> tuple[Any, ...]:
        return _strike, (self.fault,)

    def __call__(self) -> Iterable[int]:
        return ITEMS


def _strike(fault: Fault) -> Any:
    fault()
    return _items


def _items() -> Iterable[int]:
    return ITEMS


class InFn:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def __call__(self) -> Iterable[int]:
        self.fault()
        return ITEMS


class InIter(InFn):
    def __call__(self) -> Iterable[int]:
        return self

    def __iter__(self) -> Iterator[int]:
        self.fault()
        return iter(ITEMS)


class InNext(InIter):
    """Goes wrong after some items, at a sign if there is one."""

    def __init__(self, fault: Fault, before: int, sign: Sign | None = None) -> None:
        super().__init__(fault)
        self.before = before
        self.sign = sign

    def __iter__(self) -> Iterator[int]:
        yield from ITEMS[: self.before]
        if self.sign is not None:
            self.sign.wait()
        self.fault()
        yield from ITEMS[self.before :]


class InCall(InFn):
    def __call__(self) -> InCall:
        return self

    def __iter__(self) -> Iterator[int]:
        return iter(ITEMS)

    def go_wrong(self) -> list[int]:
        self.fault()
        return list(ITEMS)


class AsItIsLeft(InIter):
    def __iter__(self) -> Iterator[int]:
        try:
            yield from ITEMS
        finally:
            self.fault()


class Elsewhere:
    """Goes wrong at a sign, in a thread that an initializer starts."""

    def __init__(self, fault: Fault, sign: Sign) -> None:
        self.fault = fault
        self.sign = sign

    def __call__(self) -> None:
        thread = threading.Thread(target=self._run)
        if "farside._worker.process" in sys.modules:  # a subinterpreter has no daemons
            thread.daemon = True
        thread.start()

    def _run(self) -> None:
        self.sign.wait()
        self.fault()


class SaysWhenFull:
    """With ``buffer_size=1``: says when it makes the last item before it has to wait."""

    def __init__(self, sign: Sign) -> None:
        self.sign = sign

    def __call__(self) -> SaysWhenFull:
        return self

    def __iter__(self) -> Iterator[int]:
        yield from ITEMS[:2]
        self.sign.give()
        yield from ITEMS[2:]
