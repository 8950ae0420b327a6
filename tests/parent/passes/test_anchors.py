"""Which digests of a pass are kept."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from farside._parent.passes import anchors
from farside._parent.passes.anchors import Anchors, InputAnchors
from farside._parent.passes.queues import PLAIN, Source
from farside._payload.anchors import of_entry
from farside._protocol.order import Place


def test_the_first_input_of_a_long_map_is_still_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "_SHARDS", 3)
    made = InputAnchors()
    for number in range(0, 100, 10):
        made.add(number, 0, number, PLAIN)
    ends = {
        end: [number for number, *_ in made.known_of(Place(((0, end),)))] for end in (5, 85, 100)
    }
    assert ends == {5: [0], 85: [0, 80], 100: [0, 90]}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return what a clock says next: first the earliest."""
    times: list[float] = []
    monkeypatch.setattr(anchors, "monotonic", lambda: times.pop(0) if len(times) > 1 else times[0])
    return times


def test_the_next_one_is_due_after_a_while(clock: list[float]) -> None:
    made = Anchors()
    clock[:] = [100.0]
    assert not made.due
    made.verify = True
    assert made.due
    clock[:] = [100.0, 100.00001]  # when a digest is begun, and when it is there
    made.add(0, 0, "item", PLAIN)
    assert made._next == pytest.approx(100.002)
    assert not made.due
    clock[:] = [100.0021]
    assert made.due
    clock[:] = [101.0, 102.0]  # another program has had the processor
    made.add(0, 1, "item", PLAIN)
    assert made._next == pytest.approx(101.005)


@pytest.mark.parametrize(
    ("entry", "plain"),
    [(1, True), (None, True), (1.5, True), ("text", True), ([1], True), (b"pickle", False)],
)
def test_the_digest_is_that_of_the_item(entry: Any, *, plain: bool) -> None:
    made = Anchors()
    made.add(3, 7, entry, Source(0, plain=plain, each=False))
    assert made.known_of(Place(begun=((3, 8),))) == [(3, 7, of_entry(entry, (), plain=plain))]
    assert made.known_of(Place(begun=((3, 7), (4, 8)))) == []


def test_what_would_be_pickled_in_another_way_here_has_none(clock: list[float]) -> None:
    made, mixed = Anchors(), Source(0, plain=False, each=False)
    made.verify = True
    clock[:] = [100.0, 100.00001]  # when a digest is begun, and when it has failed
    made.add(3, 7, [OddAtHome()], PLAIN)
    assert not made.due, "no less seldom"
    made.add(3, 8, b"\x80\x03\x80\x03cfarside\nMissing\n.", mixed)
    assert made.known_of(Place(begun=((3, 9),))) == []


def test_what_a_signal_handler_raises_meanwhile_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(*_: object) -> None:
        raise LookupError

    def digest(*_: object, **__: object) -> bytes:
        signal.raise_signal(signal.SIGUSR1)
        return b""

    monkeypatch.setattr(anchors, "of_entry", digest)
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(LookupError):
            Anchors().add(0, 0, "item", PLAIN)
    finally:
        signal.signal(signal.SIGUSR1, before)


class OddAtHome:
    """A class with code of its own, as its objects are pickled; in the worker it has none."""

    def __reduce__(self) -> Any:
        raise AssertionError


def test_the_latest_are_kept_that_the_loop_may_have_passed() -> None:
    made = Anchors()
    for index in range(150):
        made.add(0, index, index, PLAIN)
        made.add(0, index, index, PLAIN)  # as where a block begins with the item after a snapshot
    places = [Place(begun=((0, read),)) for read in range(53, 151)]
    known = [[index for _, index, _ in made.known_of(place)] for place in places]
    assert known == [[], [], *[[number] for number in range(54, 150)]]
    known = [[index for _, index, _ in made.known_of(place, 3)] for place in places[1:5]]
    assert known == [[], [54], [54, 55], [54, 55, 56]]


def test_those_of_a_state_are_known_as_they_were() -> None:
    made, later = Anchors(), Anchors()
    for index in (2, 5, 7):
        made.add(0, index, index, PLAIN)
    later.know(made.known_of(Place(begun=((0, 8),)), 3))
    assert later.known_of(Place(begun=((0, 8),)), 3) == made.known_of(Place(begun=((0, 8),)), 3)
    assert [index for _, index, _ in later.known_of(Place(begun=((0, 8),)))] == [7]
