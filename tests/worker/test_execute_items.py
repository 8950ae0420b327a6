"""execute_iterable: what becomes of items, of the window, and of iterators that are used up."""

import threading
import time
import weakref
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

from farside._protocol.messages import CONTINUED, EXHAUSTED, Cmd, Status
from tests.background import SECONDS
from tests.worker.harness import Counts, Worker, executing


class Counter:
    """Numbers without end; it counts how many were begun."""

    def __init__(self, pad: int = 0) -> None:
        self.begun = 0
        self.pad = bytes(pad)

    def __call__(self) -> "Counter":
        return self

    def __iter__(self) -> Iterator[object]:
        self.begun = 0
        while True:
            self.begun += 1
            yield (self.begun, self.pad) if self.pad else self.begun


def finish(worker: Worker, epoch: int, *items: object, body: bytes = b"") -> None:
    """Run a whole pass."""
    worker.start(epoch)
    worker.expect_items(epoch, *items)
    worker.expect(Status.ITERATION_FINISHED, epoch, body)


# The window -----------------------------------------------------------------------------------


class Slow:
    """Numbers without end, some hundred in a second."""

    def __iter__(self) -> Iterator[int]:
        for number in count():
            time.sleep(0.005)
            yield number


def test_a_pass_whose_end_is_known_waits_for_the_command_that_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with executing(Slow, buffer_size=-1) as worker:
        asked, peek = threading.Event(), worker.commands.peek

        def note() -> object:
            asked.set()
            return peek()

        monkeypatch.setattr(worker.commands, "peek", note)
        worker.start(1)
        worker.expect_items(1, 0, 1)
        worker.parent.revoke(1)
        assert asked.wait(SECONDS), "it makes items that nobody wants"
        worker.stop(1)
        while worker.receive().kind != Status.ITERATION_FINISHED:
            pass


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_the_worker_runs_ahead_exactly_as_far_as_it_may(size: int) -> None:
    counter = Counter()
    with executing(counter, buffer_size=size) as worker:
        worker.start(1)
        for taken in range(4):
            worker.wait_until_out_of_credit()
            assert counter.begun == taken + size + 1
            worker.parent.acknowledge(1, taken + 1)


def test_several_items_taken_at_once_are_made_good_at_once() -> None:
    counter = Counter()
    with executing(counter, buffer_size=3) as worker:
        worker.start(1)
        worker.wait_until_out_of_credit()
        worker.parent.acknowledge(1, 3)
        worker.wait_until_out_of_credit()
        assert counter.begun == 7


def test_automatic_stops_at_four_large_items() -> None:
    counter = Counter(pad=2000)
    with executing(counter, buffer_bytes=1000) as worker:
        worker.start(1)
        worker.wait_until_out_of_credit()
        assert counter.begun == 4


def test_automatic_goes_on_with_small_items() -> None:
    counter = Counter()
    with executing(counter, buffer_bytes=1000) as worker:
        worker.start(1)
        worker.wait_until_out_of_credit()
        assert 50 < counter.begun < 500


def test_stop_is_heard_while_credit_is_awaited() -> None:
    with executing(Counter(), buffer_size=1) as worker:
        worker.start(1)
        worker.expect_items(1, 1, 2)
        worker.wait_until_out_of_credit()
        worker.stop(1)
        worker.expect(Status.ITERATION_FINISHED, 1)


@pytest.mark.parametrize("kind", [Cmd.START_ITERATION, 99])
def test_anything_else_is_heard_while_credit_is_awaited(kind: int) -> None:
    with executing(Counter(), buffer_size=1) as worker:
        worker.start(1)
        worker.expect_items(1, 1, 2)
        worker.wait_until_out_of_credit()
        worker.say(kind, 2)
        worker.parent.revoke(1)
        worker.expect(Status.UNEXPECTED_CMD_RECEIVED, 1)
        worker.expect_end()


def test_abort_is_heard_while_credit_is_awaited() -> None:
    with executing(Counter(), buffer_size=1) as worker:
        worker.start(1)
        worker.expect_items(1, 1, 2)
        worker.wait_until_out_of_credit()
        worker.say(Cmd.ABORT)
        worker.parent.revoke(1)
        worker.expect_end()


