"""What the user asked for: every default and every check, once."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

from ._backends import registry
from ._identity import check_env, check_index, check_name, check_seed

BUFFER_BYTES = 1 << 20
"""Default of ``buffer_bytes``. It keeps both sides busy with items of 100 kB, where a quarter of it
halves the throughput (waking a process costs as much as moving such an item), and is little beside
a Python process."""

ARENA_BYTES = 1 << 30
"""Default of ``arena_bytes``. It is address space; memory is taken as it is used."""

ARENA_MOST = 1 << 47
"""Largest ``arena_bytes``: what a process can address."""

SHUTDOWN_SECONDS = 4.0
"""Default of ``shutdown_timeout``: half of it for an orderly end, a quarter after SIGTERM."""

START_METHODS = ("forkserver", "spawn", "fork")


@dataclass(frozen=True)
class Options:
    """Checked options of one iterable, by the names that the entry points have for them."""

    fn: Callable[[], Iterable[Any]]
    backend: str
    fallback: str | None
    buffer_size: int | None
    buffer_bytes: int
    arena_bytes: int
    initializers: tuple[Callable[[], object], ...]
    mp_context: Any
    timeout: float | None
    init_timeout: float | None
    shutdown_timeout: float
    daemon: bool
    finalizers: tuple[Callable[[], object], ...]
    env: Mapping[str, str] | None
    name: str | None
    worker_index: int
    worker_count: int
    seed: int
    forward_logs: bool


def check(  # as many as there are options
    fn: Any,
    *,
    backend: Any,
    fallback: Any = None,
    buffer_size: Any = None,
    buffer_bytes: Any = BUFFER_BYTES,
    arena_bytes: Any = ARENA_BYTES,
    initializer: Any = None,
    mp_context: Any = None,
    timeout: Any = None,
    init_timeout: Any = None,
    shutdown_timeout: Any = SHUTDOWN_SECONDS,
    daemon: Any = False,
    finalizer: Any = None,
    env: Any = None,
    name: Any = None,
    worker_index: Any = 0,
    worker_count: Any = 1,
    seed: Any = None,
    forward_logs: Any = True,
) -> Options:
    """Check what the user gave.

    Raises:
        TypeError: a value is of the wrong type.
        ValueError: a value is of the right type and out of range.
        Both name the argument, the value and the cure.
    """
    return Options(
        fn=_fn(fn),
        backend=_name("backend", backend, ("auto", *registry.names())),
        fallback=_fallback(fallback, backend),
        buffer_size=None if buffer_size is None else _count("buffer_size", buffer_size, "items"),
        buffer_bytes=_count("buffer_bytes", buffer_bytes, "bytes"),
        arena_bytes=_count("arena_bytes", arena_bytes, "bytes", least=0, most=ARENA_MOST),
        initializers=_callables("initializer", initializer),
        mp_context=_mp_context(mp_context),
        timeout=_limit("timeout", timeout, "for no limit"),
        init_timeout=_limit(
            "init_timeout",
            timeout if init_timeout is None else init_timeout,
            "for the same as timeout",
        ),
        shutdown_timeout=_seconds("shutdown_timeout", shutdown_timeout, ""),
        daemon=_flag("daemon", daemon),
        finalizers=_callables("finalizer", finalizer),
        env=check_env(env, backend),
        name=check_name(name),
        worker_count=_count("worker_count", worker_count, "workers"),
        worker_index=check_index(worker_index, worker_count),
        seed=check_seed(seed),
        forward_logs=_flag("forward_logs", forward_logs),
    )


def _fn(value: Any) -> Callable[[], Iterable[Any]]:
    if callable(value):
        fn: Callable[[], Iterable[Any]] = value  # what it returns shows in the worker
        return fn
    example = "functools.partial(range, 10)"
    if isinstance(value, GeneratorType) and (name := value.__name__).isidentifier():
        example = f"{name} itself, or functools.partial({name}, ...) if it takes arguments"
    raise TypeError(
        f"fn={value!r} is not callable; pass a function without arguments that returns the "
        f"iterable, such as {example}"
    )


def _count(name: str, value: Any, unit: str, least: int = 1, most: int | None = None) -> int:
    cure = f"pass a whole number of {unit}, {least} or more"
    if name == "buffer_size":
        cure += ", or None for automatic"
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{name}={value!r} is not a whole number; {cure}")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{name}={value!r} is below {least}; {cure}")
    if most is not None and number > most:
        raise ValueError(f"{name}={value!r} is above {most}; pass less")
    return number


def _seconds(name: str, value: Any, or_else: str) -> float:
    cure = f"pass seconds, more than 0{or_else}"
    if isinstance(value, (bool, str)) or not hasattr(type(value), "__float__"):
        raise TypeError(f"{name}={value!r} is not a number; {cure}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name}={value!r} is not a finite number above 0; {cure}")
    return number


def _limit(name: str, value: Any, none: str) -> float | None:
    return None if value is None else _seconds(name, value, f", or None {none}")


def _callables(name: str, value: Any) -> tuple[Callable[[], object], ...]:
    if value is None:
        return ()
    if callable(value):
        return (value,)
    if isinstance(value, Sequence) and not isinstance(value, str):
        for index, each in enumerate(value):
            if not callable(each):
                raise TypeError(
                    f"{name}[{index}]={each!r} is not callable; pass functions without arguments"
                )
        return tuple(value)
    raise TypeError(
        f"{name}={value!r} is neither callable nor a sequence; "
        "pass a function without arguments, or a list of them"
    )


def _mp_context(value: Any) -> Any:
    cure = f"pass one of {', '.join(map(repr, START_METHODS))}, a multiprocessing context, or None"
    if isinstance(value, str):
        if value not in START_METHODS:
            raise ValueError(f"mp_context={value!r} is no start method; {cure}")
        import multiprocessing  # only a subprocess needs it

        here = multiprocessing.get_all_start_methods()
        if value not in here:  # pragma: no cover  Linux has all
            raise ValueError(f"mp_context={value!r} does not exist here, only {here}; {cure}")
    elif value is not None and not (
        callable(getattr(value, "Process", None))
        and callable(getattr(value, "get_start_method", None))
    ):
        raise TypeError(f"mp_context={value!r} is no multiprocessing context; {cure}")
    return value


def _fallback(value: Any, backend: str) -> str | None:
    # Only a subprocess can be had wherever there are workers at all.
    if value is None or _name("fallback", value, ("subprocess",), "or None") == backend:
        return None
    return "subprocess"


def _name(name: str, value: Any, known: tuple[str, ...], also: str = "") -> str:
    cure = f"pass one of {', '.join(map(repr, known))} {also}".rstrip()
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r} is not a name; {cure}")
    if value not in known:
        raise ValueError(f"{name}={value!r} is not known; {cure}")
    return value


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(f"{name}={value!r} is not a bool; pass True or False")
