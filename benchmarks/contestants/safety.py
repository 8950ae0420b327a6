"""What resume and restart cost a loop in which nothing goes wrong."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from benchmarks import calls

from .base import Passes
from .farside import FarsideSubprocess

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.sources.base import Source
    from farside import RemoteIterable

_SHARDS = 64
_ITEMS = 100
"""How many a loop takes between two states."""


class _Safety(FarsideSubprocess):
    offers = frozenset({"safety", "numpy"})
    options: dict[str, Any] = {}  # noqa: RUF012  never changed

    def _start(
        self,
        source: Source,
        buffer_size: int | None,  # noqa: ARG002  its cases have none
    ) -> AbstractContextManager[Iterable[Any]]:
        from farside import iterate_in_subprocess

        return iterate_in_subprocess(source, **self.options)


class Unverified(_Safety):
    """Takes no digests of items, with which a pass that is made again is compared."""

    name = "farside-unverified"
    options = {"verify_replay": False}  # noqa: RUF012  never changed


class Verified(_Safety):
    """The defaults."""

    name = "farside-verified"


class Restarting(_Safety):
    """Starts a worker again that has died."""

    name = "farside-restarting"
    options = {"max_restarts": 3}  # noqa: RUF012  never changed


class Sharded(_Safety):
    """Reads 64 shards in turn."""

    name = "farside-shards"

    @contextmanager
    def _start(
        self,
        source: Source,
        buffer_size: int | None,  # noqa: ARG002  its cases have none
    ) -> Iterator[Iterable[Any]]:
        from farside import iterate_in_workers

        shards = [source.shard(index, _SHARDS) for index in range(_SHARDS)]
        with iterate_in_workers(
            calls.part, shards, 1, backend="subprocess", cycle_length=_SHARDS
        ) as items:
            yield Passes(lambda: self._loop(items))

    def _loop(self, items: RemoteIterable[Any]) -> Iterator[Any]:
        """Go over the items, in the blocks of those that look at the state in between."""
        iterator = iter(items)
        while True:
            yield from islice(iterator, _ITEMS)
            self._between(items)

    def _between(self, items: RemoteIterable[Any]) -> None:
        pass


class States(Sharded):
    """Reads 64 shards in turn, and asks for the state after each hundredth item."""

    name = "farside-states"

    def _between(self, items: RemoteIterable[Any]) -> None:
        items.state_dict()


CONTESTANTS = (Unverified(), Verified(), Restarting(), Sharded(), States())
