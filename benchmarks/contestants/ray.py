"""Ray on this machine: its generator of objects, its data sets, and workers of farside on it."""

from __future__ import annotations

import importlib.util
from collections import deque
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from .base import Contestant, Passes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source

_CASES = frozenset({"ints", "dicts", "arrays-100kB", "arrays-1MB", "arrays-10MB"})
_STORE_BYTES = 400 << 20
_AHEAD = 16
"""How many objects a generator may be ahead: without a bound it fills the store."""

_IN_FLIGHT = 8
"""How many calls of an actor are on their way: more do not make it faster."""

_NEEDED = ("pandas", "pyarrow", "typing_extensions")
"""What `ray.data` imports, and Ray does not install."""

_ROWS, _BLOCK_BYTES, _BLOCKS = 20_000, 32_000_000, 1000
"""Rows of a block of a data set, its bytes at most, and blocks: more than a measurement takes."""


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


class _OfActor(_OnRay):
    """Items of one actor, which holds the source."""

    @contextmanager
    def open(self, source: Source, _: Case) -> Iterator[Iterable[Any]]:
        """Start an actor."""
        import ray

        actor = ray.remote(num_cpus=1)(_Maker).remote(source)
        yield Passes(lambda: self._items(actor))
        ray.kill(actor)

    def _items(self, actor: Any) -> Iterator[Any]:
        """Yield the items of a pass."""
        raise NotImplementedError


class RayGenerator(_OfActor):
    """A generator of an actor, with an object for each item, as Ray's documentation has it."""

    name = "ray-generator"

    def _items(self, actor: Any) -> Iterator[Any]:
        import ray

        ahead = {"_generator_backpressure_num_objects": _AHEAD}
        items = actor.items.options(num_returns="streaming", **ahead)
        return map(ray.get, items.remote())


class RayGet(_OfActor):
    """Calls of an actor, some in flight, each of which returns an item."""

    name = "ray-get"

    def _items(self, actor: Any) -> Iterator[Any]:
        import ray

        in_flight = deque(actor.item.remote(index) for index in range(_IN_FLIGHT))
        for index in count(_IN_FLIGHT):
            found = ray.get(in_flight.popleft())
            in_flight.append(actor.item.remote(index))
            yield found


class _Maker:
    def __init__(self, source: Source) -> None:
        self._source = source()

    def items(self) -> Iterator[Any]:
        yield from self._source

    def item(self, index: int) -> Any:
        return self._source.item(index)


class RayData(_OnRay):
    """Rows of `ray.data`, made by an actor in blocks, as `Dataset.map` and `iter_rows` have it."""

    name = "ray-data"

    def missing(self) -> str | None:
        """Return why it cannot run in this Python, or None."""
        lacks = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        return super().missing() or (f"needs {', '.join(lacks)}" if lacks else None)

    def load(self) -> None:
        """Start a cluster on this machine, with nothing that draws on the terminal."""
        super().load()
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True

    @contextmanager
    def open(self, source: Source, _: Case) -> Iterator[Iterable[Any]]:
        """Describe a data set: each pass starts an actor of its own."""
        import ray.data

        in_block = max(1, min(_ROWS, _BLOCK_BYTES // (source.nbytes or 1)))
        numbers = ray.data.range(_BLOCKS * in_block, override_num_blocks=_BLOCKS)
        rows = numbers.map(
            _Row, fn_constructor_args=(source,), compute=ray.data.ActorPoolStrategy(size=1)
        )
        yield Passes(lambda: (row["item"] for row in rows.iter_rows()))


class _Row:
    def __init__(self, source: Source) -> None:
        self._item = source().item

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"item": self._item(row["id"])}


class FarsideRay(_OnRay):
    """`farside.iterate_in_worker` with ``backend="ray"``."""

    name = "farside-ray"
    group = "farside"
    options: dict[str, Any] | None = None

    def open(self, source: Source, _: Case) -> AbstractContextManager[Iterable[Any]]:
        """Start a worker."""
        from farside import iterate_in_worker

        return iterate_in_worker(source, backend="ray", backend_options=self.options)


class FarsideRayReadOnly(FarsideRay):
    """The same; large contents arrive as those of `RayGet` do: to be read only."""

    name = "farside-ray-read-only"
    cases = frozenset({"arrays-10MB"})
    options = {"read_only": True}  # noqa: RUF012  nobody changes it


CONTESTANTS: tuple[Contestant, ...] = (
    FarsideRay(),
    FarsideRayReadOnly(),
    RayGenerator(),
    RayGet(),
    RayData(),
)
