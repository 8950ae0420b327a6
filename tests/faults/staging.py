"""Performs rows of the matrix: the parent's half. What is seen is plain data: it may be sent."""

from __future__ import annotations

import dataclasses
import os
import select
import time
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from farside import FarsideError, IterableClosedError
from farside._protocol.recovery import Limits
from farside.testing.checks import SECONDS, take, until
from tests.faults import ways
from tests.scripts.acts import Sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from farside import RemoteIterable
    from farside._parent.client import Client
    from farside._protocol.group import GroupCore
    from tests.faults.matrix import Row
    from tests.kinds import Kind

PATIENCE_S = 0.2
"""``timeout`` where the worker never goes on, once it has come to that."""

SHUTDOWN_S = 0.4

_ERRORS = FarsideError.__module__


class Seen(NamedTuple):
    """What the parent has seen."""

    got: list[Any]
    error: list[str]
    """Names of the classes that it is, the farside class and the original one among them."""
    message: str
    attributes: dict[str, Any]
    seconds: float
    """From the fault to the end of what the parent did."""
    state: str
    warned: list[str]
    reopened: str
    """What iterating again raised, and its cause."""


class Stager:
    """Performs a row.

    Args:
        row: what to do.
        kind: the kind of worker.
        folder: an empty folder.
    """

    def __init__(self, row: Row, kind: Kind, folder: Path) -> None:
        self.row = row
        self.kind = kind
        self.sign = Sign(str(folder / "sign"))
        self.full = Sign(str(folder / "full"))
        self.fault: ways.Fault = ways.Fault(
            row.way, str(folder), announced=row.stage in _LOOKED_AT_LATER
        )
        self.iterable: RemoteIterable[Any] | None = None
        self.seen: tuple[list[Any], Exception | None] = ([], None)

    def perform(self) -> Seen:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            _STAGES[self.row.stage](self)
            after = time.monotonic()
            when = self._when()
            got, error = self.seen
            seen = Seen(
                got,
                [kind.__name__ for kind in type(error).__mro__] if error else [],
                str(error),
                _plain(error),
                after - when,
                self.iterable.state if self.iterable else "closed",
                [each.category.__name__ for each in warned if each.category.__module__ == _ERRORS],
                self._reopen(),
            )
        self.fault.end()
        if self.iterable is not None:
            if seen.state == "closed":  # what was left behind ends now, when it gets to run
                for member in self.iterable._current.members:
                    assert member.worker.wait(SECONDS)
            self.iterable.close()
        return seen

    def _when(self) -> float:
        try:
            return float(Path(self.fault.when).read_text())
        except FileNotFoundError:  # it was ended before it got there
            return time.monotonic()

    def _reopen(self) -> str:
        if self.iterable is None or not isinstance(self.seen[1], FarsideError):
            return ""
        try:
            iter(self.iterable)
        except IterableClosedError as error:
            return "closed, same" if error.__cause__ is self.seen[1] else f"{error.__cause__!r}"
        return "open"

    # What the stages do -------------------------------------------------------------------

    def start(self, fn: Callable[[], Iterable[Any]], **options: Any) -> RemoteIterable[Any]:
        # A death is seen at once, whatever `timeout` says.
        given = {"timeout": 60, "shutdown_timeout": self._shutdown, **options}
        self.iterable = self.kind.start(fn, **given)
        return self.iterable

    @property
    def _shutdown(self) -> float:
        return SHUTDOWN_S if self.row.way in ways.STUCK else 4.0

    def initialize(self, fn: Callable[[], Iterable[Any]], **options: Any) -> None:
        stuck = self.row.way in ways.STUCK
        try:
            iterable = self.start(fn, wait=not stuck, **options)
            if stuck:  # imports may take longer, and could be interrupted instead
                until(Path(self.fault.when).exists)
                limit_answers(iterable._current, PATIENCE_S)
                iterable.wait_ready()
        except FarsideError as error:
            self.seen, self.iterable = ([], error), None
        else:
            self.seen = take(iterable)

    def iterate(self, fn: Callable[[], Iterable[Any]]) -> None:
        iterable = self.start(fn)
        self.grow_impatient()
        self.seen = take(iterable)

    def wait(self) -> None:
        iterable = self.start(ways.InNext(self.fault, ways.EARLIER, self.sign))
        self.seen = take(self._giving(iterable))

    def _giving(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            if item == ways.EARLIER - 1:
                self.grow_impatient()
                self.sign.give()
            yield item

    def be_busy(self) -> None:
        iterator = iter(self.start(ways.InNext(self.fault, ways.EARLIER, self.sign)))
        self.look_later([next(iterator)], iterator)

    def be_full(self) -> None:
        other = ways.Elsewhere(self.fault, self.sign)
        fn = ways.SaysWhenFull(self.full)
        iterator = iter(self.start(fn, initializer=other, buffer_size=1))
        got = [next(iterator)]
        self.full.wait()
        self.look_later(got, iterator)

    def stand_by(self) -> None:
        other = ways.Elsewhere(self.fault, self.sign)
        iterable = self.start(ways._items, initializer=other)
        assert list(iterable) == list(ways.ITEMS)
        self.look_later([], iterable)

    def look_later(self, got: list[Any], items: Iterable[Any]) -> None:
        assert self.fault.happens is not None
        assert self.iterable is not None
        pid = pid_of(self.iterable) if self.kind.is_process else 0
        self.sign.give()
        with suppress(OSError):  # its own descriptor was closed, too
            self.fault.happens.wait()
        if self.row.outcome.kind == "dies":
            await_end(pid)
        self.grow_impatient()
        more, error = take(items)
        self.seen = got + more, error

    def call(self) -> None:
        iterable = self.start(ways.InCall(self.fault))
        self.grow_impatient()
        try:
            self.seen = iterable.call("go_wrong"), None
        except Exception as error:
            self.seen = [], error

    def close(self, fn: Callable[[], Iterable[Any]], **options: Any) -> None:
        iterable = self.start(fn, buffer_size=1, **options)  # it does not get far
        iterator = iter(iterable)
        got = [next(iterator)]
        try:
            iterable.close()
        except Exception as error:
            self.seen = got, error
        else:
            self.seen = got, None

    def grow_impatient(self) -> None:
        """Set ``timeout`` only where it matters: on a busy machine all else may take longer."""
        if self.row.way in ways.STUCK:
            assert self.iterable is not None
            limit_answers(self.iterable._current)


def limit_answers(client: Client, init_timeout: float | None = None) -> None:
    """Set the ``timeout`` of a remote iterable that is at work, or the limit of its start too."""
    init = init_timeout or client.options.init_timeout
    changed: dict[str, Any] = {"timeout": PATIENCE_S, "init_timeout": init}
    client.options = dataclasses.replace(client.options, **changed)
    for member in client.members:
        member.options = dataclasses.replace(member.options, **changed)
    limits = Limits(init, PATIENCE_S)

    def limit(core: GroupCore) -> None:
        core._limits, core.has_limits = limits, True
        for each in core.workers:
            each._limits = limits

    client.step(limit)


_LOOKED_AT_LATER = {"busy", "credit", "stand by"}

_STAGES: dict[str, Callable[[Stager], object]] = {
    "starting": lambda self: self.initialize(partial(_call, ways.AtLoad(self.fault))),
    "initializer": lambda self: self.initialize(ways._items, initializer=self.fault),
    "fn": lambda self: self.initialize(ways.InFn(self.fault)),
    "iter": lambda self: self.iterate(ways.InIter(self.fault)),
    "first next": lambda self: self.iterate(ways.InNext(self.fault, 0)),
    "waiting": Stager.wait,
    "busy": Stager.be_busy,
    "credit": Stager.be_full,
    "stand by": Stager.stand_by,
    "call": Stager.call,
    "closing": lambda self: self.close(ways.AsItIsLeft(self.fault)),
    "finalizer": lambda self: self.close(ways._items, finalizer=self.fault),
}


def _call(fn: Callable[[], Iterable[int]]) -> Iterable[int]:
    return fn()


def _plain(error: Exception | None) -> dict[str, Any]:
    names = ("exit_code", "signal_name", "last_index", "state", "stage", "item_index", "seconds")
    return {name: getattr(error, name) for name in names if hasattr(error, name)}


def pid_of(iterable: RemoteIterable[Any]) -> int:
    return int(iterable._current.members[0].worker.label.removeprefix("pid "))


def await_end(pid: int) -> None:
    """Wait until a process has ended, be it a child of this one or of the fork server."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:  # the fork server has reaped it
        return
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll()
    os.close(fd)
