"""Long random lives of a parent and a worker joined in memory.

Where ``test_product`` visits all states and so must forget what happened before, this remembers:
which items the worker made, which the parent got, and what either was told.
"""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from farside._protocol import parent
from farside._protocol.messages import Cmd, Status
from farside._protocol.tables import (
    PARENT,
    Age,
    ParentAction,
    ParentEvent,
    ParentState,
    ParentStep,
    WorkerState,
)
from farside.errors import ProtocolError

from .pair import DEMANDS, LOSSES, Move, Pair, Rules, ViolationError

# The same examples in every run: a failure is one of this revision, not of the day.
STEADY = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    stateful_step_count=50,
    suppress_health_check=[HealthCheck.too_slow],
)

VERDICTS = {
    ParentEvent.INITIALIZATION_FAILED,
    ParentEvent.PASS_FAILED,
    ParentEvent.REFUSED,
    ParentEvent.WORKER_LOST,
}

RULES = st.builds(
    Rules(passes=1 << 32, calls=1 << 32, asks=1 << 32, records=9, numbered=True)._replace,
    down=st.integers(1, 3),
    up=st.integers(1, 4),
    credit=st.none() | st.integers(1, 4),
)

END = st.none() | st.tuples(
    st.sampled_from([Pair.close, Pair.lose_parent, Pair.lose_worker]), st.integers(0, 20)
)
"""How it ends, and when: after so many rounds of ``things_go_on``."""


CHOICES = st.lists(st.integers(0, 99), min_size=5, max_size=30)

RARE: dict[Move, int] = {
    Pair.fail_to_initialize: 20,
    Pair.fail: 5,
    Pair.exhaust: 20,
    Pair.log: 20,
}
"""In so many of a hundred cases, where it may be: passes should have items first."""


