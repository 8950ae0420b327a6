"""Workers of a map that die at any moment: each input has its results once, or an error."""

from __future__ import annotations

from collections import Counter, deque
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link.frames import Frame
from farside._parent import messages_for_people
from farside._parent.passes import batches, mapped, supply
from farside._parent.passes.batches import Plan
from farside._parent.passes.mapped_orders import MappedAsTheyCome, MappedInOrder
from farside._parent.passes.supply import Supply
from farside._payload.items import Mark, pack
from farside._protocol.inbox import Inbox
from farside._protocol.messages import Status
from tests.steady import STEADY

if TYPE_CHECKING:
    from random import Random

_RESULTS = 100
"""A flat input has fewer results: result 3 of input 5 is 503."""


class Died(Exception):
    """A worker has died at an input too often."""

    def __init__(self, number: int, *_: object) -> None:
        super().__init__(number)
        self.number = number


class Worker:
    """Does inputs, and sends what has come of them in frames as the test says."""

    def __init__(self, lengths: list[int], *, flat: bool) -> None:
        self.core: Any = SimpleNamespace(inbox=Inbox(), over=False, loss=None)
        self.lengths = lengths
        self.flat = flat
        self.doubtful = set[int]()  # one of these has cost a worker, and nobody knows which
        self.begin()

    def begin(self) -> None:
        """Begin to live: with nothing to do."""
        self.inputs: deque[tuple[int, int]] = deque()  # which, and how many results to skip
        self.made: list[Any] = []  # and not sent
        self.begun: int | None = None
        self.rest: list[Any] = []  # of the input that was begun
        self.given: deque[int] = deque()  # and not answered

    def add(self, orders: list[Any]) -> None:
        for first, skip, plain, entries in orders:
            assert plain
            assert [*entries] == [*range(first, first + len(entries))]
            assert len(entries) == 1 or not self.doubtful.intersection(entries)
            assert not self.doubtful.intersection(self.given)  # each runs alone
            self.inputs += [(each, skip if each == first else 0) for each in entries]
            self.given += entries

    def step(self) -> bool:
        """Make a result or a mark; tell whether there was one."""
        if not self.rest:
            if not self.inputs:
                return False
            number, skip = self.inputs.popleft()
            self.begun = number
            results = range(_RESULTS * number + skip, _RESULTS * number + self.lengths[number])
            self.rest = [*results, Mark()] if self.flat else [_RESULTS * number]
        self.made.append(self.rest.pop(0))
        return True

    def send(self) -> None:
        if self.made:
            body = b"".join(pack(self.made)[0])
            frame = Frame(Status.ITERATOR_SUCCESS, 1, body, len(self.made))
            self.core.inbox.take_from(deque([frame]))
            for each in self.made:
                if isinstance(each, Mark) is self.flat:
                    self.given.popleft()
            self.made = []

    def die(self, *, known: bool) -> int | None:
        """Return the input that has cost it, as far as anybody can know."""
        begun, given = self.begun, self.given
        self.doubtful = set() if known or len(given) == 1 else {*given}
        self.core.loss = None, None, (0 if begun is None else begun + 1) if known else None
        self.begin()
        if known:
            return begun if begun in given else None
        return given[0] if len(given) == 1 else None


