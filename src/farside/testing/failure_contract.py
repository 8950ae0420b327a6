"""The tests of failures that every backend has to pass."""

from __future__ import annotations

import gc
import pickle
import traceback
from collections.abc import Callable
from functools import partial

from .. import errors
from . import jobs
from .checks import StartsWorkers, raises, take


class FailureContract(StartsWorkers):
    """Tests of what the parent raises after a failure; a part of `BackendContract`."""

    def test_next_fails_at_any_item(self) -> None:
        for index in (0, 1, 57):
            with self.start(partial(jobs.FailsAt, index, jobs.boom)) as numbers:
                got, error = take(numbers)
            assert got == list(range(index))
            assert str(error) == "boom-7"
            assert isinstance(error, errors.WorkerIterationError)
            assert isinstance(error, jobs.TwoArguments)
            assert (error.first, error.second) == ("boom", 7)
            assert (error.stage, error.item_index) == ("next", index)

    def test_after_a_failure_iter_says_why(self) -> None:
        with self.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
            with raises(errors.WorkerIterationError) as first:
                list(numbers)
            assert numbers.state == "closed"
            with raises(errors.IterableClosedError) as second:
                iter(numbers)
            assert second.exception.__cause__ is first.exception

    def test_the_traceback_of_the_worker_is_readable(self) -> None:
        with self.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
            _, error = take(numbers)
        assert isinstance(error, errors.WorkerIterationError)
        original = error.__cause__
        assert type(original) is jobs.TwoArguments
        assert isinstance(original.__cause__, errors.RemoteTraceback)
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        assert "raise self.make()" in text
        assert "raise self.make()" in error.remote_traceback
        assert "_worker/" not in error.remote_traceback

    def test_the_error_pickles(self) -> None:
        with self.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
            _, error = take(numbers)
        again = pickle.loads(pickle.dumps(error))
        assert isinstance(again, jobs.TwoArguments)
        assert isinstance(again, errors.WorkerIterationError)
        assert (again.first, again.stage, str(again)) == ("boom", "next", "boom-7")

    def test_iter_fails(self) -> None:
        with self.start(jobs.FailsInIter) as numbers:
            with raises(KeyError, "no iterator") as caught:
                list(numbers)
            assert isinstance(caught.exception, errors.WorkerIterationError)
            assert caught.exception.stage == "iter"

    def test_fn_fails(self) -> None:
        with raises(jobs.TwoArguments, "boom-7") as caught:
            self.start(jobs.fail)
        assert isinstance(caught.exception, errors.WorkerInitializationError)
        assert (caught.exception.stage, caught.exception.item_index) == ("fn", None)

    def test_an_initializer_fails(self) -> None:
        with raises(LookupError, "initializer") as caught:
            fails = partial(jobs.fail, partial(LookupError, "initializer"))
            self.start(list, initializer=[gc.collect, fails])
        assert isinstance(caught.exception, errors.WorkerInitializationError)
        assert caught.exception.stage == "initializer"
        for text in getattr(caught.exception, "__notes__", [])[:1]:  # Python 3.11+
            assert "initializer[1] failed in the " in text

    def test_fn_returns_no_iterable(self) -> None:
        with raises(TypeError, "fn returned int, which is not iterable; return a list"):
            self.start(int)  # type: ignore[arg-type]  # which is the point

    def test_what_cannot_be_raised_again_arrives_as_text(self) -> None:
        given: list[tuple[Callable[[], BaseException], str, str]] = [
            (partial(SystemExit, 3), "SystemExit", "3"),
            (partial(GeneratorExit, "left"), "GeneratorExit", "left"),
            (partial(jobs.Unpicklable, "text"), "farside.testing.jobs.Unpicklable", "text"),
            (partial(jobs.Unloadable, "text"), "farside.testing.jobs.Unloadable", "text"),
        ]
        for make, name, text in given:
            self.check_arrives_as_text(make, name, text)

    def check_arrives_as_text(
        self, make: Callable[[], BaseException], name: str, text: str
    ) -> None:
        """Check an exception of the worker that the parent does not raise again as such."""
        with self.start(partial(jobs.FailsAt, 1, make)) as numbers:
            with raises(errors.WorkerIterationError, text) as caught:
                list(numbers)
            assert not isinstance(caught.exception, (SystemExit, KeyboardInterrupt, GeneratorExit))
            assert caught.exception.original_type == name
            assert name.rpartition(".")[2] in caught.exception.remote_traceback

    def test_an_exception_that_has_no_text(self) -> None:
        with self.start(partial(jobs.FailsAt, 1, jobs.hostile)) as numbers:
            got, error = take(numbers)
        assert got == [0]
        assert isinstance(error, errors.WorkerIterationError)
        assert "Hostile" in error.original_type
        assert "raise self.make()" in error.remote_traceback

    def test_an_item_that_does_not_pickle(self) -> None:
        fn = partial(map, partial(jobs.after_two, refuse=jobs.RefusesToPickle), range(5))
        with self.start(fn) as items:
            got, error = take(items)
        assert got == [0, 1]
        assert isinstance(error, errors.NotPicklableError)
        assert error.item_index == 2
        assert "item of index 2" in str(error)
        assert "item: farside.testing.jobs.RefusesToPickle does not pickle" in str(error)
        assert "refuses to pickle" in str(error)

    def test_an_item_that_does_not_unpickle(self) -> None:
        fn = partial(map, partial(jobs.after_two, refuse=jobs.RefusesToLoad), range(5))
        with self.start(fn) as items:
            got, error = take(items)
            assert items.state == "closed"
        assert got == [0, 1]
        assert isinstance(error, errors.NotPicklableError)
        assert "item of index 2" in str(error)
        assert isinstance(error.__cause__, OSError)

    def test_a_failure_in_a_pass_that_was_left(self) -> None:
        with self.start(partial(jobs.FailsAt, 5, jobs.boom)) as numbers:
            for number in numbers:
                assert number == 0
                break
            # The failure may arrive with the first item, with the next pass, or during that pass.
            with raises((jobs.TwoArguments, errors.IterableClosedError)) as caught:
                list(numbers)
            error: BaseException = caught.exception
            told = error.__cause__ if isinstance(error, errors.IterableClosedError) else error
            assert isinstance(told, jobs.TwoArguments)
