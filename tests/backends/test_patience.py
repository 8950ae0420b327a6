"""Work that is not waited for without a limit."""

from __future__ import annotations

import threading
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from farside._backends import starting
from farside._backends.starting import start, within

SECONDS = 20.0


def test_what_it_does_and_raises() -> None:
    done: list[str] = []
    within(SECONDS, lambda: done.append("done"))
    assert done == ["done"]
    with pytest.raises(ZeroDivisionError):
        within(SECONDS, lambda: 1 // 0)


def test_without_a_thread_it_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    threads: list[threading.Thread] = []
    within(SECONDS, lambda: threads.append(threading.current_thread()))
    assert threads == [threading.main_thread()]


def test_a_worker_that_comes_too_late_is_let_go() -> None:
    go_on, closed = threading.Event(), threading.Event()

    def begin() -> Any:
        go_on.wait()
        return mock.Mock(**{"link.close": closed.set})

    with pytest.raises(TimeoutError):
        start(begin, None, partial(within, 0.01))
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(SECONDS)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_worker_is_let_go_where_a_signal_handler_raises_as_the_thread_starts(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    go_on, closed, really = threading.Event(), threading.Event(), threading.Thread.start
    begun = threading.Event()

    def start_and_raise(thread: threading.Thread) -> None:
        really(thread)
        assert begun.wait(SECONDS)
        raise error  # as a handler that strikes now

    def begin() -> Any:
        begun.set()
        go_on.wait()
        return mock.Mock(**{"link.close": closed.set})

    monkeypatch.setattr(threading.Thread, "start", start_and_raise)
    with pytest.raises(error):
        start(begin, None, partial(within, SECONDS))
    go_on.set()
    assert closed.wait(SECONDS)


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
        within(seconds, lambda: go_on.wait(SECONDS))
    except TimeoutError:
        assert sum(taken) == seconds
    assert len(taken) == waits
    go_on.set()
