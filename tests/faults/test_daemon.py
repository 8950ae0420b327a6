"""Daemons: processes whose descriptors 0, 1 and 2 are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kinds import FORKSERVER
from tests.scripts.running import run_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

SCRIPT = """\
import fcntl, multiprocessing.forkserver, os, sys

STANDARD = (0, 1, 2)

def prints():
    for number in range(3):
        for fd in STANDARD:
            try:
                os.write(fd, b"what a C library prints")
            except OSError:
                pass
        yield number

def what_is_standard():
    found = []
    for fd in STANDARD:
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            found.append("closed")
    return found

if __name__ == "__main__":
    from tests.scripts.starting import start

    out = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 100)
    for fd in STANDARD:
        os.close(fd)
    if sys.argv[1] == "served":
        multiprocessing.forkserver.ensure_running()
    told = []
    before = what_is_standard()
    with start(prints) as numbers, start(what_is_standard) as told_there:
        told.append(list(numbers))
        told.append(what_is_standard() == before)
        told.append(list(told_there))
    os.write(out, repr(told).encode())
"""


def test_what_is_printed_in_a_daemon_goes_nowhere(tmp_path: Path, kind: Kind) -> None:
    done = run_script(tmp_path, SCRIPT, "alone", kind=kind)
    there = ["/dev/null" if kind.is_process else "closed"] * 3
    assert done == (0, f"[[0, 1, 2], True, {there}]", "")


def test_a_fork_server_that_the_daemon_has_started(tmp_path: Path) -> None:
    done = run_script(tmp_path, SCRIPT, "served", kind=FORKSERVER)
    assert done.out.startswith("[[0, 1, 2], True, ")  # that server has taken some numbers itself
    assert (done.code, done.err) == (0, "")


FILES = """\
import fcntl, os, sys

def prints():
    for number in range(3):
        print("in standard output", flush=True)
        print("in standard error", file=sys.stderr)
        yield number

if __name__ == "__main__":
    from tests.scripts.starting import start

    if len(sys.argv) == 1:  # once more, without what Python makes its standard streams of
        fcntl.fcntl(1, fcntl.F_DUPFD, 100)
        os.closerange(0, 3)
        os.execv(sys.executable, [sys.executable, __file__, "again"])
    files = [open(f"{number}.txt", "w+") for number in range(3)]
    with start(prints) as numbers:
        told = [list(numbers), [file.fileno() for file in files]]
    told += [open(file.name).read() for file in files]
    os.write(100, repr(told).encode())
"""


def test_what_is_printed_there_does_not_go_into_files_of_the_program(
    tmp_path: Path, kind: Kind
) -> None:
    done = run_script(tmp_path, FILES, kind=kind)
    assert done == (0, "[[0, 1, 2], [0, 1, 2], '', '', '']", "")


FORK = """\
import fcntl, os, signal, sys
from functools import partial

if __name__ == "__main__":
    from tests.backends.allocating import blocks
    from tests.scripts.starting import start

    out = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 100)
    for fd in (0, 1, 2):
        os.close(fd)
    with start(partial(blocks, 3)) as made:
        kept = list(made)
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            for fd in (0, 1, 2):
                try:
                    os.write(fd, bytes(1 << 20))
                except OSError:
                    pass
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(out, str(code).encode())
"""


def test_what_a_forked_child_prints_goes_nowhere(tmp_path: Path, subprocess_kind: Kind) -> None:
    done = run_script(tmp_path, FORK, kind=subprocess_kind)
    assert done == (0, "0", "")


COMES = """\
import os, resource, signal, sys
from functools import partial
from multiprocessing import forkserver, resource_tracker

if __name__ == "__main__":
    from tests.scripts.starting import start

    def come() -> None:
        with start(partial(range, 3)) as numbers:
            print(list(numbers))

    come()
"""

CLOSES = (
    COMES
    + """\
    resource_tracker.ensure_running()
    tracker = vars(resource_tracker._resource_tracker)["_fd"]
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if sys.argv[1] == "file":
        os.dup2(os.open("mine.txt", os.O_RDWR | os.O_CREAT), tracker)
    elif sys.argv[1] == "pipe":
        reader, writer = (os.dup2(end, 100 + end) for end in os.pipe())
        os.dup2(writer, tracker)
    come()
    if sys.argv[1] == "file":
        print(open("mine.txt").read())
    elif sys.argv[1] == "pipe":
        os.set_blocking(reader, False)
        try:
            print(os.read(reader, 100))
        except BlockingIOError:
            print()
"""
)


@pytest.mark.parametrize("then", ["file", "pipe", "nothing"])
def test_a_program_that_has_closed_all_descriptors(tmp_path: Path, kind: Kind, then: str) -> None:
    done = run_script(tmp_path, CLOSES, then, kind=kind)
    rest = "" if then == "nothing" else "\n"
    assert done == (0, 2 * "[0, 1, 2]\n" + rest, "")


LOSES = (
    COMES
    + """\
    server, tracker = vars(forkserver._forkserver), vars(resource_tracker._resource_tracker)
    fd, pids = server["_forkserver_alive_fd"], [server["_forkserver_pid"], tracker["_pid"]]
    if sys.argv[1] == "later":
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if sys.argv[1] == "before":
        for pid in pids:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    os.dup2(os.open("mine.txt", os.O_RDWR | os.O_CREAT), fd)
    come()
    os.write(fd, b"mine")
    print(open("mine.txt").read())
    if sys.argv[1] == "later":
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        come()
    print(server["_forkserver_pid"] not in [None, pids[0]])
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            print("reaped")
"""
)


@pytest.mark.parametrize("ends", ["before", "later"])
def test_a_program_that_has_closed_the_pipe_of_its_fork_server(tmp_path: Path, ends: str) -> None:
    """The server ends, at any time. Its successor serves, and the file with its number stays."""
    done = run_script(tmp_path, LOSES, ends, kind=FORKSERVER)
    rest = "True\nreaped\nreaped\n"
    if ends == "later":
        rest = "[0, 1, 2]\n" + rest
    assert done == (0, "[0, 1, 2]\n[0, 1, 2]\nmine\n" + rest, "")
