"""What is to be done without the lock: each thing once, in order, and not too deep."""

from __future__ import annotations

from functools import partial
from time import monotonic

import pytest

from farside._parent.chores import Chores


def test_they_are_done_in_order_and_once() -> None:
    chores, done = Chores(), list[int]()
    for number in range(3):
        chores.add(partial(done.append, number))
    assert chores.pending
    chores.see_to()
    chores.see_to()
    assert done == [0, 1, 2]
    assert not chores.pending


def test_they_are_done_each_time_again() -> None:
    chores, done = Chores(), list[int]()
    for number in range(100):
        chores.add(partial(done.append, number))
        chores.see_to()
    assert done == [*range(100)]


def test_what_has_raised_is_done_again_before_the_others() -> None:
    chores, done = Chores(), list[str]()
    strikes = [KeyboardInterrupt]

    def first() -> None:
        done.append("first")
        if strikes:
            raise strikes.pop()

    chores.add(first)
    chores.add(lambda: done.append("second"))
    with pytest.raises(KeyboardInterrupt):
        chores.see_to()
    chores.see_to()
    assert done == ["first", "first", "second"]


def test_some_have_their_time() -> None:
    chores, done = Chores(), list[str]()
    now = monotonic()
    chores.add_later(0, now + 1000, lambda: done.append("late"))
    assert chores.due == now + 1000
    assert not chores.pending
    chores.add_later(1, now, lambda: done.append("due"))
    assert chores.pending
    chores.see_to()
    assert done == ["due"]
    assert chores.due == now + 1000


def test_of_many_that_wait_few_stand_within_each_other() -> None:
    chores, done = Chores(), list[int]()
    deep, deepest = 0, 0

    def wait(number: int) -> None:
        nonlocal deep, deepest
        deep += 1
        deepest = max(deep, deepest)
        chores.see_to()
        deep -= 1
        done.append(number)

    for number in range(100):
        chores.add(partial(wait, number))
    chores.see_to()
    assert sorted(done) == list(range(100))
    assert 1 < deepest < 10
