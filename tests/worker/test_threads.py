"""Threads of farside's own in a worker."""

from __future__ import annotations

import pytest

from farside._worker import threads


@pytest.mark.parametrize("allowed", [True, False])
def test_a_thread_is_a_daemon_where_the_interpreter_has_such(
    monkeypatch: pytest.MonkeyPatch, *, allowed: bool
) -> None:
    # The exit of a process must not wait for it; and a subinterpreter has no daemons.
    monkeypatch.setattr(threads, "daemon_threads_allowed", lambda: allowed)
    thread = threads.start(lambda: None, "one")
    thread.join()
    assert thread.daemon is allowed
