"""How long somebody waits while items are on their way, with made-up times."""

from __future__ import annotations

import pytest

from farside._backends.ray import heard as module
from farside._backends.ray.heard import Way


@pytest.mark.parametrize(
    ("called", "held", "asked", "seconds"),
    [
        (90.0, 9.0, 5.0, 1.0),  # it took 10 seconds, and for 9 of them it was there
        (90.0, 0.0, 5.0, 5.0),  # but nobody waited for longer than that
        (90.0, 9.0, 0.0, 0.0),  # nobody waited
        (99.0, 1.5, 5.0, 0.0),  # the clock there goes too fast
    ],
)
def test_one_call(
    monkeypatch: pytest.MonkeyPatch, called: float, held: float, asked: float, seconds: float
) -> None:
    monkeypatch.setattr(module, "monotonic", lambda: 100.0)
    way = Way()
    way.asking._words[0] = round(asked * 1e9) << 1
    way.arrive(called, held)
    assert way.seconds == seconds


def test_a_wait_counts_for_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "monotonic", lambda: 100.0)
    way = Way()
    way.asking._words[0] = 5 * 10**9 << 1
    for _ in range(2):
        way.arrive(97.0, 0.0)
    assert way.seconds == 3.0


def test_a_call_that_waits_for_a_start_tells_nothing() -> None:
    way = Way()
    way.asking._words[0] = 5 * 10**9 << 1
    way.arrive(way.set_out(started=False), 0.0)
    assert way.seconds == 0.0
    way.asking._words[0] = 9 * 10**9 << 1
    way.arrive(way.set_out(started=True) - 1.0, 0.0)
    assert 1.0 <= way.seconds <= 4.0
