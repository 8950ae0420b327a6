"""Bad arguments raise at once, and name argument, value and cure."""

from __future__ import annotations

import dataclasses
import multiprocessing
import sys
import threading
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside import iterate_in_subinterpreter, iterate_in_subprocess, iterate_in_worker
from farside._link.spinning import SPIN_ITEMS
from farside._parent.defaults import BUFFER_BYTES, MAP_BUFFER_BYTES, SHUTDOWN_SECONDS
from farside._parent.options import _buffer_bytes, check
from farside._protocol.credit import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(**options: Any) -> Any:
    return check(list, **{"backend": "auto", **options})


def test_defaults() -> None:
    options = _check()
    assert (options.buffer_size, options.timeout, options.mp_context) == (None, None, None)
    assert (options.buffer_bytes, options.shutdown_timeout) == (BUFFER_BYTES, SHUTDOWN_SECONDS)
    assert (options.initializers, options.daemon, options.fallback) == ((), False, None)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({}, None),
        ({"mp_context": "spawn"}, "mp_context"),
        ({"env": {}}, "env"),
        ({"max_restarts": 1}, "max_restarts"),
        ({"env": {}, "max_restarts": 1}, "env"),
    ],
)
def test_what_only_a_process_can_fulfil(given: dict[str, Any], option: str | None) -> None:
    assert _check(**given).needs_process == option


@pytest.mark.parametrize(
    ("of_map", "option"),
    [
        ({}, None),  # another worker gets the inputs, so no process is needed for restarts
        ({"task_timeout": 1.0}, "task_timeout"),
        ({"retries": 2}, "retries"),
    ],
)
def test_what_only_a_process_can_fulfil_for_a_map(of_map: Any, option: str | None) -> None:
    options = dataclasses.replace(_check(max_restarts=1), sends_inputs=True, **of_map)
    assert options.needs_process == option


def test_a_backend_may_have_another_default_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = SimpleNamespace(default_buffer_bytes=lambda options: options.get("bytes"))
    monkeypatch.setattr("farside._parent.options.registry.load", lambda _: backend)
    found = [
        _buffer_bytes(given, 1 << 30, name, {"bytes": 7})
        for name in ("auto", "subprocess")
        for given in (BUFFER_BYTES, MAP_BUFFER_BYTES, 5)
    ]
    assert found == [BUFFER_BYTES, MAP_BUFFER_BYTES, 5, 7, 7, 5]
    assert _buffer_bytes(BUFFER_BYTES, 1 << 30, "subprocess", None) == BUFFER_BYTES


@pytest.mark.parametrize(
    ("arena_bytes", "buffer_bytes"),
    [(0, 4), (1, 1), (4, 1), (8, 2), (15, 3.75), (16, 4), (1024, 4)],
)
def test_what_waits_leaves_room_in_a_small_arena(arena_bytes: int, buffer_bytes: float) -> None:
    found = _check(arena_bytes=arena_bytes << 20).buffer_bytes
    assert found == buffer_bytes * (1 << 20)
    assert _check(arena_bytes=arena_bytes << 20, buffer_bytes=5_000_000).buffer_bytes == 5_000_000


def test_what_cannot_be_iterated_is_not_made_in_the_worker() -> None:
    with pytest.raises(TypeError, match=r"such as functools\.partial\(range, 10\)$"):
        check(SimpleNamespace(), backend="auto")


def test_a_seed_is_drawn_where_none_is_given() -> None:
    assert _check().seed_given is False
    assert (_check(seed=0).seed, _check(seed=0).seed_given) == (0, True)


@pytest.mark.parametrize("name", ["arena_bytes", "max_restarts"])
def test_zero_is_the_least(name: str) -> None:
    assert getattr(_check(**{name: 0}), name) == 0
    with pytest.raises(ValueError, match=f"{name}=-1"):
        _check(**{name: -1})


@pytest.mark.parametrize(
    ("given", "processors", "spins"),
    [
        ({"buffer_size": 1}, 2, True),
        ({"buffer_size": SPIN_ITEMS}, 2, True),
        ({"buffer_size": SPIN_ITEMS + 1}, 2, False),
        ({"buffer_size": None}, 64, False),
        ({"buffer_size": UNLIMITED}, 64, False),
        ({"buffer_size": 1}, 1, False),
        ({"buffer_size": 1}, None, False),
        ({"buffer_size": 1, "worker_count": 2}, 2, False),
        ({"buffer_size": 1, "worker_count": 2}, 3, True),
    ],
)
def test_sides_spin_where_each_has_a_processor(
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    processors: int | None,
    spins: bool,  # noqa: FBT001  a row
) -> None:
    monkeypatch.setattr("farside._parent.options.processors", lambda: processors)
    assert _check(**given).spins is spins


def test_options_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        _check().timeout = 3


