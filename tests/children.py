"""Child processes of tests: forked ones that run a check, and fresh ones that run a script."""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import farside

SECONDS = 50
SOURCE = str(Path(farside.__file__).parents[1])


def fork(function: Callable[[], object]) -> int:
    """Run a function in a forked child, which then ends with code 0; return the child's pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)  # a hang ends the child, and is seen as its exit code
        function()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    """Wait for a child; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def forked(function: Callable[[], object]) -> int:
    """Run a function in a forked child; return 0 if it raised nothing."""
    return exit_code(fork(function))


def run_python(
    script: str,
    *args: str,
    cwd: Path | None = None,
    path: Path | None = None,
    measured: bool = True,
) -> str:
    """Run a script in a fresh interpreter that can import farside; return what it printed.

    Args:
        script: what to run.
        args: its arguments.
        cwd: the folder to run it in.
        path: a folder to import from, too.
        measured: whether coverage may look on: it reads sources, and warns on stderr.
    """
    environment = {
        name: text
        for name, text in os.environ.items()
        if measured or not name.startswith("COVERAGE_")
    }
    done = subprocess.run(
        [sys.executable, "-c", script, *args],
        env={**environment, "PYTHONPATH": f"{path}:{SOURCE}" if path else SOURCE},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
