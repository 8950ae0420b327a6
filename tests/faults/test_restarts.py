"""Workers die at any moment and are started again: the loop gets each item once, and in order."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import re
import signal
import threading
import time
import traceback
import warnings
from functools import partial
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    FarsideError,
    IterableClosedError,
    WorkerDiedError,
    WorkerIterationError,
    WorkerRestartedWarning,
    WorkerTimeoutError,
    iterate_in_worker,
    iterate_in_workers,
)
from farside._backends.subprocess import SubprocessBackend
from farside._protocol import recovery
from farside._protocol.parent_machine import ParentState
from farside.testing.checks import take, until
from tests import jobs as plain_jobs
from tests import shard_jobs as jobs
from tests import snapshot_jobs
from tests.background import Background
from tests.faults import dying
from tests.faults.staging import pid_of
from tests.kinds import FORKSERVER
from tests.simulated import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from farside import RemoteIterable
    from farside._backends.base import Worker
    from farside._parent.options import Options
    from tests.kinds import Kind

# A worker may be told to end while it imports a module: Python leaves the module's file open then.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


LENGTHS = [3, 0, 1, 5, 0, 2, 60, 4, 1, 0, 6, 2, 3, 3, 1, 40, 7, 0, 2, 9]
EXPECTED = list(simulate(LENGTHS, 16))
SLOW = partial(jobs.slow_pairs, 0.001)

SOAK = 100 if "FARSIDE_SOAK_SECONDS" in os.environ else 1
"""Times 10,000 items and ten deaths."""


def start(
    kind: Kind, fn: Callable[..., Any], shards: Sequence[Any] | int, workers: int, **options: Any
) -> RemoteIterable[Any]:
    return kind.start_several(fn, shards, workers, **{"max_restarts": 1000, **options})


def mortal(
    kind: Kind, plan: jobs.Plan, workers: int = 1, lengths: Sequence[int] = (8, 8), **options: Any
) -> RemoteIterable[Any]:
    read = partial(jobs.mortal_pairs, plan)
    return start(kind, read, jobs.numbered(lengths), workers, **options)


class Told:
    """What was warned of."""

    def __init__(self, caught: list[warnings.WarningMessage]) -> None:
        self._caught = caught

    def texts(self) -> list[str]:
        """Return why workers were started again; nothing else may have been warned of."""
        own = [each for each in self._caught if "use of fork" not in str(each.message)]
        assert {each.category for each in own} <= {WorkerRestartedWarning}
        return [str(each.message) for each in own]


@pytest.fixture
def restarts() -> Iterator[Told]:
    """What is warned of in a test."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield Told(caught)


def kill_one(items: RemoteIterable[Any], rng: Random, *, in_starts: bool = False) -> bool:
    """Kill a worker; one that is being started only if `in_starts`, for that is no progress."""
    client = items._current
    member = rng.choice(client.members)
    starting = client.core.workers[member.index].state is ParentState.INITIALIZATION
    if member.worker is None or (starting and not in_starts):
        return False
    killed: bool = member.worker.kill()
    return killed


class Killer:
    """Kills workers in a thread, at random moments, a few times: else none would get on."""

    most = 4

    def __init__(
        self, items: RemoteIterable[Any], seed: int, pause: float = 0.03, *, in_starts: bool = False
    ) -> None:
        self._items, self._pause, self._in_starts = items, pause, in_starts
        self._rng = Random(seed)  # noqa: S311  nothing is kept secret
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._kill)
        self.kills = 0

    def _kill(self) -> None:
        while self.kills < self.most and not self._end.wait(self._rng.uniform(0, self._pause)):
            self.kills += kill_one(self._items, self._rng, in_starts=self._in_starts)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


# Anywhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    "options",
    [{}, {"buffer_size": 1}, {"buffer_size": 3}, {"buffer_size": -1}, {"in_order": False}],
    ids=str,
)
def test_workers_that_are_killed_at_random_moments(
    restarts: Told, workers: int, options: dict[str, Any]
) -> None:
    kills = 0
    with start(FORKSERVER, SLOW, jobs.numbered(LENGTHS), workers, **options) as items:
        for seed in range(2):
            with Killer(items, seed, in_starts=True) as killer:
                got = list(items)
            kills += killer.kills
            ordered = options.get("in_order", True)
            assert (got if ordered else sorted(got)) == (EXPECTED if ordered else sorted(EXPECTED))
        assert 0 < items.stats().restarts <= kills
        told = items.stats().restarts
    assert told >= len(restarts.texts())  # those of the last moment nobody was told of
    assert all("was killed by SIGKILL" in each for each in restarts.texts())


@pytest.mark.parametrize("in_order", [True, False])
def test_killed_workers_go_on_by_the_state_of_the_iterable(
    restarts: Told, tmp_path: Path, *, in_order: bool
) -> None:
    log, lengths = tmp_path / "log", [3, 0, 150, 90, 60, 1, 200, 80]
    read, expected = partial(snapshot_jobs.Numbered, str(log)), list(simulate(lengths, 8))
    shards, loads = jobs.numbered(lengths), 0
    with start(FORKSERVER, read, shards, 2, in_order=in_order, cycle_length=8) as items:
        for seed in range(2):
            with Killer(items, seed, pause=0.3):
                got = list(items)
            assert sorted(got) == sorted(expected)
            assert not in_order or got == expected
        loads = log.read_text().count("loaded")
        assert items.stats().restarts > 0
    assert loads > 0
    assert restarts.texts()


def test_each_start_method(subprocess_kind: Kind, restarts: Told) -> None:
    with start(subprocess_kind, SLOW, jobs.numbered(LENGTHS), 2) as items:
        for seed in range(2):
            rng = Random(seed)  # noqa: S311  as above
            got = []
            for item in items:
                got.append(item)
                if len(got) in {20, 60}:
                    kill_one(items, rng)
            assert got == EXPECTED
        assert items.stats().restarts > 0
    assert all("was started again, and goes on where it was" in each for each in restarts.texts())


def test_async_for(restarts: Told) -> None:
    async def main() -> int:
        async with start(FORKSERVER, SLOW, jobs.numbered(LENGTHS), 2) as items:
            for seed in range(2):
                with Killer(items, seed):
                    assert [item async for item in items] == EXPECTED
            return items.stats().restarts

    assert asyncio.run(main()) > 0
    assert restarts.texts()


def test_one_worker(restarts: Told) -> None:
    numbers = partial(plain_jobs.SleepsEachTime, 100, 0.001)
    with iterate_in_worker(
        numbers, backend="subprocess", mp_context="forkserver", max_restarts=1000
    ) as items:
        for seed in range(2):
            with Killer(items, seed):
                assert list(items) == list(range(100))
        assert items.stats().restarts > 0
    assert restarts.texts()


@pytest.mark.parametrize("buffer_size", [None, 2])
def test_views_of_shared_memory_outlive_the_worker(restarts: Told, buffer_size: int | None) -> None:
    np = pytest.importorskip("numpy")
    lengths = [10, 0, 30, 12]
    with start(
        FORKSERVER, jobs.arrays, jobs.numbered(lengths), 2, buffer_size=buffer_size
    ) as items:
        for seed in range(2):
            with Killer(items, seed):
                got = list(items)
            assert [(shard, number) for shard, number, _ in got] == list(simulate(lengths, 4))
            for shard, number, array in got:
                assert (array == np.full(50_000, shard * 1000 + number)).all()
            del got, array
        assert items.stats().restarts > 0
    gc.collect()
    assert restarts.texts()


