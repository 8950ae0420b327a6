"""The servers of multiprocessing, whose pipes other code may have closed."""

from __future__ import annotations

import os
from multiprocessing import forkserver, resource_tracker
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from farside._backends import servers

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("module", [resource_tracker, forkserver])
def test_one_that_another_thread_starts_just_then_is_kept(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    (_, first), (_, second) = pipes = os.pipe(), os.pipe()
    name = module.__name__.rpartition(".")[2]
    fd_name, pid_name, *_ = servers._STATES[name]
    state = SimpleNamespace(**{fd_name: first, pid_name: 1})
    monkeypatch.setattr(module, f"_{name}", state)
    monkeypatch.setattr(servers, "_seen", {})
    look = os.fstat

    def look_just_before(fd: int) -> os.stat_result:
        found = look(fd)
        os.dup2(second, fd)  # the first one has died
        vars(state)[pid_name] = 2
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", look_just_before)
        assert servers._look_at(name) == first
    assert servers._look_at(name) == first
    assert vars(state) == {fd_name: first, pid_name: 2}
    for end in (*pipes[0], *pipes[1]):
        os.close(end)
