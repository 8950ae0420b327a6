"""States of what the user iterates on, as they are taken and told."""

from __future__ import annotations

from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from farside._payload.user_states import freeze, thaw
from farside._protocol.progress import Snapshot
from farside._worker.passing import Skips
from farside._worker.snapshots import SECONDS, Snapshots, begin, continue_from, has_state
from farside.errors import LinkClosedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._protocol.progress import Skipped


class Stateful:
    """Something that has a state."""

    def state_dict(self) -> dict[str, int]:
        return {"at": 3}


def test_a_parent_that_is_gone_is_no_failure_of_the_state() -> None:
    def tell(snapshot: Snapshot) -> None:
        raise LinkClosedError(str(snapshot.item))

    said: list[str] = []
    snapshots = Snapshots(tell, lambda text, **_: said.append(text))
    for _ in range(2):
        with pytest.raises(LinkClosedError, match="3"):
            snapshots.take((0, 3, Stateful()))
    assert not said


class Place:
    """An iterator of numbers that has a state."""

    def __init__(self) -> None:
        self.at = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.at += 1
        return self.at - 1

    def state_dict(self) -> int | None:
        return self.at or None

    def load_state_dict(self, state: int) -> None:
        self.at = state


class WithPlaces:
    """An iterable without a state, whose iterators have one."""

    def __iter__(self) -> Place:
        return Place()


class Own(Place):
    """An iterable with a state, whose iterators have none."""

    def __iter__(self) -> Iterator[int]:
        yield from range(self.at, 9)


def test_an_iterable_begins_from_the_state_of_whatever_has_one() -> None:
    made = Own()
    for at in (0, 4):
        iterator, holder = begin(made, freeze(at) if at else None)
        assert (next(iterator), holder) == (at, made)
        iterator, holder = begin(WithPlaces(), freeze(at) if at else None)
        assert (next(iterator), holder) == (at, iterator)
        iterator, holder = begin(range(9), freeze(at) if at else None)
        assert (next(iterator), holder) == (0, None)


def test_what_can_only_tell_or_only_load_has_no_state() -> None:
    assert has_state(Place())
    only_loads = type("OnlyLoads", (), {"load_state_dict": print})
    assert not has_state(only_loads())
    assert not has_state(Stateful())
    assert not has_state(SimpleNamespace(state_dict=print, load_state_dict=print))


@pytest.mark.parametrize("name", ["_ex_iterable", "ex_iterable", "ex_iterables"])
def test_what_shuffles_in_a_buffer_anywhere_has_no_state(name: str) -> None:
    made: Any = Place()
    other = SimpleNamespace()
    for kind in ("ExamplesIterable", "BufferShuffledExamplesIterable"):
        part = type(kind, (), {})()
        setattr(other, name, [Place(), part] if name == "ex_iterables" else part)
        made._ex_iterable = other
        assert has_state(made) is (kind == "ExamplesIterable")


class Going:
    """A pass that goes on at item 5, and what it tells."""

    def __init__(self) -> None:
        self.told: list[Skipped] = []
        self.said: list[str] = []
        self.skips = Skips(self.told.append, lambda text, **_: self.said.append(text), bool)

    def go_on(self, begin: Any, anchors: Any = ()) -> tuple[int, int, int]:
        """Return the next item, how many were made before, and how many were to be."""
        self.skips.begin()
        self.skips.expect(5 - 3)
        iterator, _ = continue_from(begin, (3, freeze(3)), 5, anchors, self.skips)
        return next(iterator), self.told[-1].done, self.told[-1].total


def test_all_is_made_again_of_what_had_a_state_and_has_none() -> None:
    going = Going()
    assert going.go_on(lambda _: begin(range(9), None)) == (5, 5, 5)
    assert not going.said


def test_what_cannot_be_compared_after_a_state_is_made_again() -> None:
    """The state may tell less than all, and nobody would notice."""

    def odd(state: bytes | None) -> tuple[Iterator[Any], Any]:
        first = 0 if state is None else thaw(state)
        numbers = iter(range(first, 9))
        return (number if number != 4 else {number} for number in numbers), state

    going = Going()
    assert going.go_on(odd, [(4, b"any digest")])[0] == 5
    assert ["cannot be compared" in text for text in going.said] == [True]
    assert going.told[-1].done == going.told[-1].total == 2 + 5


class Taking:
    """What takes snapshots, and tells of them."""

    def __init__(self) -> None:
        self.told: list[Snapshot] = []
        self.said: list[tuple[str, bool]] = []
        self.snapshots = Snapshots(self.told.append, self._say)
        self.snapshots.begin()

    def _say(self, text: str, *, warning: bool = False) -> None:
        self.said.append((text, warning))

    def take(self, holder: object) -> bool:
        """Try to take one; tell whether the next one is due later."""
        due, self.snapshots.due = self.snapshots.due, 0.0
        before = monotonic()
        self.snapshots.take(None if holder is None else (1, 2, holder))
        return due > 0 and self.snapshots.due >= before + SECONDS


def test_a_snapshot_is_of_the_state_just_then_if_there_is_one() -> None:
    taking, place = Taking(), Place()
    assert all(taking.take(each) for each in (place, None))
    assert taking.told == []
    place.at = 7
    assert taking.take(place)
    assert taking.told == [Snapshot(1, 2, freeze(7))]
    assert taking.said == []


def test_a_state_that_fails_is_told_once_and_not_asked_for_any_more() -> None:
    class Failing(Place):
        def state_dict(self) -> int:
            raise OSError("no disk")

    taking = Taking()
    assert taking.take(Failing())
    assert taking.take(Stateful())
    assert taking.told == []
    ((text, warning),) = taking.said
    assert text.startswith("Failing.state_dict() has failed (OSError: no disk), so")
    assert warning
