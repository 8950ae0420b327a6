"""A subprocess takes over where a subinterpreter will not do."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
import warnings
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    BackendFallbackWarning,
    BackendUnavailableError,
    CallFailedError,
    IterableClosedError,
    NotPicklableError,
    SubinterpreterIterable,
    SubprocessIterable,
    WorkerExecutor,
    WorkerInitializationError,
    WorkerIterationError,
    get_worker_info,
    iterate_in_subinterpreter,
    iterate_in_subprocess,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
)
from farside._backends import registry
from farside._backends.base import Availability
from farside._backends.subprocess import SubprocessBackend
from farside.testing.checks import take
from tests import jobs
from tests.backends import sharing_jobs, swallowing
from tests.background import Background
from tests.kinds import HAS_SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.kinds import Kind


def arrays() -> Iterator[Any]:
    import numpy as np

    yield np.arange(3)


def test_the_class_tells_what_was_asked_for() -> None:
    with iterate_in_subprocess(partial(range, 3)) as numbers:
        assert type(numbers) is SubprocessIterable
        assert numbers.backend == "subprocess"
        assert numbers.backend_reason == "asked for"


def test_this_python_has_subinterpreters_or_a_subprocess_takes_over() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with iterate_in_subinterpreter(partial(range, 3)) as numbers:
            assert type(numbers) is SubinterpreterIterable
            assert list(numbers) == [0, 1, 2]
            assert numbers.backend == ("subinterpreter" if HAS_SUBINTERPRETERS else "subprocess")
    told = [each for each in caught if each.category is BackendFallbackWarning]
    assert len(told) == (0 if HAS_SUBINTERPRETERS else 1)
    assert all(each.filename == __file__ for each in told)


def test_an_executor_warns_of_a_subprocess_where_it_is_made() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        executor = WorkerExecutor(1, backend="subinterpreter")
        with executor:
            assert executor.submit(pow, 2, 5).result(20) == 32
    told = [each for each in caught if each.category is BackendFallbackWarning]
    assert len(told) == (0 if HAS_SUBINTERPRETERS else 1)
    assert all(each.filename == __file__ for each in told)


class Once(SubprocessBackend):
    """A backend that can be used when an executor is made, and not when its workers start."""

    name = "once"
    asked = 0

    @classmethod
    def availability_with(cls, options: Mapping[str, Any]) -> Availability:  # noqa: ARG003
        cls.asked += 1
        return Availability(usable=cls.asked == 1, reason="it was used up")


def test_an_executor_warns_too_if_its_backend_cannot_be_used_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_BACKENDS", {**registry._BACKENDS, "once": Once})
    monkeypatch.setattr(Once, "asked", 0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with WorkerExecutor(1, backend="once") as executor:
            assert not caught
            assert executor.submit(pow, 2, 5).result(20) == 32
    told = [each for each in caught if each.category is BackendFallbackWarning]
    assert ["it was used up" in str(each.message) for each in told] == [True]


@pytest.mark.skipif(HAS_SUBINTERPRETERS, reason="nothing takes over")
def test_an_executor_is_not_made_if_its_warning_is_an_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BackendFallbackWarning):
            WorkerExecutor(1, backend="subinterpreter")


def test_auto_is_silent_about_an_old_python() -> None:
    with iterate_in_worker(partial(range, 3)) as numbers:
        assert list(numbers) == [0, 1, 2]
        assert numbers.backend_reason


def test_numpy_in_fn(subinterpreter_kind: Kind) -> None:
    with pytest.warns(BackendFallbackWarning, match=r"extension module numpy\S* does not") as told:
        items = iterate_in_subinterpreter(partial(range, 1, 2), initializer=import_numpy)
    with items:
        assert list(items) == [1]
        assert items.backend == "subprocess"
        assert "numpy" in items.backend_reason
    assert told[0].filename == __file__


def test_auto_logs_what_it_takes(
    subinterpreter_kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    if sys.version_info < (3, 14):
        pytest.skip("auto takes a subprocess at once")
    with caplog.at_level("INFO", "farside"):
        items = iterate_in_worker(partial(range, 1, 2), initializer=import_numpy)  # no warning
    with items:
        assert list(items) == [1]
        assert items.backend == "subprocess"
    [record] = [each for each in caplog.records if each.name == "farside"]
    assert record.getMessage() == f"a subprocess runs the iterable, since {items.backend_reason}"


def import_numpy() -> None:
    __import__("numpy")


@pytest.mark.parametrize("wait", [True, False])
def test_workers_that_fall_back_for_the_same_reason_warn_once(
    subinterpreter_kind: Kind, *, wait: bool
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        refused = partial(__import__, "readline")
        with map_in_workers(
            abs, range(9), 3, backend="subinterpreter", initializer=refused, wait=wait
        ) as numbers:
            assert list(numbers) == [*range(9)]
            assert numbers.backend == "subprocess"
    [told] = [each for each in caught if each.category is BackendFallbackWarning]
    assert "readline" in str(told.message)


def test_numpy_in_the_first_next(subinterpreter_kind: Kind) -> None:
    with iterate_in_worker(arrays, backend="subinterpreter") as items:
        assert items.backend == "subinterpreter"
        with pytest.warns(BackendFallbackWarning, match="numpy") as told:
            [array] = items
        assert told[0].filename == __file__
        assert array.tolist() == [0, 1, 2]
        assert items.backend == "subprocess"


@pytest.mark.timeout(60)
def test_a_process_takes_over_where_only_that_can_be_given_what_processes_share(
    subinterpreter_kind: Kind,
) -> None:
    lock = get_context("forkserver").Lock()
    read = partial(sharing_jobs.try_to_acquire, lock)
    with pytest.warns(BackendFallbackWarning, match=r"since fn\.args\[0\]: .*Lock is sh") as told:
        items = iterate_in_subinterpreter(read)
    with items:
        assert items.backend == "subprocess"
        assert list(items) == [True]
    assert [each.filename for each in told] == [__file__]
    with pytest.raises(NotPicklableError, match="backend='subprocess', or a proxy") as caught:
        iterate_in_subinterpreter(read, fallback=None)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.timeout(60)
def test_the_initializer_of_an_executor_may_be_given_a_lock() -> None:
    locks = (get_context("forkserver").Lock(),)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with WorkerExecutor(2, initializer=sharing_jobs.try_to_acquire, initargs=locks) as executor:
            assert executor.submit(abs, -3).result(50) == 3


def refused_late() -> range:
    """Take some time before an extension module refuses."""
    time.sleep(0.2)
    import readline  # noqa: F401

    return range(3)


def test_the_start_counts_what_was_tried_before(subinterpreter_kind: Kind) -> None:
    with pytest.warns(BackendFallbackWarning, match="readline"):
        numbers = iterate_in_worker(refused_late, backend="subinterpreter")
    with numbers:
        assert numbers.backend == "subprocess"
        assert numbers.stats().startup_seconds > 0.4


def refuse_in_the_second(go: str) -> None:
    """Let the second worker come to a refusal once the file `go` exists."""
    info = get_worker_info()
    assert info is not None
    if info.index == 1 and info.backend == "subinterpreter":
        while not os.path.exists(go):
            time.sleep(0.01)
        refused_late()


def test_a_late_worker_falls_back_though_another_has_sent_items(
    subinterpreter_kind: Kind, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    second = partial(refuse_in_the_second, str(go))
    with map_in_workers(
        abs, range(5), 2, backend="subinterpreter", initializer=second, wait=False
    ) as numbers:
        assert next(iter(numbers)) == 0
        go.touch()
        with pytest.warns(BackendFallbackWarning, match="readline"):
            assert list(numbers) == [*range(5)]


def test_closing_while_it_starts_is_heard(
    subinterpreter_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, closed = threading.Event(), threading.Event()
    launch = SubprocessBackend.launch

    def launch_slowly(self: SubprocessBackend, options: Any) -> Any:
        starting.set()
        assert closed.wait(20)
        return launch(self, options)

    monkeypatch.setattr(SubprocessBackend, "launch", launch_slowly)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BackendFallbackWarning)
        items = iterate_in_worker(arrays, backend="subinterpreter")
        waiting = Background(take, items)
        assert starting.wait(20)
        items.close()
        closed.set()
        got, error = waiting.result()
    assert got == []
    assert isinstance(error, IterableClosedError)
    assert items.state == "closed"
    with pytest.raises(IterableClosedError):
        iter(items)


def test_too_late_to_take_over(subinterpreter_kind: Kind) -> None:
    late = partial(jobs.imports_refuser_late, 2)
    # It goes on to import when the first item is taken: else its failure may be there before.
    with iterate_in_subinterpreter(late, buffer_size=1) as items:
        got, error = take(items)
    assert got == [0, 1]
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, ImportError)
    assert items.state == "closed"
    if sys.version_info >= (3, 11):
        assert any("readline cannot be loaded in a sub" in note for note in error.__notes__)


def test_what_would_crash_is_not_loaded(
    subinterpreter_kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("from . import _C\n")
    (package / "_C.so").write_text("no library, as Python would say")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendUnavailableError, match=r"extension module torch\._C does not"):
        subinterpreter_kind.start(partial(range, 3), initializer=import_torch)


def import_torch() -> None:
    __import__("torch")


def test_no_fallback_wanted(subinterpreter_kind: Kind) -> None:
    with pytest.raises(BackendUnavailableError, match="extension module readline") as caught:
        subinterpreter_kind.start(jobs.imports_refuser)
    assert "use iterate_in_subprocess" in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize("count", [0, 2])
def test_no_fallback_wanted_in_a_pass(subinterpreter_kind: Kind, count: int) -> None:
    """The error is the same, whether the loop has taken an item before or not."""
    late = partial(jobs.imports_refuser_late, count)
    with subinterpreter_kind.start(late, buffer_size=1) as items:
        got, error = take(items)
    assert got == [*range(count)]
    assert isinstance(error, BackendUnavailableError)
    assert "extension module readline" in str(error)
    assert isinstance(error.__cause__, WorkerIterationError)
    assert error.__cause__.item_index == count


def test_a_subinterpreter_within_a_process_is_none_of_its_parent(subinterpreter_kind: Kind) -> None:
    with iterate_in_subprocess(within) as items:
        got, error = take(items)
    assert got == []
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, BackendUnavailableError)  # that of the worker, with its cure


def within() -> Iterator[int]:
    with iterate_in_subinterpreter(jobs.imports_refuser, fallback=None) as items:
        yield from items


def test_old_python_without_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    from farside import Availability
    from farside._backends.subinterpreter import SubinterpreterBackend

    state = Availability(usable=False, reason="none here")
    monkeypatch.setattr(SubinterpreterBackend, "availability", staticmethod(lambda: state))
    with pytest.raises(BackendUnavailableError, match="none here"):
        iterate_in_subinterpreter(list, fallback=None)
    with pytest.warns(BackendFallbackWarning, match="none here"):
        numbers = iterate_in_subinterpreter(partial(range, 2))
    with numbers:
        assert list(numbers) == [0, 1]


@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="there is nothing to fall back from")
def test_a_call_falls_back_if_nothing_was_got_before() -> None:
    shelf = partial(jobs.Shelf, 3)
    with iterate_in_subinterpreter(shelf) as items:
        assert items.call("add", 1) == 4
        # The new worker would not know of that.
        with pytest.raises(ImportError) as caught:
            items.call("needs_refuser")
        assert isinstance(caught.value, CallFailedError)
        assert caught.value.refused_module == "readline"
        assert (items.backend, list(items)) == ("subinterpreter", [0, 1, 2, 3])
    with iterate_in_subinterpreter(shelf) as items:
        with pytest.warns(BackendFallbackWarning, match="readline"):
            assert items.call("needs_refuser") == 11
        assert (items.backend, list(items)) == ("subprocess", [0, 1, 2])
    with iterate_in_subinterpreter(shelf, fallback=None) as items:
        for _ in range(2):
            with pytest.raises(BackendUnavailableError, match="readline"):
                items.call("needs_refuser")
            assert (items.backend, list(items)) == ("subinterpreter", [0, 1, 2])


# A library swallows the refusal ----------------------------------------------------------------

_SWALLOWED = (
    r"NameError.* 'tparm' is not defined\), and the extension module _curses \(imported by tests\) "
)


@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="there is nothing to fall back from")
def test_a_refusal_that_was_swallowed_is_found_at_the_first_item() -> None:
    with iterate_in_subinterpreter(swallowing.Frames) as items:
        with pytest.warns(BackendFallbackWarning, match=_SWALLOWED):
            assert list(items) == ["tparm"]
        assert items.backend == "subprocess"
    with iterate_in_subinterpreter(swallowing.Frames) as items:
        with pytest.warns(BackendFallbackWarning, match=_SWALLOWED):
            assert items.call("name") == "tparm"


def test_a_refusal_that_was_swallowed_is_found_in_an_initializer(
    subinterpreter_kind: Kind,
) -> None:
    with (
        pytest.warns(BackendFallbackWarning, match=_SWALLOWED),
        iterate_in_subinterpreter(partial(range, 1), initializer=swallowing.Frames().name) as items,
    ):
        assert items.backend == "subprocess"


def test_a_refusal_that_was_swallowed_may_not_be_the_cause(subinterpreter_kind: Kind) -> None:
    # Who wants no fallback gets the error itself, and so does who has it elsewhere too.
    with pytest.raises(KeyError) as caught:
        iterate_in_subinterpreter(swallowing.fails_anyway, fallback=None)
    assert isinstance(caught.value, WorkerInitializationError)
    assert caught.value.refused_module is None
    assert caught.value.refused == ("_curses (imported by tests)",)
    if sys.version_info >= (3, 11):
        assert any("_curses (imported by tests) cannot" in each for each in caught.value.__notes__)
    with (
        pytest.warns(BackendFallbackWarning, match="_curses"),
        pytest.raises(WorkerInitializationError) as again,
    ):
        iterate_in_subinterpreter(swallowing.fails_anyway)
    assert isinstance(again.value, KeyError)
    assert again.value.refused == ()


def test_readline_is_not_blamed_if_a_debugger_wanted_it(subinterpreter_kind: Kind) -> None:
    with pytest.raises(KeyError) as caught:  # and no warning: nobody takes over
        iterate_in_subinterpreter(jobs.fails_beside_a_debugger)
    assert isinstance(caught.value, WorkerInitializationError)
    assert caught.value.refused == ()


def test_a_refusal_that_was_swallowed_is_told_after_items(subinterpreter_kind: Kind) -> None:
    # Only one waits: the failure comes after the user has taken the first, and nobody takes over.
    with iterate_in_subinterpreter(partial(swallowing.Frames, 2), buffer_size=1) as items:
        got, error = take(items)
    assert got == [0, 1]
    assert isinstance(error, NameError)
    if sys.version_info >= (3, 11):
        assert any("which may be the cause" in note for note in error.__notes__)


def test_the_traceback_of_a_refusal_shows_no_frame_of_farside(subinterpreter_kind: Kind) -> None:
    late = partial(jobs.imports_refuser_late, 2)
    with iterate_in_subinterpreter(late, buffer_size=1) as items:  # see above
        _, error = take(items)
    assert isinstance(error, WorkerIterationError)
    assert "import readline" in error.remote_traceback
    assert "create_module" not in error.remote_traceback


@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="there is nothing to fall back from")
@pytest.mark.parametrize("workers", [1, 2])
def test_taking_over_in_a_pass_does_not_wait_for_the_limit(workers: int) -> None:
    """The subinterpreter that has failed still listens: it has to be told to end."""
    options: dict[str, Any] = {"shutdown_timeout": 1000.0, "backend": "subinterpreter"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BackendFallbackWarning)
        with iterate_in_workers(shard_of_arrays, 2, workers, **options) as items:
            assert [array.tolist() for array in items] == [[0, 1, 2]] * 2
            assert items.backend == "subprocess"


def shard_of_arrays(_: int) -> Iterator[Any]:
    return arrays()
