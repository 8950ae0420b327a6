"""What a worker does with the inputs of a map, without a worker."""

from __future__ import annotations

import pickle
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from farside import ReplayDivergedError
from farside._link.control import begun_word, total_of
from farside._payload.items import Mark
from farside._protocol.messages import Cmd, Status
from farside._protocol.order import shard_seed
from farside._worker.mapper import Mapper
from farside._worker.passing import Skips
from tests import mapping_jobs as jobs
from tests.background import Background
from tests.worker.calling import go_on
from tests.worker.harness import Counts, executing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PASS = 3


def make(function: Callable[..., Any], **options: bool) -> Mapper:
    mapper = Mapper(function, None, **options)()
    mapper.begun, mapper.number = [0, 0, 0], _PASS
    mapper.skips = Skips(repr, repr, lambda: False)
    return mapper


def begin(mapper: Mapper, total: int = 10) -> Iterator[Any]:
    """Begin a pass; return its results, which are made as they are taken."""
    results = mapper.begin((total, False), 2, 7)
    return go_on(mapper) if mapper.calls else results


def run(mapper: Mapper, *batches: tuple[int, int, bool, list[Any]]) -> list[Any]:
    results = begin(mapper)
    mapper.add(batches)
    return list(results)


def test_it_calls_the_function_and_is_out_of_tasks_then() -> None:
    mapper = make(jobs.square)
    assert run(mapper, (0, 0, True, [1, 2]), (2, 0, True, [3])) == [1, 4, 9]
    assert mapper.out_of_tasks
    mapper.add([(3, 0, True, [4])])
    assert not mapper.out_of_tasks
    assert list(go_on(mapper)) == [16]


@pytest.mark.parametrize("flat", [False, True])
def test_inputs_may_come_as_a_range(*, flat: bool) -> None:
    mapper = make(jobs.count_to if flat else jobs.fail_at_threes, flat=flat)
    results = begin(mapper)
    mapper.add([(1, 0, True, range(1, 3)), (3, 0, True, range(4, 5))])
    if flat:
        found = [each for each in results if not isinstance(each, Mark)]
        assert found == [(number, each) for number in (1, 2, 4) for each in range(number)]
    else:
        assert list(results) == [1, 2, 4]
    assert mapper.where()[0] == 3


def test_it_gives_back_what_it_has_not_begun() -> None:
    mapper = make(jobs.square)
    results = begin(mapper)
    mapper.add([(0, 0, True, [1]), (1, 0, True, [2]), (2, 0, True, [3])])
    assert next(results) == 1
    assert mapper.take_back() == [(2, 0, True, [3]), (1, 0, True, [2])]
    assert mapper.take_back() == []
    assert list(results) == []
    assert mapper.out_of_tasks
    mapper.add([(3, 0, True, [4])])
    assert list(go_on(mapper)) == [16]


def test_what_another_thread_takes_back_is_not_run() -> None:
    mapper, count = make(jobs.same), 20_000
    results = begin(mapper, count)
    mapper.add([(number, 0, True, [number]) for number in range(count)])
    ran = [next(results)]
    taking = Background(mapper.take_back)
    ran += results
    returned = [first for first, *_ in taking.result()]
    assert sorted([*ran, *returned]) == [*range(count)]


def test_it_says_which_input_it_has_begun() -> None:
    begun = []

    def note(number: int) -> int:
        begun.append((total_of(begun_word(mapper.begun), _PASS) - 1, mapper.where()))
        return number

    mapper = make(note)
    run(mapper, (4, 0, True, [0, 0]), (9, 0, False, [pickle.dumps("x")]))
    assert [index for index, _ in begun] == [4, 5, 9]
    assert [where for _, where in begun] == [
        (index, 10, shard_seed(7, 2, index)) for index in (4, 5, 9)
    ]
    assert mapper.begun[1] == 0


