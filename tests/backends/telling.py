"""What workers run that tell about themselves, or leave something behind."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from farside import get_worker_info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside import WorkerInfo

EARLY = os.environ.get("FARSIDE_TEST")
"""As it was when this was imported."""


def write(path: str, text: str) -> None:
    """Append to a file."""
    with open(path, "a") as file:
        file.write(text)


def write_slowly(path: str, text: str) -> None:
    """Take longer than an orderly end has time for."""
    time.sleep(0.5)
    write(path, text)


def fail() -> Any:
    raise ZeroDivisionError("on purpose")


def leave() -> None:
    raise SystemExit(3)


def slowly(seconds: float) -> list[int]:
    time.sleep(seconds)
    return [1]


def quit_if_no_worker() -> None:
    os._exit(get_worker_info() is not None)


class Environment:
    """Yields variables, as they were when this was imported and as they are."""

    def __iter__(self) -> Iterator[str | None]:
        yield EARLY
        yield os.environ.get("FARSIDE_TEST")
        yield os.environ.get("FARSIDE_TEST_KEPT")


class Teller:
    """Yields what the worker knows about itself."""

    def __init__(self) -> None:
        self._first = get_worker_info()

    def __iter__(self) -> Iterator[Any]:
        yield get_worker_info()

    def at_first(self) -> WorkerInfo | None:
        return self._first

    def in_a_thread(self) -> WorkerInfo | None:
        told: list[WorkerInfo | None] = []
        thread = threading.Thread(target=lambda: told.append(get_worker_info()))
        thread.start()
        thread.join()
        return told[0]

    def in_a_fork(self) -> int:
        """Fork; return 0 if the child is no worker."""
        pid = os.fork()
        if not pid:
            quit_if_no_worker()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def nested(self) -> tuple[WorkerInfo | None, WorkerInfo | None]:
        """Ask a worker of this worker, and this one."""
        from farside import iterate_in_subprocess  # the parent's half: nobody else needs it

        inner = partial(iter, get_worker_info, None)
        with iterate_in_subprocess(inner, name="inner", mp_context="spawn") as told:
            return next(iter(told)), get_worker_info()
