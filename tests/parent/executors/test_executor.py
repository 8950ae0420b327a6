"""WorkerExecutor keeps what `concurrent.futures` promises."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections import deque
from concurrent import futures as standard
from concurrent.futures import BrokenExecutor, CancelledError, Future, wait
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from farside import (
    BackendUnavailableError,
    BrokenWorkersError,
    NotPicklableError,
    WorkerDiedError,
    WorkerExecutor,
    WorkerTimeoutError,
)
from farside._backends import registry
from farside._parent.executors.pending import Pending, Work
from farside._protocol.parent_machine import ParentState
from farside._worker.mapper import Chunk
from tests import mapping_jobs as jobs
from tests.background import Background
from tests.children import run_python
from tests.kinds import SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BACKENDS = ["subprocess", *(kind.backend for kind in SUBINTERPRETERS)]


@pytest.fixture(params=BACKENDS)
def executor(request: pytest.FixtureRequest) -> Iterator[WorkerExecutor]:
    with WorkerExecutor(2, backend=request.param) as made:
        yield made


def test_submit(executor: WorkerExecutor) -> None:
    assert executor.submit(pow, 2, exp=5).result() == 32
    futures = [executor.submit(jobs.square, number) for number in range(200)]
    assert [future.result() for future in futures] == [number**2 for number in range(200)]


def test_map(executor: WorkerExecutor) -> None:
    wanted = [number**2 for number in range(20)]
    assert list(executor.map(jobs.square, range(20))) == wanted
    assert list(executor.map(jobs.square, range(20), chunksize=3)) == wanted
    assert list(executor.map(jobs.square, range(20), chunksize=3, buffersize=2)) == wanted
    assert list(executor.map(pow, [2, 3], [3, 2, 1])) == [8, 9]


def test_a_timeout_of_a_map_that_is_no_number(executor: WorkerExecutor) -> None:
    with pytest.raises(TypeError, match="timeout='3' is not a number; pass seconds, or None"):
        executor.map(jobs.square, [1], timeout="3")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400], ids=["inf", "nan", "huge"])
def test_a_timeout_of_a_map_that_is_not_finite(executor: WorkerExecutor, value: float) -> None:
    with pytest.raises(ValueError, match=r"timeout=.* is not a finite number; pass sec"):
        executor.map(jobs.square, [1], timeout=value)


def test_a_timeout_of_a_map_that_never_comes(executor: WorkerExecutor) -> None:
    assert list(executor.map(jobs.square, [3], timeout=1e300)) == [9]


@pytest.mark.parametrize("name", ["chunksize", "buffersize"])
def test_a_size_of_a_map_that_is_too_large(executor: WorkerExecutor, name: str) -> None:
    options: Any = {name: sys.maxsize}
    assert list(executor.map(jobs.square, [3], **options)) == [9]
    options = {name: sys.maxsize + 1}
    with pytest.raises(ValueError, match=f"{name}={1 << 63} is above {sys.maxsize}; pass less"):
        executor.map(jobs.square, [3], **options)


def test_map_with_buffersize_takes_what_it_needs(executor: WorkerExecutor) -> None:
    taken = []

    def numbers() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    results = executor.map(jobs.square, numbers(), buffersize=2)
    assert taken == [0, 1]
    assert next(results) == 0
    assert taken == [0, 1, 2]
    assert list(results)[-1] == 361


def test_map_with_buffersize_is_whole_when_nobody_else_has_the_executor() -> None:
    executor = WorkerExecutor(1, backend="subprocess")
    results = executor.map(jobs.square, range(9), buffersize=2)
    dropped = weakref.ref(executor)
    del executor
    assert list(results) == [number**2 for number in range(9)]
    assert dropped() is None


def test_map_has_a_timeout(executor: WorkerExecutor) -> None:
    with pytest.raises(standard.TimeoutError):
        list(executor.map(time.sleep, [0.5], timeout=0.1))


def test_an_exception_is_the_original_with_its_traceback(executor: WorkerExecutor) -> None:
    error = executor.submit(jobs.fail_at_threes, 3).exception()
    assert type(error) is ValueError
    assert error.args == (3,)
    assert "in fail_at_threes" in str(error.__cause__)


@pytest.mark.parametrize("given", [(), (1, 2)])
def test_a_call_with_other_arguments_is_told_nothing_of_inputs(
    executor: WorkerExecutor, given: tuple[int, ...]
) -> None:
    for error in (
        executor.submit(jobs.square, *given).exception(60),
        executor.submit(Chunk(jobs.square), [given]).exception(60),
    ):
        assert type(error) is TypeError
        told = "".join(traceback.format_exception(error))
        assert "in run_task" in told
        assert "function is called as" not in told


def test_what_does_not_pickle_fails_alone(executor: WorkerExecutor) -> None:
    argument = executor.submit(jobs.square, threading.Lock())  # type: ignore[call-overload]
    result = executor.submit(jobs.lock_at_one, 1)
    assert isinstance(argument.exception(), NotPicklableError)
    assert isinstance(result.exception(), NotPicklableError)
    assert str(result.exception()).startswith("the result of the task cannot be sent by")
    assert executor.submit(jobs.square, 2).result() == 4


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes")
def test_a_function_that_the_worker_does_not_find_gets_the_cure(
    executor: WorkerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late() -> None: ...  # as below the guard of a script: the worker's module has none

    monkeypatch.setattr(late, "__qualname__", "late")
    monkeypatch.setattr(late, "__module__", jobs.__name__)
    monkeypatch.setattr(jobs, "late", late, raising=False)
    error = executor.submit(late).exception(30)
    assert type(error) is AttributeError
    [cure] = getattr(error, "__notes__", [])
    assert "above if __name__ == '__main__':" in cure


def test_a_result_whose_loading_raises_what_refuses_to_be_changed_fails_alone(
    executor: WorkerExecutor,
) -> None:
    error = executor.submit(jobs.Unloadable, 1).exception(30)
    assert str(error) == (
        "the result of the task does not unpickle here (RefusesError: on purpose)"
    )
    assert error is not None
    assert type(error.__cause__).__name__ == "RefusesError"
    assert executor.submit(jobs.square, 2).result(30) == 4


class Ends:
    """A result whose loading ends the program."""

    def __reduce__(self) -> Any:
        return sys.exit, (3,)


def test_a_result_whose_loading_raises_system_exit_fails_alone(executor: WorkerExecutor) -> None:
    error = executor.submit(Ends).exception()
    assert isinstance(error, NotPicklableError)
    assert isinstance(error.__cause__, SystemExit)
    assert executor.submit(pow, 2, 5).result() == 32


def test_the_part_of_a_call_that_does_not_pickle_is_named(executor: WorkerExecutor) -> None:
    lock: Any = threading.Lock()
    told = [
        str(executor.submit(jobs.square, [1, lock]).exception(30)),  # type: ignore[call-overload]
        str(executor.submit(jobs.square, key={"a": lock}).exception(30)),  # type: ignore[call-overload]
        str(executor.submit(partial(divmod, lock), 1).exception(30)),
    ]
    for text, part in zip(told, ["args[0][1]", "kwargs['key']['a']", "fn.args[0]"], strict=True):
        assert f"to a worker: {part}: _thread.lock does not pickle (" in text


def test_a_call_with_a_lock_of_multiprocessing_tells_of_initializers(
    executor: WorkerExecutor,
) -> None:
    lock = multiprocessing.get_context("spawn").Lock()
    text = str(executor.submit(jobs.square, lock).exception(30))  # type: ignore[call-overload]
    assert "args[0]: multiprocessing.synchronize.Lock does not pickle" in text
    assert text.endswith(
        "; give it to an initializer, or pass a proxy of a multiprocessing.Manager"
    )


def test_a_call_that_refers_to_its_executor_is_told(executor: WorkerExecutor) -> None:
    error = executor.submit(jobs.square, executor).exception(30)  # type: ignore[call-overload]
    assert isinstance(error, NotPicklableError)
    assert "a WorkerExecutor cannot be copied or pickled" in str(error)


def test_who_keeps_an_exception_does_not_keep_what_the_executor_had(
    executor: WorkerExecutor,
) -> None:
    kept = [
        executor.submit(jobs.square, threading.Lock()).exception(60),  # type: ignore[call-overload]
        executor.submit(jobs.refuse_at_twos, 2).exception(60),
    ]
    assert [type(error) for error in kept] == [NotPicklableError] * 2
    crew = executor._crew
    dropped = weakref.ref(crew._client)
    executor.shutdown()
    crew._client = None
    gc.collect()
    assert dropped() is None


def test_a_call_that_raises_stop_iteration_tells_where(executor: WorkerExecutor) -> None:
    error = executor.submit(jobs.stop_at_one, 1).exception()
    assert type(error) is RuntimeError
    assert "in stop_at_one" in str(error.__cause__)


def test_a_lambda_asks_for_cloudpickle(
    executor: WorkerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(NotPicklableError, match=r"or install cloudpickle$"):
        executor.submit(lambda: 3).result()
    with pytest.raises(NotPicklableError, match=r"and arguments that do$"):
        executor.submit(len, threading.Lock()).result()  # type: ignore[call-overload]


def test_tasks_that_wait_can_be_cancelled(executor: WorkerExecutor) -> None:
    futures = [executor.submit(time.sleep, 0.3) for _ in range(10)]
    while not futures[0].running():
        time.sleep(0.01)
    cancelled = [future for future in futures if future.cancel()]
    assert len(cancelled) >= 10 - 2 * 2  # one that runs and one that waits, in each worker
    with pytest.raises(CancelledError):
        cancelled[0].result()
    wait(futures)


def test_a_callback_that_is_ended_as_the_call_was_harms_no_other_call(
    executor: WorkerExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    exits = executor.submit(sys.exit, 3)
    exits.add_done_callback(lambda done: done.result())
    assert isinstance(exits.exception(), SystemExit)
    assert executor.submit(pow, 2, 5).result() == 32
    assert "SystemExit: 3" in caplog.text


def test_shutdown(executor: WorkerExecutor) -> None:
    future = executor.submit(jobs.square, 3)
    executor.shutdown()
    assert future.result(timeout=0) == 9
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(jobs.square, 3)


def test_shutdown_that_cancels(executor: WorkerExecutor) -> None:
    futures = [executor.submit(time.sleep, 0.2) for _ in range(10)]
    executor.shutdown(cancel_futures=True)
    assert [future.done() for future in futures] == [True] * 10
    assert sum(future.cancelled() for future in futures) >= 10 - 2 * 2


def test_what_ends_a_shutdown_that_cancels_leaves_no_call_without_an_outcome() -> None:
    with WorkerExecutor(1, backend="subprocess") as executor:
        futures = [executor.submit(time.sleep, 0.1) for _ in range(6)]
        futures[3].add_done_callback(lambda _: sys.exit(3))
        with pytest.raises(SystemExit):
            executor.shutdown(cancel_futures=True)
        assert not wait(futures, timeout=20).not_done
        assert futures[3].cancelled()


def test_a_worker_that_starts_has_no_task(tmp_path: Path) -> None:
    start = partial(jobs.wait_in_third_start, tmp_path)
    with (
        warnings.catch_warnings(),
        WorkerExecutor(2, backend="subprocess", setup=start) as executor,
    ):
        warnings.simplefilter("ignore")
        assert executor.submit(jobs.times_or_die, 2).result(60) == 2
        assert isinstance(executor.submit(jobs.times_or_die, 0).exception(60), WorkerDiedError)
        futures = [executor.submit(jobs.times_or_die, number) for number in range(1, 5)]
        try:
            assert [future.result(20) for future in futures] == [1, 2, 3, 4]
        finally:
            (tmp_path / "go on").touch()


def test_a_worker_has_a_short_task_ahead_while_another_one_starts(tmp_path: Path) -> None:
    start = partial(jobs.wait_in_third_start, tmp_path)
    (tmp_path / "first").touch()
    with WorkerExecutor(2, backend="subprocess", setup=start) as executor:
        delivery = executor._crew._tasks.delivery
        try:
            deadline = time.monotonic() + 60
            while delivery.depth == 1:
                assert time.monotonic() < deadline
                assert list(executor.map(jobs.times_or_die, [2] * 20, timeout=60)) == [2] * 20
        finally:
            (tmp_path / "go on").touch()


def test_short_calls_wait_for_no_long_one(executor: WorkerExecutor, tmp_path: Path) -> None:
    path = tmp_path / "go on"
    assert list(executor.map(jobs.square, range(500))) == [number**2 for number in range(500)]
    futures = [executor.submit(jobs.square, number) for number in range(300)]
    long = executor.submit(jobs.wait_for_file, str(path))
    futures += [executor.submit(jobs.square, number) for number in range(300)]
    try:
        assert [future.result(30) for future in futures] == [each**2 for each in range(300)] * 2
        assert long.running()
    finally:
        path.touch()
    assert long.result(30) == str(path)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_worker_makes_calls_in_the_order_in_which_they_were_submitted(backend: str) -> None:
    """A long call among short ones let some of those behind it be made after later ones."""
    with WorkerExecutor(1, backend=backend) as executor:
        futures = []
        for _ in range(40):
            futures += [executor.submit(time.monotonic_ns) for _ in range(40)]
            executor.submit(time.sleep, 0.01)
        moments = [future.result(60) for future in futures]
    assert moments == sorted(moments)


def test_shutdown_that_cancels_before_a_worker_has_started() -> None:
    with WorkerExecutor(2, backend="subprocess", initializer=partial(time.sleep, 1)) as executor:
        futures = [executor.submit(jobs.square, number) for number in range(4)]
        time.sleep(0.5)
        executor.shutdown(cancel_futures=True)
        assert [future.cancelled() for future in futures] == [True] * 4


@pytest.mark.parametrize("end", ["terminate_workers", "kill_workers"])
def test_workers_that_are_ended_at_once(executor: WorkerExecutor, end: str) -> None:
    futures = [executor.submit(jobs.sleep_for_a_minute) for _ in range(10)]
    while not futures[0].running():
        time.sleep(0.01)
    getattr(executor, end)()
    wait(futures, timeout=20)
    cancelled = [future.cancelled() for future in futures]
    assert cancelled.count(True) >= 10 - 2 * 2
    for future in futures[: cancelled.index(True)]:
        assert isinstance(future.exception(timeout=0), BrokenExecutor)
    with pytest.raises(RuntimeError):
        executor.submit(jobs.square, 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_worker_takes_the_place_of_one_that_has_done_its_tasks(backend: str) -> None:
    with (
        warnings.catch_warnings(),
        WorkerExecutor(1, backend=backend, max_tasks_per_child=3) as executor,
    ):
        warnings.simplefilter("error")  # nothing has failed
        futures = [executor.submit(jobs.count_calls) for _ in range(8)]
        assert [future.result() for future in futures] == [1, 2, 3, 1, 2, 3, 1, 2]


def test_a_death_begins_the_count_of_tasks_anew() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with WorkerExecutor(1, backend="subprocess", max_tasks_per_child=2) as executor:
            lost = executor.submit(jobs.die_at_seven, 7)
            futures = [executor.submit(jobs.count_calls) for _ in range(4)]
            assert [future.result() for future in futures] == [1, 2, 1, 2]
            assert isinstance(lost.exception(), WorkerDiedError)


def test_an_executor_that_is_dropped_does_what_was_submitted() -> None:
    executor = WorkerExecutor(1, backend="subprocess")
    future = executor.submit(jobs.square, 3)
    del executor
    assert future.result() == 9


def test_an_executor_that_nobody_used_starts_nothing() -> None:
    WorkerExecutor(2).shutdown()


@pytest.mark.parametrize("backend", BACKENDS)
def test_setup_is_given_first(backend: str) -> None:
    with WorkerExecutor(1, backend=backend, setup=jobs.ten) as executor:
        assert executor.submit(jobs.times, 3).result() == 30
        assert list(executor.map(jobs.times, [1, 2], chunksize=2)) == [10, 20]


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_initializer_that_fails_breaks_the_executor(backend: str) -> None:
    with WorkerExecutor(2, backend=backend, initializer=jobs.fail) as executor:
        future = executor.submit(jobs.square, 3)
        assert isinstance(future.exception(), BrokenExecutor)
        with pytest.raises(BrokenExecutor):
            executor.submit(jobs.square, 3)


def test_workers_that_cannot_be_started_tell_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise BackendUnavailableError("none today", backend="subprocess", reason="none today")

    monkeypatch.setattr(registry, "choose", refuse)
    with WorkerExecutor(1, backend="subprocess") as executor:
        error = executor.submit(jobs.square, 3).exception()
    assert isinstance(error, BrokenExecutor)
    said = "the workers of the executor cannot be used: BackendUnavailableError: none today"
    assert str(error) == said


class NoText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def fail_without_text() -> None:
    raise NoText


def test_an_initializer_that_fails_with_an_exception_that_has_no_text() -> None:
    with WorkerExecutor(1, backend="subprocess", initializer=fail_without_text) as executor:
        error = executor.submit(jobs.square, 3).exception(30)
    assert isinstance(error, BrokenExecutor)
    assert "NoText" in str(error)


def test_an_initializer_with_other_arguments_is_told_of_initargs() -> None:
    with WorkerExecutor(1, backend="subprocess", initializer=jobs.square) as executor:
        error = executor.submit(jobs.square, 3).exception(30)
    assert error is not None
    assert isinstance(error.__cause__, TypeError)
    told = "".join(traceback.format_exception(error))
    assert "initializer is called with the initargs of an executor" in told


def test_a_death_fails_the_call_that_ran_and_no_other() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what it warns of must not end its thread
        with WorkerExecutor(2, backend="subprocess") as executor:
            futures = [executor.submit(jobs.die_at_seven, number) for number in range(20)]
            errors = {number: each.exception() for number, each in enumerate(futures)}
            assert isinstance(errors.pop(7), WorkerDiedError)
            assert set(errors.values()) == {None}


def die_in_the_start(path: str, times: int) -> None:
    """Be killed, as often as there are lives to lose."""
    with open(path, "ab") as file:
        file.write(b"x")
    if os.path.getsize(path) <= times:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("deaths", "lives"), [(5, True), (6, False)])
def test_workers_that_are_killed_in_one_start_after_another(
    tmp_path: Path, deaths: int, *, lives: bool
) -> None:
    first = (str(tmp_path / "lives"), deaths)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with WorkerExecutor(
            1, backend="subprocess", initializer=die_in_the_start, initargs=first
        ) as executor:
            future = executor.submit(jobs.square, 3)
            if lives:
                assert future.result(60) == 9
                return
            error = future.exception(60)
    assert isinstance(error, BrokenWorkersError)
    assert "started again 5 times in a row" in str(error)


def test_workers_that_die_whenever_they_are_ready_break_the_executor() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with WorkerExecutor(1, backend="subprocess") as executor:
            assert executor.submit(jobs.square, 3).result() == 9
            client: Any = executor._crew._client
            while client.core.failure is None:
                worker, state = client.members[0].worker, client.core.workers[0].state
                if state is not ParentState.INITIALIZATION:
                    worker.kill()
                time.sleep(0.01)
            error = executor.submit(jobs.square, 3).exception()
    assert isinstance(error, BrokenExecutor)
    assert "started again 5 times in a row" in str(error)


def test_a_call_that_takes_too_long() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with WorkerExecutor(1, backend="subprocess", task_timeout=1.0) as executor:
            late, next_one = (executor.submit(jobs.sleep_at_three, each) for each in (3, 4))
            error = late.exception()
            assert isinstance(error, WorkerTimeoutError)
            assert "no result came within task_timeout=1.0 seconds" in str(error)
            notes = getattr(error, "__notes__", ())  # Python 3.10 has none: it is in the message
            assert "the task of index 0" in "\n".join([str(error), *notes])
            assert next_one.result() == 4


@pytest.mark.parametrize("retries", [0, 1])
def test_a_failure_tells_which_call_it_was_also_if_workers_had_it_several_times(
    retries: int,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with WorkerExecutor(2, backend="subprocess", retries=retries) as executor:
            executor.submit(time.sleep, 0).result()  # it has index 0
            # The first ones keep both workers while the last one is cancelled, on any machine.
            seconds = [1, 1, *[0.01] * 18]
            lasting = [executor.submit(time.sleep, each) for each in seconds]
            assert lasting[-1].cancel()
            error = executor.submit(signal.raise_signal, signal.SIGKILL).exception()
            assert isinstance(error, WorkerDiedError)
            assert error.input_index == 21
            notes = getattr(error, "__notes__", ())
            assert "the task of index 21" in "\n".join([str(error), *notes])
            unsendable = executor.submit(threading.Lock).exception()
            assert isinstance(unsendable, NotPicklableError)
            assert unsendable.input_index == 22


def test_asyncio(executor: WorkerExecutor) -> None:
    async def main() -> Any:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, jobs.square, number) for number in range(5)]
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [0, 1, 4, 9, 16]


def test_what_was_submitted_is_done_before_python_exits() -> None:
    code = (
        "from farside import WorkerExecutor\n"
        "executor = WorkerExecutor(1, backend='subprocess')\n"
        "for each in range(3): executor.submit(print, each, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout.split(), done.stderr) == (["0", "1", "2"], "")


def test_one_that_python_drops_at_the_very_end_says_nothing() -> None:
    code = (
        "import ctypes\n"
        "from farside._parent.executors import crew, executor\n"
        "crew.kept = executor.WorkerExecutor(1, backend='subprocess')\n"
        "crew.kept.submit(abs, -1).result()\n"
        "ctypes.pythonapi.Py_IncRef(ctypes.py_object(crew))\n"  # as Ray keeps modules
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "options",
    [
        {"max_workers": 0},
        {"backend": "inline"},
        {"setup": 1},
        {"initializer": 1},
        {"initargs": 3},
        {"initargs": "abc"},
        {"retries": -1},
        {"max_tasks_per_child": 0},
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any]) -> None:
    [name] = options
    with pytest.raises((TypeError, ValueError), match=f"{name}="):
        WorkerExecutor(**options)


def test_the_inline_backend_is_refused_with_another_way_to_debug() -> None:
    with pytest.raises(ValueError, match="map_in_workers with num_workers=0"):
        WorkerExecutor(backend="inline")


def test_a_start_without_limit_is_told_of() -> None:
    with pytest.raises(ValueError, match=r"init_timeout=0 .* or None for no limit"):
        WorkerExecutor(init_timeout=0)


# Large tasks --------------------------------------------------------------------------------------


def test_more_large_arguments_than_workers(executor: WorkerExecutor) -> None:
    large = bytes(2 << 20)
    futures = [executor.submit(len, large) for _ in range(7)]
    assert [future.result() for future in futures] == [len(large)] * 7


def test_it_does_not_spin_while_a_worker_has_large_arguments() -> None:
    with WorkerExecutor(1, backend="subprocess") as executor:
        first = executor.submit(jobs.sleep_with, 0.5, bytes(2 << 20))
        second = executor.submit(len, bytes(2 << 20))
        time.sleep(0.1)  # both were given, as far as there is room
        before = time.process_time()
        assert first.result() == 2 << 20
        assert time.process_time() - before < 0.25
        assert second.result() == 2 << 20


def test_a_thread_that_cannot_be_had_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    executor = WorkerExecutor(1, backend="subprocess")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            executor.submit(pow, 2, 3)
    assert executor.submit(pow, 2, 4).result() == 16
    executor.shutdown()


class ShutsDown:
    """Shuts an executor down when it is collected."""

    def __init__(self) -> None:
        self.executor = WorkerExecutor(1, backend="subprocess")
        self.me = self  # so it is left to the collector

    def __del__(self) -> None:
        self.executor.shutdown()


def submit_while_collecting(submit: Callable[[], Future[int]]) -> Future[int]:
    """Submit, and let the collector run in the start of the thread, as it may at any time."""
    start = threading.Thread.__init__

    def begin(*given: Any, **options: Any) -> None:
        start(*given, **options)
        gc.collect()

    with patch.object(threading.Thread, "__init__", begin):
        return submit()


def test_a_finalizer_that_shuts_another_executor_down_may_come_in_submit() -> None:
    other = ShutsDown()
    assert other.executor.submit(abs, -1).result() == 1
    with WorkerExecutor(1, backend="subprocess") as executor:
        del other
        future = Background(lambda: submit_while_collecting(lambda: executor.submit(abs, -2)))
        assert future.result().result() == 2


def test_a_finalizer_that_submits_may_come_in_submit() -> None:
    class Submits:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            futures.append(executor.submit(abs, -1))

    futures: list[Future[int]] = []
    with WorkerExecutor(1, backend="subprocess") as executor:
        Submits()
        futures.append(submit_while_collecting(lambda: executor.submit(abs, -2)))
        assert [future.result() for future in futures] == [1, 2]
        threads = [each for each in threading.enumerate() if each.name == "farside-executor"]
        assert len(threads) == 1


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_a_task_that_submit_refused_is_not_run_later(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise error("can't start new thread")

    pending = Pending()
    executor = WorkerExecutor(1, backend="subprocess")
    monkeypatch.setattr(executor._crew, "_pending", pending)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(error, match="new thread"):
            executor.submit(pow, 2, 3)
    assert pending.ended
    executor.shutdown()


@pytest.mark.parametrize("taken", [False, True])
def test_a_task_that_is_added_as_the_executor_closes_is_refused_or_taken(
    taken: bool,  # noqa: FBT001
) -> None:
    class Closing(deque[Work]):
        def append(self, work: Work) -> None:
            super().append(work)
            pending.closed = True
            assert not taken or self.popleft() == work

    pending = Pending()
    pending._works = Closing()
    assert pending.add(Work(Future(), (pow, (2, 3), {}), 0)) is taken
    assert pending.ended
    assert not pending.add(Work(Future(), (pow, (2, 3), {}), 0))


def test_a_forked_child_leaves_it_alone() -> None:
    executor = WorkerExecutor(1, backend="subprocess")
    executor.submit(abs, -1).result(60)
    executor._crew._pid = os.getpid() + 1
    executor._crew.shut_down(cancel=True)
    executor.kill_workers()
    executor._crew._pid = os.getpid()
    assert not executor._crew._pending.closed
    assert executor.submit(abs, -2).result(60) == 2
    executor.shutdown()


def test_async_with_leaves_without_blocking_the_loop() -> None:
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        async with WorkerExecutor(1, backend="subprocess") as executor:
            await asyncio.wrap_future(executor.submit(abs, -1))
            future = executor.submit(time.sleep, 0.5)
            before = turns
        assert future.done()
        assert turns > before + 1
        ticking.cancel()

    asyncio.run(main())


def test_the_error_of_an_executor_has_a_public_name() -> None:
    error = pickle.loads(pickle.dumps(BrokenWorkersError("why")))
    assert type(error) is BrokenWorkersError
    assert BrokenWorkersError.__module__ == "farside"


_AFTER_THE_SCRIPT = """
import sys
from farside import WorkerExecutor
def double(number): return 2 * number
if __name__ == "__main__":
    executor = WorkerExecutor(2, backend=sys.argv[1], max_tasks_per_child=int(sys.argv[2]) or None)
    for number in range(4):
        executor.submit(double, number).add_done_callback(lambda done: print(done.result()))
