"""Credit: the worker runs ahead as far as it may, not further, and nobody waits for ever."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._protocol.credit import AUTOMATIC_ITEMS, UNLIMITED, Window
from tests.steady import STEADY

LIMITS = st.one_of(st.none(), st.integers(min_value=1, max_value=40))
SIZES = st.integers(min_value=1, max_value=120)
BUDGETS = st.sampled_from([0, 1, 7, 100, 1 << 18])


class Pair:
    """A worker that sends each item in a frame of its own, and a parent that takes them."""

    def __init__(self, items: int | None, nbytes: int) -> None:
        self.items = items
        self.nbytes = nbytes
        self.window = Window(items, nbytes)
        self.waiting: deque[int] = deque()  # sizes
        self.made = 0
        self.taken = 0

    def may_make(self) -> bool:
        """Tell whether the worker may start on an item; check that against the rule."""
        may = self.made < self.window.stop(self.taken)
        waiting = len(self.waiting)
        if self.items is not None:
            assert may == (waiting <= self.items)
        else:
            free = self.nbytes - sum(self.waiting)
            assert may == (waiting <= AUTOMATIC_ITEMS or free > self.nbytes // 4)
        return may

    def make(self, size: int) -> None:
        """Make an item and send it."""
        self.made += 1
        self.waiting.append(size)
        self.window.sent(1, size)

    def take(self) -> None:
        """Take an item, if there is one."""
        if self.waiting:
            self.waiting.popleft()
            self.taken += 1


@STEADY
@given(LIMITS, BUDGETS, st.lists(st.tuples(st.booleans(), SIZES), max_size=150))
def test_the_window_is_open_exactly_as_far_as_the_rule_says(
    items: int | None, nbytes: int, steps: list[tuple[bool, int]]
) -> None:
    pair = Pair(items, nbytes)
    for worker, size in steps:
        if not worker:
            pair.take()
        elif pair.may_make():
            pair.make(size)


@STEADY
@given(LIMITS, BUDGETS, st.lists(SIZES, min_size=1, max_size=60))
def test_a_wish_that_is_fulfilled_opens_the_window(
    items: int | None, nbytes: int, sizes: list[int]
) -> None:
    pair = Pair(items, nbytes)
    for size in sizes * 10:
        if not pair.may_make():
            break
        pair.make(size)
    else:
        return
    wish = pair.window.wish(pair.made)
    assert pair.taken < wish <= pair.made, "there is enough on its way to fulfil it"
    while pair.taken < wish:
        pair.take()
    assert pair.may_make()


@STEADY
@given(st.integers(min_value=1, max_value=40), st.integers(min_value=0, max_value=100))
def test_a_counting_worker_wishes_for_one_item(items: int, taken: int) -> None:
    window = Window(items, 0)
    made = taken + items + 1
    assert made == window.stop(taken)
    assert window.wish(made) == taken + 1


def test_an_automatic_worker_waits_for_a_quarter_of_the_bytes() -> None:
    window = Window(None, 1000)
    for _ in range(100):
        window.sent(1, 10)
    assert window.stop(0) == AUTOMATIC_ITEMS + 1
    assert window.wish(100) == 26
    assert window.stop(26) > 100


def test_a_frame_is_taken_when_its_last_item_is() -> None:
    window = Window(None, 10)
    window.sent(5, 10)
    assert window.stop(4) == 4 + AUTOMATIC_ITEMS + 1
    assert window.stop(5) > 1000


def test_an_unlimited_window_is_always_open_and_keeps_no_account() -> None:
    window = Window(UNLIMITED, 10)
    assert window.unlimited
    for _ in range(100):
        window.sent(1000, 1 << 30)
    assert window.stop(0) > 100_000
    assert not window._frames


@pytest.mark.parametrize("items", [None, 2])
def test_a_new_pass_begins_with_nothing_sent(items: int | None) -> None:
    window = Window(items, 10)
    before = window.stop(0)
    window.sent(3, 100)
    window.reset()
    assert window.stop(0) == before


@pytest.mark.parametrize(("items", "takes"), [(1, 1), (3, 1), (63, 1), (64, 9), (1000, 126)])
def test_a_worker_that_may_be_far_ahead_is_not_woken_for_each_item(items: int, takes: int) -> None:
    pair = Pair(items, 0)
    while pair.may_make():
        pair.make(1)
    assert pair.window.wish(pair.made) == takes