@pytest.mark.timeout(60 * SOAK)
def test_many_items_and_many_deaths(restarts: Told) -> None:
    lengths, rng = [100 * SOAK] * 100, Random(0)  # noqa: S311  as above
    total, deaths = 10_000 * SOAK, 10 * SOAK
    places, kills = set(rng.sample(range(total), deaths)), 0
    with start(
        FORKSERVER, jobs.pairs, jobs.numbered(lengths), 4, buffer_bytes=500, max_restarts=deaths
    ) as items:
        waiting = 0
        for count, (item, expected) in enumerate(
            zip(items, simulate(lengths, 16), strict=True), start=1
        ):
            assert item == expected
            waiting += count - 1 in places
            if waiting and kill_one(items, rng):
                waiting, kills = waiting - 1, kills + 1
        assert count == total
        assert items.stats().restarts <= kills
        assert items.stats().restarts > deaths // 2
    assert restarts.texts()


# Here ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["kill", "exit"])
@pytest.mark.parametrize("workers", [1, 2])
def test_deaths_in_items_and_while_items_are_passed_over(
    tmp_path: Path, restarts: Told, how: str, workers: int
) -> None:
    places = [(0, 5), (0, 3), (0, 0), (0, 7)]
    plan = jobs.Plan(str(tmp_path / "lives"), how, *places)
    with mortal(FORKSERVER, plan, workers, max_restarts=4) as items:
        for _ in range(2):
            assert list(items) == list(simulate([8, 8], 2))
        assert items.stats().restarts == 4
    assert len(restarts.texts()) == 4
    assert all(("exit code 7" if how == "exit" else "SIGKILL") in each for each in restarts.texts())


@pytest.mark.parametrize("wait", [True, False])
def test_a_death_in_the_first_start(tmp_path: Path, restarts: Told, *, wait: bool) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "kill", "start")
    with mortal(
        FORKSERVER, plan, max_restarts=1, initializer=plan.start, forward_logs=False, wait=wait
    ) as items:
        assert list(items) == list(simulate([8, 8], 2))
    assert len(restarts.texts()) == 1
    assert "in state initialization" in restarts.texts()[0]