@pytest.mark.parametrize("flat", [False, True])
def test_it_says_so_too_after_an_input_that_has_failed(*, flat: bool) -> None:
    begun = []

    def note(number: int) -> Any:
        begun.append(total_of(begun_word(mapper.begun), _PASS) - 1)
        if number == 1:
            raise ValueError(number)
        return [number] if flat else number

    mapper = make(note, flat=flat)
    results = begin(mapper)
    mapper.add([(4, 0, True, [0, 1, 2, 3]), (8, 0, True, [4])])
    with pytest.raises(ValueError, match="1"):
        list(results)
    assert mapper.failed_alone(1) == 5
    made = list(go_on(mapper, 2))
    assert [each for each in made if not isinstance(each, Mark)] == [2, 3, 4]
    assert begun == [4, 5, 6, 7, 8]


def test_it_says_when_it_has_begun_if_that_is_asked_for() -> None:
    mapper = make(jobs.count_to, timed=True, flat=True)
    results = begin(mapper)
    mapper.add([(0, 0, True, [3])])
    times = [mapper.begun[1] for each in results if not isinstance(each, Mark)]
    assert 0 < times[0] < times[1] < times[2]
    mapper.run_clock(False)
    assert mapper.begun[1] == 0


def test_it_goes_on_after_an_input_that_has_failed() -> None:
    mapper = make(jobs.fail_at_threes)
    results = begin(mapper)
    mapper.add([(0, 0, True, [1, 3, 5]), (3, 0, True, [6, 7])])
    assert next(results) == 1
    with pytest.raises(ValueError, match="3"):
        next(results)
    assert mapper.where()[0] == 1
    results = go_on(mapper)
    assert next(results) == 5
    with pytest.raises(ValueError, match="6"):
        next(results)
    assert list(go_on(mapper)) == [7]
    assert mapper.out_of_tasks


@pytest.mark.parametrize("last", [[], [2]])
def test_stop_iteration_is_a_failure_of_its_input(last: list[int]) -> None:
    mapper = make(jobs.stop_at_one)
    results = begin(mapper)
    mapper.add([(0, 0, True, [0, 1, *last])])
    assert next(results) == 0
    with pytest.raises(RuntimeError, match="function raised StopIteration"):
        next(results)
    assert mapper.failed_alone(1) == 1
    assert list(go_on(mapper)) == last


def test_what_strikes_between_two_inputs_is_blamed_on_none() -> None:
    with executing(Mapper(jobs.square), buffer_size=1) as worker:
        strikes = [TimeoutError("too late")]
        wait = worker.link.wait_for_credit
        worker.link.wait_for_credit = lambda *given: (  # type: ignore[method-assign]
            raise_it(strikes.pop()) if strikes else wait(*given)
        )
        plan = pickle.dumps((0, 0, (0, 0), (3, False)))
        worker.say(Cmd.START_ITERATION, 1, plan)
        worker.expect(Status.ITERATION_STARTED, 1)
        worker.say(Cmd.GIVE_TASKS, 1, pickle.dumps([(0, 0, True, [1, 2, 3])]))
        worker.expect_items(1, 1, 4)
        failure = worker.expect_failure(Status.ITERATOR_FAILED, 1)
        assert failure.message == "too late"


@pytest.mark.parametrize("flat", [False, True])
def test_an_input_that_is_answered_is_blamed_for_nothing(*, flat: bool) -> None:
    mapper = make(jobs.count_to if flat else jobs.square, flat=flat)
    for _ in range(2):
        results = begin(mapper)
        mapper.add([(0, 0, True, [1]), (1, 0, False, [pickle.dumps(1)])])
        assert mapper.failed_alone(0) is None
        made = 0
        for index in range(2):
            next(results)
            made += 1
            assert mapper.failed_alone(made - 1) == index
            if flat:
                next(results)
                made += 1
            assert mapper.failed_alone(made) is None


def raise_it(error: Exception) -> NoReturn:
    raise error


def test_a_flat_input_goes_on_after_what_has_arrived() -> None:
    results = run(make(jobs.count_to, flat=True), (2, 2, True, [3, 1]))
    assert [each if isinstance(each, tuple) else None for each in results] == [
        (3, 2), None, (1, 0), None
    ]  # fmt: skip


def test_a_flat_input_that_has_fewer_results_than_before_is_refused() -> None:
    with pytest.raises(ReplayDivergedError, match="index 2 ended after 3 items, where 4 were read"):
        run(make(jobs.count_to, flat=True), (2, 4, True, [3, 1]))


