"""The fork server that farside is the first to need."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.children import run_python

if TYPE_CHECKING:
    from pathlib import Path

# `there` runs in a process of the fork server before anything was imported for it.
START = """
import multiprocessing, sys
from functools import partial
from multiprocessing import forkserver
from farside import WorkerTimeoutError, iterate_in_subprocess
context = multiprocessing.get_context("forkserver")
expression = "['farside._worker.process' in __import__('sys').modules]"
def there():
    with context.Pool(1) as pool:
        [found] = pool.apply(eval, [expression])
        return found
def run_worker(**options):
    with iterate_in_subprocess(partial(range, 3), mp_context="forkserver", **options) as items:
        assert list(items) == [0, 1, 2]
def preloaded():
    return forkserver._forkserver._preload_modules
"""


def test_the_server_has_the_modules_of_workers() -> None:
    script = "run_worker(); assert there(); assert preloaded() == ['__main__']"
    run_python(START + script)


def test_a_server_does_not_import_another_farside(tmp_path: Path) -> None:
    (tmp_path / "farside.py").write_text("raise RuntimeError('another farside')")
    first = "import sys; sys.path.remove('')\n"
    told = sys.version_info >= (3, 14)  # of sys.path; before, it looks in the current directory
    run_python(first + START + f"run_worker(); assert there() == {told}", cwd=tmp_path)


def test_a_server_that_runs_stays_as_it_is() -> None:
    run_python(START + "assert not there(); run_worker(); assert not there()")


def test_what_the_program_has_said_holds() -> None:
    script = """
multiprocessing.set_forkserver_preload(["json"])
run_worker()
assert preloaded() == ["json"]
assert not there()
"""
    run_python(START + script)


def test_what_the_program_says_meanwhile_holds() -> None:
    script = """
ensure_running = forkserver.ensure_running
def set_and_run():
    ensure_running()
    multiprocessing.set_forkserver_preload(["json"])
forkserver.ensure_running = set_and_run
run_worker()
assert preloaded() == ["json"]
"""
    run_python(START + script)


def test_a_server_that_cannot_start_leaves_no_trace() -> None:
    script = """
def fail():
    raise OSError("no server")
forkserver.ensure_running = fail
try:
    run_worker()
except Exception as error:
    assert "no server" in str(error), error
else:
    raise AssertionError("a worker without a server")
assert preloaded() == ["__main__"]
"""
    run_python(START + script)


def test_another_server_after_it_is_as_the_program_wants_it() -> None:
    script = """
import os, signal
run_worker()
os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
os.waitid(os.P_PID, forkserver._forkserver._forkserver_pid, os.WEXITED | os.WNOWAIT)
assert not there()
"""
    run_python(START + script)


KILLING = """
import os, signal, warnings
from farside import BackendUnavailableError, BrokenWorkersError, WorkerExecutor
left, ensure = 0, forkserver.ForkServer.ensure_running
def ensure_and_kill(self):
    global left
    ensure(self)
    if left:
        left -= 1
        os.kill(self._forkserver_pid, signal.SIGKILL)
forkserver.ForkServer.ensure_running = ensure_and_kill
warnings.simplefilter("always")
"""


@pytest.mark.parametrize("options", ["wait=True", "wait=False"])
def test_one_that_is_killed_as_it_is_asked_for_a_worker(options: str) -> None:
    script = f"""
left = 3
with warnings.catch_warnings(record=True) as caught:
    run_worker(max_restarts=3, {options})
assert len(caught) == 3
assert all("the fork server was killed" in str(each.message) for each in caught)
warnings.simplefilter("ignore")
left = 100  # each time: a server that dies before it is asked is replaced without a restart
try:
    run_worker(max_restarts=2, {options})
except BackendUnavailableError as error:
    assert "the fork server was killed" in str(error), error
else:
    raise AssertionError("more restarts than may be")
"""
    run_python(START + KILLING + script)


def test_one_that_is_killed_as_it_is_asked_for_another_worker() -> None:
    script = """
with warnings.catch_warnings(record=True) as caught:
    items = iterate_in_subprocess(partial(range, 3), mp_context="forkserver", max_restarts=3)
    with items:
        left = 2
        items._current.members[0].worker.kill()
        assert list(items) == [0, 1, 2]
