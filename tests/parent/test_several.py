"""What the seams between several workers, threads and tasks hold."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside import (
    BrokenWorkersError,
    CallFailedError,
    FarsideWarning,
    IterableClosedError,
    NotPicklableError,
    ReplayDivergedError,
    WorkerDiedError,
    WorkerExecutor,
    WorkerInitializationError,
    WorkerRestartedWarning,
    WorkerTimeoutError,
    get_worker_info,
    iterate_in_subprocess,
    iterate_in_workers,
    map_in_workers,
)
from farside._backends import registry
from farside._backends.subprocess import SubprocessBackend
from farside._parent import deadline, starting
from farside._parent.deadline import When
from farside._parent.passes.anchors import Anchors
from farside._parent.passes.async_supply import AsyncSupply
from farside._parent.passes.queues import Queue
from farside._parent.wait import Waiting
from farside._protocol.group import GroupCore
from farside._protocol.order import Place, Sharding, join_ranges, order_of, shard_seed
from tests import shard_jobs
from tests.background import SECONDS, Background
from tests.kinds import HAS_SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from farside._parent.client import Client
    from farside._parent.member import Member
    from farside._parent.options import Options


def one_takes_long() -> None:
    info = get_worker_info()
    assert info is not None
    time.sleep(2 * info.index)


def test_the_time_of_a_worker_that_stands_by_does_not_count_while_others_start() -> None:
    with iterate_in_workers(
        range,
        [2, 3],
        2,
        backend="subprocess",
        initializer=one_takes_long,
        timeout=0.5,
        init_timeout=60,
    ) as items:
        assert sorted(items) == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("method", ["open", "take"])
@pytest.mark.parametrize("in_order", [True, False])
def test_closing_in_another_thread_in_the_middle_of_a_block(
    monkeypatch: pytest.MonkeyPatch, method: str, *, in_order: bool
) -> None:
    """What is cut off says so, and nothing else; and nothing of it is kept."""
    really, closing = getattr(Queue, method), list[bool]()

    def act(queue: Queue, given: Any) -> Any:
        opened = really(queue, given) if method == "open" else None
        # What the first worker has sent is open then.
        if closing and (method == "take" or (opened is not None and queue.index == 1)):
            closing.pop()
            thread = threading.Thread(target=items.close)
            thread.start()
            while not (client.delivery and client.delivery.cleared):
                time.sleep(0.001)
            closers.append(thread)
        return opened if method == "open" else really(queue, given)

    closers: list[threading.Thread] = []
    monkeypatch.setattr(Queue, method, act)
    with iterate_in_workers(
        range, [2000, 2000], 2, backend="subprocess", in_order=in_order
    ) as items:
        iterator, client = iter(items), items._current
        assert client.delivery is not None
        next(iterator)
        closing.append(True)
        with pytest.raises(IterableClosedError):
            list(iterator)
        for each in closers:
            each.join()
        assert client.delivery.waiting == 0


class Ends:
    """What ends the process that pickles or unpickles it, unless somebody catches that."""

    def __init__(self, *, here: bool) -> None:
        self.here = here

    def __reduce__(self) -> Any:
        if self.here:
            raise SystemExit(3)
        return sys.exit, (3,)


def give(*_: object) -> Ends:
    return Ends(here=False)


@pytest.mark.timeout(60)
def test_what_ends_the_thread_of_an_executor_fails_one_future() -> None:
    with WorkerExecutor(1, backend="subprocess") as executor:
        result = executor.submit(give)
        argument = executor.submit(str, Ends(here=True))
        after = executor.submit(pow, 2, 3)
        for future in (result, argument):
            with pytest.raises(NotPicklableError, match="SystemExit"):
                future.result(30)
        assert after.result(30) == 8


def takes_a_second() -> range:
    time.sleep(1)
    return range(3)


def test_tasks_that_wait_for_one_worker_do_not_wake_each_other_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    really = Waiting.look_if_free

    def look(*given: Any) -> bool:
        nonlocal looks
        looks += 1
        return really(*given)

    monkeypatch.setattr(Waiting, "look_if_free", look)

    async def wait() -> None:
        async with iterate_in_subprocess(takes_a_second, wait=False) as numbers:
            await asyncio.gather(*[numbers.ready() for _ in range(3)])

    asyncio.run(wait())
    assert looks < 100


@pytest.mark.parametrize("backend", ["subprocess", "subinterpreter", "inline"])
@pytest.mark.parametrize("wait", [True, False])
def test_workers_that_start_together_share_one_pickle(backend: Any, *, wait: bool) -> None:
    if backend == "subinterpreter" and not HAS_SUBINTERPRETERS:
        pytest.skip("there are none")
    numbers = shard_jobs.Counted(0, 1)
    with iterate_in_workers(numbers.read, 4, 3, backend=backend, wait=wait) as items:
        assert sorted(items) == [0, 1, 1, 2, 2, 3, 3, 4]
    assert numbers.pickled == 1
    with map_in_workers(numbers.read, range(3), 3, backend=backend, wait=wait) as lists:
        assert list(lists) == [[0, 1], [1, 2], [2, 3]]
    assert numbers.pickled == 2
    if backend != "inline":
        with WorkerExecutor(3, backend=backend, setup=partial(numbers.read, 5)) as executor:
            assert executor.submit(len).result() == 2
        assert numbers.pickled == 3


@pytest.mark.filterwarnings("ignore::farside.WorkerRestartedWarning")
def test_a_worker_that_is_started_again_has_the_objects_as_they_are_then() -> None:
    numbers = shard_jobs.Counted(0)
    with iterate_in_workers(
        numbers.die_at_first, 2, 2, backend="subprocess", max_restarts=1
    ) as items:
        numbers.numbers.append(1)
        assert list(items) == [0, 0, 1]
    assert numbers.pickled == 2


class SlowBackend(SubprocessBackend):
    """Takes longer to start anything than may be."""

    def launch(self, options: Options) -> Any:
        time.sleep(1)
        return super().launch(options)


@pytest.mark.filterwarnings("ignore::farside.WorkerRestartedWarning")
def test_a_start_that_runs_out_of_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_BACKENDS", {**registry._BACKENDS, "slow": SlowBackend})
    with map_in_workers(
        abs, range(10), 2, backend="slow", wait=False, init_timeout=0.3, shutdown_timeout=10
    ) as results:
        with pytest.raises(WorkerTimeoutError):
            list(results)
        time.sleep(1.5)  # what is started late, nobody gets to know


def test_async_inputs_that_are_fewer_than_a_state_tells() -> None:
    async def numbers(most: int) -> AsyncIterator[int]:
        for number in range(most):
            yield number

    async def read(most: int, state: Any) -> tuple[list[int], Any]:
        async with map_in_workers(abs, numbers(most), 1, backend="subprocess") as results:
            if state is not None:
                results.load_state_dict(state)
            got = []
            async for result in results:
                got.append(result)
                if len(got) == 10:
                    break
            return got, json.loads(json.dumps(results.state_dict()))

    got, state = asyncio.run(read(20, None))
    assert got == list(range(10))
    with pytest.raises(ValueError, match="10 inputs or more were done, and items has 5"):
        asyncio.run(read(5, state))


def test_results_do_not_wait_for_more_than_one_further_input() -> None:
    """Though many were wanted at once, since they came fast before."""
    burst, given = 400, 0

    async def numbers() -> AsyncIterator[int]:
        nonlocal given
        for number in range(burst + 4):
            if number >= burst:
                await asyncio.sleep(0.3)
            given += 1
            yield number

    async def read() -> list[int]:
        async with map_in_workers(abs, numbers(), 2, backend="subprocess") as results:
            return [given - result async for result in results]

    ahead = asyncio.run(read())
    assert len(ahead) == burst + 4
    assert max(ahead[-3:]) <= 2


# What strikes in the middle -----------------------------------------------------------------------


class Picky:
    """Unpickles in the process that it came from alone."""

    def __init__(self, pid: int = 0) -> None:
        if pid and pid != os.getpid():
            raise LookupError("not here")

    def __reduce__(self) -> Any:
        return Picky, (os.getpid(),)


def with_a_picky_one() -> list[Any]:
    return [{0: 0}, {1: 1}, Picky(), {3: 3}]


def test_an_item_that_does_not_unpickle_does_not_count_as_used() -> None:
    with iterate_in_subprocess(with_a_picky_one) as items:
        with pytest.raises(NotPicklableError, match="the item of index 2 came from") as caught:
            list(items)
        assert items.state_dict()["begun"] == [[0, 2]]
        with pytest.raises(IterableClosedError) as closed:
            iter(items)
        assert closed.value.__cause__ is caught.value
        del caught, closed  # it is made once more, since nobody has it
        with pytest.raises(IterableClosedError) as closed_still:
            iter(items)
        again: Any = closed_still.value.__cause__
        assert (type(again), again.item_index) == (NotPicklableError, 2)
        assert "LookupError: not here" in str(again.__cause__)


def picky_ones(_: int) -> list[Any]:
    return with_a_picky_one()


def test_another_thread_finds_out_why_as_soon_as_it_finds_that_all_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with iterate_in_workers(picky_ones, 2, 2, backend="subprocess") as items:
        client, found = items._current, list[BaseException]()
        step = client.step

        def step_and_look(*event: Any) -> Any:
            result = step(*event)
            if client.core.over:
                with pytest.raises(IterableClosedError) as caught:
                    client.check_open()
                found.append(caught.value)
            return result

        monkeypatch.setattr(client, "step", step_and_look)
        with pytest.raises(NotPicklableError) as caught:
            list(items)
        monkeypatch.undo()
        assert {each.__cause__ for each in found} == {caught.value}


def test_so_it_is_for_an_event_loop() -> None:
    async def main() -> None:
        async with iterate_in_subprocess(with_a_picky_one) as items:
            iterator = aiter_of(items)
            assert [await iterator.__anext__() for _ in range(2)] == [{0: 0}, {1: 1}]
            with pytest.raises(NotPicklableError, match="the item of index 2 came from"):
                await iterator.__anext__()
            with pytest.raises(StopAsyncIteration):
                await iterator.__anext__()
            assert items.state_dict()["begun"] == [[0, 2]]

    asyncio.run(main())


def aiter_of(items: Any) -> Any:
    return items.__aiter__()


_LOOPED_OVER: list[Any] = []


def used() -> int:
    """Tell how many items the state counts as used."""
    return sum(count for _, count in _LOOPED_OVER[0].state_dict()["begun"])


class Asking:
    """Unpickles as what the state tells meanwhile."""

    def __reduce__(self) -> Any:
        return used, ()


def asking(_: int) -> list[Any]:
    return [Asking() for _ in range(5)]


@pytest.mark.parametrize("buffer_size", [None, 1])
def test_an_item_that_is_unpickled_just_now_does_not_count_as_used(
    buffer_size: int | None,
) -> None:
    """A signal handler may save the state then, of a program that has not got the item."""
    with iterate_in_workers(asking, 2, 2, backend="subprocess", buffer_size=buffer_size) as items:
        _LOOPED_OVER[:] = [items]
        assert list(items) == [*range(10)]
        _LOOPED_OVER.clear()


def sleeps() -> Iterator[int]:
    yield 0
    time.sleep(60)


def test_closing_the_iterator_tells_a_task_that_waits() -> None:
    async def main() -> None:
        async with iterate_in_subprocess(sleeps, shutdown_timeout=0.2) as items:
            iterator = aiter_of(items)

            async def collect() -> list[int]:
                return [item async for item in iterator]

            task = asyncio.ensure_future(collect())
            await asyncio.sleep(0.2)
            await iterator.aclose()
            with pytest.raises(IterableClosedError, match="closed while this task waited"):
                await asyncio.wait_for(task, 30)
            with pytest.raises(StopAsyncIteration):
                await iterator.__anext__()

    asyncio.run(main())


def sleep_for_long(_: object) -> None:
    time.sleep(60)


# A worker may be told to end while it imports a module: Python leaves the module's file open then.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.timeout(30)
def test_a_time_limit_of_inputs_holds_for_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the loop waits before the worker has begun the input."""
    begins, really = time.monotonic() + 1, deadline._look_at_tasks

    def look(client: Client) -> None:
        if time.monotonic() > begins:
            really(client)

    monkeypatch.setattr(deadline, "_look_at_tasks", look)

    async def main() -> None:
        options: Any = {"backend": "subprocess", "task_timeout": 0.5, "shutdown_timeout": 0.2}
        async with map_in_workers(sleep_for_long, [0], 1, **options) as results:
            with pytest.raises(WorkerTimeoutError):
                async for _ in results:
                    pass

    with pytest.warns(WorkerRestartedWarning):
        asyncio.run(main())