class Map:
    """A pass of a map with such workers, and what the loop was given."""

    def __init__(self, lengths: list[int], plan: Plan, cuts: Random) -> None:
        self.lengths, self.plan, self.cuts = lengths, plan, cuts
        kind = MappedInOrder if plan.in_order else MappedAsTheyCome
        inputs: Any = range(len(lengths))
        self.delivery = kind(plan, Supply(cuts.choice([lambda: iter(inputs), lambda: inputs])))
        self.workers = [Worker(lengths, flat=plan.flat) for _ in range(plan.workers)]
        self.cost = Counter[int | None]()  # how many workers each input has cost
        self.got: list[Any] = []
        self.lost = False  # a worker, since the loop has looked last: it looks in the same step

    def run(self) -> None:
        """Let all happen in any order until the pass is over."""
        lives = 12
        while self.take():
            for _ in range(self.cuts.randint(1, 3)):
                for index, worker in enumerate(self.workers):
                    self.work(worker)
                    if lives and not self.cuts.randint(0, 4):
                        lives -= 1
                        self.lose(index, known=bool(self.cuts.randint(0, 3)))
                    elif not lives:
                        worker.send()

    def work(self, worker: Worker) -> None:
        for _ in range(self.cuts.randint(0, 5)):
            worker.step()
            if not self.cuts.randint(0, 2):
                worker.send()

    def lose(self, index: int, *, known: bool) -> None:
        worker = self.workers[index]
        self.cost[worker.die(known=known)] += 1
        self.delivery.start_again(worker.core, index)
        self.lost = True
        self.give()

    def give(self) -> None:
        for index, orders in self.delivery.take_orders().items():
            self.workers[index].add(orders)

    def take(self) -> bool:
        """Let the loop take what has come; tell whether the pass goes on."""
        delivery = self.delivery
        cores = [worker.core for worker in self.workers]
        ready, self.lost = self.lost or delivery.ready(cores), False
        while (block := delivery.take(cores)) is not None:
            assert ready  # else the loop would wait
            entries, source = block
            assert source is None
            self.got += entries
            entries.clear()
            self.check_place()
        assert ready or not (delivery.orders or delivery.over)
        self.give()
        return not delivery.over

    def check_place(self) -> None:
        """Check that the state tells what the loop was given."""
        place = self.delivery.place(self.delivery.had)
        assert place is not None
        for number, read in place.begun:
            assert self.plan.flat
            assert self.results_of(number) == read
        told = {number for first, end in place.ended for number in range(first, end)}
        told |= {number for number, _ in place.begun}
        assert {*map(_number_of, self.got)} <= told

    def results_of(self, number: int) -> int:
        return sum(type(each) is int and each // _RESULTS == number for each in self.got)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("flat", [True, False])
@STEADY
@given(
    lengths=st.lists(st.integers(0, 4), max_size=12),
    workers=st.integers(1, 3),
    retries=st.integers(0, 2),
    cuts=st.randoms(use_true_random=False),
)
def test_each_input_has_its_results_once_or_an_error(
    *,
    lengths: list[int],
    workers: int,
    retries: int,
    cuts: Random,
    flat: bool,
    in_order: bool,
) -> None:
    plan = Plan(workers, flat, in_order, None, 1 << 20, "return", retries)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages_for_people, "death_at", Died)
        ticks = count()
        for module in (batches, mapped, supply):
            patch.setattr(module, "monotonic", lambda: next(ticks) * 1e-5)
        this = Map(lengths, plan, cuts)
        this.run()
    failed = {each.number for each in this.got if isinstance(each, Died)}
    assert failed == {
        each for each, cost in this.cost.items() if each is not None and cost > retries
    }
    for number, length in enumerate(lengths):
        own = [each for each in this.got if _number_of(each) == number]
        wanted: list[Any] = [_RESULTS * number + each for each in range(length if flat else 1)]
        if number in failed:
            assert isinstance(own.pop(), Died)
            wanted = wanted[: len(own)]
        assert own == wanted
    if in_order:
        numbers = [_number_of(each) for each in this.got]
        assert numbers == sorted(numbers)


def _with_inputs(monkeypatch: pytest.MonkeyPatch, lengths: list[int], plan: Plan) -> Map:
    """Return a map whose two workers have inputs."""
    monkeypatch.setattr(messages_for_people, "death_at", Died)
    cuts: Any = SimpleNamespace(choice=lambda ways: ways[1])  # a range
    this = Map(lengths, plan, cuts)
    while not this.workers[1].inputs:
        assert this.take()
    return this


def test_what_one_input_has_left_keeps_back_no_other_that_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = _with_inputs(monkeypatch, [1, 2], Plan(2, True, True, None, 1 << 20, "return", 0))
    for index in (1, 0):
        this.workers[index].step()
        if index:
            this.workers[index].send()
        this.lose(index, known=True)
    assert not this.take()
    died, result, other = this.got
    assert (died.number, result, other.number) == (0, _RESULTS, 1)


def test_results_come_before_the_failure_of_a_later_input(monkeypatch: pytest.MonkeyPatch) -> None:
    this = _with_inputs(monkeypatch, [1, 1], Plan(2, False, True, None, 1 << 20, "raise", 0))
    for worker in this.workers:
        worker.step()
    this.workers[0].send()
    this.lose(1, known=True)
    with pytest.raises(Died):
        this.take()
    assert this.got == [0]


def _number_of(each: Any) -> int:
    return each.number if isinstance(each, Died) else each // _RESULTS
