"""What every backend promises, as tests."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import tempfile
import threading
import traceback
import warnings
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import (
    ExhaustedIteratorWarning,
    IterableClosedError,
    NotPicklableError,
    PassSupersededError,
    RemoteTraceback,
    WorkerInitializationError,
    WorkerIterationError,
)
from . import jobs
from .call_contract import CallContract
from .checks import raises, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._parent.iterable import RemoteIterable

T = TypeVar("T")


class BackendContract(CallContract):
    """Tests that every backend passes, also one whose worker does not run beside the parent.

    Subclass it in a module of tests, and say how a worker is started. Each method whose name begins
    with ``test_`` is a test; pytest finds them, and so does unittest if the subclass is a
    ``unittest.TestCase`` too.

    Example:
        >>> from farside import iterate_in_worker
        >>> from farside.testing import BackendContract
        >>> class TestInline(BackendContract):
        ...     def start(self, fn, **options):
        ...         return iterate_in_worker(fn, backend="inline", fallback=None, **options)
        >>> TestInline().test_any_number_of_passes()
    """

    many: int = 1200
    """How many items are taken one by one. Where each takes a call between machines, set less."""

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        """Start a worker of the kind that is tested, and of no other.

        Args:
            fn: as for `iterate_in_worker`.
            options: as for `iterate_in_worker`, without ``backend``.
        """
        raise NotImplementedError("say how a worker is started: iterate_in_worker(fn, backend=…)")

    # Passes ---------------------------------------------------------------------------------

    def test_any_number_of_passes(self) -> None:
        with self.start(partial(jobs.Numbers, 100)) as numbers:
            for _ in range(5):
                assert list(numbers) == list(range(100))

    def test_an_empty_iterable(self) -> None:
        with self.start(list[int]) as nothing:
            assert list(nothing) == []
            assert list(nothing) == []

    def test_leaving_after_one_item_many_times(self) -> None:
        with self.start(jobs.Endless) as numbers:
            for _ in range(300):
                for number in numbers:
                    assert number == 0
                    break
            assert next(iter(numbers)) == 0

    def test_buffer_sizes(self) -> None:
        for buffer_size in (1, 2, 3, 1000, 10**9, -1, None):
            with self.start(partial(jobs.Numbers, self.many), buffer_size=buffer_size) as numbers:
                assert list(numbers) == list(range(self.many))
                for number in numbers:
                    if number == self.many // 2:
                        break
                assert list(numbers) == list(range(self.many))

    def test_the_older_of_two_iterators_raises_and_the_newer_is_complete(self) -> None:
        for count in (3, 10_000):  # all items of the older may have arrived
            with self.start(partial(jobs.Numbers, count)) as numbers:
                older = iter(numbers)
                assert next(older) == 0
                newer = iter(numbers)
                with raises(PassSupersededError, "pass 1 was superseded by pass 2"):
                    next(older)
                assert list(newer) == list(range(count))

    def test_closing_an_iterator_leaves_the_pass(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "trace")
            with self.start(partial(jobs.LeavesTrace, trace)) as numbers:
                iterator = iter(numbers)
                assert next(iterator) == 0
                assert isinstance(iterator, Generator)
                iterator.close()
                assert next(iter(numbers)) == 0
                with open(trace) as file:
                    assert file.read().startswith("left\n")

    def test_async_for(self) -> None:
        async def loop() -> None:
            async with self.start(partial(jobs.Numbers, 100)) as numbers:
                for _ in range(2):
                    assert [number async for number in numbers] == list(range(100))
                async for number in numbers:
                    assert number == 0
                    break
                assert list(numbers) == list(range(100))

        asyncio.run(loop())

    def test_an_iterator_dropped_before_its_first_item_leaves_the_pass(self) -> None:
        with self.start(jobs.Endless) as numbers:
            for _ in range(100):
                iter(numbers)
            assert next(iter(numbers)) == 0

    def test_a_one_shot_iterator_that_is_used_up_warns(self) -> None:
        with self.start(partial(jobs.generate, 3)) as numbers:
            assert list(numbers) == [0, 1, 2]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                assert list(numbers) == []
            assert [each.category for each in caught] == [ExhaustedIteratorWarning]

    def test_a_one_shot_iterator_goes_on_where_it_was_left(self) -> None:
        with self.start(partial(jobs.generate, 1000), buffer_size=1) as numbers:
            assert next(iter(numbers)) == 0
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                rest = list(numbers)
            assert [each.category for each in caught] == [ExhaustedIteratorWarning]
            assert rest == list(range(rest[0], 1000))  # what was in the buffer is gone
            assert rest[0] <= 3

    def test_an_iterator_that_resets_itself_is_not_used_up(self) -> None:
        with self.start(partial(jobs.Resets, 3)) as numbers:
            assert list(numbers) == [0, 1, 2]
            assert list(numbers) == [0, 1, 2]

    def test_an_iterable_by_getitem(self) -> None:
        by_index: Any = jobs.ByIndex
        with self.start(by_index) as squares:
            assert list(squares) == [0, 1, 4]

    def test_two_threads_share_one_iterable(self) -> None:
        with self.start(partial(jobs.Numbers, 300)) as numbers:
            problems: list[str] = []

            def loop() -> None:
                for _ in range(20):
                    got, error = take(numbers)
                    if isinstance(error, PassSupersededError):
                        continue
                    if error is not None or got != list(range(300)):
                        problems.append(f"{error!r}, {len(got)} items, {got[:3]}")

            threads = [threading.Thread(target=loop) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert problems == []
            assert list(numbers) == list(range(300))

    # Items ----------------------------------------------------------------------------------

    def test_items_of_all_kinds_arrive_in_order(self) -> None:
        given: list[dict[str, Any]] = [{}, {"buffer_size": 1}, {"arena_bytes": 0}]
        for options in given:
            with self.start(partial(jobs.mixed, 500), **options) as items:
                got = list(items)
            assert len(got) == 500
            for number, item in enumerate(got):
                expected = jobs.mixed_item(number)
                assert item == expected
                assert type(item) is type(expected)

    def test_blocks_larger_than_any_buffer(self) -> None:
        with self.start(partial(jobs.Blocks, 5, 3_000_000)) as blocks:
            got = [(len(block), block[-1]) for block in blocks]
            assert got == [(3_000_000, number) for number in range(5)]

    def test_items_are_snapshots(self) -> None:
        with self.start(partial(jobs.reuse_one_list, 1000)) as items:
            assert [item[0] for item in items] == list(range(1000))

    def test_small_items_of_every_kind_are_snapshots(self) -> None:
        for options in ({}, {"buffer_size": 3}):
            with self.start(jobs.changing, **options) as items:
                got = list(items)
            for item, expected in zip(got, jobs.unchanged()):  # noqa: B905  compared below
                assert item == expected
                assert type(item) is type(expected)
                assert repr(item) == repr(expected)
                jobs.change(item)  # and so the items after it, if anything is there twice
            assert len(got) == len(list(jobs.unchanged()))

    def test_buffers_are_snapshots_and_writable(self) -> None:
        for nbytes in (100, 4096, 100_000):
            with self.start(partial(jobs.reuse_one_buffer, 50, nbytes)) as items:
                kept: list[Any] = list(items)
            for number, item in enumerate(kept):
                view = memoryview(item)
                assert bytes(view) == bytes([number]) * nbytes
                view[0] = 255
            assert [memoryview(item)[1] for item in kept] == list(range(50))

    def test_buffers_stay_for_as_long_as_they_are_kept(self) -> None:
        items = self.start(partial(jobs.Buffers, 100, 50_000), arena_bytes=1 << 20)
        iterator = iter(items)
        first = next(iterator)
        kept = [first, *iterator]
        again = list(items)
        del iterator, first
        items.close()
        del items
        gc.collect()
        for got in (kept, again):
            for number, item in enumerate(got):
                assert bytes(memoryview(item)) == bytes([number]) * 50_000

    # What is given --------------------------------------------------------------------------

    def test_what_plain_pickle_carries(self) -> None:
        factory = jobs.Factory(3)
        given: list[Callable[[], Iterable[int]]] = [
            factory,
            factory.method,
            jobs.Factory.of_class,
            jobs.Factory.static,
            partial(range, 3),
        ]
        for fn in given:
            with self.start(fn) as numbers:
                assert list(numbers) == [0, 1, 2]

    def test_initializers_run_in_order_before_fn(self) -> None:
        mark = f"{id(self)} "
        initializers = [partial(jobs.note, mark + "one"), partial(jobs.note, mark + "two")]
        with self.start(partial(jobs.notes, mark), initializer=initializers) as notes:
            assert list(notes) == [mark + "one", mark + "two"]
        jobs.NOTES.clear()  # an inline worker has left them here

    # Failures -------------------------------------------------------------------------------

    def test_next_fails_at_any_item(self) -> None:
        for index in (0, 1, 57):
            with self.start(partial(jobs.FailsAt, index, jobs.boom)) as numbers:
                got, error = take(numbers)
            assert got == list(range(index))
            assert str(error) == "boom-7"
            assert isinstance(error, WorkerIterationError)
            assert isinstance(error, jobs.TwoArguments)
            assert (error.first, error.second) == ("boom", 7)
            assert (error.stage, error.item_index) == ("next", index)

    def test_after_a_failure_iter_says_why(self) -> None:
        with self.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
            with raises(WorkerIterationError) as first:
                list(numbers)
            assert numbers.state == "closed"
            with raises(IterableClosedError) as second:
                iter(numbers)
            assert second.exception.__cause__ is first.exception

    def test_the_traceback_of_the_worker_is_readable(self) -> None:
        with self.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
            _, error = take(numbers)
        assert isinstance(error, WorkerIterationError)
        original = error.__cause__
        assert type(original) is jobs.TwoArguments
        assert isinstance(original.__cause__, RemoteTraceback)
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        assert "raise self.make()" in text
        assert "raise self.make()" in error.remote_traceback
        assert "_worker/" not in error.remote_traceback

    def test_the_error_pickles(self) -> None:
        with self.start(partial(jobs.FailsAt, 2, jobs.boom)) as numbers:
            _, error = take(numbers)
        again = pickle.loads(pickle.dumps(error))
        assert isinstance(again, jobs.TwoArguments)
        assert isinstance(again, WorkerIterationError)
        assert (again.first, again.stage, str(again)) == ("boom", "next", "boom-7")

    def test_iter_fails(self) -> None:
        with self.start(jobs.FailsInIter) as numbers:
            with raises(KeyError, "no iterator") as caught:
                list(numbers)
            assert isinstance(caught.exception, WorkerIterationError)
            assert caught.exception.stage == "iter"

    def test_fn_fails(self) -> None:
        with raises(jobs.TwoArguments, "fn-1") as caught:
            self.start(jobs.fail)
        assert isinstance(caught.exception, WorkerInitializationError)
        assert (caught.exception.stage, caught.exception.item_index) == ("fn", None)

    def test_an_initializer_fails(self) -> None:
        with raises(LookupError, "initializer") as caught:
            self.start(list, initializer=[gc.collect, jobs.fail_to_initialize])
        assert isinstance(caught.exception, WorkerInitializationError)
        assert caught.exception.stage == "initializer"
        for text in getattr(caught.exception, "__notes__", [])[:1]:  # Python 3.11+
            assert "initializer[1] failed in the " in text

    def test_fn_returns_no_iterable(self) -> None:
        with raises(TypeError, "fn returned int, which is not iterable; return a list"):
            self.start(jobs.not_iterable)

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
        """Let a worker raise something that the parent does not raise again."""
        with self.start(partial(jobs.FailsAt, 1, make)) as numbers:
            with raises(WorkerIterationError, text) as caught:
                list(numbers)
            assert not isinstance(caught.exception, (SystemExit, KeyboardInterrupt, GeneratorExit))
            assert caught.exception.original_type == name
            assert name.rpartition(".")[2] in caught.exception.remote_traceback

    def test_an_exception_that_has_no_text(self) -> None:
        with self.start(partial(jobs.FailsAt, 1, jobs.hostile)) as numbers:
            got, error = take(numbers)
        assert got == [0]
        assert isinstance(error, WorkerIterationError)
        assert "Hostile" in error.original_type
        assert "raise self.make()" in error.remote_traceback

    def test_an_item_that_does_not_pickle(self) -> None:
        fn = partial(map, partial(jobs.after_two, refuse=jobs.RefusesToPickle), range(5))
        with self.start(fn) as items:
            got, error = take(items)
        assert got == [0, 1]
        assert isinstance(error, NotPicklableError)
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
        assert isinstance(error, NotPicklableError)
        assert "item of index 2" in str(error)
        assert isinstance(error.__cause__, OSError)

    def test_a_failure_in_a_pass_that_was_left(self) -> None:
        with self.start(partial(jobs.FailsAt, 5, jobs.boom)) as numbers:
            for number in numbers:
                assert number == 0
                break
            # It may arrive with the first item, with the next pass, or in it.
            with raises((jobs.TwoArguments, IterableClosedError)) as caught:
                list(numbers)
            error: BaseException = caught.exception
            told = error.__cause__ if isinstance(error, IterableClosedError) else error
            assert isinstance(told, jobs.TwoArguments)

    # The end --------------------------------------------------------------------------------

    def test_states(self) -> None:
        with self.start(jobs.Endless) as numbers:
            states = [numbers.state]
            iterator = iter(numbers)
            next(iterator)
            states.append(numbers.state)
            del iterator
            states.append(numbers.state)
            assert states == ["stand by", "iteration", "stopping"]
            assert f"backend={numbers.backend!r} worker='" in repr(numbers)
        assert numbers.state == "closed"
        assert "state='closed'" in repr(numbers)

    def test_a_closed_iterable_refuses_to_iterate(self) -> None:
        for how in ("close", "terminate"):
            numbers = self.start(partial(jobs.Numbers, 1000))
            iterator = iter(numbers)
            assert next(iterator) == 0
            getattr(numbers, how)()
            numbers.close()
            with raises(IterableClosedError, "closed"):
                list(iterator)
            with raises(IterableClosedError, "make a new one"):
                iter(numbers)

    def test_dropping_the_iterable(self) -> None:
        assert list(self.start(partial(jobs.Numbers, 10))) == list(range(10))
        for number in self.start(jobs.Endless):
            assert number == 0
            break
