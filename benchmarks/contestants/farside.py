"""The library that this repository is about."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from .base import Contestant, take_turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source


class _Farside(Contestant):
    group = "farside"
    library = "farside"

    def load(self) -> None:
        """Import what the public names are made of; it is done on first use."""
        import farside

        for name in ("iterate_in_subprocess", "iterate_in_subinterpreter"):
            getattr(farside, name)

    @contextmanager
    def open(
        self, source: Source, workers: int = 1, buffer_size: int | None = None
    ) -> Iterator[Iterable[Any]]:
        """Start one worker for each shard."""
        with ExitStack() as stack:
            parts = [source.shard(index, workers) for index in range(workers)]
            yield take_turns([stack.enter_context(self._start(p, buffer_size)) for p in parts])

    def _start(
        self, source: Source, buffer_size: int | None
    ) -> AbstractContextManager[Iterable[Any]]:
        raise NotImplementedError


class FarsideSubprocess(_Farside):
    """`farside.iterate_in_subprocess`, with the defaults."""

    name = "farside-subprocess"
    offers = Contestant.offers | {"buffer_size", "allocate", "separate"}

    def refuses(self, case: Case) -> str | None:
        """Tell what it lacks; releases before `farside.allocate` lack that."""
        import farside

        if "allocate" in case.demands and not hasattr(farside, "allocate"):
            return "this farside has no allocate()"
        return super().refuses(case)

    def _start(
        self, source: Source, buffer_size: int | None
    ) -> AbstractContextManager[Iterable[Any]]:
        from farside import iterate_in_subprocess

        return iterate_in_subprocess(source, buffer_size=buffer_size)


class FarsideSubinterpreter(_Farside):
    """`farside.iterate_in_subinterpreter`, with the defaults, but never a subprocess instead."""

    name = "farside-subinterpreter"
    python = (3, 13)
    offers = (Contestant.offers | {"buffer_size", "separate"}) - {"process", "numpy"}

    def missing(self) -> str | None:
        """Tell what is missing; on 3.13 that may be the backport."""
        if absent := super().missing():
            return absent
        from farside import available_backends

        found = available_backends()["subinterpreter"]
        return None if found.usable else found.reason

    def _start(
        self, source: Source, buffer_size: int | None
    ) -> AbstractContextManager[Iterable[Any]]:
        from farside import iterate_in_subinterpreter

        return iterate_in_subinterpreter(source, buffer_size=buffer_size, fallback=None)


class FarsideSubprocessAsync(FarsideSubprocess):
    """The same, by ``async for``."""

    name = "farside-subprocess-async"
    offers = frozenset({"separate", "async", "numpy"})


class FarsideSubinterpreterAsync(FarsideSubinterpreter):
    """The same, by ``async for``."""

    name = "farside-subinterpreter-async"
    offers = frozenset({"separate", "async"})


CONTESTANTS: tuple[Contestant, ...] = (
    FarsideSubprocess(),
    FarsideSubinterpreter(),
    FarsideSubprocessAsync(),
    FarsideSubinterpreterAsync(),
)
