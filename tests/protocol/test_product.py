"""Every state that parent and worker can reach together, whatever the order of what happens.

Exploring raises where a machine gets what its table does not list, where a command is refused, and
where an item of an earlier pass is delivered. What else must hold is asked of the states found.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from farside._protocol import parent, worker
from farside._protocol.messages import Cmd, Status
from farside._protocol.tables import (
    PARENT,
    WORKER,
    Age,
    ParentAction,
    ParentEvent,
    ParentState,
    ParentStep,
    WorkerEvent,
    WorkerState,
    WorkerStep,
)
from farside.errors import ProtocolError

from .pair import DEMANDS, LOSSES, Frozen, Move, Pair, Rules, ViolationError

UNAIDED = DEMANDS | LOSSES
"""What nobody may have to wait for."""


class Product(NamedTuple):
    """All states that can be reached from the first, and the moves that lead from each."""

    rules: Rules
    states: list[Frozen]
    moves: list[list[tuple[Move, int]]]

    @property
    def pairs(self) -> list[Pair]:
        """All states, as pairs."""
        return [Pair.thaw(self.rules, state) for state in self.states]

    def show(self, numbers: set[int]) -> list[Frozen]:
        """Return a few states, for messages."""
        return [self.states[number] for number in sorted(numbers)[:3]]


def explore(rules: Rules) -> Product:
    """Go everywhere.

    Raises:
        ProtocolError: a machine was asked for a step that its table does not have.
        ViolationError: a command was refused, or an item of an earlier pass delivered.
    """
    states = [Pair(rules).freeze()]
    numbers = {states[0]: 0}
    moves: list[list[tuple[Move, int]]] = []
    for state in states:  # it grows meanwhile
        moves.append([])
        for move in Pair.thaw(rules, state).moves():
            pair = Pair.thaw(rules, state)
            move(pair)
            after = pair.freeze()
            if after not in numbers:
                numbers[after] = len(states)
                states.append(after)
            moves[-1].append((move, numbers[after]))
    return Product(rules, states, moves)


def find_stuck(product: Product) -> set[int]:
    """Return the states in which somebody waits for what does not come by itself."""
    return {
        number
        for number, pair in enumerate(product.pairs)
        if not pair.settled and all(move in UNAIDED for move, _ in product.moves[number])
    }


def stuck_pairs(product: Product) -> list[Pair]:
    """Return the states that `find_stuck` finds, as pairs."""
    pairs = product.pairs
    return [pairs[number] for number in find_stuck(product)]


def find_lost(product: Product, goals: set[int], without: frozenset[Move]) -> set[int]:
    """Return the states from which no goal can be reached, leaving some moves out."""
    before: list[list[int]] = [[] for _ in product.states]
    for number, moves in enumerate(product.moves):
        for move, after in moves:
            if move not in without:
                before[after].append(number)
    waiting = list(goals)
    seen = set(goals)
    while waiting:
        for number in before[waiting.pop()]:
            if number not in seen:
                seen.add(number)
                waiting.append(number)
    return set(range(len(product.states))) - seen


# What holds ---------------------------------------------------------------------------------------

CONFIGURATIONS = [
    *(Rules(passes=3, down=down, up=up) for down, up in [(1, 1), (1, 3), (2, 2), (3, 1)]),
    *(Rules(passes=2, down=2, up=2, credit=credit) for credit in (1, 2)),
    Rules(passes=4, down=1, up=1),
    *(Rules(passes=2, calls=2, asks=1, down=down, up=up) for down, up in [(1, 1), (2, 2)]),
    Rules(passes=1, calls=1, asks=3, down=3, up=1, credit=1),
    *(Rules(passes=2, records=2, down=down, up=up) for down, up in [(1, 1), (2, 2)]),
    Rules(passes=1, calls=1, asks=1, records=1, credit=1),
]


def name_of(rules: Rules) -> str:
    """Name a configuration in the report."""
    given = {
        field: value
        for field, value in rules._asdict().items()
        if value != Rules._field_defaults[field] or field in {"passes", "down", "up"}
    }
    return ",".join(f"{field}={value}" for field, value in given.items())


@pytest.fixture(scope="module", params=CONFIGURATIONS, ids=name_of)
def product(request: pytest.FixtureRequest) -> Product:
    """All states of one configuration; making it shows that nothing unexpected happens."""
    rules: Rules = request.param
    return explore(rules)


def test_every_state_of_both_is_reached(product: Product) -> None:
    never = () if product.rules.calls else (ParentState.CALLING, WorkerState.CALL)
    assert {pair.parent.state for pair in product.pairs} == set(ParentState).difference(never)
    assert {pair.worker.state for pair in product.pairs} == set(WorkerState).difference(never)
    assert {pair.parent.epoch for pair in product.pairs} == set(range(product.rules.passes + 1))


def test_ways_fill_up_and_never_overflow(product: Product) -> None:
    assert max(len(pair.down) for pair in product.pairs) == product.rules.down
    assert max(len(pair.up) for pair in product.pairs) == product.rules.up


def test_no_deadlock(product: Product) -> None:
    stuck = find_stuck(product)
    assert not stuck, product.show(stuck)


def test_nobody_waits_for_ever(product: Product) -> None:
    # Reading, and a worker that gets on with its work, are enough.
    goals = {number for number, pair in enumerate(product.pairs) if pair.settled}
    lost = find_lost(product, goals, UNAIDED)
    assert not lost, product.show(lost)


def test_both_can_always_finish(product: Product) -> None:
    goals = {number for number, pair in enumerate(product.pairs) if pair.finished}
    lost = find_lost(product, goals, frozenset())
    assert not lost, product.show(lost)


@pytest.mark.parametrize("credit", [None, 1, 2])
def test_an_endless_iterable_is_left_and_ended(credit: int | None) -> None:
    product = explore(Rules(passes=3, down=2, up=2, credit=credit, endless=True))
    # The parent gets its answer: a pass that it starts begins, one that it stops ends.
    answered = {ParentState.STAND_BY, ParentState.ITERATION}
    goals = {
        number
        for number, pair in enumerate(product.pairs)
        if pair.finished or (pair.parent.state in answered and not pair.sending)
    }
    lost = find_lost(product, goals, UNAIDED)
    assert not lost, product.show(lost)
    # And no worker outlives its parent.
    done = {number for number, pair in enumerate(product.pairs) if pair.finished}
    alone = {
        number for number, pair in enumerate(product.pairs) if pair.parent.state is ParentState.DONE
    }
    lost = find_lost(product, done, UNAIDED) & alone
    assert not lost, product.show(lost)


# What would not hold otherwise --------------------------------------------------------------------

SMALL = Rules(passes=2, calls=1, asks=1, records=1, down=1, up=1)


def is_sound(rules: Rules = SMALL) -> bool:
    """Tell whether exploring finds nothing wrong."""
    try:
        product = explore(rules)
    except (ProtocolError, ViolationError):
        return False
    goals = {number for number, pair in enumerate(product.pairs) if pair.settled}
    return not find_stuck(product) and not find_lost(product, goals, UNAIDED)


def test_the_tables_as_they_are_are_sound() -> None:
    assert is_sound()


# Rows for a peer that breaks the protocol, for what the parent asks the table about before, and for
# a loss that is only noticed at the next push.
SPARE_OF_WORKER = {
    (WorkerState.INITIALIZATION, WorkerEvent.PARENT_LOST),
    (WorkerState.STAND_BY, WorkerEvent.UNKNOWN_CMD),
    (WorkerState.ITERATION, WorkerEvent.UNKNOWN_CMD),
    (WorkerState.ITERATION, Cmd.START_ITERATION),
    (WorkerState.ITERATION, Cmd.CALL),
    (WorkerState.CALL, WorkerEvent.PARENT_LOST),
}
IN_A_PASS = {ParentState.STARTING, ParentState.ITERATION, ParentState.STOPPING}
SPARE_OF_PARENT = {
    *((state, ParentAction.STOP) for state in ParentState),
    (ParentState.STAND_BY, ParentAction.CALL),
    *((state, (Status.UNEXPECTED_CMD_RECEIVED, age)) for state in ParentState for age in Age),
    # Records belong to no pass: only before the first are they not older.
    *((state, (Status.RECORDS_EMITTED, Age.CURRENT)) for state in IN_A_PASS),
    (ParentState.INITIALIZATION, (Status.RECORDS_EMITTED, Age.OLD)),
    *((ParentState.DONE, (Status.RECORDS_EMITTED, age)) for age in Age),
    (ParentState.DONE, ParentAction.CLOSE),
    (ParentState.DONE, ParentEvent.WORKER_LOST),
}


@pytest.mark.parametrize("row", WORKER, ids=str)
def test_a_row_missing_from_the_table_of_the_worker_is_found(
    row: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = {key: step for key, step in WORKER.items() if key != row}
    monkeypatch.setattr(worker, "WORKER", rest)
    assert is_sound() == (row in SPARE_OF_WORKER)


@pytest.mark.parametrize("row", PARENT, ids=str)
def test_a_row_missing_from_the_table_of_the_parent_is_found(
    row: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = {key: step for key, step in PARENT.items() if key != row}
    monkeypatch.setattr(parent, "PARENT", rest)
    assert is_sound() == (row in SPARE_OF_PARENT)


def test_starting_without_stopping_the_open_pass_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = (ParentState.ITERATION, ParentAction.START)
    step = ParentStep(ParentState.STARTING, (Cmd.START_ITERATION,), None)
    monkeypatch.setattr(parent, "PARENT", {**PARENT, row: step})
    with pytest.raises(ViolationError, match="refused"):
        explore(SMALL)


def test_delivering_an_item_of_an_earlier_pass_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = (ParentState.STARTING, (Status.ITERATOR_SUCCESS, Age.OLD))
    step = ParentStep(ParentState.STARTING, (), ParentEvent.ITEM)
    monkeypatch.setattr(parent, "PARENT", {**PARENT, row: step})
    with pytest.raises(ViolationError, match="an item of pass 1 in pass 2"):
        explore(SMALL)


def test_a_worker_that_ignores_abort_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = (WorkerState.STAND_BY, Cmd.ABORT)
    monkeypatch.setattr(worker, "WORKER", {**WORKER, row: WorkerStep(WorkerState.STAND_BY, None)})
    stuck = stuck_pairs(explore(SMALL))
    assert {pair.parent.state for pair in stuck} == {ParentState.DONE}
    assert {pair.worker.state for pair in stuck} == {WorkerState.STAND_BY}


def test_a_stop_that_the_worker_does_not_confirm_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = (WorkerState.ITERATION, Cmd.STOP_ITERATION)
    monkeypatch.setattr(worker, "WORKER", {**WORKER, row: WorkerStep(WorkerState.STAND_BY, None)})
    stuck = stuck_pairs(explore(SMALL))
    assert {pair.parent.state for pair in stuck} == {ParentState.STOPPING}


@pytest.mark.parametrize("listener", [False, True])
def test_a_parent_that_does_not_read_while_it_sends_is_found(listener: bool) -> None:  # noqa: FBT001
    # The parent is blocked in sending; the worker, or its listener, in pushing: each waits for the
    # other.
    rules = SMALL._replace(asks=3, listener=listener)
    assert is_sound(rules)
    stuck = stuck_pairs(explore(rules._replace(blocks=True)))
    assert stuck
    assert all(pair.sending and (pair.pushing or pair.answering) for pair in stuck)
    assert any(pair.answering for pair in stuck)


def test_credit_that_is_not_revoked_with_a_superseded_pass_is_found() -> None:
    rules = Rules(passes=2, down=2, up=2, credit=1)
    assert is_sound(rules)
    stuck = stuck_pairs(explore(rules._replace(revokes_superseded=False)))
    assert stuck
    assert all(pair.heard and not pair.credit for pair in stuck)
