"""`iterate_in_workers` gives the same with every kind of worker, and any number of them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    CallFailedError,
    FarsideWarning,
    IterableClosedError,
    NotPicklableError,
    PassOpenError,
    PassSupersededError,
    WorkerAbandonedWarning,
    WorkerInitializationError,
    WorkerIterationError,
    WorkerTimeoutError,
    iterate_in_subprocess,
    iterate_in_workers,
    map_in_workers,
)
from farside._protocol.order import Sharding, order_of, shard_seed
from tests import shard_jobs as jobs
from tests.kinds import INLINE, KINDS, Kind
from tests.simulated import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farside import RemoteIterable

LENGTHS = [3, 0, 1, 5, 0, 2, 700, 4, 1, 0, 6, 2, 3, 3, 1, 40, 7, 0, 2, 9]
"""More shards than slots; some are empty, and one has more items than one round makes."""
EXPECTED = list(simulate(LENGTHS, 16))


@pytest.fixture(params=[*KINDS, INLINE], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker, and the calling thread."""
    chosen: Kind = request.param
    return chosen


start = Kind.start_several


def pairs(
    kind: Kind, workers: int, lengths: Sequence[int] = LENGTHS, **options: Any
) -> RemoteIterable[Any]:
    return start(kind, jobs.pairs, jobs.numbered(lengths), workers, **options)


