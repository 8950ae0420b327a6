"""Threads of farside's own in a worker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from farside._worker import threads
from tests.background import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = "_start_joinable_thread", "_start_new_thread"  # from Python 3.13 on, and before
START = next(name for name in _NAMES if hasattr(threading, name))


class Struck(Exception):
    """What a signal handler raises."""


@pytest.mark.parametrize("allowed", [True, False])
def test_a_thread_is_a_daemon_where_the_interpreter_has_such(
    monkeypatch: pytest.MonkeyPatch, *, allowed: bool
) -> None:
    # The exit of a process must not wait for it; and a subinterpreter has no daemons.
    monkeypatch.setattr(threads, "daemon_threads_allowed", lambda: allowed)
    thread = threads.start(lambda: None, "one")
    thread.join()
    assert thread.daemon is allowed


def test_what_a_signal_handler_raises_just_as_a_thread_has_begun_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, end = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        end.wait(SECONDS)

    start: Callable[..., Any] = getattr(threading, START)

    def start_and_strike(*args: Any, **options: Any) -> Any:
        start(*args, **options)
        assert begun.wait(SECONDS)
        raise Struck

    before = {*threading.enumerate()}
    monkeypatch.setattr(threading, START, start_and_strike)
    with pytest.raises(Struck):
        threads.start(run, "one")
    end.set()
    for thread in {*threading.enumerate()} - before:
        thread.join()
