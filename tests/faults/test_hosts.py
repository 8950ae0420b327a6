"""Workers of processes that are workers or servers themselves."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import ways
from tests.faults.nesting import HoldsStuck, Nests
from tests.faults.staging import pid_of
from tests.faults.test_fork import REFUSED
from tests.kinds import SUBINTERPRETERS, SUBPROCESSES, Kind
from tests.scripts.running import run_script
from tests.scripts.watched import Watched

if TYPE_CHECKING:
    from pathlib import Path

GONE_S = 3.0
"""Three times what is promised: the machine may be busy."""

POOLS = {
    "Pool": "multiprocessing.get_context(METHOD).Pool(2)",
    "ProcessPoolExecutor": (
        "concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context(METHOD))"
    ),
}

IN_A_POOL = """\
import concurrent.futures, multiprocessing

if __name__ == "__main__":
    from tests.faults.hosted import use
    with POOL as pool:
        print(*sorted(set(pool.map(use, range(4)))))
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.parametrize("pool", POOLS)
def test_in_a_process_of_a_pool(tmp_path: Path, kind: Kind, pool: str, method: str) -> None:
    source = IN_A_POOL.replace("POOL", POOLS[pool]).replace("METHOD", repr(method))
    done = run_script(tmp_path, source, kind=kind)
    assert (done.code, done.out, done.err) == (0, "fine\n", "")


BEHIND_A_FORK_SERVER = """\
import multiprocessing

def use(_=None):
    from farside import iterate_in_subprocess  # in each process, by itself
    with iterate_in_subprocess(list) as empty:
        return list(empty)

if __name__ == "__main__":
    process = multiprocessing.get_context("forkserver").Process(target=int)
    process.start()
    process.join()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(use, range(2)))
"""

LONG_NAMES = """import os, tempfile

if __name__ == "__main__":
    tempfile.tempdir = os.path.join(os.getcwd(), 95 * "x")
    os.mkdir(tempfile.tempdir)
    from farside import iterate_in_subprocess
    with iterate_in_subprocess(list) as empty:
        print([list(empty)] * 2)
"""


@pytest.mark.parametrize("source", [BEHIND_A_FORK_SERVER, LONG_NAMES])
def test_where_no_fork_server_can_be_had_and_none_was_asked_for(
    tmp_path: Path, source: str
) -> None:
    done = run_script(tmp_path, source, kind=SUBPROCESSES[0])
    assert done == (0, "[[], []]\n", "")


PREFORK = """\
import gc, os, sys

def serve():
    global mine
    assert use() == "fine"
    del mine
    gc.collect()
    child = os.fork() if FORKS else 0
    if FORKS and not child:
        sys.exit(5)
    assert not FORKS or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    sys.exit(3)

if __name__ == "__main__":
    from functools import partial
    from tests.faults.hosted import use
    from tests.jobs import Numbers
    from tests.scripts.starting import start
    from farside import iterate_in_subprocess

    mine = iterate_in_subprocess(partial(Numbers, 1000))
    iterator = iter(mine)
    next(iterator)
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            del iterator
            serve()
        children.append(child)
    print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
    print(list(iterator) == list(range(1, 1000)), list(mine) == list(range(1000)))
"""


def test_a_server_that_forks_before_it_serves(tmp_path: Path, kind: Kind) -> None:
    if kind.name == "forkserver":
        return  # a forked process cannot use that of its parent
    # A child that has subinterpreters cannot fork.
    done = run_script(tmp_path, PREFORK.replace("FORKS", str(kind.is_process)), kind=kind)
    assert done == (0, "3 3\nTrue True\n", "")


@pytest.mark.parametrize("way", ways.STUCK)
@pytest.mark.parametrize("inner", SUBPROCESSES, ids=lambda kind: kind.name)
def test_inner_workers_end_with_a_worker_that_is_killed(
    subprocess_kind: Kind, inner: Kind, way: str, tmp_path: Path
) -> None:
    if (subprocess_kind.name, inner.name) in REFUSED:
        return
    fault = ways.Fault(way, str(tmp_path), announced=True)
    outer = subprocess_kind.start(HoldsStuck(inner.options, fault))
    innermost = Watched(next(iter(outer)))
    os.kill(pid_of(outer), signal.SIGKILL)
    assert innermost.ends_by(time.monotonic() + GONE_S)
    outer.close()


@pytest.mark.parametrize("way", ways.STUCK)
@pytest.mark.parametrize("inner", SUBPROCESSES[:2], ids=lambda kind: kind.name)
def test_inner_workers_end_with_a_subinterpreter(
    subinterpreter_kind: Kind, inner: Kind, way: str, tmp_path: Path
) -> None:
    fault = ways.Fault(way, str(tmp_path), announced=True)
    with subinterpreter_kind.start(HoldsStuck(inner.options, fault)) as outer:
        innermost = Watched(next(iter(outer)))
    assert innermost.ends_by(time.monotonic() + GONE_S)


@pytest.mark.parametrize("inner", SUBINTERPRETERS, ids=lambda kind: kind.name)
def test_subinterpreters_of_a_worker_end_with_it(subprocess_kind: Kind, inner: Kind) -> None:
    fn: Any = partial(Nests, {"backend": inner.backend}, keep=True)
    outer = subprocess_kind.start(fn)
    pid = next(iter(outer))
    os.kill(pid, signal.SIGKILL)
    assert Watched(pid).ends_by(time.monotonic() + GONE_S)
    outer.close()
