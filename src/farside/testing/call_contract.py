"""The tests of calls between passes that every backend has to pass."""

from __future__ import annotations

import sys
from functools import partial

from ..errors import CallFailedError, IterableClosedError, NotPicklableError, PassOpenError
from . import jobs
from .checks import StartsWorkers, raises


class CallContract(StartsWorkers):
    """Tests of `RemoteIterable.call` and ``len()``; a part of `BackendContract`."""

    def test_a_call_returns_what_the_method_does(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            assert shelf.call("add", 2) == 5
            assert shelf.call("add", count=1) == 6
            assert shelf.call("__getattribute__", "count") == 6
            assert list(shelf) == list(range(6))
            assert shelf.call("add", -5) == 1
            assert list(shelf) == [0]

    def test_large_arguments_and_results(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            for size in (0, 10_000, 3_000_000):
                for kind in (bytes, bytearray):
                    got = shelf.call("echo", kind(size))
                    assert got == kind(size)
                    assert type(got) is kind
            kept = [shelf.call("echo", bytearray(b"x") * 1_000_000) for _ in range(20)]
            assert all(each == kept[0] for each in kept)
            assert list(shelf) == [0, 1, 2]

    def test_a_method_that_raises_leaves_the_worker_usable(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            with raises(jobs.TwoArguments) as caught:
                shelf.call("make", what=jobs.fail)
            error = caught.exception
            assert isinstance(error, CallFailedError)
            assert isinstance(error, jobs.TwoArguments)
            assert (error.stage, error.method, error.item_index) == ("call", "make", None)
            assert (error.first, error.second) == ("boom", 7)
            assert isinstance(error.__cause__, jobs.TwoArguments)
            assert "raise make()" in error.remote_traceback
            assert shelf.state == "stand by"
            assert list(shelf) == [0, 1, 2]
            assert shelf.call("add", 1) == 4

    def test_system_exit_in_a_method_is_a_failure_of_the_call(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            with raises(CallFailedError, "SystemExit"):
                shelf.call("make", sys.exit)
            assert list(shelf) == [0, 1, 2]

    def test_there_is_no_such_method(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            with raises(AttributeError, "Shelf, which fn .*, has no method 'nothing'") as caught:
                shelf.call("nothing")
            assert isinstance(caught.exception, CallFailedError)
            with raises(TypeError, "__getattribute__"):
                shelf.call("count")
            with raises(TypeError):
                shelf.call(3)  # type: ignore[arg-type]  # which is the point
            assert list(shelf) == [0, 1, 2]

    def test_what_does_not_pickle_leaves_the_worker_usable(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            with raises(NotPicklableError) as caught:
                shelf.call("echo", jobs.RefusesToPickle())
            told = str(caught.exception)
            assert "the arguments of 'echo' cannot be sent" in told
            assert "args[0]: farside.testing.jobs.RefusesToPickle does not" in told
            with raises(NotPicklableError, "what 'make' returned cannot be sent"):
                shelf.call("make", jobs.RefusesToPickle)
            assert list(shelf) == [0, 1, 2]

    def test_what_does_not_unpickle_leaves_the_worker_usable(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            with raises(CallFailedError) as caught:
                shelf.call("echo", jobs.RefusesToLoad())
            assert caught.exception.stage == "arguments"
            with raises(NotPicklableError, "does not unpickle here"):
                shelf.call("make", jobs.RefusesToLoad)
            assert list(shelf) == [0, 1, 2]

    def test_no_call_while_an_iterator_is_open(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            iterator = iter(shelf)
            for taken in (0, 1, 2):  # also when the worker has finished the pass
                with raises(PassOpenError, "cannot be called while an iterator"):
                    shelf.call("add", 1)
                assert next(iterator) == taken
            assert next(iterator, None) is None
            assert shelf.call("add", 1) == 4

    def test_a_call_after_a_loop_that_was_left_waits_for_stand_by(self) -> None:
        with self.start(partial(jobs.EndlessShelf, 0)) as shelf:
            for round_ in range(30):
                for item in shelf:
                    assert item == 0
                    break
                assert shelf.call("add", 1) == round_ + 1

    def test_a_closed_iterable_takes_no_calls(self) -> None:
        shelf = self.start(partial(jobs.Shelf, 3))
        shelf.close()
        with raises(IterableClosedError):
            shelf.call("add", 1)
        assert len(shelf) == 3

    def test_length(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            assert len(shelf) == 3
            iterator = iter(shelf)
            assert (next(iterator), len(shelf), list(iterator)) == (0, 3, [1, 2])
            assert list(shelf) == [0, 1, 2]
            shelf.call("add", -3)
            assert len(shelf) == 0
            assert shelf
            assert list(shelf) == []

    def test_no_length(self) -> None:
        for fn in (jobs.Endless, jobs.UnsureOfLength, partial(jobs.generate, 3)):
            with self.start(fn) as items:
                with raises(TypeError, r"has no len\(\)"):
                    len(items)
                assert items
        with self.start(jobs.UnsureOfLength) as items:
            assert list(items) == [1, 2]

    def test_the_stack_of_an_idle_worker(self) -> None:
        with self.start(partial(jobs.Shelf, 3)) as shelf:
            assert "the thread" in shelf.dump_stack()
            assert list(shelf) == [0, 1, 2]
            next(iter(shelf))
            assert "the thread" in shelf.dump_stack()
