"""Which workers live, and how they end with the process."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from farside import BackendUnavailableError, WorkerDiedError, iterate_in_worker
from farside._backends import live_workers, registry
from farside._backends.base import ExitStatus, Worker
from farside._worker import load
from tests.background import Background
from tests.children import run_python
from tests.parent import scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._link.base import Link


class _Link:
    def __init__(self, log: list[str]) -> None:
        self._log = log

    def close(self) -> None:
        self._log.append("link closed")

    def disown(self) -> None:
        self._log.append("link disowned")


class Scripted(Worker):
    """Ends in the step that it is told to end in."""

    def __init__(self, ends_in: str) -> None:
        self.log: list[str] = []
        self.link = cast("Link", _Link(self.log))
        self.ends_in = ends_in
        self.ended = False

    @property
    def label(self) -> str:
        return "scripted"

    def wait(self, timeout: float) -> bool:  # noqa: ARG002
        self.ended = self.ended or self.ends_in == "wait"
        self.log.append("waited")
        return self.ended

    def terminate(self) -> bool:
        self.ended = self.ends_in == "terminate"
        self.log.append("terminated")
        return self.ends_in != "kill at once"

    def kill(self) -> bool:
        self.ended = self.ends_in.startswith("kill")
        self.log.append("killed")
        return True

    def exit_status(self) -> ExitStatus:
        return ExitStatus("ended")


@pytest.fixture(autouse=True, name="armed")
def _watchdog(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    armed: list[Any] = []
    monkeypatch.setattr(
        faulthandler, "dump_traceback_later", lambda *args, **options: armed.append((args, options))
    )
    yield armed
    live_workers._live.clear()


@pytest.mark.parametrize(
    ("ends_in", "steps"),
    [
        ("wait", ["waited"]),
        ("terminate", ["waited", "terminated", "waited"]),
        ("kill", ["waited", "terminated", "waited", "killed", "waited"]),
        ("kill at once", ["waited", "terminated", "killed", "waited"]),
    ],
)
def test_stop_uses_no_more_force_than_is_needed(ends_in: str, steps: list[str]) -> None:
    worker = Scripted(ends_in)
    assert worker.stop(0.1)
    assert worker.log == steps


def test_stop_tells_when_all_was_in_vain() -> None:
    assert not Scripted("never").stop(0.1)


@dataclass(init=False)
class Equal(Scripted):
    """A class of somebody else's: all are equal, and have no hash."""


@pytest.mark.parametrize("kind", [Scripted, Equal])
def test_workers_are_on_record_until_they_have_ended(kind: type[Scripted]) -> None:
    first, second = kind("terminate"), kind("terminate")
    live_workers.track(first)
    live_workers.track(second)
    assert {id(first), id(second)} <= live_workers._live.keys()
    first.ended = True
    live_workers.sweep()
    assert id(first) not in live_workers._live
    assert id(second) in live_workers._live


class Here(Scripted):
    beside = False


def test_others_may_start_workers_in_their_threads_while_all_are_looked_at() -> None:
    started = [Here("nothing")]
    live_workers.track(started[0])

    def trace(frame: Any, event: str, _: object) -> Any:  # as another thread, at each line
        if event == "line" and len(started) < 100:
            started.append(Here("nothing"))
            live_workers._here[id(started[-1])] = started[-1]
        return trace if frame.f_code.co_filename == weakref.__file__ else None

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        live_workers.sweep()
    finally:
        sys.settrace(before)
    assert len(started) > 1
    assert started[0].log == ["waited"]


def test_a_forked_child_writes_to_no_worker_of_whatever_backend() -> None:
    worker = Scripted("terminate")
    live_workers.track(worker)
    child = os.fork()
    if not child:
        os._exit(worker.log != ["link disowned"])
    assert os.waitpid(child, 0)[1] == 0
    live_workers.forget(worker)


def test_close_all_tells_all_before_it_waits_for_any(armed: list[Any]) -> None:
    workers = [Scripted("terminate"), Scripted("kill")]
    for worker in workers:
        live_workers.track(worker)
    for worker in workers:
        worker.log.clear()
    live_workers.close_all()
    for worker in workers:
        assert worker.log[:2] == ["link closed", "waited"]
    assert armed == []


class PressesCtrlC(Scripted):
    """Ends while somebody presses Ctrl-C, again and again."""

    def wait(self, timeout: float) -> bool:
        signal.raise_signal(signal.SIGINT)
        return super().wait(timeout)


def test_close_all_ends_all_whoever_presses_ctrl_c(armed: list[Any]) -> None:
    workers = [PressesCtrlC("terminate"), PressesCtrlC("kill"), PressesCtrlC("never")]
    live_workers._live.update((id(each), each) for each in workers)
    live_workers.close_all()
    assert [worker.ended for worker in workers] == [True, True, False]
    assert len(armed) == 1


