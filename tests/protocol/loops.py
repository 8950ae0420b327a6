"""What a loop needs beside the real code: a client without I/O, and items that come one by one."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from farside._parent.decoding import decode_each
from farside._parent.one_pass import Pass
from farside._protocol.group import GroupCore
from farside.errors import WorkerDiedError

from .copies import frozen
from .side import ViolationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from farside._protocol.effects import Ending

    from .side import Side
    from .world import World


class Undecoded(NamedTuple):
    """A block that `Pass` decodes while the loop takes the items."""

    entries: list[Any]
    sources: Any


class Loop(Pass):
    """A pass whose items are decoded one by one: a generator cannot be copied."""

    def _open(self, entries: list[Any], sources: Any) -> Any:
        opened = super()._open(entries, sources)
        return opened if sources is None else Undecoded(entries, sources)

    def decode_one(self, block: Undecoded) -> Any:
        """Return the next item of a block."""
        return next(decode_each(self, *block))


class Client:
    """What a pass asks of its client."""

    foreign_to = unheard = used = False
    next_look = None  # no time is limited

    def __init__(self, world: World, sequence: Any) -> None:
        self._world = world
        self.sequence = sequence
        self.counters = SimpleNamespace(end=lambda _: None)

    @property
    def core(self) -> GroupCore:
        return self._world.group

    @property
    def members(self) -> list[Any]:
        return [_Link(side) for side in self._world.sides]

    def check_home(self) -> None:
        pass

    def step(self, event: Callable[[GroupCore], Any], index: int | None = None) -> None:
        """Let an event happen; if it concerns one worker, see that it changes no other."""
        cores = self._world.group.workers
        others = [] if index is None else [*cores[:index], *cores[index + 1 :]]
        before = [vars(each).copy() for each in others]
        if isinstance(event, partial):
            given = {name: frozen(value) for name, value in event.keywords.items()}
            event = partial(event.func, **given)
        self._world._step(event)
        if [vars(each) for each in others] != before:
            raise ViolationError("an event changes a worker that it does not concern")

    post = step

    def end_others(self) -> None:
        self._world._step(GroupCore.end)

    def give_up(self, _: object, cause: str, detail: object) -> None:
        raise ViolationError(f"a worker is given up: {cause}, {detail}")

    def error(self, ending: Ending, *_: object) -> BaseException:
        return WorkerDiedError(ending.cause)


class _Link:
    """The way to a worker."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def acknowledge(self, epoch: int, total: int) -> None:
        self._side.acked = epoch, total
