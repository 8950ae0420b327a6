"""The tests that every backend has to pass."""

from __future__ import annotations

import asyncio
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any

from ..errors import ExhaustedIteratorWarning, IterableClosedError, PassSupersededError
from . import jobs
from .call_contract import CallContract
from .checks import Background, raises, take
from .failure_contract import FailureContract
from .item_contract import ItemContract


class BackendContract(CallContract, FailureContract, ItemContract):
    """Tests that every backend passes, even one whose worker does not run beside the parent.

    Subclass it in a module of tests, and override ``start``, which starts a worker. Each method
    whose name begins with ``test_`` is a test; pytest finds them, and so does unittest if the
    subclass is also a ``unittest.TestCase``.

    Example:
        >>> from farside import iterate_in_worker
        >>> from farside.testing import BackendContract
        >>> class TestInline(BackendContract):
        ...     def start(self, fn, **options):
        ...         return iterate_in_worker(fn, backend="inline", fallback=None, **options)
        >>> TestInline().test_any_number_of_passes()
    """

    many: int = 1200
    """How many items are taken one by one. Set fewer if each takes a call between machines."""

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
        with (
            tempfile.NamedTemporaryFile() as trace,
            self.start(partial(jobs.Counted, trace.name)) as numbers,
        ):
            iterator = iter(numbers)
            assert next(iterator) == 0
            assert isinstance(iterator, Generator)
            iterator.close()
            assert next(iter(numbers)) == 0
            assert b"\n" in trace.read()

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

    def test_a_thread_takes_the_items(self) -> None:
        with self.start(partial(jobs.Numbers, 5)) as numbers:
            iterator = numbers.in_thread(str)
            assert [next(iterator), next(iterator)] == ["0", "1"]
            assert numbers.state_dict()["begun"] == [[0, 2]]
            assert list(iterator) == ["2", "3", "4"]
            assert next(numbers.in_thread()) == 0
            assert list(numbers.in_thread(ahead=10)) == [0, 1, 2, 3, 4]

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
            assert rest == list(range(rest[0], 1000))  # items that were in the buffer are lost
            assert rest[0] <= 3

    def test_an_iterator_that_resets_itself_is_not_used_up(self) -> None:
        with self.start(partial(jobs.Resets, 3)) as numbers:
            assert list(numbers) == [0, 1, 2]
            assert list(numbers) == [0, 1, 2]

    def test_an_iterable_by_getitem(self) -> None:
        by_index: Any = jobs.ByIndex
        with self.start(by_index) as squares:
            assert list(squares) == [0, 1, 4]

    def test_threads_share_one_iterable(self) -> None:
        with self.start(partial(jobs.Numbers, 300)) as numbers:

            def loop() -> None:
                for _ in range(20):
                    got, error = take(numbers)
                    if not isinstance(error, PassSupersededError):
                        assert (got, error) == (list(range(300)), None)

            for each in [Background(loop) for _ in range(3)]:
                each.result()
            assert list(numbers) == list(range(300))

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
