"""A worker as the explorer sees it: the real machine, and the little that its shell adds.

What `execute_iterable` and the listener add is this, and no more. A listener hears the next command
whatever the worker does; it answers those that the table calls asides, and queues the others. The
worker looks at the queue between two items, and then for credit, apart from commands: so whoever
sends STOP_ITERATION or ABORT also revokes it. What was made when a command has come is dropped.
Pushing blocks while the way up is full, and tells when nobody reads any more.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import pack
from typing import Any, NamedTuple

from farside._protocol import progress
from farside._protocol.credit import Window
from farside._protocol.messages import Cmd, Status
from farside._protocol.worker import ASIDES, WorkerEvent, WorkerMachine, WorkerState


class Rules(NamedTuple):
    """What may happen, and how often at most."""

    workers: int = 1
    passes: int = 2
    items: int | None = 1
    """Items of a pass; None: the iterable neither ends nor fails."""
    calls: int = 0
    asks: int = 0
    """How often the parent asks for stacks."""
    records: int = 0
    """How many records threads of a worker emit."""
    reports: int = 0
    """How often a worker reports its progress."""
    up: int = 1
    """How many frames are on their way to the parent, and one more that is being pushed."""
    credit: int | None = None
    """How many items may wait for the user, and one more in the making; None: no limit."""
    refusals: bool = False
    """A failure may be that of an extension that refuses its interpreter."""
    fallback: str | None = "subprocess"
    gives: int | None = None
    """How many tasks a worker is given beside the first, one for each that the user has seen end. A
    task sends its end, and counts as an item. None: the iterable is no tasks."""
    returns: int = 0
    """How often the parent asks for tasks that were not begun. Then a worker has two, at most."""
    restarts: int = 0
    """How many times workers are started again in a pass."""
    struck: bool = False
    """What ends a worker before its time comes from outside, and may cut a start off."""
    limits: bool = False
    """The worker may say nothing for a limited time."""
    prompt: bool = False
    """Workers do at once what needs no user code and no room: far fewer states."""
    breaks: bool = False
    """Something in the parent may fail."""
    blocks: bool = False
    """Wrong: the parent does not read while the worker has not heard what was said."""
    revokes: bool = True
    """False is wrong: credit is not revoked."""
    reads: Any = None
    """What the workers read: see `reader`; the rules below are for that alone."""
    share: int = 1
    """How many items of a worker share a frame, at most."""
    deaths: int = 0
    """How many workers die without a reason."""
    leaves: bool = False
    """The user may leave a pass."""


def name_of(rules: Rules) -> str:
    """Name rules in the report."""
    usual = Rules()._asdict()
    changed = {name: value for name, value in rules._asdict().items() if value != usual[name]}
    return ",".join(f"{name}={value}" for name, value in changed.items()) or "usual"


class Phase(IntEnum):
    """Where `execute_iterable` is within a pass."""

    NONE = 0
    ITER = 1
    """In ``iter()``."""
    LOOK = 2
    """About to look for a command, then to make an item."""
    CREDIT = 3
    """Waits for credit."""
    NEXT = 4
    """In ``next()``."""
    HUNGRY = 5
    """Has no tasks left, and waits for a command."""


class ViolationError(AssertionError):
    """Something happened that the protocol rules out."""


class Command(NamedTuple):
    """What goes down."""

    cmd: Cmd
    epoch: int
    number: int = -1
    """Of a call."""
    content: Any = (0, 0)
    """How many tasks, and how many ends of tasks have arrived before; or further tasks."""


class Frame(NamedTuple):
    """What comes up."""

    kind: int
    epoch: int
    number: int = -1
    """Of an item in its pass, or of the call; of a pass's own end: how many items it had."""
    refused: bool = False
    body: bytes = b""
    items: int = 1
    blocks: tuple[memoryview, ...] = ()


