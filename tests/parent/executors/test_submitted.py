"""What becomes of the tasks of an executor: each is run once, or has cost a worker."""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import Future, wait
from struct import pack as pack_numbers
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link.frames import Frame
from farside._parent import messages_for_people
from farside._parent.executors import pending, submitted
from farside._parent.executors.pending import Pending, Work
from farside._parent.executors.submitted import Submitted
from farside._parent.passes.batches import Plan
from farside._payload.items import pack
from farside._protocol.inbox import Inbox
from farside._protocol.messages import Status
from farside._protocol.parent_machine import ParentState
from tests.jumps import struck
from tests.parent.passes.test_delivery import Item, frame_of
from tests.steady import STEADY

if TYPE_CHECKING:
    from random import Random


class Died(Exception):
    """A worker has died at a task too often."""


class Ahead(Submitted):
    """Gives some tasks ahead, however long they take."""

    depth = 4


class Numbers(Pending):
    """Tasks that are numbers."""

    def _add(self, item: Any, entries: list[Any]) -> int:
        entries.append(item)
        return 8


def make(count: int, workers: int, retries: int = 0) -> tuple[Ahead, list[Future[int]]]:
    pending, futures = Numbers(), [Future[int]() for _ in range(count)]
    for number, future in enumerate(futures):
        call: Any = number
        assert pending.add(Work(future, call, number))
    plan = Plan(workers, False, False, None, 1 << 20, "return", retries)
    return Ahead(plan, pending), futures


class Worker:
    """Runs tasks. What it sends arrives when the test says."""

    def __init__(self, delivery: Submitted, ran: Counter[int]) -> None:
        self.core: Any = SimpleNamespace(
            inbox=Inbox(delivery), over=False, loss=None, state=ParentState.ITERATION, grace=None
        )
        self.ran = ran
        self.waiting: deque[tuple[int, int]] = deque()  # by which number, and which task it is
        self.running: tuple[int, int] | None = None
        self.sent: deque[Frame] = deque()

    def add(self, orders: list[Any]) -> None:
        self.waiting += [(first, task) for first, _, _, (task,) in orders]

    def begin(self) -> None:
        if self.running is None and self.waiting:
            self.running = self.waiting.popleft()
            self.ran[self.running[1]] += 1

    def end(self) -> None:
        if self.running is not None:
            body = b"".join(pack([self.running[1]])[0])
            self.sent.append(Frame(Status.ITERATOR_SUCCESS, 1, body, 1))
            self.running = None

    def give_back(self) -> None:
        numbers = [number for number, _ in self.waiting]
        self.waiting.clear()
        body = pack_numbers(f"<{len(numbers)}Q", *numbers)
        self.sent.append(Frame(Status.TASKS_RETURNED, 1, body, 0))

    def arrive(self) -> None:
        while self.sent:
            if self.sent[0].kind == Status.TASKS_RETURNED:
                self.core.inbox.take_returned(self.sent.popleft().body)
            else:
                self.core.inbox.take_from(self.sent)

    def die(self, *, known: bool) -> tuple[int | None, int | None]:
        """Return the task that it ran, and the one that is blamed: the only one, if need be."""
        number, task = self.running or (-1, None)
        left = [each for _, each in self.waiting] + ([] if task is None else [task])
        blamed = task if known else left[0] if len(left) == 1 else None
        self.arrive()
        self.core.loss = None, None, number + 1 if known else None
        self.running = None
        self.waiting.clear()
        return task, blamed


def give_orders(delivery: Submitted, workers: list[Worker]) -> None:
    for index, orders in delivery.take_orders().items():
        workers[index].add(orders)


def hand_out(delivery: Submitted, workers: list[Worker]) -> list[Any]:
    """Give the workers what they are to have; return their cores."""
    cores = [worker.core for worker in workers]
    delivery.take(cores)
    give_orders(delivery, workers)
    return cores


