"""What a thread has taken and the loop has yet to get: no order of their steps loses a change."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.passes import read_ahead
from farside._parent.passes.read_ahead import ReadAhead
from farside._worker.threads import wakers
from farside.testing.checks import Background, until

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 3
WAITS, DONE = "waits", "done"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no wait end by itself."""
    monkeypatch.setattr(read_ahead, "_SECONDS", 1000)


def made(most: int) -> ReadAhead:
    return ReadAhead(most, lambda: None)


def take(ahead: ReadAhead) -> Iterator[str]:
    """Do what the thread does. Each step, after which the other side may run, ends with a `yield`.

    It is a model of the methods, which cannot be stopped between two steps.
    """
    for number in range(ITEMS):
        while not ahead.left and ahead._taken >= ahead._room:
            ahead._thread_waits = True
            yield ""
            if ahead._taken >= ahead._room:
                yield ""
                while not ahead._of_thread.wait(0):
                    yield WAITS
            ahead._thread_waits = False
            yield ""
        if ahead.left:
            break
        ahead._items.append(iter((number,)))
        yield ""
        ahead._taken += 1
        yield ""
        if ahead._loop_waits:
            yield ""
            ahead._of_loop.ring()
        yield ""
    ahead.over = True
    yield ""
    ahead._of_loop.ring()


def give(ahead: ReadAhead, got: list[int], most: int) -> Iterator[str]:
    """Do what the loop does, which leaves after `most` items."""
    while len(got) < most:
        over = ahead.over
        yield ""
        ahead._room = ahead._most + ahead.given + 1
        yield ""
        if ahead._thread_waits:
            yield ""
            ahead._of_thread.ring()
        yield ""
        if ahead.waiting:
            got.extend(ahead.give())
        elif over:
            break
        else:
            ahead._loop_waits = True
            yield ""
            if not (ahead._items or ahead.over):
                yield ""
                while not ahead._of_loop.wait(0):
                    yield WAITS
            ahead._loop_waits = False
        yield ""
    ahead.left = True
    yield ""
    ahead._of_thread.ring()


class World:
    """Both sides, after some steps of them in a given order."""

    def __init__(self, ahead: int, most: int, order: tuple[int, ...]) -> None:
        self.ahead, self.got = made(ahead), list[int]()
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
        bells = ahead._of_loop._silent.locked(), ahead._of_thread._silent.locked()
        waits = ahead._loop_waits, ahead._thread_waits, ahead._taken, ahead._room
        return str((lines, over, bells, waits, ahead.waiting, ahead.over, ahead.left, self.got))


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
        assert world.ahead.waiting <= ahead + 1  # the one that the loop asks for is beside them
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
    ahead, count = made(3), 20_000
    rest = iter(range(count))

    def run() -> None:
        while not ahead.has_room() or ahead.take(rest, None):
            pass
        ahead.end()

    thread, got = threading.Thread(target=run), list[int]()
    thread.start()
    while True:
        over = ahead.over
        ahead.ask()
        if ahead.waiting:
            got += ahead.give()
            assert ahead.given == len(got)
        elif over:
            break
        else:
            ahead.wait()
    thread.join()
    assert got == list(range(count))


def test_nothing_is_taken_from_what_is_at_its_end() -> None:
    ahead = made(2)
    assert ahead.take(iter([7]), None)
    assert not ahead.take(iter([]), None)
    assert ahead.waiting == 1
    assert ahead.take(islice([8, 9], 1), str)
    assert [*ahead.give(), *ahead.give()] == [7, "8"]
    assert (ahead.given, ahead.waiting) == (2, 0)


def test_what_was_dropped_does_not_count_as_given() -> None:
    ahead = made(2)
    ahead.take(iter([7]), None)
    giving = ahead.give()
    ahead.cut()
    with pytest.raises(IndexError):
        next(giving)
    assert (ahead.given, ahead.waiting) == (0, 0)


def test_what_comes_after_dropped_items_is_not_given_in_their_place() -> None:
    """The thread may be preparing an item just as another one drops those before it."""
    ahead = made(2)
    ahead.take(iter([7]), None)
    giving = ahead.give()  # the loop has looked whether the pass goes on
    ahead.cut()
    ahead.take(iter([8]), None)
    assert (*giving, ahead.given, ahead.waiting) == (0, 0)


def waiting(loop: ReadAhead, thread: ReadAhead) -> list[Background[Any]]:
    """Let both sides wait, each for its own: nothing has come, and there is no room."""
    while thread._taken < thread._room:
        thread.take(iter([7]), None)
    both: list[Background[Any]] = [Background(loop.wait), Background(thread.has_room)]
    until(lambda: loop._loop_waits and thread._thread_waits)
    return both


def test_all_that_wait_are_woken_as_their_worker_is_ended() -> None:
    """What is raised in their threads is raised there only when a wait has ended."""
    both = waiting(made(1), made(1))
    assert read_ahead.ring_all in wakers
    read_ahead.ring_all()
    assert [each.result() for each in both] == [None, False]


def test_both_sides_look_again_when_the_pass_was_ended() -> None:
    loop, thread = made(1), made(1)
    both = waiting(loop, thread)
    loop.cut()
    thread.cut()
    assert [each.result() for each in both] == [None, False]
    assert thread.waiting == 0


def test_the_loop_does_not_wait_for_an_item_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread does not ring where nobody waits: the loop's last look has to find the item."""
    ahead = made(1)
    assert ahead.take(iter("a"), None)
    monkeypatch.setattr(ahead._of_loop, "wait", lambda _: pytest.fail("it waits"))
    ahead.wait()


def test_the_end_of_the_thread_wakes_the_loop() -> None:
    loop, thread = made(1), made(1)
    both = waiting(loop, thread)
    loop.end()
    both[0].result()
    thread.leave()
    both[1].result()


def test_all_threads_end_as_a_subinterpreter_does() -> None:
    woken: list[ReadAhead] = []
    ahead = ReadAhead(1, lambda: woken.append(ahead))
    both = waiting(made(1), ahead)
    read_ahead.leave_all()
    assert ahead.left
    assert woken == [ahead]  # it may be waiting for workers
    both[1].result()
    read_ahead.ring_all()
    both[0].result()