FIELDS = (
    "phase", "made", "tasks", "numbers", "calling", "down", "heard", "answering", "pushing", "up",
    "logged", "reported", "aborted", "hung_up", "fallen", "launching", "acked", "revoked",
)  # fmt: skip


class Side:
    """One worker, and what is on its way to it and from it."""

    def __init__(self, rules: Rules, *, fallen: bool = False) -> None:
        self.rules = rules
        self.machine = WorkerMachine()
        self.phase = Phase.NONE
        self.made = 0
        self.tasks = 0
        self.numbers: tuple[int, ...] = ()  # of those that were given in the course of the pass
        self.calling = -1  # the number of the call
        self.down: tuple[Command, ...] = ()
        self.heard: tuple[Command | None, ...] = ()  # None: the parent is lost
        self.answering: tuple[Frame, ...] = ()  # the listener is blocked until it is pushed
        self.pushing: tuple[Frame, ...] = ()  # the worker is blocked until it is pushed
        self.up: tuple[Frame, ...] = ()
        self.logged = self.reported = 0
        self.aborted = False  # ABORT was said, so nothing more may be
        self.hung_up = False  # the parent has closed its end
        self.fallen = self.launching = fallen  # it takes the place of another; it has not started
        self.acked = (0, 0)  # of which pass the user has taken how many items
        self.revoked = 0  # the latest pass whose credit was revoked
        self.begun = 0  # which input of a map it has begun, plus one

    def copy(self) -> Side:
        """Return a copy."""
        made: Side = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        machine = made.machine = object.__new__(WorkerMachine)
        machine.state, machine.epoch = self.machine.state, self.machine.epoch
        return made

    @property
    def ended(self) -> bool:
        """Whether the worker has ended; the way up then ends after what is in it."""
        return self.machine.state is WorkerState.DONE and not self.pushing

    @property
    def idle(self) -> bool:
        """Whether it stands by and nothing is under way."""
        under_way = self.down or self.heard or self.up or self.answering or self.pushing
        return self.machine.state is WorkerState.STAND_BY and not under_way

    def moves(self) -> list[SideMove]:
        """Return what the worker may do next."""
        if self.launching or self.ended:
            return []
        found: list[SideMove] = [Side.lose]
        hears = self.down or (self.hung_up and None not in self.heard)
        if hears and not self.answering:
            found.append(Side.hear)
        if self.hung_up or len(self.up) < self.rules.up:
            if self.answering:
                found.append(Side.answer)
            if self.logged < self.rules.records:
                found.append(Side.log)
            if self.pushing:
                found.append(Side.push)
        if not self.pushing:
            found += self._work()
        return found

    def _work(self) -> list[SideMove]:
        rules, state = self.rules, self.machine.state
        refuse: list[SideMove] = [Side.refuse] if rules.refusals else []
        if state is WorkerState.INITIALIZATION:
            return [Side.initialize, Side.fail, *refuse]
        if state is WorkerState.STAND_BY:
            return [Side.obey] if self.heard else []
        if state is WorkerState.CALL:
            return [Side.return_from_call, Side.fail, *refuse]
        if self.phase in {Phase.ITER, Phase.NEXT}:
            return self._user_code(refuse)
        if self.phase in {Phase.LOOK, Phase.HUNGRY}:
            goes_on: list[SideMove] = [Side.go_on] if self.phase is Phase.LOOK else []
            return [Side.obey] if self.heard else goes_on
        revoked = self.hung_up or self.revoked >= self.machine.epoch
        may_obey: list[SideMove] = [Side.obey] if revoked and self.heard else []
        return [Side.go_on] if self._has_credit else may_obey

    def _user_code(self, refuse: list[SideMove]) -> list[SideMove]:
        most = self.rules.items
        found: list[SideMove] = [] if most is None else [Side.fail, *refuse]
        if self.reported < self.rules.reports:
            found.append(Side.report)
        if self.phase is Phase.ITER:
            return [Side.make_iterator, *found]
        if self.rules.gives is not None:
            return [Side.end_task, *found]
        if most is not None:
            found.append(Side.exhaust)
        if most is None or self.made < most:
            found.append(Side.make_item)
        return found

    @property
    def _has_credit(self) -> bool:
        epoch, taken = self.acked
        if self.rules.credit is None:
            return True
        stop = Window(self.rules.credit, 0).stop(taken if epoch == self.machine.epoch else 0)
        return self.made < stop

    def catch_up(self) -> None:
        """Do all that needs neither user code nor room."""
        while moves := [move for move in self.moves() if self._is_prompt(move)]:
            moves[0](self)

    def _is_prompt(self, move: SideMove) -> bool:
        return move in _PROMPT

    # What may happen ------------------------------------------------------------------------

    def lose(self) -> None:
        """End without a word; what is under way arrives."""
        self.machine.state, self.phase = WorkerState.DONE, Phase.NONE
        # What it would have heard makes no difference any more.
        self.pushing = self.answering = self.down = self.heard = ()

    def hang_up(self) -> None:
        """Have the parent's end closed."""
        self.hung_up = True
        self.up = self.down = ()

    def hear(self) -> None:
        """Let the listener take the next command, or find that the parent is lost."""
        if not self.down:
            self.heard += (None,)
            return
        command, *rest = self.down
        self.down = tuple(rest)
        if command.cmd not in ASIDES:
            self.heard += (command,)
        elif self.machine.state is not WorkerState.DONE:
            status = self.machine.command(command.cmd, command.epoch)
            assert status is not None
            returned = self._give_back() if command.cmd is Cmd.RETURN_TASKS else ()
            body = pack(f"<{len(returned)}Q", *returned)
            self.answering = (Frame(status, command.epoch, body=body),)

    def _give_back(self) -> tuple[int, ...]:
        """Give the tasks back that were not begun."""
        begun = int(self.phase is Phase.NEXT)
        returned = [*self.numbers[begun:]]
        self.tasks, self.numbers = self.tasks - len(returned), self.numbers[:begun]
        for each in self.heard:
            if each is not None and each.cmd is Cmd.GIVE_TASKS:
                returned += [number for (number,) in each.content]
                self.heard = tuple(other for other in self.heard if other is not each)
        return tuple(returned)

    def answer(self) -> None:
        """Let the listener push its answer, or find that nobody reads."""
        self._put(self.answering)
        self.answering = ()

    def log(self) -> None:
        """Emit a record, in any thread, whatever the others do; it belongs to no pass."""
        self.logged += 1
        status = self.machine.fire(WorkerEvent.RECORD_EMITTED)
        assert status is not None
        self._put((Frame(status, 0),))

    def push(self) -> None:
        """Push, or find that nobody reads."""
        if self.hung_up:
            if self.machine.state is not WorkerState.DONE:
                self.machine.fire(WorkerEvent.PARENT_LOST)
            self.lose()
        self._put(self.pushing)
        self.pushing = ()

    def obey(self) -> None:
        """Take a command that was heard."""
        command, *rest = self.heard
        self.heard = tuple(rest)
        if command is None:
            status = self.machine.fire(WorkerEvent.PARENT_LOST)
        else:
            status = self.machine.command(command.cmd, command.epoch)
            self.calling = command.number
        if status is Status.UNEXPECTED_CMD_RECEIVED:
            raise ViolationError(f"the worker has refused {command}")
        if command is not None and command.cmd is Cmd.GIVE_TASKS:
            if self.machine.state is WorkerState.ITERATION:
                self._add(command.content)
                if self.phase is Phase.HUNGRY:
                    self.phase = Phase.LOOK
            return
        self._report(status)
        if command is not None and self.machine.state is WorkerState.ITERATION:
            self.phase = Phase.ITER
            self._begin(command.content)

    def _begin(self, content: Any) -> None:
        self.tasks, self.made = content

    def _add(self, content: Any) -> None:
        self.tasks += len(content)
        self.numbers += tuple(number for (number,) in content)

    def _take_tasks(self) -> bool:
        """Take the tasks that were given; tell whether another command comes after them."""
        while self.heard and self.heard[0] is not None and self.heard[0].cmd is Cmd.GIVE_TASKS:
            self.obey()
        return bool(self.heard)

    def initialize(self) -> None:
        """Finish the initialization."""
        self._report(self.machine.fire(WorkerEvent.INITIALIZED))

    def return_from_call(self) -> None:
        """Return from the method."""
        self._report(self.machine.fire(WorkerEvent.CALL_RETURNED), self.calling)

    def fail(self, *, refused: bool = False) -> None:
        """Let user code raise; in a pass nobody is told if a command has come meanwhile."""
        state = self.machine.state
        if state is WorkerState.ITERATION and self._take_tasks():
            self.obey()
            return
        event = {
            WorkerState.INITIALIZATION: WorkerEvent.INITIALIZATION_RAISED,
            WorkerState.CALL: WorkerEvent.CALL_RAISED,
            WorkerState.ITERATION: WorkerEvent.ITERATOR_RAISED,
        }[state]
        self._report(self.machine.fire(event), self.calling, refused=refused)

    def refuse(self) -> None:
        """Let an extension refuse the interpreter."""
        self.fail(refused=True)

    def make_iterator(self) -> None:
        """Return from ``iter()``."""
        hungry = self.rules.gives is not None and not self.tasks
        self.phase = Phase.HUNGRY if hungry else Phase.LOOK

    def go_on(self) -> None:
        """Enter ``next()`` if credit allows it, or wait for credit."""
        done = self.rules.returns and not self.tasks  # they were given back meanwhile
        going = Phase.HUNGRY if done else Phase.NEXT
        self.phase = going if self._has_credit else Phase.CREDIT

    def make_item(self) -> None:
        """Return an item from ``next()``; give it up if a command has come meanwhile."""
        if self.heard:
            self.obey()
            return
        self.phase = Phase.LOOK
        endless = self.rules.items is None
        self._report(self.machine.fire(WorkerEvent.ITEM_MADE), -1 if endless else self.made)
        if not endless or self.rules.credit is not None:
            self.made += 1

    def report(self) -> None:
        """Report progress, in ``iter()`` or between two items."""
        self.reported += 1
        status = self.machine.fire(WorkerEvent.PROGRESS_MADE)
        assert status is not None
        body = progress.write(progress.NOTHING)
        self.pushing = (*self.pushing, Frame(status, self.machine.epoch, body=body))

    def end_task(self) -> None:
        """Come to the end of a task, and to the next one; give it up if a command has come."""
        if self._take_tasks():
            self.obey()
            return
        if self.made > (self.rules.gives or 0):
            raise ViolationError("a task is run again")
        self.tasks, self.numbers = self.tasks - 1, self.numbers[1:]
        self.phase = Phase.LOOK if self.tasks else Phase.HUNGRY
        self._report(self.machine.fire(WorkerEvent.ITEM_MADE), self.made)
        self.made += 1

    def exhaust(self) -> None:
        """Raise StopIteration from ``next()``."""
        self._report(self.machine.fire(WorkerEvent.ITERATOR_EXHAUSTED), self.made)

    def _report(self, status: Status | None, number: int = -1, *, refused: bool = False) -> None:
        if self.machine.state is not WorkerState.ITERATION:
            self.phase, self.made, self.tasks, self.numbers = Phase.NONE, 0, 0, ()
        if self.machine.state is not WorkerState.CALL:
            self.calling = -1
        if status is not None:
            self.pushing = (Frame(status, self.machine.epoch, number, refused),)
        elif self.ended:
            self.lose()

    def _put(self, frames: tuple[Frame, ...]) -> None:
        if not self.hung_up:
            self.up += frames


SideMove = Callable[..., None]

_PROMPT = {Side.hear, Side.answer, Side.push, Side.obey, Side.make_iterator, Side.go_on}
