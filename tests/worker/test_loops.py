"""What the loops that make items do when something strikes in their midst."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from farside._protocol.messages import Cmd, Status
from farside._worker.mapper import Mapper
from farside._worker.outbox import Outbox
from tests import mapping_jobs as jobs
from tests.worker.harness import executing

if TYPE_CHECKING:
    from collections.abc import Callable


class Striking(list[Any]):
    """Items that wait. As the second is added, a signal handler raises an exception."""

    def append(self, entry: Any) -> None:
        super().append(entry)
        if len(self) == 2:
            raise TimeoutError("too late")


@pytest.mark.parametrize("function", [jobs.same, lambda _: None])
def test_an_input_whose_result_was_just_added_has_no_other_answer(
    function: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Outbox.begin

    def begin_striking(outbox: Outbox, *given: int) -> None:
        outbox.entries = Striking()
        begin(outbox, *given)

    monkeypatch.setattr(Outbox, "begin", begin_striking)
    monkeypatch.setattr(Outbox, "send_due", lambda *_, **__: 10)
    with executing(Mapper(function)) as worker:
        worker.say(Cmd.START_ITERATION, 1, pickle.dumps((0, 0, (0, 0), (3, False))))
        worker.expect(Status.ITERATION_STARTED, 1)
        worker.say(Cmd.GIVE_TASKS, 1, pickle.dumps([(0, 0, True, [1, 2, 3])]))
        worker.expect_items(1, function(1), function(2))
        assert worker.expect_failure(Status.ITERATOR_FAILED, 1).message == "too late"


@pytest.mark.parametrize("flat", [False, True])
def test_what_strikes_as_results_are_sent_is_no_failure_of_an_input(
    monkeypatch: pytest.MonkeyPatch, *, flat: bool
) -> None:
    def strike_later(_: Outbox, made: int, **__: object) -> int:
        if made == 2:
            raise TimeoutError("too late")
        return made + 1

    monkeypatch.setattr(Outbox, "send_due", strike_later)
    with executing(Mapper(jobs.count_to if flat else jobs.same, flat=flat)) as worker:
        worker.say(Cmd.START_ITERATION, 1, pickle.dumps((0, 0, (0, 0), (2, False))))
        worker.expect(Status.ITERATION_STARTED, 1)
        worker.say(Cmd.GIVE_TASKS, 1, pickle.dumps([(0, 0, True, [3, 4, 5])]))
        worker.expect_items(1, *([(3, 0), (3, 1)] if flat else [3, 4]))
        assert worker.expect_failure(Status.ITERATOR_FAILED, 1).message == "too late"
