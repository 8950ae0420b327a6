"""A fork server that takes its time, since the main module that it imports does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kinds import SUBPROCESSES
from tests.scripts.running import run_script

if TYPE_CHECKING:
    from pathlib import Path

SLOW = """\
import os, sys

if __name__ != "__main__":  # the fork server waits here
    with open("importing", "w"):
        pass
    with open("go on") as fifo:
        fifo.read()

if __name__ == "__main__":
    import multiprocessing, sys, threading, time
    from farside import WorkerDiedError, iterate_in_subprocess

    multiprocessing.current_process().daemon = sys.argv[1] == "daemonic"
    os.mkfifo("importing")
    os.mkfifo("go on")
    spare = iterate_in_subprocess(list, mp_context="fork")
    doomed = iterate_in_subprocess(list, mp_context="fork")
    starting = threading.Thread(target=lambda: iterate_in_subprocess(list).close())
    starting.start()
    with open("importing") as fifo:
        fifo.read()
    spare.close()
    os.kill(int(doomed._current.members[0].worker.label.split()[1]), 9)
    try:
        list(doomed)
    except WorkerDiedError as error:
        print(error.signal_name)
    with iterate_in_subprocess(list, mp_context="fork") as another:
        print(list(another))
    print(starting.is_alive())
    with open("go on", "w"):
        pass
    starting.join()
    print(multiprocessing.current_process().daemon)
"""


@pytest.mark.parametrize("how", ["daemonic", "not daemonic"])
def test_nothing_else_waits_for_it(tmp_path: Path, how: str) -> None:
    done = run_script(tmp_path, SLOW, how, kind=SUBPROCESSES[0])
    expected = f"SIGKILL\n[]\nTrue\n{how == 'daemonic'}\n"
    assert (done.code, done.out) == (0, expected), done.err


TOO_SLOW = """\
import os

if __name__ != "__main__":
    os.read(os.open("go on", os.O_RDONLY), 1)  # of the fork server, or of each worker

if __name__ == "__main__":
    import threading
    from farside import WorkerTimeoutError, iterate_in_subprocess
    from farside._backends import live_workers

    os.mkfifo("go on")
    go_on = os.open("go on", os.O_RDWR)
    try:
        iterate_in_subprocess(list, init_timeout=0.3)
    except WorkerTimeoutError as error:
        print(error.seconds, error.state, "init_timeout=0.3" in str(error))
    os.write(go_on, b"go on")
    with iterate_in_subprocess(list, init_timeout=20) as empty:
        print(list(empty))
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()
    for worker in list(live_workers._live.values()):
        assert worker.wait(5)
    live_workers.sweep()
    print(len(live_workers._live))
"""


def test_it_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    done = run_script(tmp_path, TOO_SLOW, kind=SUBPROCESSES[0])
    assert done == (0, "0.3 initialization True\n[]\n0\n", "")
