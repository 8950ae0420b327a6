"""What waits for the parent stays within its budget, whatever kinds of items there are."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._memory.parts import BLOCK_BYTES, size
from farside._payload.items import pack
from farside._protocol.credit import AUTOMATIC_ITEMS
from farside._worker import outbox
from tests.steady import STEADY
from tests.worker.boxed import Boxed

if TYPE_CHECKING:
    from collections.abc import Callable

CJK, FACE = "\N{CJK UNIFIED IDEOGRAPH-6F22}", "\N{GRINNING FACE}"


class Thing:
    """An object, whose class and attributes are named once in a frame of such objects."""

    def __init__(self, number: int) -> None:
        self.a_number_of_the_thing, self.a_text_of_the_thing = number, "text"


KINDS: dict[str, Callable[[int], Any]] = {
    "integers": int,
    "large integers": lambda number: (1 << 62) + number,
    "floats": float,
    "words": lambda number: FACE * (number % 9),
    "short texts": lambda number: CJK * (29 + number % 3),
    "texts": lambda number: f"{number:0200}",
    "long texts": lambda number: FACE * (253 + number % 3),
    "longer texts": lambda number: CJK * (298 + number % 3),
    "bytes": lambda number: b"%040d" % number,
    "records": lambda number: {"bytes": b"%0700d" % number},
    "tuples": lambda number: (number, FACE * 20, None),
    "lists of integers": lambda number: [(1 << 62) + number] * 10,
    "dictionaries": lambda number: {"id": number, "text": CJK * 40},
    "dictionaries that are not alike": lambda number: {f"id{number}": "a" * 100, "text": CJK * 99},
    "many keys": lambda number: {f"a key of the data set {key}": number for key in range(9)},
    "objects": Thing,
    "pickles": lambda number: {number, b"x" * 5000},
    "arrays": lambda number: np.zeros(BLOCK_BYTES + number % 5000, np.uint8),
    "half of the budget": lambda number: b"%0100000d" % number,
}
TOGETHER = [
    ("integers", "long texts"),
    ("texts", "arrays"),
    ("long texts", "pickles"),
    ("dictionaries", "dictionaries that are not alike"),
    ("many keys", "records"),
    ("objects", "pickles", "tuples"),
    ("floats", "short texts", "dictionaries"),
]
BUDGETS = [1000, 10_000, 65_536, 200_000, 1 << 20, 1 << 23]


class Run:
    """A worker and its parent. The one makes all that it may, and the other takes some of it."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.boxed = Boxed(budget, arena_bytes=1 << 26)
        self.boxed.box.flusher.call = int  # type: ignore[assignment]
        self.made = 0
        self.largest = 0  # the most bytes of any item so far, in a frame of its own

    def make(self, kind: str, most: int) -> None:
        """Make so many items of a kind, or fewer, if no more may wait."""
        boxed, box, end = self.boxed, self.boxed.box, self.made + most
        item = KINDS[kind](most)
        self.largest = max(self.largest, self._alone(item))
        while self.made < end and (stop := box.send_due(self.made, each=False)) > self.made:
            full = False
            while self.made < min(stop, end) and not full:
                full = boxed.add(KINDS[kind](self.made))
                self.made += 1

    def _alone(self, item: Any) -> int:
        beside = Boxed(self.budget, arena_bytes=1 << 20)
        beside.add(item)
        beside.box.flush()
        (nbytes,) = sizes(beside)
        beside.close()
        # Items are not all equally large, and what they share crosses once in a frame.
        return nbytes + 5000 * (nbytes > BLOCK_BYTES) + len(self.boxed.box._joiner.start)

    def take(self, count: int) -> None:
        """Let the loop take items, but not more than were sent."""
        sent = sum(frame.items for frame, _ in self.boxed.sink.frames)
        self.boxed.sink.taken = min(sent, self.boxed.sink.taken + count)

    def check(self) -> None:
        """Check how much waits: in frames that the loop has not finished with, and in the box."""
        taken, waits = self.boxed.sink.taken, 0
        for (frame, _), nbytes in zip(self.boxed.sink.frames, sizes(self.boxed), strict=True):
            taken -= frame.items
            waits += nbytes if taken < 0 else 0
        entries = [*self.boxed.box.entries]
        if entries:
            parts, refs = pack(entries, self.boxed.box._joiner if self.boxed.box._joins else None)
            waits += size(parts) + sum(ref.nbytes for ref in refs)
        if self.made - self.boxed.sink.taken > AUTOMATIC_ITEMS + 1:
            assert waits <= self.budget + self.largest


