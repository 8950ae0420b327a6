"""Work that is not waited for without a limit."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from farside._backends import starting
from farside._backends.starting import within

SECONDS = 20.0


def test_what_it_returns_and_raises() -> None:
    undone: list[str] = []
    assert within(SECONDS, lambda: "done", undone.append) == "done"
    with pytest.raises(ZeroDivisionError):
        within(SECONDS, lambda: str(1 // 0), undone.append)
    assert undone == []


def test_what_comes_too_late_is_undone() -> None:
    go_on, undone = threading.Event(), threading.Event()

    def work() -> str:
        go_on.wait()
        return "late"

    results: list[str] = []

    def undo(result: str) -> None:
        results.append(result)
        undone.set()

    with pytest.raises(TimeoutError):
        within(0.01, work, undo)
    go_on.set()
    assert undone.wait(SECONDS)
    assert results == ["late"]


def test_without_a_thread_it_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert within(SECONDS, threading.current_thread, print) is threading.main_thread()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_comes_is_undone_where_a_signal_handler_raises_as_the_thread_starts(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    go_on, undone, really = threading.Event(), threading.Event(), threading.Thread.start
    begun = threading.Event()

    def start_and_raise(thread: threading.Thread) -> None:
        really(thread)
        assert begun.wait(SECONDS)
        raise error  # as a handler that strikes now

    def work() -> threading.Event:
        begun.set()
        go_on.wait()
        return undone

    monkeypatch.setattr(threading.Thread, "start", start_and_raise)
    with pytest.raises(error):
        within(SECONDS, work, threading.Event.set)
    go_on.set()
    assert undone.wait(SECONDS)


@pytest.mark.parametrize(("seconds", "waits"), [(0.5, 1), (2.5, 3), (float("inf"), 4)])
def test_time_in_which_this_process_is_stopped_does_not_count(
    monkeypatch: pytest.MonkeyPatch, seconds: float, waits: int
) -> None:
    """A wait may take an hour, and counts no more than it was to take."""
    taken, go_on = list[float](), threading.Event()

    class Stopped(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            taken.append(timeout or 0.0)
            if len(taken) < 4:
                return False
            go_on.set()
            return super().wait(SECONDS)

    instead = SimpleNamespace(Event=Stopped, Lock=threading.Lock, Thread=threading.Thread)
    monkeypatch.setattr(starting, "threading", instead)
    try:
        assert within(seconds, lambda: go_on.wait(SECONDS), lambda _: None)
    except TimeoutError:
        assert sum(taken) == seconds
    assert len(taken) == waits
    go_on.set()
