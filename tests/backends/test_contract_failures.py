"""What every kind of worker promises about failures of user code."""

from __future__ import annotations

import pickle
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING

import pytest

from farside import (
    IterableClosedError,
    NotPicklableError,
    RemoteTraceback,
    WorkerInitializationError,
    WorkerIterationError,
    WorkerTimeoutError,
)
from tests import jobs
from tests.kinds import take

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kinds import Kind


@pytest.mark.parametrize("index", [0, 1, 57])
def test_next_fails_at_any_item(kind: Kind, index: int) -> None:
    with kind.start(partial(jobs.FailsAt, index, jobs.boom)) as numbers:
        got, error = take(numbers)
    assert got == list(range(index))
    assert str(error) == "boom-7"
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, RuntimeError)
    assert isinstance(error, jobs.TwoArguments)
    assert (error.first, error.second) == ("boom", 7)
    assert (error.stage, error.item_index) == ("next", index)


def test_after_a_failure_iter_says_why(kind: Kind) -> None:
    with kind.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
        with pytest.raises(WorkerIterationError) as first:
            list(numbers)
        assert numbers.state == "closed"
        with pytest.raises(IterableClosedError) as second:
            iter(numbers)
        assert second.value.__cause__ is first.value


def test_the_workers_traceback_is_readable(kind: Kind) -> None:
    with kind.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
        _, error = take(numbers)
    assert isinstance(error, WorkerIterationError)
    original = error.__cause__
    assert type(original) is jobs.TwoArguments
    assert isinstance(original.__cause__, RemoteTraceback)
    text = "".join(traceback.format_exception(error))
    assert "raise self.make()" in text
    assert "raise self.make()" in error.remote_traceback
    assert "_worker/execute.py" not in text


def test_the_error_pickles(kind: Kind) -> None:
    with kind.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
        _, error = take(numbers)
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, jobs.TwoArguments)
    assert isinstance(again, WorkerIterationError)
    assert (again.first, again.stage, str(again)) == ("boom", "next", "boom-7")


def test_iter_fails(kind: Kind) -> None:
    with kind.start(jobs.FailsInIter) as numbers:
        with pytest.raises(KeyError, match="no iterator") as caught:
            list(numbers)
        assert isinstance(caught.value, WorkerIterationError)
        assert caught.value.stage == "iter"


def test_fn_fails(kind: Kind) -> None:
    with pytest.raises(jobs.TwoArguments, match="fn-1") as caught:
        kind.start(jobs.fail)
    assert isinstance(caught.value, WorkerInitializationError)
    assert (caught.value.stage, caught.value.item_index) == ("fn", None)


def test_initializer_fails(kind: Kind) -> None:
    with pytest.raises(LookupError, match="initializer") as caught:
        kind.start(list, initializer=[jobs.note_one, jobs.fail_to_initialize])
    assert isinstance(caught.value, WorkerInitializationError)
    assert caught.value.stage == "initializer"
    if sys.version_info >= (3, 11):
        assert "initializer[1] failed in the " in caught.value.__notes__[0]


def test_fn_returns_no_iterable(kind: Kind) -> None:
    with pytest.raises(TypeError, match="fn returned int, which is not iterable; return a list"):
        kind.start(jobs.not_iterable)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "name", "text"),
    [
        (jobs.system_exit, "SystemExit", "3"),
        (jobs.keyboard_interrupt, "KeyboardInterrupt", "not by a keyboard"),
        (jobs.generator_exit, "GeneratorExit", "left"),
        (jobs.unpicklable, "tests.jobs.Unpicklable", "holds a function"),
        (jobs.unloadable, "tests.jobs.Unloadable", "was fine in the worker"),
    ],
)
def test_what_cannot_be_raised_again_arrives_as_text(
    kind: Kind, make: Callable[[], BaseException], name: str, text: str
) -> None:
    with kind.start(partial(jobs.FailsAt, 1, make)) as numbers:
        with pytest.raises(WorkerIterationError, match=text) as caught:
            list(numbers)
        assert isinstance(caught.value, Exception)
        assert not isinstance(caught.value, (SystemExit, KeyboardInterrupt, GeneratorExit))
        assert name in caught.value.original_type
        assert name.rpartition(".")[2] in caught.value.remote_traceback


def test_item_that_does_not_pickle(kind: Kind) -> None:
    with kind.start(partial(jobs.YieldsLambdaAt, 3)) as items:
        got, error = take(items)
    assert got == [0, 1, 2]
    assert isinstance(error, NotPicklableError)
    assert error.item_index == 3
    assert "item of index 3" in str(error)
    assert "refuses to pickle" in str(error)


def test_item_that_does_not_unpickle(kind: Kind) -> None:
    with kind.start(partial(map, jobs.after_two, range(5))) as items:
        got, error = take(items)
        assert items.state == "closed"
    assert got == [0, 1]
    assert isinstance(error, NotPicklableError)
    assert "item of index 2" in str(error)
    assert isinstance(error.__cause__, OSError)


def test_timeout_of_an_item(kind: Kind) -> None:
    with kind.start(partial(jobs.Spins, 2), timeout=2) as numbers:
        iterator = iter(numbers)
        assert [next(iterator), next(iterator)] == [0, 1]
        with pytest.raises(TimeoutError, match="after the item of index 1") as caught:
            next(iterator)
        assert isinstance(caught.value, WorkerTimeoutError)
        assert (caught.value.seconds, caught.value.last_index) == (2.0, 1)
        assert numbers.state == "closed"


def test_timeout_of_the_initialization(kind: Kind) -> None:
    with pytest.raises(WorkerTimeoutError, match="initialization did not end within timeout=1"):
        kind.start(list, initializer=jobs.spin, timeout=1)


def test_a_failure_in_a_pass_that_was_left_is_told_by_the_next(kind: Kind) -> None:
    with kind.start(partial(jobs.FailsAt, 5, jobs.boom)) as numbers:
        for number in numbers:
            assert number == 0
            break
        # The failure may arrive with the first item, with the next pass, or in it.
        with pytest.raises((jobs.TwoArguments, IterableClosedError)) as caught:
            list(numbers)
        error = caught.value
        told = error.__cause__ if isinstance(error, IterableClosedError) else error
        assert isinstance(told, jobs.TwoArguments)


def test_an_exception_that_has_no_text(kind: Kind) -> None:
    with kind.start(partial(jobs.FailsAt, 1, jobs.hostile)) as numbers:
        got, error = take(numbers)
    assert got == [0]
    assert isinstance(error, WorkerIterationError)
    assert "Hostile" in error.original_type
    assert "raise self.make()" in error.remote_traceback
