"""The options that the user asked for: every check is here, once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from .._backends import registry
from .._link.spinning import SPIN_ITEMS
from .._protocol.credit import UNLIMITED
from .._system.cgroup import processors
from ..options import START_METHODS
from . import checks
from .checks import check_callable, count, flag, limit, seconds, shown
from .defaults import ARENA_MOST, BUFFER_BYTES, DEFAULTS, LEAST_BUFFER_BYTES, MAP_BUFFER_BYTES

if TYPE_CHECKING:
    from .._payload.job import Call, Pickles


@dataclass(frozen=True)
class Options:
    """Checked options of one iterable, by the names that the entry points have for them."""

    fn: Callable[[], Iterable[Any]]
    backend: str
    backend_options: Mapping[str, Any]
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
    seed_given: bool
    max_restarts: int
    verify_replay: bool
    forward_logs: bool
    wait: bool
    task_timeout: float | None = None
    retries: int = 0
    sends_inputs: bool = False
    """Whether inputs are sent later: they may be large, and defined in the main module."""
    pickles: Pickles | None = None
    """Where workers that start together keep the pickle of their call, which they share."""

    @property
    def call(self) -> Call:
        """The user code that a worker runs."""
        return self.fn, self.initializers, self.finalizers

    @property
    def counts_items(self) -> bool:
        """Whether the worker has to be told of each item as soon as it was taken."""
        return self.buffer_size not in {None, UNLIMITED}

    @property
    def needs_process(self) -> str | None:
        """The option, if one is given, that only a process of its own can fulfil.

        A subinterpreter that hangs cannot be killed, and one that crashes ends the whole program.
        """
        given = {
            "mp_context": self.mp_context is not None,
            "env": self.env is not None,
            "max_restarts": self.max_restarts and not self.sends_inputs,
            "task_timeout": self.task_timeout is not None,
            "retries": self.retries,
        }
        return next(iter([name for name, wanted in given.items() if wanted]), None)

    @property
    def spins(self) -> bool:
        """Whether each side looks for a moment before it sleeps: see `_link.spinning`."""
        few = self.counts_items and (self.buffer_size or 0) <= SPIN_ITEMS
        return few and not self.sends_inputs and self.worker_count < (processors() or 1)


_FLAGS = ("daemon", "forward_logs", "verify_replay", "wait")


def check(fn: Any, *, backend: Any, fallback: Any = None, **options: Any) -> Options:
    """Check what the user gave. Options that are not given have the values of `DEFAULTS`.

    Raise TypeError, or ValueError for a wrong value of the right type. The message names the
    argument, the value and the cure.
    """
    given: dict[str, Any] = {**DEFAULTS, **options}
    assert given.keys() == DEFAULTS.keys()
    timeout, of_start = given["timeout"], given["init_timeout"]
    if of_start is None:
        of_start = timeout
    return Options(
        fn=_fn(fn),
        backend=_name("backend", backend, ("auto", *registry.names())),
        backend_options=checks.backend_options(given["backend_options"], backend),
        fallback=_fallback(fallback, backend),
        buffer_size=buffer_size_of(given["buffer_size"], "items"),
        arena_bytes=(arena := count("arena_bytes", given["arena_bytes"], "bytes", 0, ARENA_MOST)),
        buffer_bytes=_buffer_bytes(given["buffer_bytes"], arena, backend, given["backend_options"]),
        initializers=_callables("initializer", given["initializer"]),
        mp_context=_mp_context(given["mp_context"]),
        timeout=limit("timeout", timeout, "for no limit"),
        init_timeout=limit("init_timeout", of_start, "for the same as timeout"),
        shutdown_timeout=seconds("shutdown_timeout", given["shutdown_timeout"], ""),
        finalizers=_callables("finalizer", given["finalizer"]),
        env=checks.env(given["env"], backend),
        name=checks.name(given["name"]),
        worker_count=count("worker_count", given["worker_count"], "workers"),
        worker_index=checks.index(given["worker_index"], given["worker_count"]),
        seed=checks.seed(given["seed"]),
        seed_given=given["seed"] is not None,
        max_restarts=count("max_restarts", given["max_restarts"], "restarts", 0),
        pickles=None,
        **{name: flag(name, given[name]) for name in _FLAGS},
    )


def check_setup(value: Any) -> None:
    if value is not None:
        check_callable("setup", value, "a function without arguments")


def _fn(value: Any) -> Callable[[], Iterable[Any]]:
    if callable(value):
        fn: Callable[[], Iterable[Any]] = value  # only the worker sees what it returns
        return fn
    kind = type(value)
    example = "functools.partial(range, 10)"
    if hasattr(kind, "__iter__") and kind.__module__ != "builtins":
        example = f"functools.partial({kind.__name__}, ...), which makes it in the worker"
    if isinstance(value, GeneratorType) and (name := value.__name__).isidentifier():
        example = f"{name} itself, or functools.partial({name}, ...) if it takes arguments"
    raise TypeError(
        f"fn={shown(value)} is not callable; pass a function without arguments that returns the "
        f"iterable, such as {example}"
    )


def buffer_size_of(value: Any, unit: str) -> int | None:
    if value is None:
        return None
    with suppress(TypeError):  # not a whole number: `count` raises that
        if operator.index(value) == UNLIMITED:
            return UNLIMITED
    return count("buffer_size", value, unit)


def _buffer_bytes(
    value: Any, arena: int, backend: str, backend_options: Mapping[str, Any] | None
) -> int:
    number = count("buffer_bytes", value, "bytes")
    if number not in {BUFFER_BYTES, MAP_BUFFER_BYTES}:
        return number
    # Else what waits would fill a small arena, of which the loop may hold half.
    if arena:
        number = min(number, max(arena // 4, LEAST_BUFFER_BYTES))
    if backend == "auto":
        return number
    return registry.load(backend).default_buffer_bytes(backend_options or {}) or number


def _callables(name: str, value: Any) -> tuple[Callable[[], object], ...]:
    if value is None:
        return ()
    if callable(value):
        return (value,)
    if isinstance(value, Sequence) and not isinstance(value, str):
        for index, each in enumerate(value):
            check_callable(f"{name}[{index}]", each, "functions without arguments")
        return tuple(value)
    raise TypeError(
        f"{name}={shown(value)} is neither callable nor a sequence; "
        "pass a function without arguments, or a list of them"
    )


def _mp_context(value: Any) -> Any:
    cure = f"pass one of {', '.join(map(repr, START_METHODS))}, a multiprocessing context, or None"
    if isinstance(value, str):
        if value not in START_METHODS:
            raise ValueError(f"mp_context={value!r} is not a start method; {cure}")
    elif value is not None and not (
        callable(getattr(value, "Process", None))
        and callable(getattr(value, "get_start_method", None))
    ):
        raise TypeError(f"mp_context={shown(value)} is not a multiprocessing context; {cure}")
    return value


def _fallback(value: Any, backend: str) -> str | None:
    # Only a subprocess can be had wherever there are workers at all.
    if value is None or _name("fallback", value, ("subprocess",), "or None") == backend:
        return None
    # Whoever wants other machines does not want all workers on this one instead.
    return None if registry.is_remote(backend) else "subprocess"


def _name(name: str, value: Any, known: tuple[str, ...], also: str = "") -> str:
    cure = f"pass {'one of ' * (len(known) > 1)}{', '.join(map(repr, known))} {also}".rstrip()
    if not isinstance(value, str):
        raise TypeError(f"{name}={shown(value)} is not a name; {cure}")
    if value not in known:
        raise ValueError(f"{name}={shown(value)} is not known; {cure}")
    return value