class Crew:
    """Some tasks, and workers."""

    def __init__(self, tasks: int, workers: int, retries: int, cuts: Random) -> None:
        self.delivery, self.futures = make(tasks, workers, retries)
        self.ran = Counter[int]()
        # How many workers have died while they ran a task, and for how many it is blamed.
        self.cost, self.blamed = Counter[int | None](), Counter[int | None]()
        self.workers = [Worker(self.delivery, self.ran) for _ in range(workers)]
        self.cuts, self.lives = cuts, 10
        self.lost = False  # a worker, since the last step: it is looked at in the next one
        self.now = 0.0  # no run may depend on how fast the machine is

    def run(self) -> None:
        while not all(future.done() for future in self.futures):
            self.now += 0.001
            assert self.now < 10  # else it hangs
            self.take()
            for index, worker in enumerate(self.workers):
                self.work(index, worker)

    def take(self) -> None:
        cores = [worker.core for worker in self.workers]
        ready, before = self.lost or self.delivery.ready(cores), self.settled
        self.lost = False
        self.delivery.take(cores)
        assert ready or (not self.delivery.orders and self.settled == before)  # else it would wait
        self.give()

    @property
    def settled(self) -> int:
        return sum(future.done() for future in self.futures)

    def give(self) -> None:
        give_orders(self.delivery, self.workers)

    def work(self, index: int, worker: Worker) -> None:
        for move in self.cuts.choices(
            [worker.begin, worker.end, worker.give_back, worker.arrive], [6, 6, 1, 4], k=4
        ):
            move()
        if self.lives and not self.cuts.randint(0, 5):
            self.lives -= 1
            ran, blamed = worker.die(known=self.cuts.random() < 0.7)
            self.cost[ran] += 1
            self.blamed[blamed] += 1
            self.delivery.start_again(worker.core, index)
            self.lost = True
            self.give()


@STEADY
@given(
    tasks=st.integers(1, 10),
    workers=st.integers(1, 2),
    retries=st.integers(0, 2),
    cuts=st.randoms(use_true_random=False),
)
def test_each_task_is_run_once_or_has_cost_a_worker(
    tasks: int, workers: int, retries: int, cuts: Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages_for_people, "death_at", lambda *_: Died())
        crew = Crew(tasks, workers, retries, cuts)
        patch.setattr(submitted, "monotonic", lambda: crew.now)
        crew.run()
    for number, future in enumerate(crew.futures):
        failed = future.exception() is not None
        assert getattr(future.exception(), "input_index", number) == number
        assert failed or future.result() == number
        assert crew.ran[number] == crew.cost[number] + (not failed)
        assert failed == (crew.blamed[number] > retries)
    assert crew.delivery.pending.ended
    assert not crew.delivery.pending.given
    assert not any(each.batches for each in crew.delivery._assigned)


def test_tasks_run_one_by_one_where_nobody_knows_which_has_cost_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submitted, "monotonic", lambda: 0.0)
    cuts: Any = None
    crew = Crew(3, 1, 0, cuts)
    (worker,) = crew.workers
    crew.take()
    assert len(worker.waiting) == 3
    worker.begin()
    worker.die(known=False)
    crew.delivery.start_again(worker.core, 0)
    crew.lost = True
    for _ in crew.futures:
        crew.take()
        assert len(worker.waiting) == 1
        for move in (worker.begin, worker.end, worker.arrive):
            move()
    crew.take()
    assert [future.result(0) for future in crew.futures] == [0, 1, 2]


def test_a_task_answers_for_the_workers_that_it_has_cost_and_for_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages_for_people, "death_at", lambda *_: Died())
    monkeypatch.setattr(Ahead, "depth", 1)
    cuts: Any = None
    crew = Crew(3, 1, 1, cuts)
    (worker,) = crew.workers
    for deaths in (1, 1, 2):
        crew.take()
        for _ in range(deaths):
            worker.begin()
            worker.die(known=True)
            crew.delivery.start_again(worker.core, 0)
            crew.lost = True
            crew.take()
        worker.begin()
        worker.end()
        worker.arrive()
    crew.take()
    assert [future.result(0) for future in crew.futures[:2]] == [0, 1]
    assert isinstance(crew.futures[2].exception(0), Died)
    assert crew.ran == {0: 2, 1: 2, 2: 2}


