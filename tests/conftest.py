"""Fixtures for all tests, and the guard against everything that a test leaves behind."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from farside._backends import live_workers, process_start
from tests.kinds import KINDS, METHODS, SUBINTERPRETERS, SUBPROCESSES, TELLING, Kind
from tests.loops import LOOPS, Gate, Loop

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.register_assert_rewrite("farside.testing")

_PATIENCE_S = 5.0
"""How long what a test used may take to be gone. It polls: passing tests do not wait so long."""


_METHOD = os.environ.get("FARSIDE_START_METHOD")
"""The one start method to test; None: each. `tox.ini` says where one is enough."""

_OTHER_METHOD = os.environ.get("FARSIDE_OTHER_START_METHOD", _METHOD)
"""The same for the files in `_OF_MANY_WORKERS`."""

_OF_MANY_WORKERS = {
    f"test_{name}.py"
    for name in (
        *("contract_async", "contract_batches", "contract_logging", "contract_map"),
        *("contract_workers", "crowd"),
    )
}
"""What starts many workers, and does with them what other files do with each start method."""

_MEASURED = {
    *("cli", "worker"),
    *("test_bundle.py", "test_contract.py", "test_snapshots.py", "test_subinterpreter.py"),
    "test_subprocess.py",
}
"""Folders and files in which coverage looks on in workers too. It takes them ten times as long to
start, and what runs in workers elsewhere runs here as well."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about kinds of workers that this Python has none of, or that others test.

    pytest would count a test without parameters as skipped.
    """
    idle = {
        item
        for item in items
        if _of_other_method(item)
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
    method = _OTHER_METHOD if item.path.name in _OF_MANY_WORKERS else _METHOD
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
        process_start._start_server_with_modules()  # as the first worker of a program does
        forkserver.ensure_running()


@pytest.fixture(autouse=True)
def _nothing_left_behind(_helpers_of_multiprocessing: None) -> Iterator[None]:
    """Fail a test that leaves a process, thread, descriptor or interpreter behind."""
    before = _inventory()
    yield
    deadline = time.monotonic() + _PATIENCE_S
    while left := _left_since(before):
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {', '.join(sorted(left))}")
        time.sleep(0.01)


def _left_since(before: set[str]) -> set[str]:
    live_workers.sweep()
    left = _inventory() - before
    # What a test has left is young. To look through all that is imported takes up to a second.
    for generation in range(3):
        if not left:
            break
        gc.collect(generation)
        live_workers.sweep()
        left = _inventory() - before
    return left


def _inventory() -> set[str]:
    found = {f"thread {thread.name}" for thread in threading.enumerate()}
    # A browser that tests share starts and ends processes as it likes.
    processes = {pid: what for pid, what in _descendants().items() if not what.startswith("chrom")}
    found |= {f"process {pid} ({what})" for pid, what in processes.items()}
    found |= {f"worker {worker.label}" for worker in live_workers._live}
    found |= {f"shared memory {name}" for name in _shared_memory()}
    for name in ("concurrent.interpreters", "interpreters_backport.interpreters"):
        if name in sys.modules:
            found |= {f"interpreter {each.id}" for each in sys.modules[name].list_all()}
            found.discard("interpreter 0")  # the main one
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"descriptor {fd} → {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:  # the one that listed the folder
            continue
    return found


def _shared_memory() -> set[str]:
    folder = Path("/dev/shm")  # noqa: S108  looked at, not written to
    return {entry.name for entry in folder.iterdir() if entry.name.startswith(("psm_", "farside"))}


def _stat_of(pid: str) -> str:
    # It is read of each process twice for each test: a file object takes seven times as long.
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:  # it has just ended
        return ""
    try:
        return os.read(fd, 1 << 12).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


_foreign: set[str] = set()
"""Processes that are no descendants. None becomes one, so nobody looks at it again."""


def _descendants() -> dict[int, str]:
    parents: dict[int, tuple[int, str]] = {}
    entries = {entry for entry in os.listdir("/proc") if entry.isdigit()}
    _foreign.intersection_update(entries)
    for entry in entries - _foreign:
        name, _, rest = _stat_of(entry).rpartition(")")
        if rest:
            parents[int(entry)] = (int(rest.split(None, 2)[1]), name.partition("(")[2])
    found: dict[int, str] = {}
    fresh = {os.getpid()}
    while fresh:
        fresh = {pid for pid, (parent, _) in parents.items() if parent in fresh}
        found.update({pid: parents[pid][1] for pid in fresh})
    _foreign.update(str(pid) for pid in parents.keys() - found.keys() - {os.getpid()})
    return found