def test_a_worker_that_dies_again_in_its_start_is_an_error(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", (1, 5), "start")
    with mortal(FORKSERVER, plan, max_restarts=9, initializer=plan.start) as items:
        got, error = take(items)
        assert got == list(simulate([8, 8], 2))[: len(got)]
        assert isinstance(error, WorkerDiedError)
        assert error.state == "initialization"
        assert items.stats().restarts == 1
        with pytest.raises(IterableClosedError):
            iter(items)
    assert len(restarts.texts()) == 1


def test_a_first_start_that_fails_twice_is_an_error(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", "start", "start")
    with pytest.raises(WorkerDiedError):
        mortal(FORKSERVER, plan, max_restarts=9, initializer=plan.start)
    assert len(restarts.texts()) == 1


@pytest.mark.parametrize("first", [True, False])
def test_workers_that_are_killed_in_one_start_after_another(
    subprocess_kind: Kind, tmp_path: Path, restarts: Told, *, first: bool
) -> None:
    places: list[Any] = ["start"] * 4 if first else [(1, 5), *["start"] * 3]
    plan = jobs.Plan(str(tmp_path / "lives"), "kill", *places)
    with mortal(subprocess_kind, plan, max_restarts=4, initializer=plan.start) as items:
        assert list(items) == list(simulate([8, 8], 2))
        assert items.stats().restarts == 4
    assert len(restarts.texts()) == 4
    assert all("SIGKILL" in each for each in restarts.texts())


def test_starts_that_are_cut_off_use_restarts_up(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "kill", (1, 5), *["start"] * 3)
    with mortal(FORKSERVER, plan, max_restarts=3, initializer=plan.start) as items:
        got, error = take(items)
        assert got == list(simulate([8, 8], 2))[: len(got)]
        assert isinstance(error, WorkerDiedError)
        assert error.state == "initialization"
    assert len(restarts.texts()) == 3


@pytest.mark.parametrize("lack", [errno.EMFILE, errno.ENFILE])
def test_starts_for_which_no_descriptors_are_left(
    subprocess_kind: Kind,
    tmp_path: Path,
    restarts: Told,
    monkeypatch: pytest.MonkeyPatch,
    lack: int,
) -> None:
    """They may be there soon, as memory and processes may be."""
    lacks: list[int] = []
    launch = SubprocessBackend.launch

    def launch_if_some_are_left(backend: SubprocessBackend, options: Options) -> Worker:
        if lacks:
            raise OSError(lacks.pop(), "none are left")
        return launch(backend, options)

    monkeypatch.setattr(SubprocessBackend, "launch", launch_if_some_are_left)
    plan = jobs.Plan(str(tmp_path / "lives"), "kill", (1, 5))
    with mortal(subprocess_kind, plan, max_restarts=3) as items:
        lacks += [lack] * 2
        assert list(items) == list(simulate([8, 8], 2))
        assert items.stats().restarts == 3
    assert ["SIGKILL" in each for each in restarts.texts()] == [True, False, False]
    told = "the start of a worker was tried again: .* none are left: so no worker can be started"
    assert re.match(told, restarts.texts()[1])


def test_a_warning_in_the_first_start_names_the_line_of_the_user(
    subprocess_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks, launch = [errno.EMFILE], SubprocessBackend.launch

    def launch_if_some_are_left(backend: SubprocessBackend, options: Options) -> Worker:
        if lacks:
            raise OSError(lacks.pop(), "none are left")
        return launch(backend, options)

    monkeypatch.setattr(SubprocessBackend, "launch", launch_if_some_are_left)
    options: dict[str, Any] = {"max_restarts": 1, "mp_context": subprocess_kind.name}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with iterate_in_workers(range, [3], 1, **options) as numbers:
            assert list(numbers) == [0, 1, 2]
    [told] = [each for each in caught if each.category is WorkerRestartedWarning]
    assert told.filename == __file__


@pytest.mark.parametrize("in_order", [True, False])
def test_restarts_that_are_used_up(tmp_path: Path, restarts: Told, *, in_order: bool) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", *[(1, 5)] * 4)
    with mortal(FORKSERVER, plan, 2, max_restarts=3, in_order=in_order) as items:
        got, error = take(items)
        assert isinstance(error, WorkerDiedError)
        assert error.exit_code == 7
        assert error.shard == 1  # type: ignore[attr-defined]
        assert items.stats().restarts == 3
        assert len(set(got)) == len(got)
        assert [each for each in got if each[0] == 1] == [(1, number) for number in range(5)][
            : len([each for each in got if each[0] == 1])
        ]
        if in_order:
            assert got == list(simulate([8, 8], 2))[: len(got)]
    assert len(restarts.texts()) == 3


def test_an_error_names_all_shards_that_may_have_killed_the_worker(tmp_path: Path) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", (3, 2))
    with mortal(FORKSERVER, plan, 2, [8] * 4, max_restarts=0) as items:
        _, error = take(items)
    assert isinstance(error, WorkerDiedError)
    assert error.shard in {1, 3}  # type: ignore[attr-defined]
    assert "soon after, in one of the shards 1, 3" in "".join(traceback.format_exception(error))


def test_who_makes_no_progress_is_started_again_later_and_later(
    tmp_path: Path, restarts: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "PAUSE_SECONDS", 0.7)
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", *[(0, 0)] * 3)
    with mortal(FORKSERVER, plan) as items:
        begun = time.monotonic()
        assert list(items) == list(simulate([8, 8], 2))
        assert time.monotonic() - begun >= 0.7 + 1.4
    assert len(restarts.texts()) == 3


@pytest.fixture
def _long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "PAUSE_SECONDS", 300.0)
    monkeypatch.setattr(recovery, "LONGEST_PAUSE", 300.0)


def pausing(items: RemoteIterable[Any]) -> bool:
    """Tell whether a worker is to be started again by and by."""
    return items._current.chores.due is not None


@pytest.mark.usefixtures("_long_pauses")
def test_closing_ends_a_pause_between_restarts(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", *[(0, 0)] * 2)
    with mortal(FORKSERVER, plan) as items:
        loop = Background(take, items)
        until(lambda: pausing(items))
        items.close()
        got, error = loop.result()
        assert got == []
        assert isinstance(error, IterableClosedError)
    assert len(restarts.texts()) == 2


@pytest.mark.usefixtures("_long_pauses")
def test_other_workers_go_on_in_a_pause(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", *[(0, 0)] * 2)
    options: dict[str, Any] = {"in_order": False, "buffer_size": 1, "timeout": 0.5}
    with mortal(FORKSERVER, plan, 2, (8, 50_000), init_timeout=60, **options) as items:
        iterator, got = iter(items), []
        while not pausing(items):
            got.append(next(iterator))
        time.sleep(1.0)  # longer than a worker may say nothing
        got += islice(iterator, 1000)
        assert got == [(1, number) for number in range(len(got))]
    assert len(restarts.texts()) == 2


@pytest.mark.usefixtures("_long_pauses")
def test_a_task_is_cancelled_in_a_pause(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", *[(0, 0)] * 2)

    async def main() -> None:
        async with mortal(FORKSERVER, plan, wait=False) as items:
            waiting = asyncio.ensure_future(items.__aiter__().__anext__())
            while not pausing(items):  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(main())
    assert len(restarts.texts()) == 2


@pytest.mark.usefixtures("_long_pauses")
def test_ctrl_c_in_a_pause_leaves_the_iterable_as_it_is(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", *[(0, 0)] * 2)
    with mortal(FORKSERVER, plan) as items:
        striking = Background(interrupt, lambda: pausing(items))
        with pytest.raises(KeyboardInterrupt):
            list(items)
        striking.result()
        assert items.state == "initialization"
        assert pausing(items)
    assert len(restarts.texts()) == 2


def interrupt(when: Callable[[], bool]) -> None:
    until(when)
    time.sleep(0.1)  # it is so in the middle of a step; what strikes there ends the iterable
    os.kill(os.getpid(), signal.SIGINT)


def test_restarts_count_anew_in_each_pass(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", (0, 1, 5), (0, 1, 5), (1, 0, 1), (1, 1, 7))
    with mortal(FORKSERVER, plan, max_restarts=2) as items:
        for _ in range(3):
            assert list(items) == list(simulate([8, 8], 2))
    assert len(restarts.texts()) == 4


def test_what_user_code_raises_restarts_nothing(restarts: Told) -> None:
    with start(FORKSERVER, jobs.fail_at_five, 8, 2) as items:
        got, error = take(items)
        assert isinstance(error, KeyError)
        assert len(got) == 21
        assert items.stats().restarts == 0
    assert not restarts.texts()


def test_calls_are_made_again(tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "kill", (1, 2), (1, 1), (0, 4))
    read = partial(jobs.mortal_scaled, plan)
    with start(FORKSERVER, read, 2, 2, setup=jobs.Made) as items:
        assert items.call("set_factor", 3) == [(0, 3), (1, 3)]
        assert items.call("set_factor", 10) == [(0, 10), (1, 10)]
        expected = [(shard, 10 * number) for number in range(5) for shard in range(2)]
        for _ in range(2):
            assert list(items) == expected
        assert items.stats().restarts == 3
    assert len(restarts.texts()) == 3


def test_the_error_of_a_call_names_the_worker_that_has_died(restarts: Told) -> None:
    with FORKSERVER.start(partial(dying.Shelf, 3), max_restarts=1) as shelf:
        pid = pid_of(shelf)
        with pytest.raises(WorkerDiedError, match=rf"\(pid {pid}\)"):
            shelf.call("die", 3)
        assert pid_of(shelf) != pid
    assert len(restarts.texts()) == 1


def test_a_worker_that_runs_out_of_time(kind: Kind, tmp_path: Path, restarts: Told) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "sleep", (1, 5), (1, 3))
    with mortal(
        kind, plan, 2, max_restarts=2, timeout=0.5, init_timeout=30, shutdown_timeout=1
    ) as items:
        assert list(items) == list(simulate([8, 8], 2))
        assert items.stats().restarts == 2
    assert len([each for each in restarts.texts() if "within timeout=0.5 seconds" in each]) == 2


def test_subinterpreters_that_are_stuck_are_not_left_behind_for_ever(
    subinterpreter_kind: Kind, tmp_path: Path, restarts: Told
) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "sleep", (0, 1), (0, 2), (0, 3), (0, 4))
    with mortal(
        subinterpreter_kind, plan, timeout=0.3, init_timeout=30, shutdown_timeout=0.1
    ) as items:
        got, error = take(items)
        assert isinstance(error, WorkerTimeoutError)
        assert got == list(simulate([8, 8], 2))[: len(got)]
    assert 0 < len(restarts.texts()) < 4
    assert all(each.endswith("could not be ended, and is left behind") for each in restarts.texts())


def test_the_time_of_a_start_begins_when_the_one_before_has_ended(
    subinterpreter_kind: Kind, tmp_path: Path, restarts: Told
) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "sleep", (1, 5))
    with mortal(
        subinterpreter_kind, plan, timeout=0.3, init_timeout=2, shutdown_timeout=3
    ) as items:
        assert list(items) == list(simulate([8, 8], 2))
    assert len(restarts.texts()) == 1


def test_the_index_of_an_item_counts_from_the_beginning_of_the_pass(
    tmp_path: Path, restarts: Told
) -> None:
    start = partial(
        iterate_in_worker,
        partial(jobs.DeathAndFailure, str(tmp_path / "died")),
        backend="subprocess",
        max_restarts=1,
    )
    with start() as items:
        got, error = take(items)
        assert got == [0, 1, 2, 3]
        assert isinstance(error, WorkerIterationError)
        assert (error.stage, error.item_index) == ("next", 4)
    assert len(restarts.texts()) == 1
    with start() as items:
        iterator = iter(items)
        assert [next(iterator), next(iterator)] == [0, 1]
        state = items.state_dict()
    with start() as items:
        items.load_state_dict(state)
        got, error = take(items)
        assert got == [2, 3]
        assert isinstance(error, WorkerIterationError)
        assert error.item_index == 4


def test_what_a_handler_raises_keeps_no_worker_from_being_started_again(
    tmp_path: Path, restarts: Told
) -> None:
    class Refusing(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise OSError("no handler")

    logger, handler = logging.getLogger("tests.mortal"), Refusing()
    logger.addHandler(handler)
    path = str(tmp_path / "died")
    try:
        with iterate_in_worker(
            partial(jobs.WordsAndDeath, path), backend="subprocess", max_restarts=1
        ) as items:
            got, heard = list[int](), 0
            iterator = iter(items)
            for _ in range(100):
                try:
                    got.append(next(iterator))
                except StopIteration:
                    break
                except OSError:
                    heard += 1
                    items.load_state_dict(items.state_dict())
                    iterator = iter(items)
            assert got == [0, 1, 2, 3]
            assert heard
    finally:
        logger.removeHandler(handler)
    assert len(restarts.texts()) == 1


# Interrupted --------------------------------------------------------------------------------------


def test_ctrl_c_in_the_middle(restarts: Told) -> None:
    def interrupt(after: float) -> None:
        time.sleep(after)
        os.kill(os.getpid(), 2)

    rng, again = Random(0), 0  # noqa: S311  as above
    for seed in range(8):
        with start(FORKSERVER, SLOW, jobs.numbered(LENGTHS), 2) as items:
            thread = threading.Thread(target=interrupt, args=(rng.uniform(0.0, 0.1),))
            got: list[Any] = []
            with Killer(items, seed, pause=0.01):
                with pytest.raises(KeyboardInterrupt):  # noqa: PT012  it may come anywhere
                    thread.start()
                    for _ in range(1000):
                        got = []
                        for item in items:
                            got.append(item)
                assert got == EXPECTED[: len(got)]
                thread.join()
            try:
                assert list(items) == EXPECTED
                again += 1
            except FarsideError:  # it has struck while a worker was started
                assert items.state == "closed"
    assert again > 0
    restarts.texts()