@pytest.mark.parametrize("form", ["plain", "pickled", "blocks"])
def test_the_worker_is_told_of_each_result(form: str) -> None:
    """Else it would wait for room, once it has sent as much as may lie here."""
    cuts: Any = None
    crew = Crew(1, 1, 0, cuts)
    crew.take()
    crew.workers[0].core.inbox.take_from(deque([frame_of([Item(0, 0)], form)]))
    crew.take()
    assert crew.futures[0].result(0) == (0 if form == "plain" else (0, 0))
    (queue,) = crew.delivery.queues
    queue.end_block()
    assert queue.taken == 1


def test_a_task_whose_result_found_no_memory_fails_with_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody knew its future any more, and who asked for its result waited for ever."""

    def full(*_: object) -> None:
        raise MemoryError

    cuts: Any = None
    crew = Crew(1, 1, 0, cuts)
    crew.take()
    crew.workers[0].core.inbox.take_from(deque([frame_of([Item(0, 0)], "pickled")]))
    for name in ("decode", "one_line"):  # there was no memory to say so either
        monkeypatch.setattr(submitted, name, full)
    with pytest.raises(MemoryError):
        crew.take()
    error = ValueError()
    crew.delivery.pending.fail_all(error)
    assert crew.futures[0].exception(0) is error


def test_a_task_that_was_given_back_comes_before_those_that_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submitted, "monotonic", lambda: 100.0)  # a busy machine may take its time
    delivery, _ = make(8, 2)
    workers = [Worker(delivery, Counter()) for _ in range(2)]
    cores = [worker.core for worker in workers]
    delivery.take(cores)
    orders = delivery.take_orders()
    assert [[task for _, _, _, (task,) in orders[index]] for index in (0, 1)] == [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
    ]
    workers[0].add(orders[0])
    workers[1].add(orders[1])
    for worker, rest in ((workers[0], 0), (workers[1], 3)):
        for _ in range(rest):
            worker.begin()
            worker.end()
        worker.begin()
    workers[0].give_back()
    workers[1].arrive()
    workers[0].arrive()
    delivery.take(cores)
    given_next = delivery.take_orders()
    assert [[task for _, _, _, (task,) in given_next[index]] for index in (0, 1)] == [[2, 6], [4]]
    assert delivery._begun == [3, 5]  # tasks each is said to have been given: see `take_spent`


def test_what_is_given_back_later_comes_before_what_was_given_back_earlier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It came after them, so a call could wait for all that were submitted after it."""
    now = [100.0]
    monkeypatch.setattr(submitted, "monotonic", lambda: now[0])
    delivery, futures = make(8, 2)
    cores = [Worker(delivery, Counter()).core for _ in range(2)]
    delivery.take(cores)
    now[0] += 1.0  # both are silent: neither is given any
    for answers in ([4, 6], [7, 2], [5]):
        delivery.returned.extend(answers)
        delivery.take(cores)
    returned = [futures.index(given.future) for given, _ in delivery.pending._returned]
    assert returned == [5, 2, 7, 4, 6]


