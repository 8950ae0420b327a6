"""Factories that the tests of the command line name."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def numbers() -> Iterator[int]:
    yield from range(100)


_kept = iter(range(10))


def kept() -> Iterator[int]:
    """Return the same iterator each time."""
    return _kept


class Samples:
    def __iter__(self) -> Iterator[int]:
        return iter(range(50))


shared = partial(map, len, {"key": [multiprocessing.get_context("spawn").Lock()]})
"""The start of a process carries it, and nothing else."""

locked = partial(map, len, {"key": [threading.Lock()]})


def yields_lock() -> Iterator[Any]:
    yield {"fine": 1}
    yield {"lock": threading.Lock()}


def fails() -> Iterator[int]:
    raise ValueError("no data")


def dies() -> Iterator[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield 0


def dies_by_a_signal_without_a_name() -> Iterator[int]:
    os.kill(os.getpid(), signal.SIGRTMIN + 2)
    yield 0


def forks(ending: type[BaseException], code: int) -> Iterator[int]:
    child = os.fork()
    if not child:
        raise ending
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    yield 0


class _AsOfURLError(OSError):
    reason = OSError("no connection")


def fails_for_a_reason() -> Iterator[int]:
    raise _AsOfURLError("no data")


def exits() -> Iterator[int]:
    print("not the result")
    os._exit(3)


def refuses() -> list[int]:
    import readline

    return [len(readline.__name__)]


def gives_up() -> Iterator[int]:
    yield 0
    raise SystemExit("Timeout (5 s): nobody answers")


take = "mine"


def needs(argument: int) -> list[int]:
    return [argument]


def repeats(item: str, *, times: int) -> list[str]:
    return [item] * times


def hangs() -> list[int]:
    print("loading: 20%", end="", file=sys.stderr, flush=True)
    time.sleep(1000)
    return []


def hangs_after_telling(path: str) -> list[int]:
    Path(path).write_text(f"{os.getpid()}\n")
    return hangs()


def stops() -> Iterator[int]:
    yield 0
    time.sleep(1000)


not_callable = 3
