"""The library that this repository is about."""

from __future__ import annotations

from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarks import calls
from benchmarks.sources.base import function_of

from .base import Contestant, Passes
from .pools import ExecutorMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source
    from farside.options import SeveralOptions

_FUNCTIONS = {
    "allocate": "allocate",
    "map": "map_in_workers",
    "workers": "iterate_in_workers",
}
"""What a case may demand, and the public name that it takes."""


class _Farside(Contestant):
    """What all of them share.

    Attributes:
        function: The public name that it is about; another revision may lack it.
        options: Those of the function.
        several: Options of `iterate_in_workers` and `map_in_workers` that choose the same backend.
    """

    group = "farside"
    library = "farside"
    function: str
    options: Mapping[str, Any] = MappingProxyType({})
    several: SeveralOptions

    def missing(self) -> str | None:
        """Tell what is missing; that may be the function."""
        if absent := super().missing():
            return absent
        import farside

        return None if hasattr(farside, self.function) else f"this farside has no {self.function}"

    def refuses(self, case: Case) -> str | None:
        """Tell what it lacks; older releases lack some functions."""
        import farside

        for demand, name in _FUNCTIONS.items():
            if demand in case.demands and not hasattr(farside, name):
                return f"this farside has no {name}()"
        return super().refuses(case)

    def load(self) -> None:
        """Import what the public names are made of, which farside imports only on first use."""
        import farside

        for name in (self.function, *_FUNCTIONS.values()):
            getattr(farside, name, None)

    def open(self, source: Source, case: Case) -> AbstractContextManager[Iterable[Any]]:
        """Start one worker by the function for one, and several by those for several."""
        import farside

        if "map" in case.demands:
            return farside.map_in_workers(
                function_of(source), source.inputs(), case.workers, **self.several
            )
        if "workers" in case.demands:
            parts = [source.shard(index, case.workers) for index in range(case.workers)]
            return farside.iterate_in_workers(calls.part, parts, case.workers, **self.several)
        start: Callable[..., farside.RemoteIterable[Any]] = getattr(farside, self.function)
        return start(source, buffer_size=case.buffer_size, **self.options)


class FarsideSubprocess(_Farside):
    """`farside.iterate_in_subprocess`, with the defaults."""

    name = "farside-subprocess"
    function = "iterate_in_subprocess"
    offers = Contestant.offers | {"buffer_size", "allocate", "separate", "map"}
    several = {"backend": "subprocess"}  # noqa: RUF012  a dictionary with types


class FarsideSubinterpreter(_Farside):
    """`farside.iterate_in_subinterpreter`, with the defaults, but never a subprocess instead."""

    name = "farside-subinterpreter"
    function = "iterate_in_subinterpreter"
    python = (3, 13)
    offers = (Contestant.offers | {"buffer_size", "separate", "map"}) - {"process", "numpy"}
    options = MappingProxyType({"fallback": None})
    several = {"backend": "subinterpreter", "fallback": None}  # noqa: RUF012  a dictionary with types

    def missing(self) -> str | None:
        """Tell what is missing; on 3.13 that may be the backport."""
        if absent := super().missing():
            return absent
        from farside import available_backends

        found = available_backends()["subinterpreter"]
        return None if found.usable else found.reason


class FarsideSubprocessAsync(FarsideSubprocess):
    """The same, by ``async for``."""

    name = "farside-subprocess-async"
    offers = frozenset({"separate", "async", "numpy"})


class FarsideSubinterpreterAsync(FarsideSubinterpreter):
    """The same, by ``async for``."""

    name = "farside-subinterpreter-async"
    offers = frozenset({"separate", "async"})


class FarsideInThread(FarsideSubprocess):
    """The same, by `farside.RemoteIterable.in_thread`, which is for large items."""

    name = "farside-subprocess-in-thread"
    cases = frozenset(
        f"images{what}-{workers}" for what in ("", "-cpu", "-thread") for workers in (1, 2, 4)
    )

    def missing(self) -> str | None:
        """Tell what is missing; another revision may lack the method."""
        if absent := super().missing():
            return absent
        import farside

        has_it = hasattr(farside.RemoteIterable, "in_thread")
        return None if has_it else "this farside has no in_thread()"

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Start the workers, and let a thread take what they make."""
        with super().open(source, case) as items:
            iterable: Any = items
            yield Passes(iterable.in_thread)


class FarsideExecutor(ExecutorMap):
    """`farside.WorkerExecutor.map`, which has a future for each call."""

    name = "farside-executor"
    group = "farside"
    library = "farside"
    python = (3, 10)
    cases = frozenset({"map-ints", "map-busy", "map-1ms-1", "map-1ms-4", "map-1ms-16"})

    def __init__(self, backend: str, python: tuple[int, int]) -> None:
        super().__init__()
        self.name += f"-{backend}"
        self.python = python
        self._backend = backend

    def missing(self) -> str | None:
        """Tell what is missing; another revision may have no executor."""
        if absent := super().missing():
            return absent
        import farside

        return None if hasattr(farside, "WorkerExecutor") else "this farside has no WorkerExecutor"

    def _executor(self, workers: int, **options: Any) -> Executor:
        import farside

        return farside.WorkerExecutor(workers, backend=self._backend, **options)


CONTESTANTS: tuple[Contestant, ...] = (
    FarsideSubprocess(),
    FarsideSubinterpreter(),
    FarsideSubprocessAsync(),
    FarsideSubinterpreterAsync(),
    FarsideInThread(),
    FarsideExecutor("subprocess", (3, 10)),
    FarsideExecutor("subinterpreter", (3, 14)),
)