def nap_long_at_zero(number: int) -> int:
    time.sleep(2 if number == 0 else 0.1)
    return number


@pytest.mark.timeout(60)
def test_an_event_loop_that_is_given_results_has_not_waited_for_the_slow_one() -> None:
    async def main() -> list[int]:
        options: Any = {"backend": "subprocess", "timeout": 1.0, "init_timeout": 60}
        async with map_in_workers(
            nap_long_at_zero, range(26), 2, in_order=False, **options
        ) as them:
            return sorted([result async for result in them])

    assert asyncio.run(main()) == list(range(26))


def wait_for(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.01)


def test_a_task_waits_for_no_busy_worker_while_another_is_idle(tmp_path: Path) -> None:
    path = str(tmp_path / "go on")
    with WorkerExecutor(2, backend="subprocess") as executor:
        try:
            busy = executor.submit(wait_for, path)
            soon = executor.submit(time.sleep, 0.2)
            assert executor.submit(pow, 2, 3).result(20) == 8
            assert soon.done()
            assert not busy.done()
        finally:
            Path(path).touch()


class Data:
    """Has rows that a call loads from a file."""

    def __init__(self) -> None:
        self.rows = ["default"]

    def load(self, path: str) -> None:
        self.rows = Path(path).read_text().split()

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def pid(self) -> int:
        return os.getpid()