def test_nobody_is_asked_where_nobody_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker lost the order of its calls: it was given some while others were on the way."""
    now = [100.0]
    monkeypatch.setattr(submitted, "monotonic", lambda: now[0])
    delivery, _ = make(4, 1)
    delivery.take([Worker(delivery, Counter()).core])
    now[0] += 1.0
    assert delivery.take_silent() == []
    assert delivery.next_look == float("inf")


def test_who_is_silent_is_asked_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(submitted, "monotonic", lambda: now[0])
    delivery, _ = make(3, 2)
    delivery.take([Worker(delivery, Counter()).core for _ in range(2)])
    asked: list[float] = []
    while len(asked) < 4:
        assert delivery.next_look > now[0]
        now[0] = delivery.next_look
        assert delivery.take_silent() == [0]
        assert delivery.take_silent() == []
        asked.append(round(now[0] - 100, 4))
    assert asked == [0.005, 0.01, 0.02, 0.04]


def test_who_is_silent_is_given_nothing_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was: what waited behind a task that ran for an hour could wait for an hour more."""
    now = [100.0]
    monkeypatch.setattr(submitted, "monotonic", lambda: now[0])
    delivery, _ = make(6, 2)
    workers = [Worker(delivery, Counter()) for _ in range(2)]
    cores = hand_out(delivery, workers)
    workers[0].begin()
    now[0] += 1.0
    assert delivery.take_silent() == [0, 1]
    for _ in range(3):
        workers[1].begin()
        workers[1].end()
    for worker in workers:
        worker.give_back()
        worker.arrive()
    delivery.take(cores)
    assert [*delivery.take_orders()] == [1]


