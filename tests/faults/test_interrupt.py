"""Ctrl-C: the parent is interrupted at once, workers say nothing, and what is left still works."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import farside
from farside import FarsideError, WorkerTimeoutError
from tests import jobs
from tests.kinds import SUBPROCESSES
from tests.scripts.running import Script, write_script

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from farside import RemoteIterable
    from tests.kinds import Kind
    from tests.scripts.running import Done

AT_ONCE_S = 1.0
END_S = 8.0
_HERE = str(Path(farside.__file__).parent)


def interrupt(script: Script) -> None:
    """Send SIGINT as a terminal does, once the parent waits or computes: to the whole group."""
    os.killpg(script.pid, signal.SIGINT)


def await_sleep(pid: int) -> None:
    """Wait until the main thread of a process waits for something."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        pass


def run(folder: Path, source: str, kind: Kind, *, waits: bool = True) -> Done:
    """Run a script, interrupt it once it has said that it is ready, and see it end."""
    path = write_script(folder, source)
    with Script(folder, [str(path)], kind=kind) as script:
        assert script.line() == "ready"
        if waits:
            await_sleep(script.pid)
        interrupt(script)
        begin = time.monotonic()
        assert script.line() == "interrupted"
        assert time.monotonic() - begin < AT_ONCE_S
        return script.wait(END_S)


HEAD = """\
import time
from functools import partial
from tests.scripts.acts import Sign

class Gate:
    "Yields numbers, and in its first pass waits for a sign after the first."
    def __init__(self, sign):
        self.sign = sign

    def __iter__(self):
        yield 0
        sign, self.sign = self.sign, None
        if sign:
            sign.wait()
        yield from range(1, 100)

if __name__ == "__main__":
    from tests.scripts.starting import start
    from tests.jobs import Numbers
"""

IN_NEXT = """\
    sign = Sign("sign")
    with start(partial(Gate, sign)) as numbers:
        try:
            for number in numbers:
                print("ready", flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        sign.give()
        print(list(numbers) == list(range(100)))
"""

BETWEEN_ITEMS = """\
    with start(partial(Numbers, 100)) as numbers:
        try:
            for number in numbers:
                print("ready", flush=True)
                while True:
                    pass
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(list(numbers) == list(range(100)))
"""

IDLE = """\
    with start(partial(Numbers, 100)) as numbers:
        assert list(numbers) == list(range(100))
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(list(numbers) == list(range(100)))
"""


@pytest.mark.parametrize(
    "body", [IN_NEXT, BETWEEN_ITEMS, IDLE], ids=["in next", "between items", "idle"]
)
def test_the_iterable_is_usable_again(tmp_path: Path, kind: Kind, body: str) -> None:
    done = run(tmp_path, HEAD + body, kind, waits=body is not BETWEEN_ITEMS)
    assert done == (0, "True\n", "")


UNHANDLED = """\
import atexit, sys

if __name__ == "__main__":
    from tests.scripts.starting import begin

    show = sys.excepthook
    def hook(*error):
        print("interrupted", flush=True)
        show(*error)
    sys.excepthook = hook
    held = begin(ACT)
    print("ready", flush=True)
    for item in held.iterator:
        pass
"""


@pytest.mark.parametrize("act", ["sleep", "loop", "produce"])
def test_unhandled(tmp_path: Path, kind: Kind, act: str) -> None:
    done = run(tmp_path, UNHANDLED.replace("ACT", repr(act)), kind, waits=act != "produce")
    assert (done.code, done.out) == (-signal.SIGINT, "")
    assert done.err.count("Traceback") == 1
    assert done.err.endswith("KeyboardInterrupt\n")


IMPATIENT = """\
if __name__ == "__main__":
    from tests.scripts.starting import begin

    held = begin("sleep")
    try:
        with held.iterable:
            try:
                print("ready", flush=True)
                next(held.iterator)
            except KeyboardInterrupt:
                print("interrupted", flush=True)
        # A worker in time.sleep is waited for.
    except KeyboardInterrupt:
        print("and again", flush=True)
"""


def test_twice(tmp_path: Path, kind: Kind) -> None:
    path = write_script(tmp_path, IMPATIENT)
    with Script(tmp_path, [str(path)], kind=kind) as script:
        for said in ("ready", "interrupted"):
            assert script.line() == said
            await_sleep(script.pid)
            interrupt(script)
        begin = time.monotonic()
        assert script.line() == "and again"
        assert time.monotonic() - begin < AT_ONCE_S
        assert script.wait(END_S) == (0, "", "")


class InterruptAt:
    """Sends this process SIGINT at the n-th point of farside's own code where Python heeds it.

    That is where a function begins, and where one that is written in C has returned.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.where = ""

    def __enter__(self) -> InterruptAt:
        self._before = sys.getprofile()
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _profile(self, frame: FrameType, event: str, _arg: object) -> None:
        code = frame.f_code
        if event in {"call", "c_return"} and code.co_filename.startswith(_HERE):
            self.count -= 1
            if not self.count:
                self.where = f"{Path(code.co_filename).name}:{frame.f_lineno}, in {code.co_name}"
                signal.raise_signal(signal.SIGINT)


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


@pytest.mark.parametrize("act", [leave, supersede, finish, close])
def test_at_every_point(act: Callable[[RemoteIterable[int]], None]) -> None:
    """Wherever it strikes, the iterable can be used again or says why not; nothing hangs."""
    fork: Kind = SUBPROCESSES[2]  # the parent's code is the same for all
    start = partial(fork.start, partial(jobs.Numbers, 5), buffer_size=1, timeout=5)
    numbers = start()
    problems = []
    count = 0
    while True:
        count += 1
        try:
            with InterruptAt(count) as at:
                act(numbers)
        except KeyboardInterrupt:
            pass
        if not at.where:
            break
        try:
            if list(numbers) != list(range(5)):
                problems.append(f"{at.where}: a pass is wrong")
        except FarsideError as error:
            if isinstance(error.__cause__ or error, WorkerTimeoutError):
                problems.append(f"{at.where}: the next pass hangs")
            begin = time.monotonic()
            numbers.close()
            if time.monotonic() - begin > AT_ONCE_S:
                problems.append(f"{at.where}: closing takes long")
            numbers = start()
    numbers.close()
    assert problems == []