def sizes(boxed: Boxed) -> list[int]:
    return [len(frame.body) + sum(ref.nbytes for ref in refs) for frame, refs in boxed.sink.frames]


@pytest.mark.parametrize("budget", BUDGETS[:-1])
@pytest.mark.parametrize("kinds", [*[(kind,) for kind in KINDS], *TOGETHER], ids="+".join)
def test_what_waits_is_within_the_budget(kinds: tuple[str, ...], budget: int) -> None:
    run = Run(budget)
    for step in range(8 * len(kinds)):
        run.make(kinds[step % len(kinds)], 40_000 if len(kinds) == 1 else 1 + 30 * step**2)
        run.check()
        run.take(1 + (run.made - run.boxed.sink.taken) // (1 + step % 5))
    run.boxed.close()


@STEADY
@given(
    st.sampled_from(BUDGETS),
    st.lists(
        st.tuples(st.sampled_from([*KINDS]), st.sampled_from([1, 3, 50, 1000]), st.integers(0, 99)),
        max_size=40,
    ),
    st.booleans(),
)
def test_any_kinds_in_any_order_are_within_the_budget(
    budget: int,
    steps: list[tuple[str, int, int]],
    late: bool,  # noqa: FBT001
) -> None:
    run, chance = Run(budget), Random(0)  # noqa: S311
    for kind, most, share in steps:
        run.make(kind, most)
        if late and chance.random() < 0.3:
            run.boxed.box._frames_before = run.boxed.box._frames
            run.boxed.box._send_late()
            run.make(kind, most)
        run.check()
        run.take((run.made - run.boxed.sink.taken) * share // 99)
    run.boxed.close()


def test_numbers_that_the_flusher_sends_count_too() -> None:
    """It may send a part of a frame before the other thread looks again how many may wait."""
    boxed = Boxed(nbytes=1 << 20)
    boxed.box.flusher.call = int  # type: ignore[assignment]
    boxed.add(*[1])
    most = boxed.box.send_due(1, each=False) - 1
    boxed.box._frames_before = boxed.box._frames
    for number in range(most):
        assert not boxed.box.nbytes >= boxed.box.full, number
        boxed.box.entries.append(number)
        if number == most // 2:
            boxed.box._send_late()
    assert boxed.box.is_full()
    assert boxed.box.send_due(1 + most, each=False) == 2 + most
    boxed.close()


def test_a_look_in_the_middle_of_a_frame_makes_it_no_longer() -> None:
    boxed = Boxed(nbytes=1 << 20)
    boxed.box.flusher.call = int  # type: ignore[assignment]
    boxed.add(1)
    most = boxed.box.send_due(1, each=False)
    for number in range(500):
        boxed.add(number)
    assert boxed.box.send_due(501, each=False) == most
    boxed.close()


def test_failures_of_inputs_count() -> None:
    boxed = Boxed(nbytes=1 << 20)
    count = 0
    while not boxed.box.is_full():
        boxed.box.put_failure(("next", None, "x" * 10_000))
        count += 1
    assert count == 4
    assert boxed.box.nbytes == 0, "rows would end"
    boxed.close()


def test_large_contents_are_given_back_if_what_came_before_cannot_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_memory(*_: object) -> None:
        raise MemoryError

    boxed = Boxed(nbytes=1 << 20, arena_bytes=1 << 20)
    for number in range(1200):
        boxed.box.put({number})
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "pack", without_memory)
        with pytest.raises(MemoryError):
            boxed.box.put(bytearray(900_000))
    boxed.box.make_ready()
    assert boxed.box.encoder.encode(bytearray(900_000)).refs, "the arena is full"  # type: ignore[union-attr]
    boxed.close()
