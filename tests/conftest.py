"""Fixtures for all tests, and the guard against everything that a test leaves behind."""

from __future__ import annotations

import fcntl
import gc
import os
import socket
import sys
import time
from multiprocessing import get_context, resource_tracker
from typing import TYPE_CHECKING

import pytest

from farside._backends import process_start
from tests.free_threaded import differs
from tests.inventory import inventory, left_since
from tests.kinds import KINDS, METHODS, SUBINTERPRETERS, SUBPROCESSES, TELLING, Kind
from tests.loops import LOOPS, Gate, Loop

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

pytest.register_assert_rewrite("farside.testing")

_PATIENCE_S = 5.0
"""How long what a test used may take to be gone. It polls: passing tests do not wait so long."""


_METHOD = os.environ.get("FARSIDE_START_METHOD")
"""The one start method to test; None: each. `tox.ini` says where one is enough."""

_OTHER_METHOD = os.environ.get("FARSIDE_OTHER_START_METHOD", _METHOD)
"""The same for the files in `_OF_ANY_METHOD`, and for what is marked `of_any_method`."""

_OF_ANY_METHOD = {
    f"test_{name}.py"
    for name in (
        *("contract_allocate", "contract_async", "contract_batches", "contract_calls"),
        *("contract_logging", "contract_map", "contract_memory", "contract_stats"),
        *("contract_unlimited", "contract_unloadable", "contract_wait", "contract_workers"),
        *("ahead", "crowd", "fork_views", "handlers_in_c", "limits_values", "no_collector"),
        *("pipelines", "skipping", "slow_exceptions"),
    )
}
"""What is the same however a process was started, once it has what other files test for each start
method: its job, its descriptors, its shared memory and its end."""

_MEASURED = {
    *("cli", "worker"),
    *("test_bundle.py", "test_snapshots.py", "test_subinterpreter.py", "test_subprocess.py"),
}
"""Folders and files in which coverage looks on in workers too. It takes them ten times as long to
start, and what runs in workers elsewhere runs here as well."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let each test with `--reruns` begin at once.

    pytest-rerunfailures sends two small messages before each, and waits for the answer to the
    second. TCP keeps that back until the other side has acknowledged the first: for 40 ms.
    """
    database = getattr(getattr(config, "failures_db", None), "sock", None)
    if database is not None:
        database.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Let the processes of one run collect one after the other.

    The first compiles all modules of tests, which is most of the work; the others find that done.
    """
    if not hasattr(session.config, "workerinput"):
        return (yield)
    with open(sys.executable, "rb") as of_this_python:
        fcntl.flock(of_this_python, fcntl.LOCK_EX)
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about kinds of workers that this Python has none of, or that others test.

    pytest would count a test without parameters as skipped.
    """
    idle = {
        item
        for item in items
        if _of_other_method(item)
        or differs(item.nodeid)
        or any(
            "empty parameter set" in mark.kwargs.get("reason", "")
            for mark in item.iter_markers("skip")
        )
    }
    if idle:
        config.hook.pytest_deselected(items=list(idle))
        items[:] = [item for item in items if item not in idle]


def pytest_collection_finish() -> None:
    """Let the garbage collector look at what tests make alone, and not at all that is imported."""
    gc.collect()
    gc.freeze()


def _of_other_method(item: pytest.Item) -> bool:
    """Tell whether a test runs for each start method, and this is one that is not chosen."""
    of_any = item.path.name in _OF_ANY_METHOD or item.get_closest_marker("of_any_method")
    method = _OTHER_METHOD if of_any else _METHOD
    if method is None or not isinstance(item, pytest.Function):
        return False
    given = getattr(item, "callspec", None)
    values = given.params.values() if given is not None else ()
    kinds = [getattr(value, "kind", None) or getattr(value, "name", None) for value in values]
    return any(kind in METHODS and kind != method for kind in kinds)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why tests failed that were run again: pytest shows their names only."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"run again: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker that can be started here."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture(params=TELLING, ids=lambda kind: kind.name)
def telling_kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker that can tell where its threads are."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture(params=SUBPROCESSES, ids=lambda kind: kind.name)
def subprocess_kind(request: pytest.FixtureRequest) -> Kind:
    """Each start method."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture(params=SUBINTERPRETERS, ids=lambda kind: kind.name)
def subinterpreter_kind(request: pytest.FixtureRequest) -> Kind:
    """The subinterpreter, where it exists."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture(params=LOOPS, ids=lambda loop: loop.name)
def loop(request: pytest.FixtureRequest) -> Loop:
    """Each kind of event loop."""
    chosen: Loop = request.param
    return chosen


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate, open for `jobs.Gated`."""
    made = Gate(tmp_path)
    yield made
    made.close()


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Let coverage not look on in the interpreters that a test starts."""
    with pytest.MonkeyPatch.context() as patch:  # `monkeypatch` would be undone after the guard
        _measure_no_children(patch)
        yield


def _measure_no_children(patch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("COVERAGE_"):
            patch.delenv(name)


@pytest.fixture(autouse=True)
def _measure_no_others(request: pytest.FixtureRequest) -> None:
    if _MEASURED.isdisjoint({request.path.name, request.path.parent.name}):
        request.getfixturevalue("unmeasured")


@pytest.fixture(scope="session", autouse=True)
def _helpers_of_multiprocessing() -> None:
    """Start what multiprocessing keeps for ever, so that no test is blamed for it."""
    with pytest.MonkeyPatch.context() as patch:
        _measure_no_children(patch)  # each would write what it has run, at its end
        resource_tracker.ensure_running()
        # As the first worker of a program does. Modules of tests import pytest too, in workers.
        patch.setattr(process_start, "_MODULES", [*process_start._MODULES, "pytest"])
        process_start._start_server_with_modules()
        # It has imported them when it has started a process: the first test may be in a hurry.
        process = get_context("forkserver").Process(target=int)
        process.start()
        process.join()


@pytest.fixture(autouse=True)
def _nothing_left_behind(_helpers_of_multiprocessing: None) -> Iterator[None]:
    """Fail a test that leaves a process, thread, descriptor or interpreter behind."""
    before = inventory()
    yield
    deadline = time.monotonic() + _PATIENCE_S
    while left := left_since(before):
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {', '.join(sorted(left))}")
        time.sleep(0.01)