def test_no_worker_is_started_by_a_worker_that_imports_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live_workers.check_start()
    with monkeypatch.context() as patch:
        patch.setattr(load, "loading", True)  # a subinterpreter does
        with pytest.raises(BackendUnavailableError, match="below if __name__ == '__main__'"):
            iterate_in_worker(list)
    process = multiprocessing.current_process()
    monkeypatch.setattr(process, "_inheriting", True, raising=False)  # a spawned process does
    with pytest.raises(BackendUnavailableError, match="below if __name__ == '__main__'"):
        iterate_in_worker(list)


def test_no_worker_is_started_while_the_process_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_workers, "_exiting", True)
    with pytest.raises(BackendUnavailableError, match="the process is exiting"):
        iterate_in_worker(list)
    with pytest.raises(SystemExit):  # a daemon thread prints nothing into an orderly exit
        Background(iterate_in_worker, list).result()


def test_a_daemon_prints_nothing_where_the_exit_begins_just_as_it_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = live_workers.end_thread_at_exit

    def look_just_before() -> None:
        end()
        monkeypatch.setattr(live_workers, "_exiting", True)

    monkeypatch.setattr(live_workers, "end_thread_at_exit", look_just_before)
    Background(live_workers.check_start).result()  # the start itself finds that it comes too late


def test_the_exit_waits_for_a_start_until_it_is_over_or_has_failed() -> None:
    """Else an exit after it would take two seconds, and a watchdog be armed."""
    found: list[int] = []
    live_workers.before_exit(lambda: found.append(len(live_workers._starting)))
    with pytest.raises(ZeroDivisionError):
        live_workers.before_exit(lambda: 1 // 0)
    assert (found, live_workers._starting) == ([1], set())


def test_a_daemon_thread_ends_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    live_workers.end_thread_at_exit()
    monkeypatch.setattr(live_workers, "_exiting", True)
    live_workers.end_thread_at_exit()
    with ThreadPoolExecutor(1) as pool:  # no daemon
        pool.submit(live_workers.end_thread_at_exit).result()
    with pytest.raises(SystemExit):
        Background(live_workers.end_thread_at_exit).result()


def test_a_thread_that_is_no_daemon_is_told_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of multiprocessing waits for it, and items that are missing must not go unseen."""
    client, _ = scripted.client()
    monkeypatch.setattr(live_workers, "_exiting", True)
    with ThreadPoolExecutor(1) as pool, pytest.raises(WorkerDiedError, match="process exits; join"):
        pool.submit(list, scripted.iterate(client)).result()


def test_a_worker_may_end_by_itself_while_all_are_told_to(armed: list[Any]) -> None:
    class EndsAnother(Scripted):
        @property
        def beside(self) -> bool:  # type: ignore[override]
            live_workers.forget(another)  # as the thread does that hosts it
            return True

    another, workers = Scripted("wait"), [EndsAnother("wait"), EndsAnother("wait")]
    live_workers._live.update((id(each), each) for each in [another, *workers])
    live_workers.close_all()
    assert [each.log for each in workers] == [["link closed", "waited"]] * 2
    assert armed == []


@pytest.fixture(autouse=True)
def _filters() -> Iterator[None]:
    with warnings.catch_warnings():
        yield
    live_workers._exiting = live_workers.some_left = False
    live_workers.all_told.clear()


def test_close_all_arms_the_watchdog_when_a_worker_is_left(armed: list[Any]) -> None:
    live_workers.track(Scripted("never"))
    live_workers.close_all()
    [((seconds,), options)] = armed
    assert seconds == live_workers.LAST_RESORT_SECONDS
    assert options["exit"] is True


def test_a_worker_that_a_daemon_thread_starts_while_python_exits_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_workers, "_exiting", True)  # `close_all` has been here
    monkeypatch.setattr(live_workers, "end_thread_at_exit", lambda: None)
    worker = Scripted("nothing")
    with pytest.raises(BackendUnavailableError, match="the process is exiting"):
        live_workers.track(worker)
    assert worker.log == ["link closed"]
    live_workers.forget(worker)


OF_ONES_OWN = """
from functools import partial
from itertools import count
from farside import iterate_in_worker, register_backend
from tests.backends import in_threads

in_threads.serve = partial(in_threads.serve, last_resort=list)  # whose threads are daemons then
register_backend("mine", in_threads.ThreadBackend)
items = iterate_in_worker(count, backend="mine", finalizer=partial(print, "finalizer"))
print(next(iter(items)))
"""


def test_a_worker_of_a_backend_of_ones_own_is_told_to_end_as_the_process_exits() -> None:
    assert run_python(OF_ONES_OWN, path=Path(__file__).parents[2]) == "0\nfinalizer\n"


def test_a_worker_of_a_backend_of_ones_own_is_on_record_until_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backends = {**registry._BACKENDS, "mine": "tests.backends.in_threads:ThreadBackend"}
    monkeypatch.setattr(registry, "_BACKENDS", backends)
    before = dict(live_workers._live)
    with iterate_in_worker(list, backend="mine"):
        [added] = live_workers._live.keys() - before.keys()
        worker = live_workers._live[added]
        assert worker.label.startswith("thread ")
    assert live_workers._live == before
