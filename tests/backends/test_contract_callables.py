"""What may be given to every kind of worker, and what it finds there."""

from __future__ import annotations

import functools
import os
import sys
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import NotPicklableError
from farside._payload import pickling
from farside.testing.checks import take
from farside.testing.jobs import Factory
from tests import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from farside import RemoteIterable
    from tests.kinds import Kind


def function() -> Iterator[int]:
    yield from range(3)


@functools.lru_cache
def cached() -> range:
    return range(3)


@pytest.mark.parametrize(
    "fn",
    [
        function,
        partial(range, 3),
        Factory(3),
        Factory(3).method,
        Factory.of_class,
        Factory.static,
        cached,
    ],
    ids=["function", "partial", "object", "method", "classmethod", "staticmethod", "lru_cache"],
)
def test_what_plain_pickle_carries(kind: Kind, fn: Callable[[], Iterable[int]]) -> None:
    with kind.start(fn) as numbers:
        assert list(numbers) == [0, 1, 2]


def test_lambda_and_closure(kind: Kind) -> None:
    count = 3

    def closure() -> Iterator[int]:
        yield from range(count)

    with kind.start(closure) as numbers:
        assert list(numbers) == [0, 1, 2]
    with kind.start(lambda: [count], initializer=lambda: None) as numbers:
        assert list(numbers) == [3]


def test_lambda_without_cloudpickle(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    if kind.name == "fork":  # the worker is a copy: nothing needs to be sent
        with kind.start(lambda: [3]) as numbers:
            assert list(numbers) == [3]
        return
    with pytest.raises(NotPicklableError, match=r"fn=<function .* cannot be sent") as caught:
        kind.start(lambda: [3])
    assert "install cloudpickle" in str(caught.value)
    assert not isinstance(caught.value.__context__, NotPicklableError)  # it is told once
    with pytest.raises(NotPicklableError, match=r"initializer\[1\]=<function"):
        kind.start(list, initializer=[jobs.note_one, lambda: None])


def test_what_does_not_pickle_beside_a_lambda_is_named(kind: Kind) -> None:
    if kind.name == "fork":
        return  # as above
    with pytest.raises(NotPicklableError, match=r"initializer\[0\]=.*lock"):
        kind.start(lambda: [3], initializer=partial(list, threading.Lock()))


def make_lambdas() -> Iterator[Any]:
    count = 3
    yield lambda: count


def test_items_that_only_cloudpickle_carries(kind: Kind) -> None:
    with kind.start(make_lambdas) as items:
        [item] = items
        assert item() == 3


def hide_cloudpickle() -> None:
    sys.modules["cloudpickle"] = None  # type: ignore[assignment]


def test_items_that_only_cloudpickle_would_carry(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with kind.start(make_lambdas, initializer=hide_cloudpickle) as items:
        got, error = take(items)
    assert got == []
    assert isinstance(error, NotPicklableError)
    assert "item of index 0" in str(error)
    assert "install cloudpickle" in str(error)


def test_an_fn_whose_module_the_worker_cannot_import(kind: Kind) -> None:
    module = type(sys)("made_up")
    exec("def fn(): return [1]", vars(module))  # noqa: S102
    sys.modules["made_up"] = module
    try:
        if kind.name == "fork":
            with kind.start(module.fn) as numbers:
                assert list(numbers) == [1]
        else:
            with pytest.raises(ModuleNotFoundError, match="made_up"):
                kind.start(module.fn)
    finally:
        del sys.modules["made_up"]


def test_the_worker_has_the_parents_surroundings(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["a program", "--flag"])
    monkeypatch.syspath_prepend("/nowhere/at/all")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 123)
    try:
        with kind.start(jobs.argv_and_path) as told:
            argv, path, recursion_limit = told
    finally:
        sys.setrecursionlimit(limit)
    assert argv == ["a program", "--flag"]
    assert path[0] == "/nowhere/at/all"
    assert recursion_limit == limit + 123


def warn_and_tell() -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("on the far side", jobs.OddWarning, stacklevel=1)
    return [str(each.message) for each in caught]


def test_the_worker_has_the_parents_warning_filters(kind: Kind) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "on the far", jobs.OddWarning)
        with pytest.raises(jobs.OddWarning, match="on the far side"):
            kind.start(warn_and_tell)
        warnings.filterwarnings("ignore", category=jobs.OddWarning)
        with kind.start(warn_and_tell) as told:
            assert list(told) == []


def test_filters_that_do_not_pickle_are_left_out(kind: Kind) -> None:
    class Local(UserWarning):
        pass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Local)
        with kind.start(partial(range, 3)) as numbers:
            assert list(numbers) == [0, 1, 2]


def environment() -> Iterator[Any]:
    yield os.environ.get("FARSIDE_TEST")
    yield getattr(sys, "get_int_max_str_digits", lambda: None)()


def test_the_worker_has_the_parents_present_environment(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = hasattr(sys, "set_int_max_str_digits")
    before = sys.get_int_max_str_digits() if limits else None
    for value in ("first", "second"):  # whenever a fork server was started
        monkeypatch.setenv("FARSIDE_TEST", value)
        if limits:
            sys.set_int_max_str_digits(5000 + len(value))
        try:
            with kind.start(environment) as told:
                assert list(told) == [value, 5000 + len(value) if limits else None]
        finally:
            if before is not None:
                sys.set_int_max_str_digits(before)


def test_a_large_fn(kind: Kind) -> None:
    block = bytes(5_000_000)
    blocks: RemoteIterable[bytes]
    with kind.start(partial(list, [block])) as blocks:
        assert list(blocks) == [block]


def test_cloudpickle_is_looked_for_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert pickling.dumps_by_value(3) is None
