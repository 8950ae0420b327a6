"""Run a whole script, in a process and a session of its own, and see what is left of it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import farside
from tests.inventory import stat_of
from tests.scripts.starting import KIND_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.kinds import Kind

_PATHS = (Path(farside.__file__).parents[1], Path(__file__).parents[2])

HANG_S = 45.0
"""How long a script may take where its time is not what is tested. The machine may be busy, but the
deadline of a test must not come first: then nobody would see where the script hangs."""

STACKS_S = 2.0
"""How long a script that hangs may take to write where its threads are."""

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
                bufsize=0,  # so that `select` sees each line
                cwd=folder,
                env=env,
                stdin=pipe,
                stdout=pipe,
                stderr=err if terminal is None else terminal,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._heard = ""
        if self._process.stdin is not None:
            with self._process.stdin as script:
                script.write(stdin.encode())

    def line(self) -> str:
        """Wait for a line that the script prints, and flushes; "" if it ends before."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], HANG_S)[0]:
            self._tell_where_it_hangs()
        self._heard = self._process.stdout.readline().decode().rstrip("\n")
        return self._heard

    def processes(self) -> set[int]:
        """Find all processes of its session that run."""
        found = set()
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (stat := stat_of(entry)):
                state, _, _, session, *_ = stat.rpartition(")")[2].split(None, 4)
                if int(session) == self.pid and state not in "ZX":
                    found.add(int(entry))
        return found

    def wait(self, timeout: float) -> Done:
        """Wait for its end, and check that it leaves no process behind."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._tell_where_it_hangs()
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

    def _tell_where_it_hangs(self) -> NoReturn:
        os.kill(self.pid, signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STACKS_S)
        left = self._kill_all() - {self.pid}
        out, err = self._said()
        raise AssertionError(
            f"{self.pid} hangs after {self._heard!r}, and left {left}; it printed {out!r}\n{err}"
        )

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
    folder: Path, *command: str, kind: Kind, stdin: str = "", timeout: float = HANG_S
) -> Done:
    """Run Python with some arguments."""
    with Script(folder, command, kind=kind, stdin=stdin) as script:
        return script.wait(timeout)


def run_script(
    folder: Path, source: str, *args: str, kind: Kind, stdin: str = "", timeout: float = HANG_S
) -> Done:
    """Run a text as a script."""
    path = write_script(folder, source)
    return run_command(folder, str(path), *args, kind=kind, stdin=stdin, timeout=timeout)


def run_to_its_exit(folder: Path, source: str, *args: str, kind: Kind, exit_s: float) -> Done:
    """Run a text as a script, and limit the time of what comes after its first line alone.

    How long its workers take to start depends on how busy the machine is.
    """
    path = write_script(folder, source)
    command = ["-X", "faulthandler", str(path), *args]  # to show the stacks if it crashes or hangs
    with Script(folder, command, kind=kind) as script:
        line = script.line()
        done = script.wait(exit_s)
    return done._replace(out=f"{line}\n{done.out}")