@pytest.mark.parametrize("there", [True, False])
def test_calls_that_are_made_again_after_a_restart(tmp_path: Path, *, there: bool) -> None:
    path = tmp_path / "rows"
    path.write_text("a b c")
    with iterate_in_subprocess(Data, max_restarts=1) as rows:
        rows.call("load", str(path))
        assert len(rows) == 3
        if not there:
            path.unlink()
        os.kill(rows.call("pid"), signal.SIGKILL)
        ending = nullcontext() if there else pytest.raises(CallFailedError, match="rows")
        with pytest.warns(WorkerRestartedWarning), ending:
            assert list(rows) == ["a", "b", "c"]
        if there:
            assert len(rows) == 3


def test_a_call_is_made_again_with_what_its_arguments_were() -> None:
    numbers = np.arange(3)
    with iterate_in_subprocess(Data, max_restarts=1) as rows:
        rows.call("__setattr__", "rows", numbers)
        numbers[:] = 7
        os.kill(rows.call("pid"), signal.SIGKILL)
        with pytest.warns(WorkerRestartedWarning):
            assert list(map(str, rows)) == ["0", "1", "2"]


def five(_: int) -> range:
    return range(5)


def test_what_is_kept_of_a_pass_does_not_grow_with_the_shards() -> None:
    with iterate_in_workers(five, 2000, 1, backend="subprocess") as items:
        assert len(list(items)) == 10_000
        delivery: Any = items._current.delivery
        assert len(delivery._past._copies) < 1900  # of 2000 shards
        assert items.state_dict(behind=1000)["ended"]


