"""What workers do in the tests of faults: they die, or come to where they can be killed."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from farside.testing import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.scripts.acts import Sign


def die(code: int) -> None:
    """End this process so that its exit code is `code`: by a signal if that is negative."""
    if code >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()  # a forked worker has pytest's
    os.kill(os.getpid(), -code)
    signal.pause()


def die_at(sign: Sign, code: int) -> None:
    """Die at a sign."""
    sign.wait()
    die(code)


def die_later(code: int, sign: Sign) -> None:
    """Initialize a worker so that it dies at a sign, whatever it does then."""

    def wait_and_die() -> None:
        sign.wait()
        die(code)

    threading.Thread(target=wait_and_die, daemon=True).start()


class LeavesGrandchild:
    """Yields the pid of a forked child, which holds all descriptors, and goes on as told."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.then = then

    def __iter__(self) -> Iterator[int]:
        child = os.fork()
        if not child:
            signal.pause()
        yield child
        yield 1
        yield 2
        self.then()


class ClosesStandardStreams:
    """Closes what it can of standard input and output, and yields what goes on working."""

    def __iter__(self) -> Iterator[object]:
        yield "before"
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            if stream is not None:
                stream.close()
        for fd in (0, 1, 2):
            try:
                os.close(fd)
            except OSError:  # closed with its stream
                continue
        yield "closed"
        with open(os.devnull, "w") as first, open(os.devnull, "w") as second:
            yield first.fileno(), second.fileno()
        yield "after"


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class SwallowsEverything:
    """Yields its pid, then goes on whatever is raised in it."""

    def __iter__(self) -> Iterator[int]:
        yield os.getpid()
        while True:
            try:
                while True:
                    time.sleep(0.001)
            except BaseException:  # noqa: S112  that is the point
                continue


class Shelf(jobs.Shelf):
    """Dies when it is told to."""

    def die(self, code: int) -> None:
        die(code)
