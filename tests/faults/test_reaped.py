"""Programs that take, or throw away, the exit status of every child."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scripts.running import run_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

SCRIPT = """\
import os, signal, sys

def numbers():
    yield 0
    os._exit(7)

def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

def descriptors():
    return len(os.listdir("/proc/self/fd"))

if __name__ == "__main__":
    from farside import WorkerDiedError
    from tests.scripts.starting import start

    start(list).close()  # what multiprocessing keeps for ever is there from now on
    signal.signal(signal.SIGCHLD, signal.SIG_IGN if sys.argv[1] == "ignored" else reap)
    before = descriptors()
    for _ in range(3):
        with start(list) as empty:
            assert list(empty) == []
    with start(numbers) as items:
        try:
            list(items)
        except WorkerDiedError as error:
            print(error.exit_code, str(error).rpartition("iteration: ")[2])
    print(descriptors() - before)
"""

TAKEN = "how it ended is not known, since its exit status was taken by another part of the program"

CALLED = "its code, or a library, has called os._exit()"

RESTARTS = "with max_restarts=1, another worker would take its place and go on"


@pytest.mark.parametrize("how", ["ignored", "reaped"])
def test_workers_of_a_program_that_takes_every_exit_status(
    tmp_path: Path, subprocess_kind: Kind, how: str
) -> None:
    done = run_script(tmp_path, SCRIPT, how, kind=subprocess_kind)
    served = subprocess_kind.name == "forkserver"  # then the fork server is who is told
    told = f"7 it ended with exit code 7; {CALLED}" if served else f"None {TAKEN}"
    assert done == (0, f"{told}; {RESTARTS}\n0\n", "")
