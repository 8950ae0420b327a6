"""Credit: the worker runs ahead as far as it may, not further, and nobody waits for ever."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._transport.credit import AUTOMATIC_ITEMS, Ledger, Window
from tests.transport.steady import STEADY

LIMITS = st.one_of(st.none(), st.integers(min_value=1, max_value=40))
SIZES = st.integers(min_value=1, max_value=120)  # nothing pickles to no byte
BUDGETS = st.sampled_from([0, 1, 7, 100, 1 << 18])
MANY_GRANTS = 12
"""A pipe has room for thousands; a pass should leave no more than this unread."""


class Pair:
    """A worker and a parent joined by two queues, each moving one step at a time."""

    def __init__(self, items: int | None, nbytes: int) -> None:
        self.items = items
        self.nbytes = nbytes
        self.window = Window(items, nbytes)
        self.ledger = Ledger(items, nbytes)
        self.flying: deque[int] = deque()
        self.grants: deque[int] = deque()
        self.made = 0

    def worker_makes(self, size: int) -> bool:
        """Make an item if that is allowed; else read what credit there is and make none."""
        if not self.window.is_open():
            while self.grants:
                self.window.taken(self.grants.popleft())
            return False
        self.check_ahead()
        self.made += 1
        self.flying.append(size)
        self.window.sent(size)
        return True

    def check_ahead(self) -> None:
        """Check the limit, at the moment when the worker starts on an item."""
        waiting = self.made - self.ledger.total
        if self.items is not None:
            assert waiting <= self.items
        else:
            assert waiting <= AUTOMATIC_ITEMS or sum(self.flying) < self.nbytes

    def parent_takes(self) -> None:
        """Take an item, if there is one."""
        ledger = self.ledger
        if self.flying and ledger.took(self.flying.popleft()):
            ledger.told()
            self.grants.append(ledger.total)
            assert len(self.grants) <= MANY_GRANTS


@STEADY
@given(LIMITS, BUDGETS, st.lists(st.tuples(st.booleans(), SIZES), max_size=150))
def test_the_limit_holds_and_nobody_waits_for_ever(
    items: int | None, nbytes: int, steps: list[tuple[bool, int]]
) -> None:
    pair = Pair(items, nbytes)
    for worker, size in steps:
        if worker:
            pair.worker_makes(size)
        else:
            pair.parent_takes()
    while pair.flying:
        pair.parent_takes()
    # The parent is about to wait: everything that was sent is taken.
    assert pair.worker_makes(1) or pair.worker_makes(1)  # having read its credit at most


@STEADY
@given(LIMITS, BUDGETS, SIZES, st.integers(min_value=1, max_value=60))
def test_a_worker_without_news_makes_no_more_than_its_limit(
    items: int | None, nbytes: int, size: int, taken: int
) -> None:
    pair = Pair(items, nbytes)
    for _ in range(taken):
        while not pair.worker_makes(size):
            pair.parent_takes()
        pair.parent_takes()
    before = pair.ledger.total
    for _ in range(500):
        pair.worker_makes(size)
    ahead = pair.made - before
    if items is not None:
        assert ahead <= items + 1
    else:
        assert ahead <= max(AUTOMATIC_ITEMS + 1, -(-nbytes // size))


@pytest.mark.parametrize("items", [1, 2, 3, 10])
def test_item_k_plus_n_plus_1_starts_when_item_k_is_taken(items: int) -> None:
    window = Window(items, 0)
    for _ in range(items + 1):  # as many may wait, and one more may be in the making
        assert window.is_open()
        window.sent(1)
    for k in range(1, 6):
        assert not window.is_open()
        window.taken(k)
        assert window.is_open()
        window.sent(1)


def test_automatic_allows_some_large_items() -> None:
    window = Window(None, 100)
    for _ in range(AUTOMATIC_ITEMS + 1):
        assert window.is_open()
        window.sent(1000)
    assert not window.is_open()


def test_automatic_allows_small_items_up_to_the_budget() -> None:
    window = Window(None, 100)
    for _ in range(10):
        assert window.is_open()
        window.sent(10)
    assert not window.is_open()
    window.taken(1)
    assert window.is_open()


def test_automatic_forgets_the_sizes_of_what_was_taken() -> None:
    window = Window(None, 10)
    for size in (100, 1, 1, 1, 1):
        window.sent(size)
    assert not window.is_open()
    window.taken(1)  # the large one
    assert window.is_open()


def test_old_news_changes_nothing() -> None:
    window = Window(2, 0)
    for _ in range(3):
        window.sent(1)
    window.taken(2)
    window.taken(1)
    assert window.is_open()


def test_news_of_more_than_was_made_does_no_harm() -> None:
    window = Window(None, 10)
    window.sent(5)
    window.taken(100)
    assert window.is_open()


@pytest.mark.parametrize("items", [None, 1])
def test_reset_begins_anew(items: int | None) -> None:
    window = Window(items, 1)
    for _ in range(9):
        window.sent(1)
    assert not window.is_open()
    window.reset()
    assert window.is_open()
    window.taken(0)
    window.sent(1)
    assert window.is_open()


@pytest.mark.parametrize(("items", "quarter"), [(1, 1), (3, 1), (4, 1), (8, 2), (1000, 250)])
def test_the_worker_hears_once_for_a_quarter_of_the_buffer(items: int, quarter: int) -> None:
    ledger = Ledger(items, 0)
    for _ in range(3):
        assert [ledger.took(1) for _ in range(quarter)] == [False] * (quarter - 1) + [True]
        ledger.told()
    assert ledger.total == 3 * quarter


def test_the_worker_hears_once_for_a_quarter_of_the_budget() -> None:
    ledger = Ledger(None, 400)
    for _ in range(3):
        assert [ledger.took(40) for _ in range(3)] == [False, False, True]
        ledger.told()


def test_hints_repeat_until_the_worker_was_told() -> None:
    ledger = Ledger(1, 0)
    assert [ledger.took(1), ledger.took(1)] == [True, True]
