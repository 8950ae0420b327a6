"""What holds in every state that workers and parent can reach, whatever the order of what happens.

Exploring raises where a core gets what its table does not list, and where a rule of `World` is
broken: an item that comes twice, late, or out of order; an answer to the wrong call, or a second
one; anything said after ABORT; a worker started after the user has closed. What else must hold is
asked of the states found.
"""

from __future__ import annotations

import os
from typing import ClassVar

import pytest

from farside._protocol import parent_machine, worker
from farside._protocol.messages import Cmd, Status
from farside._protocol.parent_machine import PARENT, Age, ParentEvent, ParentState
from farside._protocol.worker import WORKER, WorkerEvent, WorkerState

from .explorer import DEMANDS, MISHAPS, WORK, Space, explore
from .side import Rules, Side, name_of
from .world import World

FEW = [
    Rules(),
    Rules(items=3, credit=0, up=2),
    Rules(calls=1, asks=1, items=0, prompt=True),
    Rules(calls=1, items=0, refusals=True, prompt=True),
    Rules(asks=1, items=0, limits=True, prompt=True),
    Rules(workers=2, passes=1, items=0, breaks=True, prompt=True),
    Rules(gives=1, prompt=True),
    Rules(gives=1, restarts=1, prompt=True),
    Rules(passes=1, gives=1, restarts=2, struck=True, prompt=True),
    Rules(reports=1, prompt=True),
    Rules(gives=1, returns=1, passes=1, prompt=True),
]
MANY = [
    *FEW,
    Rules(passes=3, items=2, up=2),
    Rules(calls=1, refusals=True, prompt=True),
    Rules(calls=1, refusals=True, fallback=None, prompt=True),
    Rules(calls=2, prompt=True),
    Rules(calls=1, asks=1, breaks=True, prompt=True),
    Rules(passes=1, calls=1, asks=1, records=1, items=0),
    Rules(calls=1, asks=1, items=0, refusals=True, prompt=True),
    Rules(calls=1, items=0, refusals=True, limits=True, prompt=True),
    Rules(workers=2, passes=1, prompt=True),
    Rules(workers=2, passes=1, items=0, refusals=True, prompt=True),
    Rules(gives=2, restarts=2, prompt=True),
    Rules(gives=1, restarts=2, struck=True, prompt=True),
    Rules(gives=1, restarts=1, refusals=True, prompt=True),
    Rules(gives=1, restarts=1, limits=True, passes=1, prompt=True),
    Rules(workers=2, gives=0, passes=1, prompt=True),
    Rules(gives=2, returns=2, passes=1, prompt=True),
    Rules(gives=1, returns=1, restarts=1, prompt=True),
    Rules(gives=1, returns=1, refusals=True, prompt=True),
]
WORLDS = MANY if "FARSIDE_EVERY_ORDER" in os.environ else FEW


def check(space: Space, bad: list[int]) -> None:
    """Check that no state is bad."""
    assert not bad, f"{len(bad)} states; the first of them after {space.story(bad[0])}"


@pytest.mark.parametrize("rules", WORLDS, ids=name_of)
def test_in_every_state(rules: Rules) -> None:
    space = explore(rules)
    check(space, space.stuck())
    # Reading, and workers that get on with their work, are enough: nobody waits for ever.
    check(space, space.lost("told"))
    check(space, space.lost("settled"))
    # All can be brought to an end. Once the user has closed, nothing else can come of it, and the
    # worker needs no more than ABORT to end.
    check(space, space.lost("finished", frozenset()))
    endless = space.lost("finished", DEMANDS | MISHAPS | {World.hang_up})
    check(space, [number for number in endless if space.states[number].closed])
    never = set() if rules.calls else {ParentState.CALLING, WorkerState.CALL}
    assert space.seen == {*ParentState, *WorkerState} - never
    if rules.limits:  # deadlines end every wait for workers that hang
        silent = WORK | {Side.hear, Side.answer, Side.push, Side.obey, Side.lose, Side.go_on}
        check(space, space.lost("told", DEMANDS | silent | {World.break_down}))


@pytest.mark.parametrize("credit", [None, 0, 1])
def test_an_endless_iterable_is_left_and_ended(credit: int | None) -> None:
    space = explore(Rules(passes=3, items=None, up=2, credit=credit))
    # The user gets what was asked for: a pass that is started begins, one that is left ends.
    check(space, space.lost("answered"))
    # And no worker outlives its parent.
    ended = set(space.lost("finished"))
    check(space, [number for number in ended if space.states[number].closed])


# Rows that no world needs: for a peer that breaks the protocol, for a loss that is only noticed at
# the next push, for tasks of a worker that has finished by itself, which none does here, and for
# items, which the core takes without a look at the table.
SPARE = {
    (WorkerState.INITIALIZATION, WorkerEvent.PARENT_LOST),
    (WorkerState.STAND_BY, WorkerEvent.UNKNOWN_CMD),
    (WorkerState.STAND_BY, Cmd.GIVE_TASKS),
    *((state, Cmd.RETURN_TASKS) for state in WorkerState if state is not WorkerState.ITERATION),
    (WorkerState.ITERATION, WorkerEvent.UNKNOWN_CMD),
    (WorkerState.ITERATION, Cmd.START_ITERATION),
    (WorkerState.ITERATION, Cmd.CALL),
    (WorkerState.CALL, WorkerEvent.PARENT_LOST),
    *((state, (Status.UNEXPECTED_CMD_RECEIVED, age)) for state in ParentState for age in Age),
    (ParentState.ITERATION, (Status.ITERATOR_SUCCESS, Age.CURRENT)),
    # Records belong to no pass: only before the first are they not older.
    *(
        (state, (Status.RECORDS_EMITTED, Age.CURRENT))
        for state in (ParentState.STARTING, ParentState.ITERATION, ParentState.STOPPING)
    ),
    (ParentState.INITIALIZATION, (Status.RECORDS_EMITTED, Age.OLD)),
    (ParentState.DONE, ParentEvent.WORKER_LOST),
}


class _Noting(dict):  # type: ignore[type-arg]
    """A table that notes which rows are used."""

    used: ClassVar[set[object]] = set()

    def get(self, key: object, default: object = None) -> object:
        self.used.add(key)
        return super().get(key, default)


def test_every_row_of_both_tables_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    # A row that is used would be missed: a core raises where there is none.
    monkeypatch.setattr(_Noting, "used", set())
    monkeypatch.setattr(worker, "WORKER", _Noting(WORKER))
    monkeypatch.setattr(parent_machine, "PARENT", _Noting(PARENT))
    explore(Rules(calls=1, asks=1, items=0, prompt=True))
    explore(Rules(asks=1, passes=2, prompt=True))
    explore(Rules(calls=1, records=1, prompt=True))
    explore(Rules(passes=0, records=1))
    explore(Rules(reports=1, prompt=True))
    explore(Rules(gives=1, restarts=1, passes=1, prompt=True))
    explore(Rules(gives=1, returns=1, prompt=True))
    rows = {*WORKER, *PARENT}
    assert rows - _Noting.used == SPARE & rows