def test_who_has_nothing_to_do_is_given_the_next_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would wait behind another one, until that worker is silent."""
    monkeypatch.setattr(submitted, "monotonic", lambda: 0.0)
    delivery, _ = make(2, 2)
    workers = [Worker(delivery, Counter()) for _ in range(2)]
    cores = hand_out(delivery, workers)
    for move in (workers[1].begin, workers[1].end, workers[1].arrive):
        move()
    call: Any = 2
    assert delivery.pending.add(Work(Future(), call, 2))
    delivery.take(cores)
    assert [*delivery.take_orders()] == [1]


def test_who_has_done_its_tasks_is_replaced_while_others_wait_also_after_the_last_call() -> None:
    """Else the executor would wait for ever, as it is left."""
    made, futures = make(2, 1)
    delivery = Ahead(made.plan, made.pending, 1)
    worker = Worker(delivery, Counter())
    delivery.pending.closed = True
    spent = []
    for _ in futures:
        delivery.take([worker.core])
        worker.add(delivery.take_orders()[0])
        for move in (worker.begin, worker.end, worker.arrive):
            move()
        delivery.take([worker.core])
        spent.append(delivery.take_spent())
        worker.core.loss = None, None, None
        delivery.start_again(worker.core, 0)
    assert [future.result(0) for future in futures] == [0, 1]
    assert spent == [[0], []]


def test_what_a_dead_worker_had_ahead_counts_for_whoever_does_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages_for_people, "death_at", lambda *_: Died())
    cuts: Any = None
    crew = Crew(3, 1, 0, cuts)
    (worker,) = crew.workers
    crew.take()
    worker.begin()
    worker.die(known=True)
    crew.delivery.start_again(worker.core, 0)
    assert crew.delivery._begun == [0]
    crew.lost = True
    crew.take()
    assert crew.delivery._begun == [2]


def test_who_is_out_of_time_is_given_nothing() -> None:
    """Its task may be done just then. A further one would be cut off, and run once more."""
    delivery, _ = make(2, 2)
    cores = [Worker(delivery, Counter()).core for _ in range(2)]
    cores[0].grace = 100.0
    delivery.take(cores)
    assert [*delivery.take_orders()] == [1]


@pytest.mark.parametrize(
    ("seconds", "waiting", "workers", "depth"),
    [
        (float("inf"), 99, 1, 1),  # nothing was measured yet
        (0.002, 99, 1, 1),
        (0.0019, 99, 1, 2),
        (0.0019, 0, 1, 2),  # one is ahead also where no others wait
        (0.0005, 99, 1, 5),
        (0.0005, 8, 1, 3),  # the last are shared
        (0.0005, 8, 2, 2),
        (0.00001, 999, 1, 16),
        (0.003, 99, 8, 2),  # many workers wait for each other
        (0.004, 99, 8, 1),
    ],
)
def test_how_many_short_tasks_a_worker_may_have(
    monkeypatch: pytest.MonkeyPatch, seconds: float, waiting: int, workers: int, depth: int
) -> None:
    made, _ = make(waiting, workers)
    delivery = Submitted(made.plan, made.pending)
    monkeypatch.setattr(submitted, "monotonic", lambda: 100.0)
    delivery._size.seconds, delivery._size.measured = seconds, 100.0
    assert delivery.depth == depth


def test_a_worker_without_an_answer_for_long_has_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = make(99, 1)
    delivery = Submitted(made.plan, made.pending)
    delivery._size.seconds, delivery._size.measured = 0.0005, 100.0
    monkeypatch.setattr(submitted, "monotonic", lambda: 100.25)
    assert delivery.depth == 1


def test_no_worker_is_replaced_before_it_has_done_its_tasks() -> None:
    made, _ = make(1, 1)
    delivery = Ahead(made.plan, made.pending, 2)
    worker = Worker(delivery, Counter())
    hand_out(delivery, [worker])
    for move in (worker.begin, worker.end, worker.arrive):
        move()
    delivery.take([worker.core])
    assert delivery.take_spent() == []


def test_no_worker_has_more_tasks_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitted, "monotonic", lambda: 100.0)
    delivery, _ = make(9, 2)
    workers = [Worker(delivery, Counter()) for _ in range(2)]
    hand_out(delivery, workers)
    assert [len(worker.waiting) for worker in workers] == [4, 4]


def test_no_worker_has_more_bytes_ahead_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitted, "monotonic", lambda: 100.0)
    made, _ = make(9, 1)  # of 8 bytes each
    delivery = Ahead(Plan(1, False, False, None, 16, "return", 0), made.pending)
    worker = Worker(delivery, Counter())
    hand_out(delivery, [worker])
    assert len(worker.waiting) == 2


def test_it_is_over_once_it_is_closed_and_all_is_done() -> None:
    """Else an executor without calls would end, or one with calls would end before them."""
    delivery, futures = make(1, 1)
    worker = Worker(delivery, Counter())
    delivery.pending.closed = True
    assert not delivery._is_done()  # it waits
    hand_out(delivery, [worker])
    assert not delivery._is_done()  # it runs
    for move in (worker.begin, worker.end, worker.arrive):
        move()
    delivery.take([worker.core])
    assert futures[0].done()
    assert delivery._is_done()
    delivery.pending.closed = False
    assert not delivery._is_done()  # more may come


def test_who_has_nothing_ahead_is_not_asked() -> None:
    delivery, _ = make(1, 1)
    delivery.take([Worker(delivery, Counter()).core])
    assert delivery.take_silent() == []
    assert delivery.next_look == float("inf")


def test_what_waits_stays_in_sight_while_others_are_cancelled() -> None:
    """A callback may end that. The workers ended meanwhile, and what was left was never done."""
    delivery, futures = make(3, 1)
    pending, seen = delivery.pending, list[bool]()

    def leave(_: object) -> None:
        seen.append(pending.ended)
        raise SystemExit

    futures[0].add_done_callback(leave)
    with pytest.raises(SystemExit):
        pending.cancel()
    assert seen == [False]
    assert pending.take(1, 1)[0] == [1]
    assert [future.cancelled() for future in futures] == [True, False, False]
    assert not wait(futures[:1], timeout=0).not_done


def test_a_callback_that_cancels_all_cancels_none_further_down() -> None:
    """Each would call the next one, and that is deeper than Python goes."""
    delivery, futures = make(5, 1)
    deep, deepest = 0, 0

    def cancel(_: object) -> None:
        nonlocal deep, deepest
        deep += 1
        deepest = max(deep, deepest)
        delivery.pending.cancel()
        deep -= 1

    for future in futures:
        future.add_done_callback(cancel)
    delivery.pending.cancel()
    assert deepest == 1
    assert not wait(futures, timeout=0).not_done


def test_what_strikes_while_all_are_cancelled_lets_the_next_call_cancel_the_rest() -> None:
    number, went_on = 0, True
    while went_on:
        delivery, futures = make(3, 1)
        went_on = struck(number, delivery.pending.cancel, pending)
        delivery.pending.cancel()
        assert not wait(futures, timeout=0).not_done
        number += 1