def each_in_order(items: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the items of each shard came in order."""
    return sorted(items, key=lambda item: item[0]) == sorted(items)


# The sequence -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1, 2, 3, 5, 16])
def test_the_sequence_does_not_depend_on_the_number_of_workers(kind: Kind, workers: int) -> None:
    if kind.name == "spawn" and workers > 3:  # each takes long to start
        return
    with pairs(kind, workers) as items:
        for _ in range(2):
            assert list(items) == EXPECTED


@pytest.mark.parametrize("buffer_size", [1, 3, -1])
def test_the_sequence_does_not_depend_on_how_far_workers_are_ahead(
    kind: Kind, buffer_size: int
) -> None:
    with pairs(kind, 2, buffer_size=buffer_size) as items:
        for _ in range(2):
            assert list(items) == EXPECTED
        assert next(iter(items)) == EXPECTED[0]
        assert list(items) == EXPECTED


@pytest.mark.parametrize("cycle", [2, 5, 100])
def test_slots_are_read_in_turn(kind: Kind, cycle: int) -> None:
    with pairs(kind, 2, cycle_length=cycle) as items:
        assert list(items) == list(simulate(LENGTHS, cycle))


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("lengths", [[], [0], [0] * 20, [2], [1, 0, 3]])
def test_few_shards_or_none(kind: Kind, lengths: list[int], *, in_order: bool) -> None:
    if kind.name == "spawn":  # a fork server runs what it would, and is started faster
        return
    with pairs(kind, 3, lengths, in_order=in_order) as items:
        for _ in range(2):
            got = list(items)
            expected = list(simulate(lengths, max(1, len(lengths))))
            assert (got if in_order else sorted(got)) == (
                expected if in_order else sorted(expected)
            )


@pytest.mark.parametrize("buffer_size", [None, 2])
def test_items_as_they_come_are_the_same_items(kind: Kind, buffer_size: int | None) -> None:
    with pairs(kind, 3, in_order=False, buffer_size=buffer_size) as items:
        for _ in range(2):
            got = list(items)
            assert sorted(got) == sorted(EXPECTED)
            assert each_in_order(got)
        assert len([*zip(range(30), items, strict=False)]) == 30  # and is left
        assert sorted(items) == sorted(EXPECTED)


def test_async_for_gives_the_same(kind: Kind) -> None:
    async def main() -> None:
        async with pairs(kind, 2) as items:
            for _ in range(2):
                assert [item async for item in items] == EXPECTED

    asyncio.run(main())


# Passes -------------------------------------------------------------------------------------------


def test_a_loop_that_is_left_and_one_that_is_superseded(kind: Kind) -> None:
    with start(kind, jobs.count_for_ever, 5, 2) as items:
        for _ in range(3):
            got = []
            for item in items:
                got.append(item)
                if len(got) == 7:
                    break
            assert got == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (1, 1)]
        old, new = iter(items), iter(items)
        with pytest.raises(PassSupersededError):
            next(old)
        assert [next(new) for _ in range(6)] == [*((shard, 0) for shard in range(5)), (0, 1)]
        new.close()


def test_setup_is_called_once_in_each_worker_and_calls_reach_what_it_made(kind: Kind) -> None:
    with start(kind, jobs.scaled, 6, 2, setup=jobs.Made) as items:
        [(count, _), *_] = first = list(items)
        assert first == [(count, shard) for shard in range(6)] * 2
        assert count == 1 or kind is INLINE  # there all are in one interpreter
        assert items.call("set_factor", 10) == [(0, 10), (1, 10)]
        assert [value for _, value in items] == [0, 10, 20, 30, 40, 50] * 2
        with pytest.raises(CallFailedError, match="not here") as caught:
            items.call("refuse")
        assert isinstance(caught.value, LookupError)
        iterator = iter(items)
        assert next(iterator) == (count, 0)
        with pytest.raises(PassOpenError):
            items.call("set_factor", 1)
        iterator.close()
        assert items.call("set_factor", 2) == [(0, 2), (1, 2)]
        assert [value for _, value in items] == [0, 2, 4, 6, 8, 10] * 2


# What workers are told ----------------------------------------------------------------------------


@pytest.mark.parametrize("in_order", [True, False])
def test_what_is_told_of_a_shard_does_not_depend_on_the_workers(
    kind: Kind, *, in_order: bool
) -> None:
    for workers in (1, 2):
        with start(kind, jobs.tell, 7, workers, seed=5, in_order=in_order) as items:
            assert items.seed == 5
            for epoch in range(2):
                got = list(items)
                expected = [
                    (shard, number, 7, shard_seed(5, epoch, shard), epoch)
                    for number in range(3)
                    for shard in range(7)
                ]
                assert (got if in_order else sorted(got)) == (
                    expected if in_order else sorted(expected)
                )


def test_an_environment_of_any_worker_needs_processes() -> None:
    def env(index: int) -> dict[str, str] | None:
        return {"FARSIDE_TEST": "of 1"} if index else None

    with iterate_in_workers(jobs.environment, 2, 2, env=env) as items:
        assert items.backend == "subprocess"
        assert [told for *_, told in items] == [None, "of 1"]


def test_names_and_environments(kind: Kind) -> None:
    options: dict[str, Any] = {"name": "reader"}
    if kind.is_process:
        options["env"] = lambda index: {"FARSIDE_TEST": f"of {index}"}
    with start(kind, jobs.environment, 4, 2, **options) as items:
        got = list(items)
        assert f"backend={kind.backend!r} workers=2 state=" in repr(items)
        assert [worker.name for worker in items.stats().workers] == [
            member.name for member in items._current.members
        ]
    for shard, (index, name, text) in enumerate(got):
        assert index == shard % 2
        assert name == f"reader-{index}"
        assert text == (f"of {index}" if kind.is_process else None)


def test_shuffled_shards(kind: Kind) -> None:
    passes = []
    for workers in (1, 2):
        with pairs(kind, workers, seed=1, shuffle_shards=True) as items:
            passes.append([list(items) for _ in range(3)])
    assert passes[0] == passes[1]
    for epoch, got in enumerate(passes[0]):
        sharding = Sharding(len(LENGTHS), 16, True, 1)
        assert got == list(simulate(LENGTHS, 16, order_of(sharding, epoch)))
    assert len({tuple(got) for got in passes[0]}) == 3


@pytest.mark.parametrize("in_order", [True, False])
def test_ranks_part_the_shards(kind: Kind, *, in_order: bool) -> None:
    parts = []
    for rank in range(3):
        with pairs(
            kind, 1, rank=rank, world_size=3, seed=1, shuffle_shards=True, in_order=in_order
        ) as items:
            parts.append([list(items) for _ in range(2)])
    for epoch in range(2):
        assert sorted(item for part in parts for item in part[epoch]) == sorted(EXPECTED)
        shards = [{shard for shard, _ in part[epoch]} for part in parts]
        assert sum(map(len, shards)) == len(set.union(*shards))


# Failures -----------------------------------------------------------------------------------------


def test_what_a_shard_raises_comes_in_its_turn(kind: Kind) -> None:
    with start(kind, jobs.fail_at_five, 8, 2) as items:
        got = []
        with pytest.raises(WorkerIterationError) as caught:  # noqa: PT012  what came before
            for item in items:
                got.append(item)  # noqa: PERF402
        assert got == [(shard, turn) for turn in range(3) for shard in range(8)][:21]
        error: Any = caught.value
        assert type(error).__mro__.index(KeyError)
        assert (error.shard, error.item_index) == (5, 2)
        assert any("in shard 5" in note for note in getattr(error, "__notes__", ["in shard 5"]))
        with pytest.raises(IterableClosedError) as closed:
            iter(items)
        assert closed.value.__cause__ is error
        assert items.state == "closed"
        del error, caught, closed  # it is made once more, since nobody has it
        with pytest.raises(IterableClosedError) as closed_still:
            iter(items)
        again: Any = closed_still.value.__cause__
        assert (type(again).__name__, again.shard) == ("WorkerIterationError[KeyError]", 5)


def test_what_a_shard_raises_where_items_come_as_they_come(kind: Kind) -> None:
    with start(kind, jobs.fail_at_five, 8, 2, in_order=False) as items:
        got = []
        with pytest.raises(WorkerIterationError) as caught:  # noqa: PT012  what came before
            for item in items:
                got.append(item)  # noqa: PERF402
    error: Any = caught.value
    assert (error.shard, error.item_index) == (5, 2)
    assert [item for item in got if item[0] == 5] == [(5, 0), (5, 1)]
    assert len(set(got)) == len(got)
    assert each_in_order(got)


def test_a_shard_that_is_no_iterable(kind: Kind) -> None:
    with start(kind, jobs.no_iterable_of_five, 8, 2) as items:
        iterator = iter(items)
        assert [next(iterator) for _ in range(5)] == list(range(5))
        with pytest.raises(TypeError, match="int") as caught:
            next(iterator)
    assert caught.value.shard == 5  # type: ignore[attr-defined]


def test_an_item_that_cannot_be_pickled(kind: Kind) -> None:
    if kind is INLINE:  # nothing is pickled there
        return
    with start(kind, jobs.lock_at_five, 8, 2) as items:
        got = []
        with pytest.raises(NotPicklableError, match="lock") as caught:  # noqa: PT012  as above
            for item in items:
                got.append(item)  # noqa: PERF402
    assert got == [*range(8), *range(5)]
    error: Any = caught.value
    assert (error.shard, error.item_index) == (5, 1)


def test_a_setup_that_fails(kind: Kind) -> None:
    with pytest.raises(WorkerInitializationError, match="no model") as caught:
        start(kind, jobs.of_nothing, 4, 2, setup=jobs.no_setup)
    assert isinstance(caught.value, OSError)
    assert caught.value.stage == "setup"


def test_a_timeout_names_the_shard(kind: Kind) -> None:
    if kind is INLINE:  # nobody can look after the thread that loops
        return
    left = contextlib.nullcontext() if kind.is_process else pytest.warns(WorkerAbandonedWarning)
    with (
        left,
        start(
            kind,
            jobs.stuck_at_three,
            6,
            2,
            timeout=1,
            init_timeout=30,
            shutdown_timeout=4.0 if kind.is_process else 0.1,
        ) as items,
    ):
        got = []
        with pytest.raises(WorkerTimeoutError) as caught:  # noqa: PT012  what came before
            for item in items:
                got.append(item)  # noqa: PERF402
    assert got == [*range(6), 0, 1, 2]
    error: Any = caught.value
    assert (error.shard, error.last_index) == (3, 0)
    assert "in shard 3, at its item of index 1" in str(getattr(error, "__notes__", error))


# Questions ----------------------------------------------------------------------------------------


def test_statistics_states_and_stacks(telling_kind: Kind) -> None:
    with start(telling_kind, jobs.uneven, 2, 2, buffer_size=2) as items:
        with pytest.raises(TypeError, match=r"no len\(\)"):
            len(items)
        assert items
        states = [items.state]
        iterator = iter(items)
        next(iterator)
        states.append(items.state)
        assert list(iterator) == [1, *[0, 1] * 9]
        assert [*states, items.state] == ["stand by", "iteration", "stand by"]
        assert items.dump_stack().count("the thread that runs the iterable") == 2
        stats = items.stats()
        first, second = items._current.members
        assert [each.name for each in stats.workers] == [first.name, second.name]
        assert stats.slowest == second.name
        assert (stats.items, stats.passes, stats.restarts) == (20, 1, 0)
        assert stats.workers[0].worker_wait_seconds > stats.workers[1].worker_wait_seconds
        assert "2 workers; slowest" in str(stats)
    assert items.state == "closed"
    assert items.stats().items == 20


@pytest.mark.parametrize("how", ["close", "terminate", "drop"])
def test_the_end(kind: Kind, how: str) -> None:
    items = start(kind, jobs.count_for_ever, 4, 2)
    iterator = iter(items)
    assert next(iterator) == (0, 0)
    if how == "drop":
        del items, iterator
        return  # the fixtures see whether anything is left
    for _ in range(2):
        getattr(items, how)()
        assert items.state == "closed"
    with pytest.raises(IterableClosedError):
        next(iterator)
    with pytest.raises(IterableClosedError):
        iter(items)


def test_a_loop_that_is_closed_is_no_whole_pass_though_all_has_come(kind: Kind) -> None:
    # The one worker sends both shards, and their ends, in one frame: the loop is given one block.
    with pairs(kind, 1, [3, 3]) as items:
        iterator = iter(items)
        for _ in range(5):
            next(iterator)
        items.close()
        with pytest.raises(IterableClosedError):
            next(iterator)
        state = items.state_dict()
    assert (state["epoch"], state["begun"][-1]) == (0, [1, 2])


def test_a_loop_that_is_closed_after_its_last_item_is_whole(kind: Kind) -> None:
    with pairs(kind, 2, [2, 2]) as items:
        given = []
        with contextlib.suppress(IterableClosedError):
            for item in items:
                given.append(item)
                if len(given) == 4:
                    items.close()
        assert len(given) == 4


# Arguments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"fn": 3}, TypeError, r"fn=3 is not callable; pass a function that takes a shard"),
        ({"setup": 3}, TypeError, r"setup=3 is not callable; pass a function without"),
        (
            {"shards": "abc"},
            TypeError,
            r"shards='abc' is not a sequence of shards; pass a sequence",
        ),
        ({"shards": b"abc"}, TypeError, r"shards=b'abc' is not a sequence of shards"),
        ({"shards": True}, TypeError, r"shards=True is not a sequence of shards"),
        ({"shards": {1: 2}}, TypeError, r"shards=\{1: 2\} is not a sequence of shards; pass"),
        ({"shards": {1}}, TypeError, r"shards=\{1\} is not a sequence"),
        ({"shards": iter([1])}, TypeError, r"shards=.* is not a sequence"),
        ({"shards": 1.5}, TypeError, r"shards=1.5 is not a sequence"),
        ({"shards": -1}, ValueError, r"shards=-1"),
        ({"num_workers": -1}, ValueError, r"num_workers=-1"),
        ({"num_workers": 1.5}, TypeError, r"num_workers=1.5"),
        ({"num_workers": None}, TypeError, r"num_workers=None"),
        ({"cycle_length": 0}, ValueError, r"cycle_length=0"),
        ({"cycle_length": "a"}, TypeError, r"cycle_length='a'"),
        ({"in_order": 1}, TypeError, r"in_order=1"),
        ({"shuffle_shards": "yes"}, TypeError, r"shuffle_shards='yes'"),
        ({"rank": 2, "world_size": 2}, ValueError, r"rank=2 is not below world_size=2; pass 0 to"),
        ({"rank": 1}, ValueError, r"not below world_size=1; pass the number of processes as world"),
        ({"rank": -1}, ValueError, r"rank=-1"),
        ({"world_size": 0}, ValueError, r"world_size=0"),
        ({"max_restarts": -1}, ValueError, r"max_restarts=-1"),
        ({"verify_replay": None}, TypeError, r"verify_replay=None"),
        ({"worker_index": 1}, TypeError, r"worker_index"),
    ],
)
def test_arguments_that_are_refused(
    given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        iterate_in_workers(**{"fn": range, "shards": [1], "num_workers": 1, **given})


def test_fewer_slots_than_workers_are_warned_of() -> None:
    shards = jobs.numbered([1, 2, 3, 4])
    with pytest.warns(FarsideWarning, match="cycle_length=2 is below num_workers=3") as caught:
        items = iterate_in_workers(jobs.pairs, shards, 3, cycle_length=2, backend="inline")
    assert len(caught) == 1
    with pytest.warns(FarsideWarning, match="cycle_length=16 is below num_workers=18"):
        iterate_in_workers(range, 20, 18, backend="inline").close()
    assert "1 worker has nothing to do" in str(caught[0].message)
    with items:
        assert list(items) == list(simulate([1, 2, 3, 4], 2))


@pytest.mark.parametrize("in_order", [True, False])
def test_closing_in_a_loop_is_not_its_end(kind: Kind, *, in_order: bool) -> None:
    """Also when all the rest has arrived, and the marks tell that nothing more comes."""
    with start(kind, range, [20] * 3, 2, in_order=in_order) as items:
        loop = iter(items)
        got = [next(loop) for _ in range(30)]
        state = items.state_dict()
        items.close()
        with pytest.raises(IterableClosedError):
            next(loop)
        assert items.state_dict() == state
    with start(kind, range, [20] * 3, 1, in_order=in_order) as items:
        items.load_state_dict(state)
        assert sorted([*got, *items]) == sorted([*range(20)] * 3)


@pytest.mark.parametrize(
    ("shards", "setup", "named"),
    [
        ([1, threading.Lock()], None, r"shards\[1\]"),
        ([1], partial(print, threading.Lock()), "setup"),
    ],
)
def test_what_cannot_be_sent_is_named(shards: Any, setup: Any, named: str) -> None:
    with pytest.raises(NotPicklableError, match=rf"^{named}=?.* cannot be sent to a worker"):
        iterate_in_workers(range, shards, 1, setup=setup, backend="subprocess")


def test_a_connection_in_an_argument_is_refused_with_its_cure() -> None:
    """`setup` makes what lasts, and only functions of several workers take it."""
    bound: Any = partial(print, threading.Lock())
    cure = "make in the worker what does not, {} or where it is first used"
    with pytest.raises(NotPicklableError, match=cure.format("in setup")):
        iterate_in_workers(bound, 1, 1, backend="subprocess")
    with pytest.raises(NotPicklableError, match=cure.format("in setup")):
        map_in_workers(bound, [1], 1, backend="subprocess")
    with pytest.raises(NotPicklableError, match=cure.format("in an initializer")):
        iterate_in_subprocess(bound)
