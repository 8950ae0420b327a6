"""Workers that are started in a thread, where memory runs out as that begins."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from farside._parent.starting import beside
from farside.testing.checks import until


@pytest.mark.parametrize("begun", [False, True])
def test_workers_are_started_once_whether_the_thread_has_begun_or_not(
    begun: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if begun:
            really(thread)
        raise MemoryError

    monkeypatch.setattr(threading.Thread, "start", start)
    waiting = SimpleNamespace(wake=lambda: None, wake_others=lambda: None)
    client: Any = SimpleNamespace(launching=set(), waiting=waiting)
    started: list[int] = []
    beside(client, lambda: started.append(1))
    until(lambda: not client.launching)  # what close() waits for
    assert started == [1]
