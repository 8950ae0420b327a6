"""What is known of the inputs that a worker was given when it dies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from farside._parent.passes.assigned_inputs import AssignedInputs
from farside._parent.passes.batches import Batch, Plan
from farside._parent.passes.given_results import GivenResults
from farside._parent.passes.queues import Queue
from farside._payload.items import Mark
from farside._protocol.inbox import Inbox
from farside.errors import ProtocolError
from tests.parent.passes.test_delivery import Item, frame_of

RETRIES = 1
PLAN = Plan(1, False, False, None, 1 << 20, "return", RETRIES)


def lose_at(inputs: AssignedInputs, number: int) -> int | None:
    """Lose the worker at an input; return which one has failed with it."""
    core: Any = SimpleNamespace(inbox=Inbox(), loss=(None, None, number + 1))
    return inputs.lose(core, Queue(0, counting=False), PLAN, 0, {})[1]


@pytest.mark.timeout(10)
def test_tries_of_inputs_that_are_done_are_forgotten() -> None:
    inputs, progress = AssignedInputs(), GivenResults()
    for number in range(1000):  # an executor may lose a worker each minute, for weeks
        inputs.add(Batch(number, ["input"], 0))
        assert lose_at(inputs, number) is None
        inputs.advance(1, progress)
    assert not inputs.batches  # nothing else of it grows


@pytest.mark.timeout(10)
def test_tries_count_though_an_input_before_has_cost_a_worker_meanwhile() -> None:
    """The answer of the first was lost with the first worker; so it is made again, and dies."""
    inputs = AssignedInputs()
    inputs.add(Batch(0, ["first", "second"], 0))
    assert lose_at(inputs, 1) is None
    assert lose_at(inputs, 0) is None
    assert lose_at(inputs, 1) == 1


@pytest.mark.parametrize("left", [0, 2])
def test_an_input_that_has_failed_is_not_waited_for(left: int) -> None:
    """Else its worker would be given fewer with each one, and none at last."""
    inputs = AssignedInputs()
    inputs.add(Batch(0, ["input"] * (1 + left), 0))
    for failed, count in ((None, 1 + left), (0, left)):
        assert lose_at(inputs, 0) == failed
        assert inputs.count == count
    assert sum([len(batch.entries) for batch in inputs.batches]) == left


def test_results_of_an_input_that_has_failed_count_for_no_other() -> None:
    """If they did, the next input would be asked to leave out so many that nobody has had."""
    inputs, queue = AssignedInputs(), Queue(0, counting=False)
    inputs.add(Batch(0, ["first", "second"], 0))
    read = {0: 2}  # results of the first, which is flat
    for number, retries, expected in ((0, 0, (0, 1, 0)), (1, 1, (None, 1, 0))):
        core: Any = SimpleNamespace(inbox=Inbox(), loss=(None, None, number + 1))
        plan = PLAN._replace(flat=True, retries=retries)
        (lost,), failed = inputs.lose(core, queue, plan, 0, read)
        assert (failed, lost.first, lost.skip) == expected


def test_results_that_an_input_has_left_are_taken_and_it_is_not_run_again() -> None:
    """Its failure comes after them, however many workers are lost until the loop is there."""
    inputs, queue, inbox = AssignedInputs(), Queue(0, counting=False), Inbox()
    inputs.add(Batch(0, ["first", "second"], 0))
    inbox.frames.append(frame_of([Item(0, 0), Item(0, 1)], "plain"))
    for number, retries, expected in ((0, 0, 0), (1, 1, None), (1, 2, None)):
        core: Any = SimpleNamespace(inbox=inbox, loss=(None, None, number + 1))
        plan = PLAN._replace(flat=True, retries=retries)
        lost, failed = inputs.lose(core, queue, plan, 0, {})
        assert (failed, [(batch.first, batch.skip) for batch in lost]) == (expected, [(1, 0)])
        assert [(batch.first, batch.left) for batch in inputs.batches] == [(0, 2), (1, 0)]


def test_results_that_an_input_has_left_are_not_those_of_a_later_one() -> None:
    """The next worker has done an input meanwhile, and dies at another one."""
    inputs, queue, inbox = AssignedInputs(), Queue(0, counting=False), Inbox()
    inputs.add(Batch(0, ["first", "second", "third"], 0))
    plan = PLAN._replace(flat=True, retries=0)
    for number, sent, expected in (
        (0, [Item(0, 0), Item(0, 1)], (0, [(1, 0)])),
        (3, [Item(1, 0), Mark(), Item(2, 0)], (None, [(2, 1)])),
    ):
        inbox.frames.append(frame_of([*sent], "plain"))
        core: Any = SimpleNamespace(inbox=inbox, loss=(None, None, number + 1))
        lost, failed = inputs.lose(core, queue, plan, 0, {})
        assert (failed, [(batch.first, batch.skip) for batch in lost]) == expected
    assert [(batch.first, batch.left) for batch in inputs.batches] == [(0, 2), (1, 0), (2, 0)]


def test_more_answers_than_inputs_are_a_protocol_error() -> None:
    inputs = AssignedInputs()
    inputs.add(Batch(0, ["input"] * 2, 0))
    with pytest.raises(ProtocolError, match="more than it was asked for"):
        inputs.advance(3, GivenResults())
    with pytest.raises(ProtocolError, match="more than it was asked for"):
        inputs.pass_mark()
