"""How many inputs a worker is given at a time, by a clock that the test sets."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from farside._parent.passes import batches, mapped
from farside._parent.passes.batches import Batch, Plan
from farside._parent.passes.mapped_orders import MappedInOrder
from farside._parent.passes.supply import Supply

WORKERS = 16
ROUND = 0.004
"""Seconds. A worker that answers three inputs in that time seems to take more than a millisecond
for each, unless it is seen that it waits for the next ones."""


class Map:
    """A pass whose workers answer as the test says."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        processors: int,
        total: int | None = None,
        least: int = 0,
    ) -> None:
        self._now = 0.0
        for module in (batches, mapped):
            monkeypatch.setattr(module, "monotonic", lambda: self._now)
        monkeypatch.setattr(batches, "processors", lambda: processors)
        plan = Plan(WORKERS, False, True, None, 1 << 20, "raise", 0)
        self._given, self.sizes = [0] * WORKERS, list[int]()
        self._workers: Any = [
            SimpleNamespace(inbox=SimpleNamespace(received=0, frames=()), over=False)
            for _ in range(WORKERS)
        ]
        inputs = range(1 << 20 if total is None else max(total, least))
        self._delivery = MappedInOrder(plan, Supply(lambda: iter(inputs), total=total))

    def refill(self) -> int:
        """Give inputs; tell how many the largest batch has."""
        self._delivery.refill(self._workers)
        orders = self._delivery.take_orders()
        for index, tasks in orders.items():
            self._given[index] += sum(len(task[3]) for task in tasks)
        sizes = [len(task[3]) for tasks in orders.values() for task in tasks]
        self.sizes += sizes
        return max(sizes, default=0)

    def ready(self) -> bool:
        """Tell whether the loop has no need to wait."""
        return self._delivery.ready(self._workers)

    @property
    def left(self) -> list[int]:
        """How many inputs each worker has."""
        return [
            given - worker.inbox.received
            for given, worker in zip(self._given, self._workers, strict=True)
        ]

    def answer(self, most: int, seconds: float = ROUND) -> None:
        """Let some time pass, in which each worker answers so many, if it has as many."""
        self._now += seconds
        for worker, given in zip(self._workers, self._given, strict=True):
            worker.inbox.received = min(given, worker.inbox.received + most)


@pytest.mark.parametrize("processors", [1, 2, 64])
def test_workers_that_have_run_out_are_given_more_at_a_time(
    monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    this = Map(monkeypatch, processors)
    sizes = []
    for _ in range(12):
        sizes.append(this.refill())
        this.answer(batches.MOST_INPUTS * 3)
    assert sizes[0] == 1
    assert max(sizes) > 100


def test_workers_that_are_never_out_of_long_inputs_are_given_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = Map(monkeypatch, 2)
    for _ in range(50):
        assert this.refill() == 1
        this.answer(1)


def test_a_loop_that_waits_gives_inputs_to_workers_that_have_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = Map(monkeypatch, 2)
    for _ in range(5):
        this.refill()
        assert not this.ready()
        this.answer(1)
        assert this.ready()


def test_a_loop_does_not_wait_where_there_is_room_for_inputs_that_come_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Supply, "steady", False)  # each is sent before the next one is taken
    this = Map(monkeypatch, 2)
    rounds = 0
    while not rounds or this.ready():
        this.refill()
        rounds += 1
    assert rounds > WORKERS
    assert min(this.left) > 1
    this.answer(1)
    assert this.ready()


def test_a_moment_without_a_processor_makes_no_smaller_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(batches, "monotonic", lambda: now)
    size, answers = batches.BatchSize(batches.MOST_INPUTS), 0

    def answer(seconds: float, more: int) -> int:
        nonlocal now, answers
        now += seconds
        answers += more
        size.measure(answers, 1, 0)
        return size.inputs

    each = batches.BATCH_SECONDS / 16
    for _ in range(3):
        steady = answer(each * size.inputs, size.inputs)
    assert steady == 16
    assert answer(each * 8, 1) == steady
    assert answer(each * steady, steady) < steady, "it counts, when it is over"
    assert answer(each * steady, steady) == steady
    assert answer(1, steady) == 1


