"""Where the threads of a worker are: the one that runs the iterable is told in any case."""

from __future__ import annotations

import _thread
import sys
import threading
from typing import Any

import pytest

from farside._worker import stacks
from farside._worker.threads import Bell
from farside.testing.checks import until


def test_the_thread_of_the_iterable_is_told_whatever_the_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = sys._getframe()
    frames: dict[int, Any] = dict.fromkeys(range(300), frame)
    seen = iter(range(300))
    monkeypatch.setattr(sys, "_current_frames", lambda: frames)
    monkeypatch.setattr(stacks, "_several_interpreters", lambda: False)
    monkeypatch.setattr(stacks, "_entrance", lambda _: 0 if next(seen) == 299 else None)
    found = stacks.report()
    assert found[0][0] == "the thread that runs the iterable"
    assert 100 < len(found) < 110


@pytest.mark.parametrize("version", [(3, 13, 12), (3, 14, 7), (3, 14, 8), (3, 15, 0)])
def test_python_is_not_asked_where_it_looks_into_other_interpreters(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
) -> None:
    asked: list[int] = []

    def current_frames() -> dict[int, Any]:
        asked.append(1)
        return {0: sys._getframe()}

    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "_current_frames", current_frames)
    monkeypatch.setattr(stacks, "_several_interpreters", lambda: True)
    ((told, places),) = stacks.report()
    assert bool(asked) == bool(places) == (version >= (3, 14, 8))
    assert asked or "cannot tell before 3.14.8" in told


def test_threads_are_told_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_several_interpreters", lambda: False)
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="waits")
    thread.start()
    names = [name for name, _ in stacks.report()]
    over.set()
    thread.join()
    assert {"the thread MainThread", "the thread waits"} <= set(names)


@pytest.mark.parametrize("by_ray", [True, False])
def test_a_foreign_thread_is_told_unless_it_is_rays_and_calls_the_actor(
    monkeypatch: pytest.MonkeyPatch, *, by_ray: bool
) -> None:
    if by_ray:
        monkeypatch.setattr(stacks, "_ACTOR", __file__)
    monkeypatch.setattr(stacks, "_several_interpreters", lambda: False)
    bell, ended = Bell(), threading.Event()

    def call_in() -> None:
        bell.wait(60)
        ended.set()

    ident = _thread.start_new_thread(call_in, ())
    until(lambda: getattr(sys._current_frames().get(ident), "f_code", None) is Bell.wait.__code__)
    found = [place for _, places in stacks.report() for *_, place in places]
    bell.ring()
    assert ended.wait(60)
    until(lambda: ident not in sys._current_frames())
    assert ("call_in" in found) is not by_ray


@pytest.mark.parametrize("with_threading", [True, False])
def test_no_thread_of_farsides_own_is_told(
    monkeypatch: pytest.MonkeyPatch, *, with_threading: bool
) -> None:
    monkeypatch.setattr(stacks, "_several_interpreters", lambda: False)
    bell = Bell()
    if with_threading:
        thread = threading.Thread(target=bell.wait, name="farside-flusher")
        thread.start()
        assert thread.ident is not None
        ident = thread.ident
    else:  # as in a subinterpreter where nothing has imported that
        ident = _thread.start_new_thread(bell.wait, ())
    until(lambda: getattr(sys._current_frames().get(ident), "f_code", None) is Bell.wait.__code__)
    found = [place for _, places in stacks.report() for *_, place in places]
    own = sys._current_frames()[ident]
    assert stacks._of_user([own]) == [own]  # there is nothing else
    del own
    bell.ring()
    until(lambda: ident not in sys._current_frames())
    assert "wait" not in found