@pytest.mark.parametrize("in_order", [True, False])
def test_users_are_told_which_of_all_shards_it_is(*, in_order: bool) -> None:
    # And not its position among those that the rank reads, in their order.
    ranks: Any = {"world_size": 2, "seed": 1, "shuffle_shards": True}
    options: Any = {**ranks, "in_order": in_order, "backend": "inline"}
    order = order_of(Sharding(8, 1, True, 1), 0)
    number, shorter = order[5], order[7]
    with iterate_in_workers(shard_jobs.tell, 8, 2, rank=1, **options) as items:
        got = list(items)
        assert {shard for shard, *_ in got} == {*order[1::2]}
        for shard, _, total, seed, epoch in got:
            assert (total, seed, epoch) == (8, shard_seed(1, 0, shard), 0)
    given = [5 if shard == number else 0 for shard in range(8)]
    with iterate_in_workers(shard_jobs.fail_at_five, given, 2, rank=1, **options) as items:
        with pytest.raises(KeyError) as caught:
            list(items)
        assert caught.value.shard == number  # type: ignore[attr-defined]
    with iterate_in_workers(five, 8, 2, rank=1, **options) as items:
        items.load_state_dict({**items.state_dict(), "begun": [[3, 6]]})
        with pytest.raises(ReplayDivergedError, match=f"shard {shorter} ended after 5 items"):
            list(items)


