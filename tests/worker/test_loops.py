"""What the loops that make items do when something strikes in their midst."""

from __future__ import annotations

import pickle
import sys
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from farside._protocol.messages import Cmd, Status
from farside._worker import loops
from farside._worker.mapper import Mapper
from farside._worker.outbox import Outbox
from tests import mapping_jobs as jobs
from tests.jumps import StruckError, struck
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


@pytest.mark.parametrize("kind", ["items", "results"])
def test_what_strikes_as_a_loop_begins_again_fails_the_pass(kind: str) -> None:
    number, failures = 0, list[BaseException]()
    while True:
        make = _of_items(failures) if kind == "items" else _of_results(failures)
        assert not struck(number, make, loops)
        if not failures:
            break
        assert [type(error) for error in failures] == [StruckError]
        failures.clear()
        number += 1
    assert number >= 6 or sys.version_info < (3, 13)  # before that, `struck` finds no jumps


def _of_items(failures: list[BaseException]) -> Callable[[], object]:
    maker = _maker(failures)
    maker.iterator, maker.source = iter([1, "text", [2], None, {"a": 1}, 3]), iter
    return partial(loops.make_items, maker)


def _of_results(failures: list[BaseException]) -> Callable[[], object]:
    batches = iter([iter([1, "text", [2]]), iter([None, {"a": 1}, 3]), None])
    mapper: Any = SimpleNamespace(
        function=lambda given: given,
        timed=True,
        begun=[0, 0, 0],
        plain=True,
        next_batch=lambda _: next(batches),
    )
    return partial(loops.make_results, _maker(failures), mapper)


def _maker(failures: list[BaseException]) -> Any:
    def take_failure(error: BaseException, _: object) -> str:
        failures.append(error)
        return loops.LEFT

    outbox = SimpleNamespace(
        put=lambda _: False,
        entries=[],
        copies={},
        rows=SimpleNamespace(kind=dict, add=lambda *_: True),
        short=10,
    )
    return SimpleNamespace(
        made=0,
        outbox=outbox,
        look_up=lambda made: made + 2,
        watched=[0],
        looking=False,
        take_failure=take_failure,
        at_end=lambda: loops.OVER,
    )
