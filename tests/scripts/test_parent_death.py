"""A parent that is killed, whatever its workers do: all of them are gone within about a second."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.scripts.running import Script, write_script
from tests.scripts.watched import Watched

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

GONE_S = 3.0
"""Three times what is promised: the machine may be busy."""


EACH_ACT = """\
import os, signal, sys, time

def end(*_):
    if sys.argv[1] == "os._exit":
        os._exit(1)
    if sys.argv[1] == "exit":
        sys.exit(7)
    raise ValueError("nobody handles it")

if __name__ == "__main__":
    from tests.scripts.starting import begin

    signal.signal(signal.SIGUSR1, end)
    acts = ["idle", "produce", "credit", "send", "loop", "sleep", "gil"]
    workers = [begin(act) for act in acts]
    print(*(worker.pid for worker in workers), flush=True)
    while True:  # not pause(): it would miss a signal that comes just before
        time.sleep(0.1)
"""

WAYS = {
    "SIGKILL": (signal.SIGKILL, -signal.SIGKILL, ""),
    "SIGTERM": (signal.SIGTERM, -signal.SIGTERM, ""),
    "os._exit": (signal.SIGUSR1, 1, ""),
    "exit": (signal.SIGUSR1, 7, ""),
    "exception": (signal.SIGUSR1, 1, "ValueError: nobody handles it\n"),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_worker_outlives_its_parent(tmp_path: Path, subprocess_kind: Kind, way: str) -> None:
    number, code, said = WAYS[way]
    path = write_script(tmp_path, EACH_ACT)
    with Script(tmp_path, [str(path), way], kind=subprocess_kind) as script:
        workers = [Watched(int(pid)) for pid in script.line().split()]
        assert len(workers) == 7
        os.kill(script.pid, number)
        deadline = time.monotonic() + GONE_S
        assert [worker.ends_by(deadline) for worker in workers] == [True] * 7
        done = script.wait(5)
        assert done.code == code
        assert done.err.count("Traceback") == bool(said)
        assert done.err.endswith(said) if said else not done.err


INITIALIZING = """\
import os, time

def initialize():
    print(os.getpid(), flush=True)
    time.sleep(3600)

if __name__ == "__main__":
    from tests.scripts.starting import start
    start(list, initializer=initialize)
"""


def test_a_worker_that_is_being_initialized(tmp_path: Path, subprocess_kind: Kind) -> None:
    path = write_script(tmp_path, INITIALIZING)
    with Script(tmp_path, [str(path)], kind=subprocess_kind) as script:
        worker = Watched(int(script.line()))
        os.kill(script.pid, signal.SIGKILL)
        assert worker.ends_by(time.monotonic() + GONE_S)
        assert script.wait(5).err == ""


LATER_CHILDREN = """\
import os, signal, subprocess, sys

if __name__ == "__main__":
    from tests.scripts.acts import Acts, Sign
    from tests.scripts.starting import begin
    from farside import iterate_in_subprocess

    worker = begin("idle")
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, b".")
        signal.pause()
    os.read(reader, 1)  # it has closed by now what is not its own
    code = "import signal; signal.pause()"
    started = subprocess.Popen([sys.executable, "-c", code], close_fds=False)
    later = iterate_in_subprocess(Acts("idle", Sign("sign")), mp_context="fork")
    print(worker.pid, child, started.pid, *later, flush=True)
    signal.pause()
"""


def test_what_was_started_later_holds_no_descriptor_of_the_worker(
    tmp_path: Path, subprocess_kind: Kind
) -> None:
    path = write_script(tmp_path, LATER_CHILDREN)
    with Script(tmp_path, [str(path)], kind=subprocess_kind) as script:
        worker, *others = [Watched(int(pid)) for pid in script.line().split()]
        assert len(others) == 3
        for other in others:
            os.kill(other.pid, signal.SIGSTOP)
        os.kill(script.pid, signal.SIGKILL)
        now = time.monotonic()
        assert worker.ends_by(now + GONE_S)
        assert not any(other.ends_by(now) for other in others)