def test_where_a_worker_has_died_all_shards_that_it_reads_are_named() -> None:
    ranks: Any = {"rank": 1, "world_size": 2, "seed": 1, "shuffle_shards": True}
    first, second, third = order_of(Sharding(6, 1, True, 1, 1, 2), 0)
    given = [int(shard != second) for shard in range(6)]  # it dies at 0
    with (
        iterate_in_workers(shard_jobs.first_dies, given, 1, backend="subprocess", **ranks) as items,
        pytest.raises(WorkerDiedError) as caught,
    ):
        list(items)
    assert caught.value.shard in {first, second}  # type: ignore[attr-defined]
    told = "".join(traceback.format_exception(caught.value))
    all_three = ", ".join(map(str, sorted([first, second, third])))
    assert f"in one of the shards {all_three}" in told


def test_which_shards_have_ended_is_known_from_what_was_known_before() -> None:
    options: Any = {"backend": "inline", "seed": 1, "shuffle_shards": True}
    with iterate_in_workers(range, [number % 4 for number in range(90)], 2, **options) as items:
        iterator: Any = iter(items)
        delivery: Any = items._current.delivery
        for number, _ in enumerate(iterator):
            if number % 7 == 0:
                told = items.state_dict(behind=min(number, number % 3))["ended"]
                known, delivery._ended = delivery._ended, ((), ())
                assert told == items.state_dict(behind=min(number, number % 3))["ended"]
                delivery._ended = known


@pytest.mark.parametrize(
    "where", [(Anchors, "know"), (GroupCore, "start")], ids=lambda each: each[1]
)
def test_what_strikes_as_a_pass_begins_loses_no_loaded_state(
    monkeypatch: pytest.MonkeyPatch, where: tuple[Any, str]
) -> None:
    with iterate_in_workers(five, 4, 1, backend="inline", seed=1) as items:
        next(iter(items))
        state = items.state_dict()
        items.load_state_dict(state)
        with monkeypatch.context() as patched:
            patched.setattr(*where, raise_memory_error)
            with pytest.raises(MemoryError):
                iter(items)
        assert items.state_dict() == state
        assert len(list(items)) == 19


def raise_memory_error(*_: object) -> None:
    raise MemoryError


def test_the_elements_of_an_array_are_shards() -> None:
    shards: list[Any] = [np.arange(3), np.int64(3)]
    for each in shards:
        with iterate_in_workers(five, each, 0) as items:
            assert len(list(items)) == 15


