"""Ray on this machine: its own generator of objects, and workers of farside on it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .base import Contestant, Passes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.sources.base import Source

_CASES = frozenset({"ints", "dicts", "arrays-100kB", "arrays-1MB", "arrays-10MB"})
_STORE_BYTES = 400 << 20
_AHEAD = 16
"""How many objects a generator may be ahead: without a bound it fills the store."""


class _OnRay(Contestant):
    library = "ray"
    cases = _CASES

    def load(self) -> None:
        """Start a cluster on this machine, before any clock starts."""
        import ray

        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            log_to_driver=False,
            logging_level="ERROR",
        )


class RayGenerator(_OnRay):
    """A generator of an actor, with an object for each item, as Ray's documentation has it."""

    name = "ray-generator"

    @contextmanager
    def open(
        self,
        source: Source,
        workers: int = 1,  # noqa: ARG002  its cases have one
        buffer_size: int | None = None,  # noqa: ARG002  and none
    ) -> Iterator[Iterable[Any]]:
        """Start an actor."""
        import ray

        actor = ray.remote(num_cpus=1)(_Maker).remote(source)
        ahead = {"_generator_backpressure_num_objects": _AHEAD}
        items = actor.items.options(num_returns="streaming", **ahead)
        yield Passes(lambda: map(ray.get, items.remote()))
        ray.kill(actor)


class _Maker:
    def __init__(self, source: Source) -> None:
        self._source = source()

    def items(self) -> Iterator[Any]:
        yield from self._source


class FarsideRay(_OnRay):
    """`farside.iterate_in_worker` with ``backend="ray"``."""

    name = "farside-ray"
    group = "farside"

    def open(
        self,
        source: Source,
        workers: int = 1,  # noqa: ARG002  its cases have one
        buffer_size: int | None = None,
    ) -> AbstractContextManager[Iterable[Any]]:
        """Start a worker."""
        from farside import iterate_in_worker

        return iterate_in_worker(source, backend="ray", buffer_size=buffer_size)


CONTESTANTS: tuple[Contestant, ...] = (FarsideRay(), RayGenerator())
