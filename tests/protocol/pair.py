"""Parent and worker joined in memory: both machines, and all that lies between them.

It models what ``execute_iterable`` and the parent's session do with the machines, one move at a
time, so that a test can try every order of moves. Nothing here decides what may follow what: the
machines do.

The worker: a waiting command comes first, then the next item. Pushing blocks while the way up is
full. A listener hears commands whatever else the worker does, and itself answers those that the
table calls asides; it blocks where the way up is full. Credit, where it is modelled, is awaited
apart from commands, so whoever sends STOP_ITERATION or ABORT also revokes it.

The parent: what finds no room on the way down waits for it, and the parent reads meanwhile. After
CLOSE it reads nothing more; to a worker that pushes, it is then lost. (It may read records in fact,
which change nothing.)
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

from farside._protocol.messages import Cmd, Status
from farside._protocol.parent import ParentMachine
from farside._protocol.tables import (
    ASIDES,
    ParentAction,
    ParentEvent,
    ParentState,
    WorkerEvent,
    WorkerState,
)
from farside._protocol.worker import WorkerMachine


class Command(NamedTuple):
    """What goes down."""

    cmd: Cmd
    epoch: int


class Report(NamedTuple):
    """What comes up. The number is that of an item in its pass, from 0."""

    status: Status
    epoch: int
    number: int


class Phase(IntEnum):
    """Where `execute_iterable` is within a pass."""

    NONE = 0
    ITER = 1
    """In ``iter()``."""
    BETWEEN = 2
    """About to look for a command, then to make an item."""
    CREDIT = 3
    """Waits for credit."""
    NEXT = 4
    """In ``next()``."""


class Rules(NamedTuple):
    """What a pair is made of."""

    passes: int = 2
    """How many passes the parent starts at most; this bounds the epochs."""
    calls: int = 0
    """How many methods the parent calls at most."""
    asks: int = 0
    """How often the parent asks for the stack at most."""
    records: int = 0
    """How many records threads of the worker emit at most."""
    down: int = 1
    """How many commands are under way at most."""
    up: int = 1
    """How many reports are under way at most."""
    credit: int | None = None
    """How many items may be made that the parent has not taken; None: no limit."""
    endless: bool = False
    """The iterable neither ends nor fails."""
    numbered: bool = False
    """Items carry their number; the number of states is then infinite."""
    listener: bool = True
    """Commands are heard while the worker is blocked in pushing."""
    blocks: bool = False
    """The parent does nothing else while what it sends finds no room."""
    revokes_superseded: bool = True
    """A pass that a newer one supersedes loses its credit, like one that is stopped."""


class ViolationError(AssertionError):
    """Something happened that the protocol rules out."""


Frozen = tuple[Any, ...]
"""The state of a pair, to be compared and counted."""


class Pair:
    """One parent, one worker, and the two bounded ways between them."""

    __slots__ = (
        "answering",
        "asked",
        "called",
        "credit",
        "down",
        "heard",
        "hung_up",
        "logged",
        "number",
        "parent",
        "phase",
        "pushing",
        "revoked",
        "rules",
        "sending",
        "up",
        "worker",
    )

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.parent = ParentMachine()
        self.worker = WorkerMachine()
        self.sending: tuple[Command, ...] = ()  # the parent is blocked until they are sent
        self.down: tuple[Command, ...] = ()
        self.hung_up = False  # the way down ends after what is in it
        self.heard: tuple[Command | None, ...] = ()  # None: the parent is lost
        self.phase = Phase.NONE
        self.pushing: tuple[Report, ...] = ()  # the worker is blocked until it is pushed
        self.answering: tuple[Report, ...] = ()  # the listener is blocked until it is pushed
        self.up: tuple[Report, ...] = ()
        self.asked = self.called = self.logged = 0
        self.credit = 0
        self.revoked = 0  # the latest pass whose credit was revoked
        self.number = 0

    def freeze(self) -> Frozen:
        """Return the whole state as a key."""
        return (
            self.parent.state,
            self.parent.epoch,
            self.worker.state,
            self.worker.epoch,
            self.sending,
            self.down,
            self.hung_up,
            self.heard,
            self.phase,
            self.pushing,
            self.answering,
            self.up,
            self.asked,
            self.called,
            self.logged,
            self.credit,
            self.revoked,
        )

    @classmethod
    def thaw(cls, rules: Rules, frozen: Frozen) -> Pair:
        """Return the pair that `freeze` made a key of."""
        pair = object.__new__(cls)
        pair.rules = rules
        pair.parent = ParentMachine()
        pair.worker = WorkerMachine()
        (
            pair.parent.state,
            pair.parent.epoch,
            pair.worker.state,
            pair.worker.epoch,
            pair.sending,
            pair.down,
            pair.hung_up,
            pair.heard,
            pair.phase,
            pair.pushing,
            pair.answering,
            pair.up,
            pair.asked,
            pair.called,
            pair.logged,
            pair.credit,
            pair.revoked,
        ) = frozen
        pair.number = 0
        return pair

    @property
    def ended(self) -> bool:
        """Whether the worker has ended; the way up then ends after what is in it."""
        return self.worker.state is WorkerState.DONE and not self.pushing

    @property
    def finished(self) -> bool:
        """Whether both are done."""
        return self.ended and self.parent.state is ParentState.DONE and not self.sending

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do until the parent acts."""
        idle = self.worker.state is WorkerState.STAND_BY and not self.pushing
        ready = self.parent.state is ParentState.STAND_BY and not self.sending
        under_way = self.down or self.heard or self.up or self.answering
        return self.finished or (idle and ready and not under_way)

    def moves(self) -> list[Move]:
        """Return what may happen next."""
        return [*self._parent_moves(), *self._worker_moves()]

    def _parent_moves(self) -> list[Move]:
        if self.hung_up:
            return []
        found: list[Move] = [Pair.lose_parent]
        if self.sending:
            if self.ended or len(self.down) < self.rules.down:
                found.append(Pair.send)
        elif self.parent.state is not ParentState.DONE:
            found += self._demands()
        reads = not (self.sending and self.rules.blocks)
        if self.parent.state is not ParentState.DONE and reads and (self.up or self.ended):
            found.append(Pair.read)
        return found

    def _demands(self) -> list[Move]:
        parent, rules = self.parent, self.rules
        found: list[Move] = [Pair.close]
        if parent.allows(ParentAction.STOP):
            found.append(Pair.stop)
        if parent.allows(ParentAction.CALL) and self.called < rules.calls:
            found.append(Pair.call)
        if self.asked < rules.asks:
            found.append(Pair.ask)
        if parent.state is not ParentState.INITIALIZATION and parent.epoch < rules.passes:
            found.append(Pair.start)
        return found

    def _worker_moves(self) -> list[Move]:
        if self.ended:
            return []
        found: list[Move] = [Pair.lose_worker]
        if (
            (self.rules.listener or not self.pushing)
            and not self.answering
            and (self.down or (self.hung_up and None not in self.heard))
        ):
            found.append(Pair.hear)
        if self._nobody_reads or len(self.up) < self.rules.up:
            found += self._pushes()
        if self.pushing:
            return found
        if self.worker.state is WorkerState.INITIALIZATION:
            found += [Pair.initialize, Pair.fail_to_initialize]
        elif self.worker.state is WorkerState.STAND_BY:
            if self.heard:
                found.append(Pair.obey)
        elif self.worker.state is WorkerState.CALL:
            found += [Pair.return_from_call, Pair.raise_in_call]
        else:
            found += self._pass_moves()
        return found

    def _pushes(self) -> list[Move]:
        """Return what needs room on the way up."""
        found: list[Move] = []
        if self.answering:
            found.append(Pair.answer)
        if self.logged < self.rules.records:
            found.append(Pair.log)
        if self.pushing:
            found.append(Pair.push)
        return found

    def _pass_moves(self) -> list[Move]:
        may_end: list[Move] = [] if self.rules.endless else [Pair.exhaust]
        may_fail: list[Move] = [] if self.rules.endless else [Pair.fail]
        if self.phase is Phase.ITER:
            return [Pair.make_iterator, *may_fail]
        if self.phase is Phase.NEXT:
            return [Pair.make_item, *may_end, *may_fail]
        if self.phase is Phase.BETWEEN:
            return [Pair.obey if self.heard else Pair.go_on]
        if self.credit:
            return [Pair.go_on]
        revoked = self.hung_up or self.revoked >= self.worker.epoch
        return [Pair.obey] if revoked and self.heard else []

    # The parent -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a pass."""
        self._act(ParentAction.START)

    def stop(self) -> None:
        """Leave the pass."""
        self._act(ParentAction.STOP)

    def call(self) -> None:
        """Call a method."""
        self.called += 1
        self._act(ParentAction.CALL)

    def ask(self) -> None:
        """Ask for the stack."""
        self.asked += 1
        self._act(ParentAction.ASK_FOR_STACK)

    def close(self) -> None:
        """End it all."""
        self._act(ParentAction.CLOSE)

    def _act(self, action: ParentAction) -> None:
        self.sending = tuple(Command(*each) for each in self.parent.act(action))

    def send(self) -> None:
        """Put one command on its way; credit is revoked after what makes it void."""
        command, *rest = self.sending
        self.sending = tuple(rest)
        if self.ended:
            self.sending = ()
            return
        self.down += (command,)
        superseded = bool(rest)
        if command.cmd is Cmd.ABORT:
            self.revoked = self.rules.passes
        elif command.cmd is Cmd.STOP_ITERATION and (
            self.rules.revokes_superseded or not superseded
        ):
            self.revoked = command.epoch

    def read(self) -> tuple[ParentEvent, Report | None]:
        """Take in what comes next: a report, or that the worker is gone."""
        if not self.up:
            event, report = self.parent.lost(), None
        else:
            report, *rest = self.up
            self.up = tuple(rest)
            event = self.parent.receive(report.status, report.epoch)
            if event is ParentEvent.ITEM:
                self._take(report)
        if self.parent.state is ParentState.DONE:
            self.sending = ()
            self.hung_up = True
        return event, report

    def _take(self, report: Report) -> None:
        if report.epoch != self.parent.epoch:
            raise ViolationError(f"an item of pass {report.epoch} in pass {self.parent.epoch}")
        if self.rules.credit is not None and report.epoch == self.worker.epoch:
            self.credit += 1

    def lose_parent(self) -> None:
        """End the parent without a word."""
        self.parent.state = ParentState.DONE
        self.sending = ()
        self.hung_up = True

    # The worker -----------------------------------------------------------------------------

    @property
    def _nobody_reads(self) -> bool:
        blocked = self.sending and self.rules.blocks
        return self.parent.state is ParentState.DONE and not blocked

    def hear(self) -> None:
        """Let the listener queue the next command, or that the parent is lost."""
        if not self.down:
            self.heard += (None,)
            return
        command, *rest = self.down
        self.down = tuple(rest)
        if command.cmd not in ASIDES:
            self.heard += (command,)
        elif self.worker.state is not WorkerState.DONE:
            status = self.worker.command(*command)
            assert status is not None
            self.answering = (Report(status, command.epoch, 0),)

    def answer(self) -> None:
        """Let the listener put its answer on the way, or find that nobody reads."""
        if not self._nobody_reads:
            self.up += self.answering
        self.answering = ()

    def log(self) -> None:
        """Emit a record, in any thread, whatever the others do; it belongs to no pass."""
        self.logged += 1
        status = self.worker.fire(WorkerEvent.RECORD_EMITTED)
        assert status is not None
        if not self._nobody_reads:
            self.up += (Report(status, 0, 0),)

    def obey(self) -> None:
        """Take a command that was heard."""
        command, *rest = self.heard
        self.heard = tuple(rest)
        if command is None:
            status = self.worker.fire(WorkerEvent.PARENT_LOST)
        else:
            status = self.worker.command(*command)
        self._report(status)
        if self.worker.state is WorkerState.ITERATION:
            self.phase = Phase.ITER
            self.credit = 1 if self.rules.credit is None else self.rules.credit
            self.number = 0

    def initialize(self) -> None:
        """Finish the initialization."""
        self._report(self.worker.fire(WorkerEvent.INITIALIZED))

    def fail_to_initialize(self) -> None:
        """Fail in an initializer or in ``fn``."""
        self._report(self.worker.fire(WorkerEvent.INITIALIZATION_RAISED))

    def return_from_call(self) -> None:
        """Return from the method."""
        self._report(self.worker.fire(WorkerEvent.CALL_RETURNED))

    def raise_in_call(self) -> None:
        """Raise from the method."""
        self._report(self.worker.fire(WorkerEvent.CALL_RAISED))

    def make_iterator(self) -> None:
        """Return from ``iter()``."""
        self.phase = Phase.BETWEEN

    def go_on(self) -> None:
        """Enter ``next()`` if credit allows it, or wait for credit."""
        self.phase = Phase.NEXT if self.credit else Phase.CREDIT

    def make_item(self) -> Report | None:
        """Return an item from ``next()``; give it up if a command has come meanwhile."""
        if self.heard:
            self.obey()
            return None
        status = self.worker.fire(WorkerEvent.ITEM_MADE)
        report = self._report(status)
        if self.rules.credit is not None:
            self.credit -= 1
        if self.rules.numbered:
            self.number += 1
        self.phase = Phase.BETWEEN
        return report

    def exhaust(self) -> None:
        """Raise StopIteration from ``next()``."""
        self._report(self.worker.fire(WorkerEvent.ITERATOR_EXHAUSTED))

    def fail(self) -> None:
        """Raise from ``iter()`` or ``next()``; nobody is told if a command has come meanwhile."""
        if self.heard:
            self.obey()
        else:
            self._report(self.worker.fire(WorkerEvent.ITERATOR_RAISED))

    def push(self) -> None:
        """Put the report on its way, or find that nobody reads."""
        if self._nobody_reads:
            if self.worker.state is not WorkerState.DONE:
                self.worker.fire(WorkerEvent.PARENT_LOST)
            self._end()
        else:
            self.up += self.pushing
            self.pushing = ()

    def lose_worker(self) -> None:
        """End the worker without a word; what is under way arrives."""
        self.worker.state = WorkerState.DONE
        self._end()

    def _report(self, status: Status | None) -> Report | None:
        if self.worker.state is not WorkerState.ITERATION:
            self.phase = Phase.NONE
        if status is None:
            report = None
        elif status is Status.UNEXPECTED_CMD_RECEIVED:
            raise ViolationError(f"a command was refused in {self.freeze()}")
        else:
            report = Report(status, self.worker.epoch, self.number)
            self.pushing = (report,)
        if self.ended:
            self._end()
        return report

    def _end(self) -> None:
        # What a worker that has ended would have heard makes no difference any more.
        self.pushing = self.answering = ()
        self.down = self.heard = ()
        self.phase = Phase.NONE
        self.credit = 0


Move = Callable[[Pair], object]

DEMANDS = frozenset({Pair.start, Pair.stop, Pair.close, Pair.call, Pair.ask})
"""What only happens when the parent's user wants it."""

LOSSES = frozenset({Pair.lose_parent, Pair.lose_worker})
"""What only happens when something goes wrong."""