def test_each_pass_has_a_window_of_its_own() -> None:
    counter = Counter()
    with executing(counter, buffer_size=2) as worker:
        for epoch in (1, 2, 3):
            worker.start(epoch)
            worker.expect_items(epoch, 1, 2, 3)
            worker.wait_until_out_of_credit()
            assert counter.begun == 3
            worker.parent.acknowledge(epoch, 1)
            worker.expect_items(epoch, 4)
            worker.wait_until_out_of_credit()
            worker.stop(epoch)
            worker.expect(Status.ITERATION_FINISHED, epoch)


# Items ----------------------------------------------------------------------------------------


def test_items_are_snapshots_taken_at_yield() -> None:
    def reuse() -> Iterator[object]:
        one: list[int] = []
        buffer = bytearray(100_000)
        for n in range(3):
            one.append(n)
            buffer[0] = n
            yield one, buffer

    with executing(reuse) as worker:
        expected = [(list(range(n + 1)), bytearray([n]) + bytes(99_999)) for n in range(3)]
        finish(worker, 1, *expected)


class Thing:
    """An item that can be watched."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing)

    __hash__ = None  # type: ignore[assignment]


def test_an_item_is_not_kept_while_the_next_one_is_made() -> None:
    alive: list[bool] = []

    class Watching:
        """Asks, each time, whether the item before is still there."""

        before: "weakref.ref[Thing] | None" = None

        def __iter__(self) -> "Watching":
            return self

        def __next__(self) -> Thing:
            alive.append(self.before is not None and self.before() is not None)
            if len(alive) > 3:
                raise StopIteration
            item = Thing()
            self.before = weakref.ref(item)
            return item

    with executing(Watching) as worker:
        finish(worker, 1, Thing(), Thing(), Thing())
    assert alive == [False] * 4


def test_the_last_item_is_not_kept_while_the_worker_stands_by() -> None:
    things = [Thing()]
    watch = weakref.ref(things[0])

    def pop() -> Iterator[Thing]:
        while things:
            yield things.pop()

    with executing(pop) as worker:
        finish(worker, 1, Thing())
        assert watch() is None


# Iterators that are used up -------------------------------------------------------------------


def test_a_generator_that_an_earlier_pass_has_used_up() -> None:
    with executing(lambda: (n for n in range(2))) as worker:
        finish(worker, 1, 0, 1)
        finish(worker, 2, body=EXHAUSTED)
        finish(worker, 3, body=EXHAUSTED)


def test_an_iterator_that_is_empty_the_first_time_is_just_empty() -> None:
    with executing(lambda: iter(())) as worker:
        finish(worker, 1)


def test_an_empty_iterable_is_never_used_up() -> None:
    with executing(list) as worker:
        finish(worker, 1)
        finish(worker, 2)


def test_a_generator_goes_on_where_a_left_pass_has_stopped() -> None:
    with executing(lambda: iter(range(5)), buffer_size=1) as worker:
        worker.start(1)
        worker.expect_items(1, 0, 1)
        worker.wait_until_out_of_credit()
        worker.stop(1)
        worker.expect(Status.ITERATION_FINISHED, 1)
        worker.start(2, CONTINUED)
        worker.expect_items(2, 2, 3)
        worker.parent.acknowledge(2, 2)
        worker.expect_items(2, 4)
        worker.expect(Status.ITERATION_FINISHED, 2)
        finish(worker, 3, body=EXHAUSTED)


def test_an_iterator_that_begins_anew_is_not_used_up() -> None:
    class Resetting:
        def __iter__(self) -> "Resetting":
            self.left = 2
            return self

        def __next__(self) -> int:
            if not self.left:
                raise StopIteration
            self.left -= 1
            return self.left

    with executing(Resetting) as worker:
        finish(worker, 1, 1, 0)
        finish(worker, 2, 1, 0)


def test_each_pass_asks_an_iterator_once_to_begin() -> None:
    with executing(partial(Counts, 2)) as worker:
        finish(worker, 1, 1, 1)
        finish(worker, 2, 2, 2)
