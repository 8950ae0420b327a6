"""What every kind of worker promises of finalizers, of its environment, and of what it is told."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    FinalizerFailedWarning,
    WorkerIterationError,
    WorkerTimeoutError,
    get_worker_info,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
)
from tests import jobs
from tests.backends import telling

if TYPE_CHECKING:
    from pathlib import Path

    from farside import RemoteIterable
    from tests.kinds import Kind

SECONDS = 20.0


def write(path: Path, text: str) -> Any:
    return partial(telling.write, str(path), text)


# Finalizers ---------------------------------------------------------------------------------------


def test_finalizers_run_in_order_when_it_is_closed(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "told"
    finalizers = [write(path, "one "), write(path, "two "), write(path, "three")]
    with kind.start(partial(range, 3), finalizer=finalizers) as numbers:
        assert list(numbers) == [0, 1, 2]
        next(iter(numbers))
        assert not path.exists()
    assert path.read_text() == "one two three"


def test_a_single_finalizer_runs_after_a_failure(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "told"
    slowly = partial(telling.write_slowly, str(path), "done")
    with kind.start(partial(map, int, ["1", "x"]), finalizer=slowly) as numbers:
        with pytest.raises(WorkerIterationError):
            list(numbers)
        assert path.read_text() == "done"
    assert path.read_text() == "done"


def test_finalizers_run_after_a_failed_initialization(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "told"
    with pytest.raises(ZeroDivisionError):
        kind.start(telling.fail, finalizer=write(path, "done"))
    assert path.read_text() == "done"


def test_each_finalizer_runs_though_an_earlier_one_fails(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "told"
    finalizers = [telling.fail, telling.leave, write(path, "done")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FinalizerFailedWarning)  # the worker has this filter too
        with kind.start(list[int], finalizer=finalizers) as nothing:
            assert list(nothing) == []
    assert path.read_text() == "done"


def test_the_parent_is_warned_of_a_finalizer_that_fails(kind: Kind) -> None:
    with pytest.warns(FinalizerFailedWarning, match=r"finalizer\[0\] failed \(ZeroDivisionError"):
        kind.start(list[int], finalizer=telling.fail).close()


def test_a_finalizer_that_takes_too_long_is_no_hang(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "told"
    finalizers = [jobs.spin_busily, write(path, "never")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FinalizerFailedWarning)
        nothing = kind.start(list[int], finalizer=finalizers, shutdown_timeout=3.0)
        begin = time.monotonic()
        nothing.close()
        assert time.monotonic() - begin < SECONDS
    assert not path.exists()


def test_a_dropped_iterable_runs_finalizers_too(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "told"
    nothing = kind.start(list[int], finalizer=write(path, "done"))
    worker = nothing._current.members[0].worker
    del nothing
    assert worker.wait(10)
    assert path.read_text() == "done"


def test_a_killed_worker_runs_no_finalizers(subprocess_kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "told"
    with subprocess_kind.start(jobs.Endless, finalizer=write(path, "never")) as numbers:
        os.kill(int(numbers._current.members[0].worker.label.removeprefix("pid ")), signal.SIGKILL)
    assert not path.exists()


# What a worker is told ----------------------------------------------------------------------------


def test_a_worker_knows_about_itself(kind: Kind) -> None:
    options: dict[str, Any] = {"name": "reader", "worker_index": 2, "worker_count": 5, "seed": 77}
    with kind.start(telling.Teller, **options) as teller:
        assert teller.seed == 77
        for epoch in range(3):
            [info] = teller
            assert info is not None
            assert (info.backend, info.name) == (kind.backend, "reader")
            assert (info.index, info.count, info.seed, info.epoch) == (2, 5, 77, epoch)
            assert teller.call("in_a_thread") == info
        assert teller.call("at_first").epoch == 0
        assert "name='reader'" in repr(teller)
        assert "worker 'reader' (" in teller._current.members[0].name
    assert get_worker_info() is None


def test_defaults(kind: Kind) -> None:
    with kind.start(telling.Teller) as one, kind.start(telling.Teller) as two:
        [first], [second] = one, two
        assert (first.index, first.count, first.epoch) == (0, 1, 0)
        assert first.seed != second.seed
        assert first.name != second.name
        assert first.seed == one.seed < 1 << 64


def test_workers_within_workers_are_told_apart(kind: Kind) -> None:
    with kind.start(telling.Teller, name="outer") as teller:
        inner, outer = teller.call("nested")
        assert (inner.backend, inner.name) == ("subprocess", "inner")
        assert (outer.backend, outer.name) == (kind.backend, "outer")


def test_a_process_that_a_worker_forks_is_no_worker(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(telling.Teller) as teller:
        assert teller.call("in_a_fork") == 0


def test_inline_only_the_thread_is_a_worker_that_iterates() -> None:
    with iterate_in_worker(telling.Teller, backend="inline", name="here") as teller:
        assert get_worker_info() is None
        [info] = teller
        assert (info.backend, info.name, info.epoch) == ("inline", "here", 0)
        assert get_worker_info() is None
        [info] = teller
        assert info.epoch == 1
        assert teller.call("in_a_thread") is None


# Names and environments ---------------------------------------------------------------------------


def test_a_name_is_that_of_the_process_or_thread(kind: Kind) -> None:
    with kind.start(list[int], name="reader 7"):
        if kind.is_process:
            import multiprocessing

            names = {child.name for child in multiprocessing.active_children()}
        else:
            names = {thread.name for thread in threading.enumerate()}
        assert "reader 7" in names


def test_an_environment_is_there_before_anything_is_imported(
    subprocess_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARSIDE_TEST_KEPT", "kept")
    env = {"FARSIDE_TEST": "set"}
    with subprocess_kind.start(telling.Environment, env=env) as items:
        early, now, kept = items
    assert (now, kept) == ("set", "kept")
    if subprocess_kind.name != "fork":  # a forked process has imported everything before
        assert early == "set"
    assert "FARSIDE_TEST" not in os.environ


def test_an_environment_is_a_reason_for_a_process() -> None:
    with iterate_in_worker(telling.Environment, env={"FARSIDE_TEST": "x"}) as items:
        assert (items.backend, items.backend_reason) == (
            "subprocess",
            "env needs a process of its own",
        )
        assert list(items)[:2] == ["x", "x"]


def test_a_start_method_is_a_reason_for_a_process() -> None:
    with iterate_in_worker(list[int], mp_context="spawn") as items:
        assert items.backend == "subprocess"
        assert items.backend_reason == "mp_context needs a process of its own"


def test_to_go_on_after_a_death_is_a_reason_for_a_process() -> None:
    def check(items: RemoteIterable[Any], option: str) -> None:
        with items:
            assert items.backend == "subprocess"
            assert items.backend_reason == f"{option} needs a process of its own"
            assert len(list(items)) == 3

    check(iterate_in_worker(partial(range, 3), max_restarts=1), "max_restarts")
    check(iterate_in_workers(range, [1, 2], 2, max_restarts=1), "max_restarts")
    check(map_in_workers(abs, range(3), num_workers=2, retries=1), "retries")
    check(map_in_workers(abs, range(3), num_workers=2, task_timeout=60), "task_timeout")


def test_inputs_that_are_sent_are_no_reason_for_a_process() -> None:
    with map_in_workers(abs, [-1], num_workers=1) as items:
        assert "process of its own" not in items.backend_reason


# init_timeout -------------------------------------------------------------------------------------


def test_the_initialization_has_a_limit_of_its_own(kind: Kind) -> None:
    with pytest.raises(WorkerTimeoutError, match=r"within init_timeout=1\.0 seconds"):
        kind.start(jobs.hang, init_timeout=1.0)
    slow: RemoteIterable[Any] = kind.start(
        partial(telling.slowly, 0.5), timeout=0.3, init_timeout=20
    )
    with slow:
        assert list(slow) == [1]
