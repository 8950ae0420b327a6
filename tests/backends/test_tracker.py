"""The resource tracker of multiprocessing, whose pipe other code may have closed."""

from __future__ import annotations

import os
from multiprocessing import resource_tracker
from types import SimpleNamespace
from typing import TYPE_CHECKING

from farside._backends import tracker

if TYPE_CHECKING:
    import pytest


def test_a_tracker_that_another_thread_starts_just_then_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (_, first), (_, second) = pipes = os.pipe(), os.pipe()
    state = SimpleNamespace(_fd=first, _pid=1)
    monkeypatch.setattr(resource_tracker, "_resource_tracker", state)
    monkeypatch.setattr(tracker, "_seen", (None, None))
    look = os.fstat

    def look_just_before(fd: int) -> os.stat_result:
        found = look(fd)
        os.dup2(second, fd)  # the first one has died
        state._pid = 2
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", look_just_before)
        assert tracker.tracker_fd() == first
    assert tracker.tracker_fd() == first
    assert state._pid == 2
    for end in (*pipes[0], *pipes[1]):
        os.close(end)