@pytest.mark.parametrize(
    ("most", "idle", "processors", "busy"),
    [
        (batches.MOST_INPUTS, 0, 2, 8),
        (batches.MOST_INPUTS, 3, 64, 5),
        (batches.MOST_INPUTS, 3, 2, 2),  # no more than there are processors
        (batches.MOST_INPUTS, 3, None, 1),  # nobody knows how many there are
        (batches.MOST_INPUTS, 8, 64, 1),
        (1, 3, 2, 8),  # batches cannot become larger, so all count
    ],
)
def test_only_workers_that_may_have_been_busy_all_the_time_count(
    monkeypatch: pytest.MonkeyPatch, most: int, idle: int, processors: int | None, busy: int
) -> None:
    now = 0.0
    monkeypatch.setattr(batches, "monotonic", lambda: now)
    monkeypatch.setattr(batches, "processors", lambda: processors)
    size = batches.BatchSize(most)
    size.measure(4, 8, idle)  # no time has passed: nothing is known
    assert (size.inputs, size.seconds) == (1, inf)
    now = 1.0
    size.measure(4, 8, idle)
    assert (size.inputs, size.seconds) == (1, busy / 4)


def test_a_part_of_a_batch_has_its_share_of_the_bytes() -> None:
    whole = Batch(7, [b"1", b"22", b"333", b"4444"], 1000, 5, ("key",))
    whole.tries = 2
    first, rest = whole.part(0, 1), whole.part(1, 4)
    assert (first.nbytes, rest.nbytes) == (250, 750)
    assert (first.first, first.skip, first.tries, first.keys) == (7, 5, 2, ("key",))
    assert (rest.first, rest.skip, rest.tries, rest.keys) == (8, 0, 0, ("key",))


def test_the_last_of_long_inputs_go_to_workers_that_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this, most = Map(monkeypatch, 2, total=40 * WORKERS), []
    for _ in range(40):
        this.refill()
        most.append(max(this.left))
        this.answer(1, seconds=1)
    assert most == [3] * 35 + [2, 1, 1, 1, 1]
    assert this.left == [0] * WORKERS


@pytest.mark.parametrize(("total", "seconds"), [(None, 1.0), (8 * WORKERS, 1e-6)])
def test_workers_have_inputs_ahead_where_more_come_or_inputs_are_short(
    monkeypatch: pytest.MonkeyPatch, total: int | None, seconds: float
) -> None:
    this = Map(monkeypatch, 2, total=total)
    for _ in range(4):
        this.refill()
        assert min(this.left) >= 3
        this.answer(1, seconds=seconds)


def test_a_length_that_is_too_small_does_not_leave_workers_without_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = Map(monkeypatch, 2, total=2 * WORKERS, least=40 * WORKERS)
    for _ in range(4):
        this.refill()
        this.answer(1, seconds=1)
    for _ in range(4):
        this.refill()
        assert min(this.left) == 3
        this.answer(1, seconds=1)


def test_any_number_of_inputs_is_done_while_the_loop_waits_for_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = Map(monkeypatch, 2)  # none is taken out of the queues
    while sum(this.sizes) < 20_000 * WORKERS:
        this.refill()
        assert min(this.left) > 0
        this.answer(1000, seconds=1e-4)


def test_a_map_of_few_inputs_of_which_nothing_is_known_gives_each_worker_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = Map(monkeypatch, 2, total=4 * WORKERS)
    this.refill()
    assert this.left == [1] * WORKERS


@pytest.mark.parametrize("each", [100, 400])
def test_batches_become_smaller_towards_the_end(monkeypatch: pytest.MonkeyPatch, each: int) -> None:
    this = Map(monkeypatch, 2, total=each * WORKERS)
    while this.refill():
        this.answer(1 << 20, seconds=1e-4)
    most = max(this.sizes)
    assert sum(this.sizes) == each * WORKERS
    assert each / 8 <= most <= each / 4
    assert this.sizes[-2] <= 0.6 * most