assert len(caught) == 3
"""
    run_python(START + KILLING + script)


@pytest.mark.parametrize("times", [5, 100])  # not 6, as in the test of restarts
def test_one_that_is_killed_as_an_executor_asks_for_a_worker(times: int) -> None:
    script = f"""
left = {times}
warnings.simplefilter("ignore")
with WorkerExecutor(1, backend="subprocess", mp_context="forkserver") as executor:
    future = executor.submit(pow, 2, 3)
    if {times} == 5:
        assert future.result(60) == 8
    else:
        error = future.exception(60)
        assert isinstance(error, BrokenWorkersError), error
        assert isinstance(error.__cause__, BackendUnavailableError), error
"""
    run_python(START + KILLING + script)


def test_one_that_is_stopped_is_named() -> None:
    script = """
import os, signal
run_worker()
server = forkserver._forkserver._forkserver_pid
os.kill(server, signal.SIGSTOP)
try:
    run_worker(init_timeout=0.5)
except WorkerTimeoutError as error:
    if sys.platform == "linux":
        assert f"the fork server (pid {server}) is stopped" in str(error), error
else:
    raise AssertionError("a worker of a server that is stopped")
finally:
    os.kill(server, signal.SIGKILL)  # it would complain of who is gone meanwhile
"""
    run_python(START + script)


TAKES_ORPHANS = """
import ctypes, os, select, signal
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
"""

on_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="there are no such processes"
)


@on_linux
def test_a_process_that_gets_the_orphans_of_a_server_that_was_killed() -> None:
    """Process 1 of a container does: what it does not wait for stays a zombie for ever."""
    script = """
with iterate_in_subprocess(partial(range, 1000000), mp_context="forkserver") as items:
    loop = iter(items)
    next(loop)
    child = items._current.members[0].worker._child
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
    os.kill(child.pid, signal.SIGKILL)
    try:
        for _ in loop: pass
    except RuntimeError as error:
        assert "it was killed by SIGKILL" in str(error), error
    else:
        raise AssertionError("the worker lives")
    assert child._handle.closed
try:
    os.waitpid(child.pid, os.WNOHANG)
except ChildProcessError:
    pass
else:
    raise AssertionError("the worker is a zombie")
"""
    run_python(START + TAKES_ORPHANS + script)


@on_linux
def test_a_server_that_is_killed_leaves_its_children_after_it_has_closed_its_pipes() -> None:
    """Whoever sees the end of a pipe looks a moment too early then."""
    script = """
from unittest.mock import Mock
from farside._backends.child import Child
told, tell = os.pipe()
for _ in range(50):
    sentinel, writer = os.pipe()
    server = os.fork()
    if not server:
        worker = os.fork()
        if worker:
            os.write(tell, b"%9d" % worker)
        signal.pause()
    os.close(writer)
    popen = Mock(method="forkserver", sentinel=sentinel, close=lambda: os.close(sentinel))
    child = Child(Mock(pid=int(os.read(told, 9)), _popen=popen))
    os.kill(child.pid, signal.SIGKILL)
    select.select([child.fileno()], [], [])
    os.kill(server, signal.SIGKILL)
    select.select([sentinel], [], [])
    assert child.wait(10)
    assert (child.code, child.lost) == (-signal.SIGKILL, None), child.lost
    os.waitpid(server, 0)
"""
    run_python(TAKES_ORPHANS + script)


@on_linux
def test_one_that_a_daemon_starts_which_has_blocked_sigchld_learns_that_workers_end() -> None:
    """A daemon may have a thread that waits for signals. Workers would be zombies for ever."""
    script = """
import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
with iterate_in_subprocess(partial(range, 3), mp_context="forkserver") as items:
    assert list(items) == [0, 1, 2]
    child = items._current.members[0].worker._child
deadline = time.monotonic() + 20
while os.path.exists(f"/proc/{child.pid}"):
    assert time.monotonic() < deadline, "the worker is a zombie"
    time.sleep(0.01)
assert child.code == 0
assert signal.SIGCHLD in signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""
    run_python(START + script)
