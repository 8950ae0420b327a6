"""Looking for a moment: whether it is tried, by whether it has helped."""

from __future__ import annotations

from itertools import pairwise

import pytest

from farside._link import spinning
from farside._link.spinning import Spinning


class Looks:
    """Counts how often somebody looks; it says what it is told to from some time on."""

    def __init__(self, true_from: float = float("inf")) -> None:
        self.count = 0
        self._true_from = true_from

    def __call__(self) -> bool:
        self.count += 1
        return self.count >= self._true_from


def tries(one: Spinning, times: int, look: Looks) -> list[int]:
    """Spin so many times; return at which of them somebody has looked."""
    tried = []
    for number in range(times):
        before = look.count
        assert not one.spin(look)
        if look.count > before:
            tried.append(number)
    return tried


def stop_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no look come too late, on a slow machine."""
    monkeypatch.setattr(spinning, "monotonic_ns", lambda: 0)


def test_it_ends_as_soon_as_a_look_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_the_clock(monkeypatch)
    look = Looks(3)
    assert Spinning().spin(look)
    assert look.count == 3


def test_it_ends_in_any_case_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10 * spinning.SPIN_NS, spinning.SPIN_NS // 4))
    monkeypatch.setattr(spinning, "monotonic_ns", lambda: next(now))
    look = Looks()
    assert not Spinning().spin(look)
    assert look.count == 4


def test_it_is_tried_less_and_less_while_it_fails() -> None:
    assert tries(Spinning(), 27, Looks()) == [0, 2, 6, 14]


def test_it_is_tried_at_each_64th_time_at_least() -> None:
    tried = tries(Spinning(), 1000, Looks())
    assert {after - before for before, after in pairwise(tried[6:])} == {64}


@pytest.mark.parametrize("failures", [1, 5])
def test_it_is_tried_each_time_again_once_it_has_helped(
    failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, fails = Spinning(), Looks()
    while fails.count == 0 or failures:
        failures -= bool(tries(one, 1, fails))
    stop_the_clock(monkeypatch)
    helps = Looks(1)
    while not helps.count:
        one.spin(helps)
    assert one.spin(Looks(1))
    assert one.spin(Looks(2))
    monkeypatch.undo()
    assert tries(one, 4, Looks()) == [0, 2]