def test_an_input_that_fails_takes_what_was_to_be_skipped_of_it_along() -> None:
    mapper = make(jobs.count_to, flat=True)
    results = begin(mapper)
    mapper.add([(0, 2, False, [b"no pickle", pickle.dumps(3)])])
    with pytest.raises(pickle.UnpicklingError):
        next(results)
    assert mapper.failed_alone(0) == 0
    found = [each for each in go_on(mapper) if not isinstance(each, Mark)]
    assert found == [(3, 0), (3, 1), (3, 2)]


def test_each_result_that_is_skipped_is_counted_and_has_its_own_time() -> None:
    times: list[int] = []

    def three() -> Any:
        for each in range(3):
            times.append(mapper.begun[1])
            yield each

    told: list[Any] = []
    mapper = make(lambda _: three(), flat=True, timed=True)
    mapper.skips = Skips(told.append, repr, lambda: False)
    results = begin(mapper)
    mapper.add([(0, 2, True, [5])])
    assert [each for each in results if not isinstance(each, Mark)] == [2]
    assert times == sorted(set(times))
    assert [each[:2] for each in told] == [(2, 2)]


class Large:
    """A result of which it shows whether something has it."""


@pytest.mark.parametrize("timed", [False, True])
def test_nothing_has_a_result_while_the_next_one_is_made(*, timed: bool) -> None:
    held: list[bool] = []

    def make_each(_: int) -> Any:
        for _ in range(3):
            each = Large()
            latest = weakref.ref(each)
            yield each
            del each
            held.append(latest() is not None)

    mapper = make(make_each, flat=True, timed=timed)
    results = begin(mapper)
    mapper.add([(0, 0, True, [5])])
    for each in results:
        del each
    assert held == [False] * 3


def test_no_clock_runs_when_the_pass_was_left() -> None:
    mapper = make(jobs.square, timed=True)
    results = begin(mapper)
    mapper.add([(0, 0, True, [5, 6])])
    next(results)
    assert mapper.begun[1] > 0
    mapper.leave()
    assert mapper.begun[1] == 0


def test_leaving_closes_what_is_open() -> None:
    closed = []

    def numbers(_: int) -> Any:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    mapper = make(numbers, flat=True)
    results = begin(mapper)
    mapper.add([(0, 0, True, [0, 0]), (2, 0, True, [0])])
    assert next(results) == 1
    mapper.leave()
    assert closed == [True]
    assert run(mapper, (0, 0, True, [])) == []


class Unpicklable:
    """What raises StopIteration as it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return next, (iter(()),)


@pytest.mark.parametrize("flat", [False, True])
def test_an_input_whose_unpickling_stops_fails_alone(*, flat: bool) -> None:
    entries = [pickle.dumps(each, 5) for each in (1, Unpicklable(), 2)]
    mapper = make(jobs.count_to if flat else jobs.square, flat=flat)
    results = begin(mapper)
    mapper.add([(0, 0, False, entries)])
    with pytest.raises(RuntimeError, match="unpickling the input raised StopIteration"):
        list(results)
    assert mapper.stage == "input"
    assert mapper.failed_alone(2 if flat else 1) == 1
    assert [each for each in go_on(mapper) if type(each) is not Mark] == (
        [(2, 0), (2, 1)] if flat else [4]
    )
    assert mapper.stage == "function"


def test_a_function_that_fails_after_an_input_that_has_not_loaded() -> None:
    mapper = make(jobs.fail_at_threes)
    results = begin(mapper)
    mapper.add([(0, 0, False, [pickle.dumps(Unpicklable(), 5)]), (1, 0, True, [3])])
    with pytest.raises(RuntimeError, match="unpickling the input"):
        list(results)
    with pytest.raises(ValueError, match="3"):
        list(go_on(mapper))
    assert mapper.stage == "function"


def test_the_iterator_of_a_flat_input_begins_once() -> None:
    results = run(make(Counts, flat=True), (0, 1, True, [3]))
    assert [each for each in results if type(each) is int] == [1, 1]