"""


@pytest.mark.parametrize("backend", ["subprocess", "auto"])
@pytest.mark.parametrize("most", [0, 1])
def test_what_is_submitted_at_the_end_of_the_script_finds_its_functions(
    tmp_path: Path, backend: str, most: int
) -> None:
    script = tmp_path / "script.py"
    script.write_text(_AFTER_THE_SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), backend, str(most)],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    assert sorted(done.stdout.split()) == ["0", "2", "4", "6"], done.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_in_submit_leaves_no_lock_locked() -> None:
    struck: list[object] = []

    def strike(*given: object) -> None:
        struck.append(given)
        raise KeyboardInterrupt

    # A function: in Python 3.13 what strikes at the end of a loop misses the `with` around that.
    def submit_until_it_strikes(executor: WorkerExecutor) -> None:
        struck.clear()
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 3e-4))  # noqa: S311
        while not struck:  # it may strike where Python can only tell of it
            executor.submit(abs, -1)

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with WorkerExecutor(1) as executor:
            assert executor.submit(abs, -1).result(60) == 1
            end = time.monotonic() + 1
            while time.monotonic() < end:
                with contextlib.suppress(KeyboardInterrupt):
                    submit_until_it_strikes(executor)
            assert executor.submit(abs, -2).result(60) == 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.timeout(60)
def test_a_finalizer_may_use_executors_while_the_thread_of_one_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really, others = threading.Thread.start, [WorkerExecutor(1, backend="subprocess")]

    def collect_and_start(thread: threading.Thread) -> None:
        while others:
            others.pop().shutdown()
            futures.append(executor.submit(pow, 2, 4))
        really(thread)

    futures: list[Future[int]] = []
    with WorkerExecutor(1, backend="subprocess") as executor:
        monkeypatch.setattr(threading.Thread, "start", collect_and_start)
        futures.append(executor.submit(pow, 2, 4))
        assert [future.result(50) for future in futures] == [16, 16]
        threads = [each.name for each in threading.enumerate()]
        assert threads.count("farside-executor") == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("again", [False, True])
def test_what_a_signal_handler_raises_as_the_thread_starts_brings_no_second_one(
    monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    really = threading.Thread.start

    def start_and_raise(thread: threading.Thread) -> None:
        monkeypatch.undo()
        really(thread)
        raise KeyError  # as a handler that strikes now

    def count_threads() -> int:
        return [each.name for each in threading.enumerate()].count("farside-executor")

    with WorkerExecutor(1, backend="subprocess") as executor:
        monkeypatch.setattr(threading.Thread, "start", start_and_raise)
        with pytest.raises(KeyError):
            executor.submit(pow, 2, 4)
        if again:
            assert executor.submit(pow, 2, 5).result(50) == 32
        assert count_threads() == 1
    assert count_threads() == 0


_STRUCK = """
import os, sys, threading, time
from farside import WorkerExecutor
really = threading.Thread.start
def start_and_raise(thread):
    threading.Thread.start = really
    really(thread)
    raise KeyError  # as a signal handler that strikes now
executor = WorkerExecutor(1, backend="subprocess")
threading.Thread.start = start_and_raise
try:
    executor.submit(os.mkdir, sys.argv[1])
except KeyError:
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    print("struck, and made")
"""


def test_python_exits_where_a_signal_handler_has_raised_as_the_thread_started(
    tmp_path: Path,
) -> None:
    assert run_python(_STRUCK, str(tmp_path / "made")) == "struck, and made\n"
