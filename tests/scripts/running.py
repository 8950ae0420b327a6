"""Run a whole script, in a process and a session of its own, and see what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import farside
from tests.scripts.starting import KIND_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.kinds import Kind

_PATHS = (Path(farside.__file__).parents[1], Path(__file__).parents[2])

AFTERMATH_S = 2.0
"""How long the helpers of multiprocessing, and workers whose parent was killed, may outlive it."""


class Done(NamedTuple):
    """How a script ended."""

    code: int
    out: str
    err: str


class Script:
    """A Python process that runs, its workers included; at the end of ``with``, nothing does."""

    def __init__(
        self, folder: Path, command: Sequence[str], *, kind: Kind, stdin: int | str = ""
    ) -> None:
        env = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
        env[KIND_VARIABLE] = kind.name
        env["PYTHONPATH"] = os.pathsep.join(map(str, _PATHS))
        self._err = folder / "stderr.txt"
        with self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env=env,
                stdin=subprocess.PIPE if isinstance(stdin, str) else stdin,
                stdout=subprocess.PIPE,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._process.pid
        if isinstance(stdin, str):
            assert self._process.stdin is not None
            with self._process.stdin as pipe:
                pipe.write(stdin.encode())

    def line(self) -> str:
        """Wait for a line that the script prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().rstrip("\n")

    def processes(self) -> set[int]:
        """Find all processes of its session that run."""
        found = set()
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = Path(f"/proc/{entry}/stat").read_text()
                except OSError:  # it has just ended
                    continue
                state, _, _, session, *_ = stat.rpartition(")")[2].split()
                if int(session) == self.pid and state not in "ZX":
                    found.add(int(entry))
        return found

    def wait(self, timeout: float) -> Done:
        """Wait for its end, and check that it leaves no process behind."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it hangs; {self._said()}") from None
        self.await_end_of(self.processes, AFTERMATH_S)
        assert self._process.stdout is not None
        return Done(code, self._process.stdout.read().decode(), self._err.read_text())

    @staticmethod
    def await_end_of(find: object, seconds: float) -> None:
        """Fail if what `find` finds is still there after so many seconds."""
        assert callable(find)
        deadline = time.monotonic() + seconds
        while left := find():
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(0.01)

    def __enter__(self) -> Script:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _said(self) -> str:
        processes = self.processes()
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
        assert self._process.stdout is not None
        return (
            f"its processes are {processes}; it printed {self._process.stdout.read()!r} and "
            f"{self._err.read_text()!r}"
        )


def write_script(folder: Path, source: str, name: str = "script.py") -> Path:
    """Write a script, and the folders that it lies in."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source).lstrip())
    return path


def run_command(
    folder: Path, *command: str, kind: Kind, stdin: int | str = "", timeout: float = 20
) -> Done:
    """Run Python with some arguments."""
    with Script(folder, command, kind=kind, stdin=stdin) as script:
        return script.wait(timeout)


def run_script(
    folder: Path, source: str, *args: str, kind: Kind, stdin: int | str = "", timeout: float = 20
) -> Done:
    """Run a text as a script."""
    path = write_script(folder, source)
    return run_command(folder, str(path), *args, kind=kind, stdin=stdin, timeout=timeout)
