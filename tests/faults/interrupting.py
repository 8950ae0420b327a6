"""Interrupts a parent at every point of farside's own code where Python heeds a signal.

Run in a process of its own: an interrupt may strike in whatever else runs there, too.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import farside
from farside import FarsideError, WorkerTimeoutError
from tests import jobs
from tests.scripts.starting import start

if TYPE_CHECKING:
    from types import FrameType

    from farside import RemoteIterable

_HERE = str(Path(farside.__file__).parent)
_COUNT = 5


class InterruptAt:
    """Sends this process SIGINT at the n-th point.

    A point is where a function begins, and where one that is written in C has returned.
    """

    def __init__(self, number: int) -> None:
        self.left = number
        self.where = ""

    def __enter__(self) -> InterruptAt:
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _arg: object) -> None:
        code = frame.f_code
        if event not in {"call", "c_return"} or not code.co_filename.startswith(_HERE):
            return
        if _finalizes(frame):  # Python swallows what is raised in there
            return
        self.left -= 1
        if not self.left:
            self.where = f"{Path(code.co_filename).name}:{frame.f_lineno}, in {code.co_name}"
            signal.raise_signal(signal.SIGINT)


def _finalizes(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def leave(numbers: RemoteIterable[int]) -> None:
    iterator: Any = iter(numbers)
    try:
        next(iterator)
    finally:
        iterator.close()


def supersede(numbers: RemoteIterable[int]) -> None:
    older: Any = iter(numbers)
    try:
        next(older)
        leave(numbers)
    finally:
        older.close()


def finish(numbers: RemoteIterable[int]) -> None:
    iterator: Any = iter(numbers)
    try:
        for _ in iterator:
            pass
    finally:
        iterator.close()


def close(numbers: RemoteIterable[int]) -> None:
    iterator: Any = iter(numbers)
    try:
        next(iterator)
        numbers.close()
    finally:
        iterator.close()


def main() -> list[str]:
    """Do what the first argument says, with an interrupt at each point in turn; tell what fails.

    Wherever it strikes, the iterable can be used again or says why not, nothing hangs, and no
    descriptor is lost.
    """
    act = globals()[sys.argv[1]]
    begin = partial(start, partial(jobs.Numbers, _COUNT), buffer_size=1, timeout=5)
    numbers = begin()
    descriptors = len(os.listdir("/proc/self/fd"))
    found = []
    number = 0
    while True:
        number += 1
        try:
            with InterruptAt(number) as at:
                act(numbers)
        except KeyboardInterrupt:
            pass
        if not at.where:
            break
        problem = _problem(numbers)
        if numbers.state == "closed":
            numbers = begin()
        gc.collect()
        if len(os.listdir("/proc/self/fd")) > descriptors:
            problem = "a descriptor is lost"
            descriptors = len(os.listdir("/proc/self/fd"))
        if problem:
            found.append(f"{at.where}: {problem}")
    numbers.close()
    return found or (["no problem"] if number > 50 else [f"only {number} points"])


def _problem(numbers: RemoteIterable[int]) -> str:
    try:
        return "" if list(numbers) == list(range(_COUNT)) else "a pass is wrong"
    except FarsideError as error:
        if isinstance(error.__cause__ or error, WorkerTimeoutError):
            return "the next pass hangs"
    begin = time.monotonic()
    numbers.close()
    return "closing takes long" if time.monotonic() - begin > 1.5 else ""
