"""The exploration finds what is wrong: each broken rule below must make it fail.

A rule is broken in the real cores, in their tables, or in what the world does for the shells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from farside._protocol import group, parent_machine, worker
from farside._protocol.effects import Fail, Send
from farside._protocol.group import GroupCore
from farside._protocol.inbox import Inbox
from farside._protocol.messages import Cmd, Status
from farside._protocol.parent import ParentCore
from farside._protocol.parent_machine import (
    PARENT,
    Age,
    ParentEvent,
    ParentState,
    ParentStep,
)
from farside._protocol.recovery import may_hand_over
from farside._protocol.worker import WORKER, WorkerEvent, WorkerState, WorkerStep
from farside.errors import ProtocolError

from .explorer import DEMANDS, MISHAPS, WORK, explore
from .side import Rules, Side, name_of
from .world import World

if TYPE_CHECKING:
    from collections.abc import Callable

PASSES = Rules(prompt=True)
CALLS = Rules(calls=2, items=0, prompt=True)
STACKS = Rules(passes=1, items=0, asks=1, prompt=True)
FALLBACK = Rules(passes=1, calls=1, refusals=True, prompt=True)
LIMITS = Rules(passes=1, items=0, limits=True, prompt=True)
TWO = Rules(workers=2, passes=1, prompt=True)
TASKS = Rules(passes=1, gives=1, prompt=True)
TASKS_OF_TWO = TASKS._replace(workers=2, gives=0)
RESTARTS = TASKS._replace(restarts=1)
GIVEN_BACK = TASKS._replace(returns=1, refusals=True)

SILENT = frozenset(move for name, move in vars(Side).items() if callable(move))


def find_wrong(rules: Rules) -> str | None:
    """Explore, and tell what is wrong."""
    try:
        space = explore(rules)
    except (ProtocolError, AssertionError) as error:  # also an assertion of a core
        return str(error)
    if rules.limits and space.lost("told", DEMANDS | SILENT | WORK):
        return "a deadline does not end a wait"
    unended = space.lost("finished", DEMANDS | MISHAPS | {World.hang_up})
    if any(space.states[number].closed for number in unended):
        return "a worker does not end"
    wrong = [("stuck", space.stuck()), *((goal, space.lost(goal)) for goal in ("told", "settled"))]
    return next((name for name, bad in wrong if bad), None)


@pytest.mark.parametrize(
    "rules", [PASSES, CALLS, STACKS, FALLBACK, LIMITS, RESTARTS, GIVEN_BACK], ids=name_of
)
def test_nothing_is_wrong_as_it_is(rules: Rules) -> None:
    assert find_wrong(rules) is None


# What lies between the cores ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "wrong"),
    [
        (STACKS._replace(asks=3), STACKS._replace(asks=3, blocks=True)),
        (PASSES._replace(items=3, credit=0), PASSES._replace(items=3, credit=0, revokes=False)),
    ],
    ids=["the parent does not read while it sends", "credit is not revoked"],
)
def test_a_wrong_shell_is_found(rules: Rules, wrong: Rules) -> None:
    assert find_wrong(rules) is None
    assert find_wrong(wrong)


# The tables ---------------------------------------------------------------------------------------

P, W = ParentState, WorkerState
OLD, NOW = Age.OLD, Age.CURRENT


@pytest.mark.parametrize(
    ("rules", "state", "what", "step"),
    [
        pytest.param(*row, id=name)
        for name, row in {
            "a pass begins with what an earlier one left": (
                PASSES, P.STARTING, (Status.ITERATION_STARTED, OLD),
                ParentStep(P.ITERATION),
            ),
            "the parent does not know that a pass is over": (
                PASSES, P.STOPPING, (Status.ITERATION_FINISHED, NOW),
                ParentStep(P.STOPPING, discards=True),
            ),
            "nobody is told that a pass is over": (
                PASSES, P.ITERATION, (Status.ITERATION_FINISHED, NOW),
                ParentStep(P.STAND_BY, discards=True),
            ),
            "a newer pass begins beside the older": (
                PASSES, P.ITERATION, ParentEvent.START,
                ParentStep(P.STARTING, (Cmd.START_ITERATION,)),
            ),
            "a pass that was left is not stopped": (
                PASSES, P.ITERATION, ParentEvent.STOP, ParentStep(P.STOPPING),
            ),
            "a pass cannot be stopped before it has begun": (
                PASSES, P.STARTING, ParentEvent.STOP, None,
            ),
            "a pass cannot be stopped": (PASSES, P.ITERATION, ParentEvent.STOP, None),
            "a second call is made before the first was answered": (
                CALLS, P.CALLING, ParentEvent.CALL, ParentStep(P.CALLING, (Cmd.CALL,)),
            ),
            "no call can be made": (CALLS, P.STAND_BY, ParentEvent.CALL, None),
            "an answer is lost when a pass has begun": (
                CALLS, P.STARTING, (Status.CALL_SUCCEEDED, OLD),
                ParentStep(P.STARTING, discards=True),
            ),
            "a worker is closed and not told": (
                PASSES, P.STAND_BY, ParentEvent.CLOSE, ParentStep(P.STAND_BY),
            ),
            "the worker ignores ABORT": (
                PASSES, W.STAND_BY, Cmd.ABORT, WorkerStep(W.STAND_BY, None),
            ),
            "the worker does not confirm a stop": (
                PASSES, W.ITERATION, Cmd.STOP_ITERATION, WorkerStep(W.STAND_BY, None),
            ),
            "the worker does not say that a pass is over": (
                PASSES, W.ITERATION, WorkerEvent.ITERATOR_EXHAUSTED, WorkerStep(W.STAND_BY, None),
            ),
            "the worker does not tell what a call returns": (
                CALLS, W.CALL, WorkerEvent.CALL_RETURNED, WorkerStep(W.STAND_BY, None),
            ),
            "the worker goes on without a parent": (
                Rules(passes=1), W.STAND_BY, WorkerEvent.PARENT_LOST, WorkerStep(W.STAND_BY, None),
            ),
        }.items()
    ],
)  # fmt: skip
def test_a_wrong_row_is_found(
    rules: Rules, state: object, what: object, step: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, table = (
        (worker, "WORKER", WORKER)
        if isinstance(state, WorkerState)
        else (parent_machine, "PARENT", PARENT)
    )
    rows: dict[Any, Any] = {**table, (state, what): step}
    if step is None:
        del rows[state, what]
    monkeypatch.setattr(module, name, rows)
    assert find_wrong(rules)


# The cores ----------------------------------------------------------------------------------------


def without(cls: Any, method: str, *effects: type) -> Callable[..., Any]:
    """Return a method that does all but some effects."""
    right = getattr(cls, method)

    def wrong(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.effects
        result = right(self, *args, **kwargs)
        added = self.effects[len(before) :]
        self.effects = before + tuple(each for each in added if not isinstance(each, effects))
        return result

    return wrong


def keeping(cls: Any, method: str, *names: str) -> Callable[..., Any]:
    """Return a method that leaves some attributes as they are."""
    right = getattr(cls, method)

    def wrong(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = {name: getattr(self, name) for name in names}
        result = right(self, *args, **kwargs)
        for name, value in before.items():
            setattr(self, name, value)
        return result

    return wrong


def take_all(self: ParentCore, frames: Any) -> None:
    """Take items in, of whatever pass."""
    while frames and frames[0].kind == Status.ITERATOR_SUCCESS:
        self.inbox.take_from(frames)


def take_twice(self: ParentCore, frames: Any) -> None:
    """Take an item in, and again."""
    while frames and frames[0].kind == Status.ITERATOR_SUCCESS:
        self.inbox.frames.append(frames[0])
        self.inbox.take_from(frames)


def lose_items(self: ParentCore, frames: Any) -> None:
    """Throw items away."""
    while self.state is P.ITERATION and frames and frames[0].kind == Status.ITERATOR_SUCCESS:
        frames.popleft()


def receive_though_done(
    self: GroupCore, index: int, frame: Any, failure: Any = None, *, used: bool = True
) -> None:
    """Replace a worker even when it is done."""
    first = self.workers[index].follows_dead is None
    if failure is not None and failure.refused and not used and first:
        self._replace(index, "subprocess", self.workers[index]._ending("failed"))
    else:
        self.workers[index].receive(frame, failure)


def replace_as_first(self: GroupCore, index: int, *args: Any) -> None:
    """Replace a worker, and forget that it was."""
    _REPLACE(self, index, *args)
    self.workers[index].follows_dead = None


_REPLACE = GroupCore._replace


def forgetting(name: str, value: object) -> Callable[..., Any]:
    """Return a `hand_over` by a worker that has forgotten something."""
    right = ParentCore.hand_over

    def wrong(self: ParentCore, successor: ParentCore) -> None:
        setattr(self, name, value)
        right(self, successor)

    return wrong


def hand_over_open_only(self: ParentCore, successor: ParentCore) -> None:
    """Hand a pass over only if items may still come."""
    self._opened = self.opened and not self.over
    _HAND_OVER(self, successor)


_HAND_OVER = ParentCore.hand_over


def give_twice(self: ParentCore, tasks: Any) -> None:
    """Give tasks, and again."""
    _GIVE(self, tasks)
    _GIVE(self, tasks)


def give_now(self: ParentCore, tasks: Any) -> None:
    """Give tasks only to a worker that is in the pass."""
    if self._wanted is None:
        _GIVE(self, tasks)


_GIVE = ParentCore.give


def inherit_nothing(self: ParentCore, before: ParentCore) -> bool:
    """Take the place of a worker, and leave what has arrived from it."""
    _INHERIT(self, before)
    self.inbox = Inbox()
    return self.opened and not self.over


def inherit_as_over(self: ParentCore, before: ParentCore) -> bool:
    """Take the place of a worker as if its pass was over."""
    _INHERIT(self, before)
    self.over = before.over
    return self.opened and not self.over


_INHERIT = ParentCore.inherit_from


def answer_anybody(self: ParentCore, frame: Any, failure: Any) -> None:
    """Give an answer to the present call, whichever it belongs to."""
    self._call_is_said = True
    _TAKE_ANSWER(self, frame, failure)


_TAKE_ANSWER = ParentCore._take_answer
_MAY_HAND_OVER = may_hand_over


def first_only(method: str) -> Callable[..., Any]:
    """Return a method of the group that changes the first worker alone."""
    right = getattr(GroupCore, method)

    def wrong(self: GroupCore, *args: Any) -> Any:
        workers, self.workers = self.workers, self.workers[:1]
        result = right(self, *args)
        self.workers = workers
        return result

    return wrong


NO_DEADLINE = property(lambda _: None)


def nothing(*_: object) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("rules", "breaks"),
    [
        pytest.param(rules, breaks, id=name)
        for name, rules, breaks in [
            ("epochs of items are not checked", PASSES, [(ParentCore, "receive_items", take_all)]),
            ("an item comes twice", PASSES, [(ParentCore, "receive_items", take_twice)]),
            ("items are lost", PASSES, [(ParentCore, "receive_items", lose_items)]),
            ("a new pass keeps the inbox", PASSES, [
                (ParentCore, "start", keeping(ParentCore, "start", "inbox")),
                (ParentCore, "_discard", nothing),
            ]),
            ("the number of the pass stays", PASSES, [
                (GroupCore, "start", keeping(GroupCore, "start", "epoch")),
            ]),
            ("a pass wanted before the worker is ready is not begun", PASSES, [
                (ParentCore, "start", keeping(ParentCore, "start", "_wanted")),
            ]),
            ("a pass wanted before is begun though it was left", PASSES, [
                (ParentCore, "stop", keeping(ParentCore, "stop", "_wanted")),
            ]),
            ("a pass is not stopped by its user", PASSES, [
                (ParentCore, "stop", without(ParentCore, "stop", Send)),
            ]),
            ("what has arrived can be taken after the end", PASSES, [
                (ParentCore, "_discard", nothing),
            ]),
            ("closing ends a finished pass as if all had been taken", PASSES, [
                (ParentCore, "close", keeping(ParentCore, "close", "ending")),
            ]),
            ("the end of a worker does not end the pass", PASSES, [
                (ParentCore, "_fail", keeping(ParentCore, "_fail", "over", "ending")),
            ]),
            ("a lost worker is not noticed", PASSES, [(ParentCore, "lose", nothing)]),
            ("ABORT is not said", PASSES, [
                (ParentCore, "_hang_up", without(ParentCore, "_hang_up", Send)),
                (World, "hang_up", nothing),
            ]),
            ("who calls is not told of the end", CALLS, [
                (ParentCore, "_hang_up", without(ParentCore, "_hang_up", Fail)),
            ]),
            ("who asks for a stack is not told of the end", STACKS, [
                (ParentCore, "_hang_up", without(ParentCore, "_hang_up", Fail)),
            ]),
            ("who calls is told of the end twice", CALLS, [
                (ParentCore, "_hang_up", keeping(ParentCore, "_hang_up", "call")),
            ]),
            ("a call is not made when the worker is ready", CALLS, [
                (ParentCore, "_say_call", nothing),
            ]),
            ("a call gets the answer to one that was given up", CALLS, [
                (ParentCore, "_take_answer", answer_anybody),
            ]),
            ("who has given up is answered", CALLS, [(ParentCore, "give_up_call", nothing)]),
            ("a stack is told to nobody", STACKS, [(ParentCore, "_take_stack", nothing)]),
            ("a worker that was of use is replaced", FALLBACK, [
                (group, "may_hand_over", lambda ending, **_: _MAY_HAND_OVER(ending, used=False)),
            ]),
            ("a replaced worker is replaced again", FALLBACK, [
                (GroupCore, "_replace", replace_as_first),
            ]),
            ("a worker is replaced though the user has closed", FALLBACK, [
                (GroupCore, "receive", receive_though_done),
            ]),
            ("closing during a fallback is lost", FALLBACK, [
                (GroupCore, "close", keeping(GroupCore, "close", "closed")),
            ]),
            ("the open pass is not handed over", FALLBACK, [
                (ParentCore, "hand_over", forgetting("_opened", False)),
            ]),
            ("a pass that has finished is not handed over", FALLBACK, [
                (ParentCore, "hand_over", hand_over_open_only),
            ]),
            ("the call is not handed over", FALLBACK, [
                (ParentCore, "hand_over", forgetting("call", None)),
            ]),
            ("who asks for a stack is forgotten in a fallback", STACKS._replace(refusals=True), [
                (ParentCore, "hand_over", forgetting("_stacks", ())),
            ]),
            ("tasks are not given", TASKS, [(ParentCore, "give", nothing)]),
            ("tasks are given twice", TASKS, [(ParentCore, "give", give_twice)]),
            ("tasks are lost while a worker is started again", RESTARTS, [
                (ParentCore, "give", give_now),
            ]),
            ("tasks of a pass before are given again", RESTARTS._replace(passes=2), [
                (ParentCore, "_begin", keeping(ParentCore, "_begin", "_given")),
            ]),
            ("tasks that were given back are told another backend", GIVEN_BACK, [
                (ParentCore, "_take_returned", keeping(ParentCore, "_take_returned", "_given")),
            ]),
            ("tasks that were given back are forgotten", GIVEN_BACK, [
                (Inbox, "take_returned", lambda *_: ()),
            ]),
            ("a worker that was started again is not told where to go on", RESTARTS, [
                (ParentCore, "continue_pass", nothing),
            ]),
            ("a worker that was started again waits for no plan", RESTARTS, [
                (GroupCore, "_start_again", keeping(GroupCore, "_start_again", "awaiting")),
            ]),
            ("a worker that was started again is told twice where to go on", RESTARTS, [
                (GroupCore, "continue_pass", keeping(GroupCore, "continue_pass", "awaiting")),
            ]),
            ("what has arrived from a worker that has died is lost", RESTARTS, [
                (ParentCore, "inherit_from", inherit_nothing),
            ]),
            ("a worker that has died ends the pass of the next one", RESTARTS, [
                (ParentCore, "inherit_from", inherit_as_over),
            ]),
            ("a pass goes on that was left while a worker was started again", RESTARTS, [
                (ParentCore, "stop", keeping(ParentCore, "stop", "_wanted")),
            ]),
            ("one of two workers fails, and the other one goes on", TASKS_OF_TWO, [
                (GroupCore, "end", nothing),
            ]),
            ("deadlines are not told", LIMITS, [(ParentCore, "deadline", NO_DEADLINE)]),
            ("a deadline has no effect", LIMITS, [(ParentCore, "expire", nothing)]),
            ("a deadline asks again and again", LIMITS, [
                (ParentCore, "_fail", nothing),
            ]),
            ("waiting does not count", LIMITS, [(GroupCore, "begin_to_wait", nothing)]),
            ("a pass begins in one worker of two", TWO, [
                (GroupCore, "start", first_only("start")),
            ]),
            ("a pass is left in one worker of two", TWO, [(GroupCore, "stop", first_only("stop"))]),
            ("one worker of two is closed", TWO, [(GroupCore, "close", first_only("close"))]),
        ]
    ],
)  # fmt: skip
def test_a_broken_core_is_found(
    rules: Rules, breaks: list[tuple[Any, str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name, broken in breaks:
        monkeypatch.setattr(owner, name, broken)
    assert find_wrong(rules)
