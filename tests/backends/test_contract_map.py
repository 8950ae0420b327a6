"""`map_in_workers` is the same with every kind of worker."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    CallFailedError,
    NotPicklableError,
    WorkerDiedError,
    WorkerIterationError,
    WorkerTimeoutError,
    map_in_workers,
)
from farside._link.base import Link
from farside._link.pipes import PipeLink
from tests import mapping_jobs as jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from farside import RemoteIterable
    from tests.kinds import Kind

# A worker may be told to end while it imports a module: Python leaves the module's file open then.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


AHEAD = pytest.mark.parametrize("buffer_size", [None, 2])
FLAT = [(number, each) for number in range(8) for each in range(number)]


def start(
    kind: Kind, function: Callable[..., Any], items: Iterable[Any], workers: int = 2, **options: Any
) -> RemoteIterable[Any]:
    given = {"fallback": None, **kind.options, **options}
    return map_in_workers(function, items, workers, backend=kind.backend, **given)


@AHEAD
@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_in_each_pass(
    kind: Kind, workers: int, buffer_size: int | None
) -> None:
    with start(kind, jobs.square, range(100), workers, buffer_size=buffer_size) as results:
        assert len(results) == 100
        for _ in range(2):
            assert list(results) == [number * number for number in range(100)]


def test_a_failure_shows_few_frames_of_farside(kind: Kind) -> None:
    with (
        start(kind, jobs.fail_at_threes, [1, 3]) as results,
        pytest.raises(WorkerIterationError) as caught,
    ):
        list(results)
    assert isinstance(caught.value.__cause__, ValueError)
    frames = [
        each.name
        for each in caught.traceback
        if each.frame.f_globals["__name__"].startswith("farside.")
    ]
    assert frames == ["iterate_results", "step", "_take"]


def test_a_generator_is_no_result_and_the_cure_is_told(kind: Kind) -> None:
    with start(kind, jobs.count_to, [1]) as results, pytest.raises(NotPicklableError) as caught:
        list(results)
    assert "does not pickle" in str(caught.value)
    assert "pass flat=True" in str(caught.value)


def test_a_loop_that_is_left_begins_anew(kind: Kind) -> None:
    with start(kind, jobs.square, range(1000)) as results:
        for _ in range(3):
            assert next(iter(results)) == 0
        assert sum(1 for _ in results) == 1000


@AHEAD
def test_results_as_they_come_are_all_of_them(kind: Kind, buffer_size: int | None) -> None:
    with start(kind, jobs.square, range(100), in_order=False, buffer_size=buffer_size) as results:
        assert sorted(results) == [number * number for number in range(100)]
        assert results.state == "stand by"  # whether the workers have said so or not


@AHEAD
@pytest.mark.parametrize("in_order", [True, False])
def test_flat_results(kind: Kind, buffer_size: int | None, *, in_order: bool) -> None:
    with start(
        kind, jobs.count_to, range(8), flat=True, in_order=in_order, buffer_size=buffer_size
    ) as results:
        with pytest.raises(TypeError):
            len(results)
        assert (list(results) if in_order else sorted(results)) == FLAT


def test_a_flat_input_that_fails_has_the_results_before_it(kind: Kind) -> None:
    with start(kind, jobs.count_to_two, range(5), flat=True, on_error="return") as results:
        got = list(results)
    failed = [index for index, each in enumerate(got) if isinstance(each, KeyError)]
    assert [got[index].input_index for index in failed] == [3, 4]
    assert [each for each in got if isinstance(each, tuple)] == [
        (number, each) for number in range(5) for each in range(min(number, 2))
    ]


def test_a_flat_input_whose_results_cannot_be_iterated_on(kind: Kind) -> None:
    with start(kind, jobs.square, [5, 6], flat=True, on_error="return") as results:
        got = list(results)
    for index, error in enumerate(got):
        assert isinstance(error, TypeError)
        assert f"square returned int for the input of index {index}" in str(error)


@AHEAD
def test_failures_as_results(kind: Kind, buffer_size: int | None) -> None:
    with start(
        kind, jobs.fail_at_threes, range(9), on_error="return", buffer_size=buffer_size
    ) as results:
        got = list(results)
    for index, each in enumerate(got):
        if index % 3:
            assert each == index
        else:
            assert isinstance(each, ValueError)
            assert each.args == (index,)
            assert each.input_index == index  # type: ignore[attr-defined]


def test_failures_left_out(kind: Kind) -> None:
    with start(kind, jobs.fail_at_threes, range(9), on_error="skip") as results:
        assert list(results) == [1, 2, 4, 5, 7, 8]


@AHEAD
def test_a_failure_ends_the_pass_and_the_workers_stay(kind: Kind, buffer_size: int | None) -> None:
    with start(kind, jobs.fail_at_threes, [1, 2, 3, 4, 5], buffer_size=buffer_size) as results:
        for _ in range(2):
            seen = []
            with pytest.raises(ValueError, match="3") as caught:  # noqa: PT012  what came before
                for each in results:
                    seen.append(each)  # noqa: PERF402
            assert seen == [1, 2]
            assert caught.value.input_index == 2  # type: ignore[attr-defined]
        assert results.state in {"stopping", "stand by"}


def test_a_result_that_does_not_pickle_costs_itself_alone(kind: Kind) -> None:
    with start(kind, jobs.lock_at_one, range(4), on_error="return") as results:
        got = list(results)
    assert [each for each in got if not isinstance(each, Exception)] == [0, 2, 3]
    assert isinstance(got[1], NotPicklableError)
    assert got[1].input_index == 1


def test_stop_iteration_of_the_function_ends_nothing(kind: Kind) -> None:
    with start(kind, jobs.stop_at_one, range(4), on_error="return") as results:
        got = list(results)
    assert isinstance(got[1], RuntimeError)
    assert got[0] == 0
    assert got[2:] == [2, 3]


@AHEAD
def test_an_input_that_does_not_pickle(kind: Kind, buffer_size: int | None) -> None:
    items = [1, threading.Lock(), 2]
    with start(kind, jobs.square, items, on_error="return", buffer_size=buffer_size) as results:
        one, error, four = results
    assert (one, four) == (1, 4)
    assert isinstance(error, NotPicklableError)
    assert error.input_index == 1
    with start(kind, jobs.square, items) as results:
        for _ in range(2):  # the workers are as good as before
            iterator = iter(results)
            assert next(iterator) == 1
            with pytest.raises(NotPicklableError, match="index 1"):
                next(iterator)


def test_what_items_raise_comes_in_its_turn(kind: Kind) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("mine")

    with start(kind, jobs.square, items()) as results:
        iterator = iter(results)
        assert [next(iterator), next(iterator)] == [1, 4]
        with pytest.raises(KeyError, match="mine"):
            next(iterator)


def test_inputs_are_what_they_were_when_they_were_taken(kind: Kind) -> None:
    def items() -> Iterator[list[int]]:
        reused = [0]
        for number in range(50):
            reused[0] = number
            yield reused

    with start(kind, jobs.add_to, items()) as results:
        assert list(results) == [[number, 0] for number in range(50)]


def test_setup_and_what_a_worker_knows(kind: Kind) -> None:
    with start(kind, jobs.times, range(5), setup=jobs.ten) as results:
        assert list(results) == [0, 10, 20, 30, 40]
    with start(kind, jobs.tell, [None] * 5, seed=1) as results:
        first, second = list(results), list(results)
    assert [each[:2] for each in first] == [(index, 5) for index in range(5)]
    assert {each[3] for each in first} == {0}
    assert {each[3] for each in second} == {1}
    assert len({each[2] for each in first + second}) == 10
    with start(kind, jobs.tell, [None] * 5, 3, seed=1) as results:
        assert list(results) == first


def blocks(count: int) -> Iterator[jobs.Block]:
    reused = bytearray(160_000)
    for number in range(count):
        reused[:] = bytes([number]) * len(reused)
        yield jobs.Block(reused)


def test_a_result_whose_pickling_stops_is_no_failure_of_the_function(kind: Kind) -> None:
    with start(kind, jobs.stop_as_pickled, [1], on_error="return") as results:
        (error,) = results
    assert isinstance(error, NotPicklableError)
    assert "does not pickle (StopIteration" in str(error)


def test_memory_that_runs_out_as_a_result_is_pickled_is_no_refusal_of_it(kind: Kind) -> None:
    with start(kind, jobs.make_too_much, range(3), on_error="return") as results:
        first, error, last = results
    assert (first, last) == (0, 2)
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, MemoryError)
    assert error.item_index == error.input_index == 1


def test_memory_that_runs_out_as_an_item_or_an_answer_is_pickled(kind: Kind) -> None:
    with kind.start(jobs.MakesTooMuch) as items:
        with pytest.raises(CallFailedError) as failed:
            items.call("make_too_much")
        with pytest.raises(WorkerIterationError) as caught:
            list(items)
    assert isinstance(failed.value, MemoryError)
    assert isinstance(caught.value, MemoryError)
    assert caught.value.item_index == 1


def test_memory_that_runs_out_as_an_input_is_pickled_gets_its_own_cure(kind: Kind) -> None:
    with start(kind, abs, [0, jobs.NeedsMemory(), 2], on_error="return") as results:
        first, error, last = results
    assert (first, last) == (0, 2)
    assert "memory ran out in this process: pass less at a time" in str(error)


@pytest.mark.parametrize("arena_bytes", [1 << 30, 1 << 20, 0])
def test_large_inputs_are_the_functions_own(kind: Kind, arena_bytes: int) -> None:
    with start(kind, jobs.keep_changed, blocks(40), 1, arena_bytes=arena_bytes) as results:
        assert list(results) == [(number + 1, True) for number in range(40)]


def test_the_memory_of_large_inputs_is_used_again(subprocess_kind: Kind) -> None:
    with start(subprocess_kind, len, blocks(200), 1) as results:
        assert list(results) == [160_000] * 200
        arena = results._current.members[0].link.arena
        arena.settle()
        assert 0 < arena._peak < 100 * 160_000
        assert arena._allocator.used < 20 * 160_000


def test_a_large_input_is_tried_again_as_it_was(subprocess_kind: Kind, tmp_path: Path) -> None:
    function = partial(jobs.change_and_die_once, str(tmp_path / "died"))
    with (
        pytest.warns(match="started again"),
        start(subprocess_kind, function, blocks(20), 2, retries=1) as results,
    ):
        assert list(results) == list(range(1, 21))


@AHEAD
def test_an_input_that_kills_costs_itself_alone(
    subprocess_kind: Kind, buffer_size: int | None
) -> None:
    with (
        pytest.warns(match="started again"),
        start(
            subprocess_kind,
            jobs.die_at_seven,
            range(20),
            on_error="return",
            retries=1,
            buffer_size=buffer_size,
        ) as results,
    ):
        got = list(results)
    assert [each for each in got if isinstance(each, int)] == [i for i in range(20) if i != 7]
    assert isinstance(got[7], WorkerDiedError)
    assert got[7].input_index == 7


def test_a_death_raises_in_its_turn_and_the_next_pass_has_all_workers(
    subprocess_kind: Kind,
) -> None:
    with (  # noqa: PT031  it warns somewhere in the passes
        pytest.warns(match="started again"),
        start(subprocess_kind, jobs.die_at_seven, range(20)) as results,
    ):
        for _ in range(2):
            seen = []
            with pytest.raises(WorkerDiedError) as caught:  # noqa: PT012  what came before
                for each in results:
                    seen.append(each)  # noqa: PERF402
            assert seen == list(range(7))
            assert caught.value.input_index == 7


@pytest.mark.parametrize("timed", [False, True])
def test_the_input_that_kills_is_known_among_many_quick_ones(
    subprocess_kind: Kind, *, timed: bool
) -> None:
    deadly = frozenset({0, 1, 4321, 12_345, 12_346, 29_999})
    options: dict[str, Any] = {"task_timeout": 60} if timed else {}
    with (
        pytest.warns(match="started again"),
        start(
            subprocess_kind,
            partial(jobs.die_at_some, deadly),
            range(30_000),
            on_error="return",
            **options,
        ) as results,
    ):
        got = list(results)
    failed = {index for index, each in enumerate(got) if isinstance(each, WorkerDiedError)}
    assert failed == deadly
    assert [each for each in got if isinstance(each, int)] == [
        each for each in range(30_000) if each not in deadly
    ]


def test_what_quick_calls_have_returned_comes_while_a_slow_one_runs(
    kind: Kind, tmp_path: Path
) -> None:
    slow, path = 12_345, tmp_path / "it has come"
    function = partial(jobs.wait_at, slow, str(path))
    with start(kind, function, range(20_000), 1) as results:
        iterator = iter(results)
        assert [next(iterator) for _ in range(slow)] == [*range(slow)]
        path.touch()
        assert list(iterator) == [*range(slow, 20_000)]


def test_a_loop_is_left_while_quick_calls_run(kind: Kind) -> None:
    with start(kind, jobs.same, range(1 << 60)) as results:
        for passes in range(3):
            for number, each in enumerate(results):
                assert number == each
                if number == 10_000 * passes:
                    break


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("retries", [0, 1])
def test_only_the_input_that_kills_is_blamed_where_nobody_knows_what_was_begun(
    subprocess_kind: Kind, monkeypatch: pytest.MonkeyPatch, *, in_order: bool, retries: int
) -> None:
    monkeypatch.setattr(PipeLink, "begun", Link.begun)
    with (
        pytest.warns(match="started again"),
        start(
            subprocess_kind,
            jobs.die_at_seven,
            range(40),
            retries=retries,
            in_order=in_order,
            on_error="return",
        ) as results,
    ):
        got = list(results)
    [error] = [each for each in got if not isinstance(each, int)]
    assert isinstance(error, WorkerDiedError)
    assert error.input_index == 7
    came = [each for each in got if each is not error]
    assert (came if in_order else sorted(came)) == [n for n in range(40) if n != 7]


@pytest.mark.parametrize("in_order", [True, False])
def test_a_flat_input_that_kills(subprocess_kind: Kind, *, in_order: bool) -> None:
    with (
        pytest.warns(match="started again"),
        start(
            subprocess_kind,
            jobs.die_in_the_middle,
            range(8),
            flat=True,
            retries=1,
            in_order=in_order,
            on_error="return",
        ) as results,
    ):
        got = list(results)
    wanted = [pair for pair in FLAT if pair not in {(5, 3), (5, 4)}]
    came = [each for each in got if isinstance(each, tuple)]
    assert (came if in_order else sorted(came)) == wanted
    [error] = [each for each in got if not isinstance(each, tuple)]
    assert isinstance(error, WorkerDiedError)
    assert error.input_index == 5
    if in_order:
        assert got.index(error) == 13


def test_an_input_that_takes_too_long(subprocess_kind: Kind) -> None:
    with (
        pytest.warns(match="task_timeout"),
        start(
            subprocess_kind, jobs.sleep_at_three, range(6), on_error="return", task_timeout=1.0
        ) as results,
    ):
        got = list(results)
    assert [each for each in got if isinstance(each, int)] == [0, 1, 2, 4, 5]
    assert isinstance(got[3], WorkerTimeoutError)
    assert got[3].input_index == 3
    assert "task_timeout=1.0" in str(got[3])


def test_an_input_that_holds_up_the_loop_for_too_long(subprocess_kind: Kind) -> None:
    with (
        pytest.warns(match="timeout"),
        start(
            subprocess_kind,
            jobs.sleep_at_three,
            range(6),
            on_error="return",
            retries=1,
            timeout=1.0,
            init_timeout=30,
        ) as results,
    ):
        got = list(results)
    assert [each for each in got if isinstance(each, int)] == [0, 1, 2, 4, 5]
    assert isinstance(got[3], WorkerTimeoutError)
    assert got[3].input_index == 3