class Life(RuleBasedStateMachine):
    """One parent and one worker, with a memory of what they did."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(Rules())
        self.end: tuple[Move, int] | None = None
        self.ended_by: Move | None = None
        self.made: defaultdict[int, list[int]] = defaultdict(list)
        self.got: defaultdict[int, list[int]] = defaultdict(list)
        self.order: list[int] = []  # epochs, as their items were delivered
        self.verdict: ParentEvent | None = None
        self.answers = self.stacks = 0

    @initialize(rules=RULES, end=END, early=st.integers(0, 4))
    def begin(self, rules: Rules, end: tuple[Move, int] | None, early: int) -> None:
        self.pair = Pair(rules)
        self.end = end
        if early:  # else the initialization may fail, or be interrupted
            self.pair.initialize()
            self.pair.push()
            self.read()

    # What may happen --------------------------------------------------------------------------

    def can(self, *moves: Move) -> bool:
        return any(move in moves for move in self.pair.moves())

    @rule(supersede=st.booleans())
    @precondition(lambda self: self.can(Pair.stop))
    def parent_leaves(self, supersede: bool) -> None:  # noqa: FBT001  Hypothesis passes by name
        if supersede and self.can(Pair.start):
            self.pair.start()
        else:
            self.pair.stop()

    @rule()
    @precondition(lambda self: self.can(Pair.call))
    def parent_calls(self) -> None:
        self.pair.call()

    @rule()
    @precondition(lambda self: self.can(Pair.ask))
    def parent_asks_for_the_stack(self) -> None:
        self.pair.ask()

    @rule(choices=CHOICES)
    def things_go_on(self, choices: list[int]) -> None:
        """Deliver either way, read, let the worker work, begin a pass when nothing else is up."""
        self.end_in_time()
        for choice in choices:
            moves = self.unaided()
            if not moves:
                if not self.can(Pair.start):
                    break
                moves = [Pair.start]
            move = moves[choice % len(moves)]
            if move is Pair.read:
                self.read()
            elif move is Pair.make_item:
                self.make_item()
            elif choice < RARE.get(move, 100):
                move(self.pair)

    def unaided(self) -> list[Move]:
        """Return what happens without the user, and when nobody dies."""
        return [move for move in self.pair.moves() if move not in DEMANDS | LOSSES]

    def end_in_time(self) -> None:
        """End the life when the time has come."""
        if self.end is not None:
            move, rounds = self.end
            if rounds:
                self.end = (move, rounds - 1)
            elif self.can(move):
                self.end = None
                self.ended_by = move
                move(self.pair)

    def make_item(self) -> None:
        """Let the worker return from ``next()``."""
        report = self.pair.make_item()
        if report is not None:
            self.made[report.epoch].append(report.number)

    def read(self) -> None:
        """Let the parent read what comes next."""
        current = self.pair.parent.epoch
        event, report = self.pair.read()
        if event is ParentEvent.ITEM:
            assert report is not None
            assert report.epoch == current
            self.got[current].append(report.number)
            self.order.append(current)
        elif event is ParentEvent.PASS_FINISHED:
            assert self.got[current] == self.made[current]
        elif event in {ParentEvent.CALL_RETURNED, ParentEvent.CALL_FAILED}:
            self.answers += 1
        elif event is ParentEvent.STACK:
            self.stacks += 1
        elif event in VERDICTS:
            assert self.verdict is None
            self.verdict = event

    # What must hold ---------------------------------------------------------------------------

    @invariant()
    def a_pass_gets_its_own_items_in_order_from_the_first(self) -> None:
        for epoch, items in self.got.items():
            assert items == list(range(len(items)))
            assert items == self.made[epoch][: len(items)]

    @invariant()
    def no_item_of_an_older_pass_comes_after_one_of_a_newer(self) -> None:
        assert self.order == sorted(self.order)

    @invariant()
    def the_worker_is_not_ahead_by_more_than_its_credit(self) -> None:
        credit = self.pair.rules.credit
        epoch = self.pair.worker.epoch
        if credit is not None and epoch == self.pair.parent.epoch:
            assert len(self.made[epoch]) - len(self.got[epoch]) <= credit

    @invariant()
    def every_call_is_answered_once_and_one_at_a_time(self) -> None:
        under_way = self.pair.called - self.answers
        assert under_way in {0, 1}
        if self.pair.parent.state is ParentState.CALLING:
            assert under_way == 1
        elif self.pair.parent.state in {ParentState.STAND_BY, ParentState.ITERATION}:
            assert under_way == 0

    @invariant()
    def the_worker_is_in_no_pass_that_the_parent_has_not_started(self) -> None:
        assert self.pair.worker.epoch <= self.pair.parent.epoch

    @invariant()
    def parent_and_worker_agree_where_both_are_in_a_pass(self) -> None:
        pair = self.pair
        if pair.parent.state is ParentState.ITERATION and not pair.ended:
            assert pair.worker.epoch == pair.parent.epoch

    def teardown(self) -> None:
        """Let everything come to rest: then both agree, or one has been told why not."""
        pair = self.pair
        patience = 10_000
        while moves := self.unaided():
            if Pair.read in moves:
                self.read()
            elif Pair.exhaust in moves:
                pair.exhaust()
            else:
                moves[-1](pair)
            patience -= 1
            assert patience
        assert pair.settled
        self.a_pass_gets_its_own_items_in_order_from_the_first()
        if pair.parent.state is ParentState.DONE:
            assert pair.worker.state is WorkerState.DONE
            mine = self.ended_by in {Pair.close, Pair.lose_parent}
            assert mine or self.verdict is not None
        else:
            assert pair.worker.state is WorkerState.STAND_BY
            assert self.verdict is None
            assert (self.answers, self.stacks) == (pair.called, pair.asked)


TestLife = Life.TestCase
TestLife.settings = STEADY


@pytest.mark.parametrize(
    ("state", "what", "step"),
    [
        (  # items of an earlier pass are delivered
            ParentState.STARTING,
            (Status.ITERATOR_SUCCESS, Age.OLD),
            ParentStep(ParentState.STARTING, (), ParentEvent.ITEM),
        ),
        (  # a pass begins with what an earlier one left
            ParentState.STARTING,
            (Status.ITERATION_STARTED, Age.OLD),
            ParentStep(ParentState.ITERATION, (), ParentEvent.PASS_STARTED),
        ),
        (  # an item gets lost
            ParentState.ITERATION,
            (Status.ITERATOR_SUCCESS, Age.CURRENT),
            ParentStep(ParentState.ITERATION, (), ParentEvent.DISCARDED),
        ),
        (  # the parent does not know that the pass is over
            ParentState.STOPPING,
            (Status.ITERATION_FINISHED, Age.CURRENT),
            ParentStep(ParentState.STOPPING, (), ParentEvent.DISCARDED),
        ),
        (  # a second call is made before the first was answered
            ParentState.CALLING,
            ParentAction.CALL,
            ParentStep(ParentState.CALLING, (Cmd.CALL,), None),
        ),
        (  # a newer pass begins beside the older
            ParentState.ITERATION,
            ParentAction.START,
            ParentStep(ParentState.STARTING, (Cmd.START_ITERATION,), None),
        ),
    ],
    ids=["old item", "old start", "lost item", "lost end", "two calls", "two passes"],
)
def test_a_wrong_row_is_found(
    state: ParentState,
    what: ParentAction | tuple[Status, Age],
    step: ParentStep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parent, "PARENT", {**PARENT, (state, what): step})
    quick = settings(STEADY, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises((AssertionError, ProtocolError, ViolationError)):
        # Hypothesis for Python 3.10 ships no types for it, later releases do.
        run_state_machine_as_test(Life, settings=quick)  # type: ignore[no-untyped-call, unused-ignore]
