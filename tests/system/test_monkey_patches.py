"""Whether gevent or eventlet has patched anything, as they tell themselves."""

from __future__ import annotations

import sys
from concurrent.futures import BrokenExecutor
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from farside import (
    BackendUnavailableError,
    WorkerExecutor,
    iterate_in_subprocess,
    iterate_in_worker,
)
from farside._backends import interpreters
from farside._system.monkey_patches import check_threads, patched
from tests.kinds import SUBINTERPRETERS

if TYPE_CHECKING:
    from farside.options import StartMethod

GEVENT = "gevent.monkey", "is_module_patched"
EVENTLET = "eventlet.patcher", "is_monkey_patched"


def fake(monkeypatch: pytest.MonkeyPatch, library: tuple[str, str], names: set[str]) -> None:
    module, function = library
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{function: names.__contains__}))


def test_neither_is_there_or_has_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, _ in (GEVENT, EVENTLET):
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert patched("thread") is None
    for library in (GEVENT, EVENTLET):
        fake(monkeypatch, library, set())
    assert patched("thread") is None
    check_threads()


def test_each_has_names_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, EVENTLET, {"thread", "select"})
    assert patched("thread") == patched("select") == "eventlet"
    assert patched("socket") is None
    fake(monkeypatch, GEVENT, {"_thread"})
    assert patched("thread") == "gevent"
    with pytest.raises(RuntimeError, match="gevent has replaced the threads"):
        check_threads()


@pytest.mark.parametrize("library", [GEVENT, EVENTLET])
def test_who_needs_what_says_so_at_once(
    monkeypatch: pytest.MonkeyPatch, library: tuple[str, str]
) -> None:
    name = library[0].partition(".")[0]
    fake(monkeypatch, library, {"thread", "_thread", "socket"})
    refused: list[tuple[StartMethod, str]] = [("fork", "threads"), ("forkserver", "sockets")]
    for method, what in refused:
        with pytest.raises(BackendUnavailableError, match=f"{what} of {name}; .*'spawn'"):
            iterate_in_subprocess(list, mp_context=method)
    works: list[StartMethod | None] = ["spawn", None]
    for mp_context in works:  # where nothing is asked for, it is spawned
        with iterate_in_subprocess(partial(range, 3), mp_context=mp_context) as numbers:
            assert list(numbers) == [0, 1, 2]
    if SUBINTERPRETERS:
        usable, reason = interpreters.availability()
        assert not usable
        assert f"{name} has replaced the threads" in reason


@pytest.mark.parametrize("name", ["select", "os"])
def test_what_eventlet_has_to_leave_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fake(monkeypatch, EVENTLET, {name})
    cure = rf"replaced {name}; use eventlet\.monkey_patch\(select=False, os=False\)"
    with pytest.raises(BackendUnavailableError, match=cure):
        iterate_in_worker(list, backend="inline")


def test_an_executor_needs_a_real_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, EVENTLET, {"thread"})
    future = WorkerExecutor(1, backend="subprocess").submit(abs, -1)
    with pytest.raises(BrokenExecutor, match=r"\(select=False, os=False, thread=False\)"):
        future.result(20)
    monkeypatch.undo()
    fake(monkeypatch, GEVENT, {"_thread", "os"})
    with WorkerExecutor(1, backend="subprocess") as executor:
        assert executor.submit(abs, -1).result() == 1
