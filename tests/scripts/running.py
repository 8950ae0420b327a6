"""Run a whole script, in a process and a session of its own, and see what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
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
        self,
        folder: Path,
        command: Sequence[str],
        *,
        kind: Kind,
        stdin: str = "",
        terminal: int | None = None,
    ) -> None:
        env = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
        env[KIND_VARIABLE] = kind.name
        env["PYTHONPATH"] = os.pathsep.join(map(str, _PATHS))
        self._err = folder / "stderr.txt"
        pipe = subprocess.PIPE if terminal is None else terminal
        with self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env=env,
                stdin=pipe,
                stdout=pipe,
                stderr=err if terminal is None else terminal,
                start_new_session=True,
            )
        self.pid = self._process.pid
        if self._process.stdin is not None:
            with self._process.stdin as script:
                script.write(stdin.encode())

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
            left = self._kill_all()
            raise AssertionError(f"{left} hang; they printed {self._said()}") from None
        deadline = time.monotonic() + AFTERMATH_S
        while left := self.processes():
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(0.01)
        return Done(code, *self._said())

    def __enter__(self) -> Script:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._kill_all()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _kill_all(self) -> set[int]:
        processes = self.processes()
        for pid in processes:
            with suppress(ProcessLookupError):  # it has ended just now, as its parent has
                os.kill(pid, signal.SIGKILL)
        return processes

    def _said(self) -> tuple[str, str]:
        out = b"" if self._process.stdout is None else self._process.stdout.read()
        return out.decode(), self._err.read_text()


def write_script(folder: Path, source: str, name: str = "script.py") -> Path:
    """Write a script, and the folders that it lies in."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source).lstrip())
    return path


def run_command(
    folder: Path, *command: str, kind: Kind, stdin: str = "", timeout: float = 20
) -> Done:
    """Run Python with some arguments."""
    with Script(folder, command, kind=kind, stdin=stdin) as script:
        return script.wait(timeout)


def run_script(
    folder: Path, source: str, *args: str, kind: Kind, stdin: str = "", timeout: float = 20
) -> Done:
    """Run a text as a script."""
    path = write_script(folder, source)
    return run_command(folder, str(path), *args, kind=kind, stdin=stdin, timeout=timeout)
