"""Counting, while other threads begin passes."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.counters import Counters
from farside._parent.results import enter_iteration_mode
from farside._parent.stats import collect
from tests.parent import scripted
from tests.parent.scripted import finished, items, iterate, started

if TYPE_CHECKING:
    from types import FrameType

    from farside._parent.client import Client
    from farside._parent.one_pass import Pass


def test_a_pass_that_begins_as_another_one_ends_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, link = scripted.client(started(1), items(1, 1, 2), finished(1))
    results = iterate(client)
    assert [next(results), next(results)] == [1, 2]
    nested = iter([True])
    begun: list[Pass] = []

    def now() -> float:
        if next(nested, False):  # as any thread may: no lock is held as the loop ends
            begun.append(enter_iteration_mode(client))
        return monotonic()

    monkeypatch.setattr("farside._parent.counters.monotonic", now)
    results.close()
    [this] = begun
    link.then(started(2), items(2, 3))
    client.wait(this)
    assert list(this.step() or ()) == [3]
    assert collect(client).items == 3
    this.leave()


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="it does not tell of each opcode")
def test_a_pass_that_begins_as_figures_are_collected_hides_none_and_doubles_none() -> None:
    place = 0
    while True:
        client, _ = scripted.client(started(1), items(1, 1, 2))
        results = iterate(client)
        assert [next(results), next(results)] == [1, 2]
        found, struck = _collect(client, place)
        assert (place, found) == (place, 2)
        results.close()
        if not struck:
            break
        place += 1
    assert place > 10


def _collect(client: Client, place: int) -> tuple[int, bool]:
    """Collect figures, and begin a pass at a place of that; return how many items were counted."""
    here, codes = -1, {collect.__code__, Counters.totals.__code__}

    def look(frame: FrameType, event: str, _: object) -> Any:
        nonlocal here
        if frame.f_code not in codes:
            return None
        frame.f_trace_opcodes = True
        here += event == "opcode"
        if here == place and event == "opcode":
            sys.settrace(None)
            frame.f_trace = None
            enter_iteration_mode(client).leave()  # as another thread might
            return None
        return look

    before = sys.gettrace()
    try:
        sys.settrace(look)
        items = collect(client).items
    finally:
        sys.settrace(before)
    return items, here >= place