class Endless:
    """Has an item for each index, as data sets of PyTorch may, and tells how many are meant."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> int:
        assert index < 10, "there is no end"
        return 2 * index


def test_shards_are_no_more_than_their_length() -> None:
    shards: Any = Endless()
    with iterate_in_workers(alone, shards, 0) as items:
        assert list(items) == [0, 2, 4]


class Table:
    """Has rows, and iterates over its columns, as a frame of pandas does."""

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[str]:
        return iter(["path", "label"])

    def __getitem__(self, name: str) -> list[str]:
        return [name] * 3

    def __repr__(self) -> str:
        return "TABLE"


def test_a_table_is_not_its_columns() -> None:
    with pytest.raises(TypeError, match=r"^shards=TABLE has a len\(\) of 3, and gives 2 shards; p"):
        iterate_in_workers(alone, Table(), 0)  # type: ignore[call-overload]


class Square(Table):
    """Has as many rows as columns."""

    columns = property(list)

    def __len__(self) -> int:
        return 2


class OfPandas(Square):
    """Has what a frame of pandas has."""

    iloc = property(list)


class OfArrow(Square):
    """Has what a table of Arrow has, and a frame of Polars."""

    schema = property(list)


@pytest.mark.parametrize("table", [OfPandas(), OfArrow()], ids=["pandas", "arrow"])
def test_a_table_is_not_its_columns_where_there_are_as_many(table: Any) -> None:
    with pytest.raises(TypeError, match=r"^shards=TABLE is a table, and gives its columns; pass"):
        iterate_in_workers(alone, table, 0)


def test_shards_may_have_columns_of_their_own() -> None:
    class Rows(list[int]):
        columns = ("path", "label")

    with iterate_in_workers(alone, Rows([4, 5]), 0) as items:
        assert list(items) == [4, 5]


def alone(shard: int) -> list[int]:
    return [shard]


@pytest.mark.parametrize(
    ("shards", "options", "told"),
    [
        ([], {}, "there is nothing to read here: there is no shard, or none for this rank"),
        ([1], {}, "there is 1 shard for 2 workers here, so 1 has nothing to do"),
        ([1, 1], {"rank": 2, "world_size": 3}, "there is nothing to read"),
        ([1, 1], {}, ""),
    ],
)
def test_too_few_shards_are_told(
    shards: list[int], options: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    iterate_in_workers(range, shards, 2, backend="inline", **options).close()
    assert told in caplog.text
    assert bool(caplog.records) == bool(told)


def test_few_slots_are_warned_of_where_there_are_few_shards_too() -> None:
    with pytest.warns(FarsideWarning, match="4 workers have nothing to do; pass 20 or more"):
        iterate_in_workers(range, [1] * 18, 20, backend="inline").close()


@pytest.mark.parametrize(
    ("workers", "told"), [(2, "and 1 worker has nothing"), (4, "and 3 workers have nothing")]
)
def test_idle_workers_are_counted_once(
    workers: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.warns(FarsideWarning, match=told):
        iterate_in_workers(range, 3, workers, cycle_length=1, backend="inline").close()
    assert not caplog.records


def test_ranks_that_would_shuffle_in_different_ways() -> None:
    ranks: Any = {"rank": 0, "world_size": 2, "shuffle_shards": True, "backend": "inline"}
    with iterate_in_workers(five, 4, 1, seed=3, **ranks) as items:
        list(items)
        state = items.state_dict()
    with iterate_in_workers(five, 4, 1, **ranks) as items:
        with pytest.raises(ValueError, match="pass the same seed to each rank"):
            iter(items)
        items.load_state_dict(state)
        assert len(list(items)) == 10
        assert len(list(items)) == 10


def test_inputs_that_have_failed_are_counted() -> None:
    options: Any = {"backend": "inline", "on_error": "skip"}
    with map_in_workers(bool_of_array, [1, 0, 2, 0], 1, **options) as results:
        assert list(results) == [1, 2]
        assert next(iter(results)) == 1
        assert list(results) == [1, 2]
        stats = results.stats()
        assert stats.failed_inputs >= 4
        assert f"{stats.failed_inputs} failed inputs" in str(stats)


def bool_of_array(number: int) -> int:
    if not number:
        raise ValueError(number)
    return number


def test_who_knows_the_length_may_say_it() -> None:
    with iterate_in_workers(range, [3, 1], 2, length=4) as numbers:
        assert len(numbers) == len(list(numbers)) == 4
    for wrong, kind in ((-1, ValueError), ("4", TypeError)):
        with pytest.raises(kind, match="length="):
            iterate_in_workers(range, [3, 1], 2, length=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("in_order", [True, False])
def test_as_many_shards_as_a_len_can_tell_and_no_more(in_order: bool) -> None:  # noqa: FBT001
    most = sys.maxsize
    options: Any = {"num_workers": 0, "in_order": in_order}
    with iterate_in_workers(lambda shard: [shard], most, length=most, **options) as numbers:
        assert list(islice(numbers, 3)) == [0, 1, 2]
        assert len(numbers) == most
    for shards, length, name in ((most + 1, 1, "shards"), (1, most + 1, "length")):
        with pytest.raises(ValueError, match=f"{name}={most + 1} is above {most}; pass less"):
            iterate_in_workers(range, shards, length=length, **options)


def test_a_worker_that_has_yet_to_start_has_no_length() -> None:
    with iterate_in_subprocess(five_numbers, wait=False) as numbers:
        if numbers.state == "initialization":
            with pytest.raises(TypeError, match="call wait_ready"):
                len(numbers)
        numbers.wait_ready()
        assert len(numbers) == 5


def five_numbers() -> range:
    return range(5)


def test_an_executor_has_environments_and_a_time_to_start() -> None:
    with WorkerExecutor(1, env={"FARSIDE_TEST": "here"}, backend="subprocess") as executor:
        assert executor.submit(os.getenv, "FARSIDE_TEST").result(20) == "here"
    with WorkerExecutor(1, setup=takes_a_second, init_timeout=0.1) as executor:
        with pytest.raises(BrokenWorkersError):
            executor.submit(range.count, 1).result(20)


def test_many_inputs_that_are_done_cost_no_memory() -> None:
    async def nothing() -> AsyncIterator[int]:
        return
        yield

    supply = AsyncSupply(nothing, Place(((0, 1 << 40),), (), 0))
    assert "1099511627776" in str(supply._too_few())
    assert join_ranges([(0, 1 << 40), (1 << 39, 1 << 41)]) == [(0, 1 << 41)]


@pytest.mark.parametrize("in_order", [True, False])
def test_a_state_that_another_thread_asks_for_is_that_of_some_moment(*, in_order: bool) -> None:
    wrong: list[Any] = []
    over = threading.Event()

    def ask(items: Any) -> None:
        delivery = items._current.delivery
        while not over.is_set():
            least = delivery.delivered
            try:
                state = items.state_dict()
            except Exception as error:
                wrong.append(error)
                continue
            ended = 20 * sum(end - first for first, end in state["ended"])
            taken = ended + sum(count for _, count in state["begun"])
            if state["epoch"]:  # the loop is at its end: the next pass begins at its beginning
                assert taken == 0
            elif not least <= taken <= delivery.delivered:
                wrong.append(state)

    interval = sys.getswitchinterval()
    with iterate_in_workers(
        twenty, 300, 2, backend="subprocess", in_order=in_order, buffer_size=3
    ) as items:
        numbers = iter(items)
        next(numbers)
        asker = threading.Thread(target=ask, args=[items])
        sys.setswitchinterval(1e-5)
        asker.start()
        try:
            assert sum(1 for _ in numbers) == 20 * 300 - 1
        finally:
            over.set()
            asker.join()
            sys.setswitchinterval(interval)
    assert wrong == []


def twenty(shard: int) -> Iterator[int]:
    return iter(range(shard, shard + 20))


class Factor:
    """What is made in each worker: the first one to answer dies, before another one does."""

    def __init__(self, died: Path) -> None:
        self.factor, self._died = 1, died

    def set(self, factor: int) -> int:
        self.factor = factor
        info = get_worker_info()
        assert info is not None
        if info.index == 0 and not self._died.exists():
            self._died.touch()
            threading.Timer(0.2, os._exit, (1,)).start()
        if info.index == 1:
            time.sleep(1.0)
        return factor


def factors(made: Factor, shard: int) -> Iterator[tuple[int, int]]:
    yield shard, made.factor


@pytest.mark.filterwarnings("ignore::farside.WorkerRestartedWarning")
def test_a_worker_started_again_during_a_call_has_the_call_too(tmp_path: Path) -> None:
    with iterate_in_workers(
        factors,
        4,
        2,
        setup=partial(Factor, tmp_path / "died"),
        max_restarts=1,
        backend="subprocess",
    ) as items:
        assert items.call("set", 10) == [10, 10]
        assert list(items) == [(shard, 10) for shard in range(4)]


class FirstDies:
    """The first of some workers dies in a call."""

    def die(self) -> None:
        info = get_worker_info()
        assert info is not None
        if not info.index:
            os._exit(3)

    def pid(self) -> int:
        return os.getpid()


def the_first_fails() -> None:
    info = get_worker_info()
    assert info is not None
    if not info.index:
        raise ValueError("the first")


def factors_of_none(_: object, shard: int) -> Iterator[int]:
    yield shard


@pytest.mark.parametrize("in_call", [True, False])
def test_no_worker_outlives_another_that_has_failed(*, in_call: bool) -> None:
    initializer = None if in_call else the_first_fails
    items = iterate_in_workers(
        factors_of_none, 2, 2,
        setup=FirstDies, initializer=initializer, wait=in_call, backend="subprocess",
    )  # fmt: skip
    members = items._current.members
    with pytest.raises((WorkerDiedError, WorkerInitializationError)):
        items.call("die") if in_call else items.wait_ready()
    assert members[1].worker.wait(SECONDS)
    items.close()


def test_so_it_is_where_no_loop_meets_the_failure() -> None:
    with iterate_in_workers(factors_of_none, 2, 2, setup=FirstDies, backend="subprocess") as items:
        second = items._current.members[1].worker
        os.kill(items.call("pid")[0], signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while items._current.core.failure is None and time.monotonic() < deadline:
            items.dump_stack()  # it waits, and so finds out
        with pytest.raises(WorkerDiedError) as caught:  # as where the next loop finds out
            iter(items)
        with pytest.raises(IterableClosedError) as closed:
            iter(items)
        assert closed.value.__cause__ is caught.value
        assert second.wait(SECONDS)
        assert items.state == "closed"


def the_first_waits_once(waits: Path, shard: int) -> Iterator[int]:
    yield shard
    if not shard and not waits.exists():
        waits.touch()
        threading.Event().wait()
    yield shard


@pytest.mark.filterwarnings("ignore::farside.WorkerRestartedWarning")
def test_a_task_hears_of_a_worker_that_another_thread_starts_again_while_another_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins, goes_on, start_again = threading.Event(), threading.Event(), starting._start_again

    def start_later(client: Client, new: Member) -> None:
        begins.set()
        assert goes_on.wait(SECONDS)
        start_again(client, new)

    monkeypatch.setattr(starting, "_start_again", start_later)

    async def main(items: Any) -> list[int]:
        client, iterator = items._current, aiter_of(items)
        got = [await iterator.__anext__() for _ in range(2)]
        first, second = client.members
        while not waits.exists():  # noqa: ASYNC110  else the next worker would wait for ever
            await asyncio.sleep(0)
        first.worker.kill()
        asks = Background(client.wait, When(begins.is_set))  # it finds out, and starts another
        assert begins.wait(SECONDS)
        second.worker.kill()
        rest = asyncio.create_task(iterator.__anext__())
        while not (second.released and client.waiting.tasks):  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0)
        assert not client.waiting.links.wakeup.closed
        goes_on.set()
        got.append(await asyncio.wait_for(rest, SECONDS))
        asks.result()
        return got

    waits = tmp_path / "waits"
    fn = partial(the_first_waits_once, waits)
    with iterate_in_workers(fn, 2, 2, max_restarts=1, backend="subprocess") as items:
        assert asyncio.run(main(items)) == [0, 1, 0]


def the_second_waits(shard: int) -> Iterator[int]:
    yield shard
    if shard:
        threading.Event().wait()
    yield shard


def test_where_several_have_died_the_error_that_was_raised_is_the_cause() -> None:
    with iterate_in_workers(the_second_waits, 2, 2, backend="subprocess") as items:
        iterator, client = iter(items), items._current
        assert [next(iterator) for _ in range(3)] == [0, 1, 0]  # the next is one of the second
        # If a frame of the first was still to be read, only the end of the second would be seen.
        client.wait(deadline.When(lambda: client.core.workers[0].over))
        for member in client.members:
            member.worker.kill()
            assert member.worker.wait(SECONDS)
        with pytest.raises(WorkerDiedError) as caught:
            next(iterator)
        assert None not in [each.failure for each in client.core.workers]
        assert client.members[1].label in str(caught.value)
        for _ in range(2):
            with pytest.raises(IterableClosedError) as closed:
                iter(items)
            assert closed.value.__cause__ is caught.value


def the_second_fails(shard: int) -> Iterator[int]:
    if shard == 1:
        raise ValueError(shard)
    yield shard


def test_the_loop_gets_the_failure_also_if_another_thread_was_told_of_it_before() -> None:
    with iterate_in_workers(the_second_fails, 3, 3, wait=False, backend="subprocess") as items:
        iterator, client = iter(items), items._current
        assert next(iterator) == 0
        client.wait(deadline.When(lambda: client.core.failure is not None))
        for wait in (items.wait_ready, iterator.__next__):
            with pytest.raises(ValueError, match="1"):
                wait()
        assert client.members[0].worker.wait(SECONDS)


def import_late(shard: int) -> Iterator[int]:
    if shard == 1:
        time.sleep(1.0)
    import_module("numpy")
    yield from (shard, shard)


@pytest.mark.filterwarnings("ignore::farside.BackendFallbackWarning")
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="there are none")
def test_each_worker_falls_back_whatever_others_have_given(*, in_order: bool) -> None:
    with iterate_in_workers(
        import_late, 2, 2, backend="subinterpreter", in_order=in_order
    ) as items:
        assert sorted(items) == [0, 0, 1, 1]


def fail(shard: object) -> Iterator[int]:
    yield 0
    raise ValueError("on purpose")


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(
    ("shards", "told"),
    [
        (["a.txt", "b.txt"], "in shard 0 ('a.txt'), at"),
        ([("a.txt", 5, 9)], "in shard 0 ('a.txt', 5, 9), at"),
        ([[5, 9]], "in shard 0, at"),
        (1, "in shard 0, at"),
    ],
)
def test_an_error_names_the_shard(
    shards: Any, told: str, *, in_order: bool, num_workers: int
) -> None:
    with iterate_in_workers(fail, shards, num_workers, in_order=in_order) as items:
        with pytest.raises(ValueError, match="on purpose") as caught:
            list(items)
    assert told in "".join(traceback.format_exception(caught.type, caught.value, None))