@pytest.mark.parametrize("value", [3, "range", [1, 2], None])
def test_fn_must_be_callable(value: object) -> None:
    with pytest.raises(TypeError, match=r"fn=.* is not callable; pass a function") as caught:
        check(value, backend="auto")
    assert repr(value) in str(caught.value)


def test_a_generator_is_not_its_function() -> None:
    def count() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match=r"such as count itself, or functools\.partial\(count, "):
        check(count(), backend="auto")
    with pytest.raises(TypeError, match=r"such as functools\.partial\(range, 10\)"):
        check((n for n in range(3)), backend="auto")


def test_an_object_is_not_its_class() -> None:
    class Samples:
        def __iter__(self) -> Iterator[int]:
            return iter(())

    with pytest.raises(TypeError, match=r"such as functools\.partial\(Samples, \.\.\.\), which"):
        check(Samples(), backend="auto")


@pytest.mark.parametrize("name", ["buffer_size", "buffer_bytes"])
@pytest.mark.parametrize("value", [0, -2, np.int64(0)])
def test_counts_below_one(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}=.*below 1; pass a whole number") as caught:
        _check(**{name: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("name", ["buffer_size", "buffer_bytes"])
@pytest.mark.parametrize("value", [True, False, 1.0, "3", float("nan"), [3], np.array([3])])
def test_counts_that_are_no_whole_numbers(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name}=.*is not a whole number; pass a whole") as caught:
        _check(**{name: value})
    assert repr(value) in str(caught.value)


def test_counts_of_other_integer_types() -> None:
    options = _check(buffer_size=np.int64(7), buffer_bytes=np.uint8(9))
    assert (options.buffer_size, options.buffer_bytes) == (7, 9)
    assert type(options.buffer_size) is int


@pytest.mark.parametrize("value", [-1, np.int64(-1)])
def test_minus_one_is_no_limit_of_items(value: Any) -> None:
    options = _check(buffer_size=value)
    assert options.buffer_size == UNLIMITED
    assert type(options.buffer_size) is int
    with pytest.raises(ValueError, match=r"buffer_bytes=.*below 1"):
        _check(buffer_bytes=value)
    with pytest.raises(ValueError, match=r"buffer_size=-2 is below 1; .*, -1 for no limit, or"):
        _check(buffer_size=-2)


@pytest.mark.parametrize("name", ["timeout", "shutdown_timeout"])
@pytest.mark.parametrize("value", [0, -1, -0.5, float("nan"), float("inf"), 10**400])
def test_seconds_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}=.*not a finite number above 0; pass") as caught:
        _check(**{name: value})
    assert repr(value) in str(caught.value)


class Tensor:
    """As one of PyTorch that has several elements."""

    def __float__(self) -> float:
        raise RuntimeError("cannot be converted to a scalar")


@pytest.mark.parametrize("name", ["timeout", "shutdown_timeout"])
@pytest.mark.parametrize(
    "value", ["3", True, [3], 3j, np.array([3.0, 4.0]), Decimal("sNaN"), Tensor()]
)
def test_seconds_that_are_no_numbers(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name}=.*is not a number; pass seconds"):
        _check(**{name: value})


def test_a_limit_of_more_seconds_than_anything_can_wait() -> None:
    assert _check(timeout=sys.maxsize).timeout == threading.TIMEOUT_MAX


def test_seconds_of_other_number_types() -> None:
    assert _check(timeout=Fraction(1, 2)).timeout == 0.5
    assert _check(timeout=np.float32(2)).timeout == 2.0


def test_one_initializer_or_several() -> None:
    assert _check(initializer=list).initializers == (list,)
    assert _check(initializer=[list, dict]).initializers == (list, dict)
    assert _check(initializer=()).initializers == ()


@pytest.mark.parametrize("value", [3, "abc", {1: 2}])
def test_initializer_of_a_wrong_type(value: object) -> None:
    with pytest.raises(TypeError, match=r"initializer=.*neither callable nor a sequence; pass"):
        _check(initializer=value)


def test_initializer_that_is_not_callable_is_named() -> None:
    with pytest.raises(TypeError, match=r"initializer\[1\]=3 is not callable; pass functions"):
        _check(initializer=[list, 3])


@pytest.mark.parametrize("value", ["spawn", "forkserver", "fork"])
def test_start_method_by_name_or_context(value: str) -> None:
    assert _check(mp_context=value).mp_context == value
    context = multiprocessing.get_context(value)
    assert _check(mp_context=context).mp_context is context


def test_unknown_start_method() -> None:
    with pytest.raises(ValueError, match=r"mp_context='thread' is not a start method; .*'spawn'"):
        _check(mp_context="thread")
    told = r"mp_context=3 is not a multiprocessing context; .*'spawn'"
    with pytest.raises(TypeError, match=told):
        _check(mp_context=3)


def test_unknown_backend() -> None:
    with pytest.raises(ValueError, match=r"backend='dask' is not known; .*'subprocess'"):
        iterate_in_worker(list, backend="dask")
    with pytest.raises(TypeError, match=r"backend=3 is not a name"):
        iterate_in_worker(list, backend=3)  # type: ignore[arg-type]


def test_unknown_fallback() -> None:
    with pytest.raises(ValueError, match=r"fallback='ray' is not known; .*or None"):
        iterate_in_subinterpreter(list, fallback="ray")  # type: ignore[arg-type]


def test_a_subinterpreter_is_no_fallback() -> None:
    with pytest.raises(ValueError, match=r"fallback='subinterpreter' is not known; .*or None"):
        iterate_in_worker(list, fallback="subinterpreter")  # type: ignore[arg-type]


def test_a_backend_is_no_fallback_for_itself() -> None:
    assert _check(backend="subprocess", fallback="subprocess").fallback is None
    assert _check(backend="auto", fallback="subprocess").fallback == "subprocess"


class Unshown:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("refuse", [iterate_in_worker, lambda value: _check(seed=value)])
def test_a_value_is_shown_in_short(refuse: Any) -> None:
    with pytest.raises(TypeError, match=r"=\[0, 1, 2, .*… \(\d+ characters\) is not") as caught:
        refuse(list(range(100_000)))
    assert len(str(caught.value)) < 800
    with pytest.raises(TypeError, match=r"=<Unshown whose repr\(\) failed> is not"):
        refuse(Unshown())


@pytest.mark.parametrize("value", [0, None, "yes"])
def test_daemon_must_be_a_bool(value: Any) -> None:
    with pytest.raises(TypeError, match=r"daemon=.* is not a bool; pass True or False"):
        _check(daemon=value)


@pytest.mark.parametrize(
    "entry", [iterate_in_subprocess, iterate_in_subinterpreter, iterate_in_worker]
)
def test_every_entry_point_checks(entry: Any) -> None:
    with pytest.raises(ValueError, match="buffer_size=0"):
        entry(list, buffer_size=0)
    with pytest.raises(TypeError, match="nonsense"):
        entry(list, nonsense=1)
    with pytest.raises(TypeError):
        entry(partial(range, 3), 3)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"init_timeout": 0}, ValueError, "init_timeout=0 is not a finite number above 0"),
        ({"init_timeout": "1"}, TypeError, "init_timeout='1' is not a number"),
        ({"finalizer": 3}, TypeError, "finalizer=3 is neither callable nor a sequence"),
        ({"finalizer": [print, 3]}, TypeError, r"finalizer\[1\]=3 is not callable"),
        ({"env": 3}, TypeError, "env=3 is not a mapping; pass a dict"),
        ({"env": {"A": 1}}, TypeError, "env has 'A': <int>, which are not both str"),
        ({"env": {1: "a"}}, TypeError, "env has 1: <str>, which are not both str"),
        ({"env": {"A=": "b"}}, ValueError, "env has 'A=': <str>, which no environment can have"),
        ({"env": {"A": "b\0"}}, ValueError, "env has 'A': <str>, which no environment can have"),
        ({"env": {}, "backend": "subinterpreter"}, ValueError, "use backend='subprocess' or"),
        ({"env": {}, "backend": "inline"}, ValueError, "use backend='subprocess' or 'auto'"),
        ({"name": 3}, TypeError, "name=3 is not a str"),
        ({"name": " "}, ValueError, "name=' ' is empty or not printable"),
        ({"name": "a\nb"}, ValueError, "is empty or not printable"),
        ({"worker_count": 0}, ValueError, "worker_count=0 is below 1; pass a whole number"),
        ({"worker_count": 1.5}, TypeError, "worker_count=1.5 is not a whole number"),
        ({"worker_index": 1}, ValueError, "worker_index=1 is not below worker_count=1"),
        ({"worker_index": -1}, ValueError, "worker_index=-1 is not below worker_count=1"),
        ({"worker_index": True}, TypeError, "worker_index=True is not a whole number"),
        ({"seed": -1}, ValueError, "seed=-1 is out of range; pass a whole number"),
        ({"seed": 1 << 64}, ValueError, "is out of range"),
        ({"seed": "x"}, TypeError, "seed='x' is not a whole number"),
    ],
    ids=str,
)
def test_who_a_worker_is(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        _check(**options)


def test_defaults_of_who_a_worker_is() -> None:
    options = _check(timeout=3, seed=np.int64(5), env={"A": "b"}, finalizer=print)
    assert (options.init_timeout, options.seed, options.env) == (3, 5, {"A": "b"})
    assert (options.finalizers, options.name) == ((print,), None)
    assert (options.worker_index, options.worker_count) == (0, 1)
    two: Any = type("Two", (), {"__index__": lambda _: 2})()
    assert _check(worker_index=1, worker_count=two).worker_count == 2
    assert _check().seed != _check().seed
    assert _check(timeout=3, init_timeout=8).init_timeout == 8
