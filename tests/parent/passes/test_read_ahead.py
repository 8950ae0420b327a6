"""What a thread has taken and the loop has yet to get: no order of their steps loses a change."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from farside._parent.passes import read_ahead
from farside._parent.passes.read_ahead import ReadAhead
from farside._worker.threads import wakers
from farside.testing.checks import SECONDS, Background, until

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 3
WAITS, DONE = "waits", "done"


def take(ahead: ReadAhead) -> Iterator[str]:
    """Do the steps of the thread; each ends with a `yield`."""
    for number in range(ITEMS):
        while len(ahead.items) >= ahead.most and not ahead.left:
            yield ""
            ahead.thread_waits = True
            yield ""
            if len(ahead.items) >= ahead.most:
                yield ""
                while not ahead.room.wait(0):
                    yield WAITS
            ahead.thread_waits = False
            yield ""
        if ahead.left:
            break
        ahead.items.append(number)
        yield ""
        if ahead._loop_waits:
            yield ""
            ahead._came.ring()
        yield ""
    ahead.over = True
    yield ""
    ahead._came.ring()


def give(ahead: ReadAhead, got: list[int], most: int) -> Iterator[str]:
    """Do the steps of the loop, which leaves after `most` items."""
    while len(got) < most:
        over = ahead.over
        yield ""
        if ahead.items:
            got.append(ahead.items.popleft())
            yield ""
            if ahead.thread_waits:
                yield ""
                ahead.room.ring()
        elif over:
            break
        else:
            ahead._loop_waits = True
            yield ""
            if not (ahead.items or ahead.over):
                yield ""
                while not ahead._came.wait(0):
                    yield WAITS
            ahead._loop_waits = False
        yield ""
    ahead.leave()


class World:
    """Both sides, after some steps of them in a given order."""

    def __init__(self, ahead: int, most: int, order: tuple[int, ...]) -> None:
        self.ahead, self.got = ReadAhead(ahead), list[int]()
        self.sides = [take(self.ahead), give(self.ahead, self.got, most)]
        self.said = ["", ""]
        for side in order:
            self.said[side] = next(self.sides[side], DONE)

    @property
    def state(self) -> object:
        ahead = self.ahead
        lines = [each.gi_frame and (each.gi_frame.f_lasti, self.said[at])  # type: ignore[attr-defined]
                 for at, each in enumerate(self.sides)]  # fmt: skip
        over = self.sides[1].gi_frame and self.sides[1].gi_frame.f_locals.get("over")  # type: ignore[attr-defined]
        bells = ahead._came._silent.locked(), ahead.room._silent.locked()
        waits = ahead._loop_waits, ahead.thread_waits
        return str((lines, over, bells, waits, ahead.items, ahead.over, ahead.left, self.got))


@pytest.mark.parametrize("ahead", [1, 2, ITEMS])
@pytest.mark.parametrize("most", [*range(1, ITEMS + 1), ITEMS + 1])
def test_no_order_of_steps_stops_both_sides(ahead: int, most: int) -> None:
    orders: list[tuple[int, ...]] = [()]
    known, ends = set[object](), 0
    while orders:
        order = orders.pop()
        world = World(ahead, most, order)
        if (state := world.state) in known:
            continue
        known.add(state)
        assert len(world.ahead.items) <= ahead
        ways = [side for side in (0, 1) if world.said[side] != DONE]
        if not ways:
            ends += 1
            assert world.got == list(range(min(most, ITEMS)))
        nexts = [World(ahead, most, (*order, side)) for side in ways]
        assert not ways or any(each.state != state for each in nexts), "both wait for ever"
        orders += [(*order, side) for side in ways]
    assert ends
    assert len(known) > 10


def test_a_thread_and_a_loop_in_a_hurry() -> None:
    ahead, count = ReadAhead(3), 20_000
    rest = iter(range(count))

    def run() -> None:
        while True:
            while len(ahead.items) >= ahead.most:
                ahead.wait_for_less(ahead.most)
            if not ahead.take(rest):
                break
        ahead.end()

    thread, got = threading.Thread(target=run), list[int]()
    thread.start()
    while True:
        over = ahead.over
        if ahead.items:
            got.append(ahead.items.popleft())
            if ahead.thread_waits:
                ahead.room.ring()
        elif over:
            break
        else:
            ahead.wait_for_items(SECONDS)
    thread.join()
    assert got == list(range(count))


def test_nothing_is_taken_from_what_is_at_its_end() -> None:
    ahead = ReadAhead(2)
    assert ahead.take(iter([7]))
    assert not ahead.take(iter([]))
    assert [*ahead.items] == [7]
    assert ahead.take(islice([8, 9], 1))
    assert [*ahead.items] == [7, 8]


def test_all_that_wait_are_woken_as_their_worker_is_ended() -> None:
    """What is raised in their threads is raised there only when a wait has ended."""
    loop, thread = ReadAhead(1), ReadAhead(1)
    thread.items.append(7)
    waiting = [Background(loop.wait_for_items, SECONDS), Background(thread.wait_for_less, 1)]
    until(lambda: loop._loop_waits and thread.thread_waits)
    assert read_ahead.wake_all in wakers
    read_ahead.wake_all()
    assert [each.result() for each in waiting] == [None, None]
    assert [loop._loop_waits, thread.thread_waits] == [False, False]


def test_all_threads_end_as_a_subinterpreter_does() -> None:
    ahead = ReadAhead(1)
    waiting = Background(ahead.room.wait)
    read_ahead.leave_all()
    assert waiting.result()
    assert ahead.left
