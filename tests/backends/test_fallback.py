"""A subprocess takes over where a subinterpreter will not do."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    BackendFallbackWarning,
    BackendUnavailableError,
    CallFailedError,
    SubinterpreterIterable,
    SubprocessIterable,
    WorkerIterationError,
    iterate_in_subinterpreter,
    iterate_in_subprocess,
    iterate_in_worker,
)
from farside.testing.checks import take
from tests import jobs
from tests.kinds import HAS_SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def import_numpy() -> None:
    __import__("numpy")


def test_numpy_in_the_first_next(subinterpreter_kind: Kind) -> None:
    with iterate_in_worker(arrays, backend="subinterpreter") as items:
        assert items.backend == "subinterpreter"
        with pytest.warns(BackendFallbackWarning, match="numpy") as told:
            [array] = items
        assert told[0].filename == __file__
        assert array.tolist() == [0, 1, 2]
        assert items.backend == "subprocess"


def test_too_late_to_take_over(subinterpreter_kind: Kind) -> None:
    with iterate_in_subinterpreter(partial(jobs.imports_refuser_late, 2)) as items:
        got, error = take(items)
    assert got == [0, 1]
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, ImportError)
    assert items.state == "closed"
    if sys.version_info >= (3, 11):
        assert any("readline cannot be loaded in a sub" in note for note in error.__notes__)


def test_no_fallback_wanted(subinterpreter_kind: Kind) -> None:
    with pytest.raises(BackendUnavailableError, match="extension module readline") as caught:
        subinterpreter_kind.start(jobs.imports_refuser)
    assert "use iterate_in_subprocess" in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)


def test_no_fallback_wanted_in_the_first_next(subinterpreter_kind: Kind) -> None:
    with subinterpreter_kind.start(partial(jobs.imports_refuser_late, 0)) as items:
        got, error = take(items)
    assert got == []
    assert isinstance(error, BackendUnavailableError)
    assert "extension module readline" in str(error)


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
        with pytest.raises(BackendUnavailableError, match="readline"):
            items.call("needs_refuser")
        assert (items.backend, list(items)) == ("subinterpreter", [0, 1, 2])
