"""Workers and their parent, joined in memory: what an explorer goes through.

The parent is the real `GroupCore`; a `World` only carries out what it wants, as the client does,
one move at a time. What lies between the two is simpler than it seems:

- The way down: the parent's link never blocks. So how much of what was said is on its way makes no
  difference, and a worker may hear the next command at any moment.
- The way up is bounded, and the parent reads all that is there, in whatever state it is.
- A worker that was let go of (Launch) is never read from again, and what is said until another one
  has started waits for that. What becomes of the old one is what becomes of any whose link closes.
- When a worker is done for the parent, that closes its end of the link by and by. A parent that
  dies does the same, so it needs no move of its own.
- Time: a deadline that is set may pass at any moment.

What the cores do not know is remembered beside: which items the user has got, what was asked and
not answered. What must never happen raises `ViolationError` at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from farside._protocol.effects import BROKEN, CUT_OFF, Answer, Drop, End, Fail, Launch, Send
from farside._protocol.group import GroupCore
from farside._protocol.inbox import Inbox
from farside._protocol.messages import Cmd, Status
from farside._protocol.parent import ParentCore
from farside._protocol.parent_machine import ParentState
from farside._protocol.recovery import NO_LIMITS, Limits

from .side import FIELDS, Command, Frame, Rules, Side, ViolationError

if TYPE_CHECKING:
    from farside._protocol.effects import Effect


class Failure(NamedTuple):
    """What a frame tells of a failure."""

    refused: tuple[str, ...]
    refused_module: str | None


_FAILURES = {Status.INITIALIZATION_FAILED, Status.ITERATOR_FAILED, Status.CALL_FAILED}
_MINE = (
    "used", "closed", "opened", "unanswered", "called", "asked", "returns", "got", "total", "given",
    "numbers",
)  # fmt: skip
_INBOX = ("received", "cleared", "at_end")
_CORE = sorted(set(vars(ParentCore(NO_LIMITS))) - {"inbox", "effects"})
_GROUP = ("epoch", "closed", "awaiting", "_restarts")
_KEY_OF_WORLD = attrgetter(*[f"group.{name}" for name in _GROUP], *_MINE)
_KEY_OF_CORE = attrgetter(*_CORE)
_KEY_OF_INBOX = attrgetter(*_INBOX)
_KEY_OF_SIDE = attrgetter("machine.state", "machine.epoch", *FIELDS)
_REVOKES = {Cmd.STOP_ITERATION, Cmd.ABORT}


class _Back:
    """Where an inbox puts the numbers of the tasks that were given back."""

    def __init__(self) -> None:
        self.returned: deque[int] = deque()

    def clear(self) -> None:
        """Have nothing that could be taken."""


class World:
    """A group of workers, its parent, and its user.

    Attributes:
        side: what makes a worker.
        status: how one that is lost has ended.
    """

    side: type[Side] = Side
    status: Any = None

    def __init__(self, rules: Rules) -> None:
        limits = Limits(1.0, 1.0) if rules.limits else NO_LIMITS
        self.rules = rules
        self.group = GroupCore(limits, rules.fallback, rules.workers, rules.restarts)
        for index in range(rules.workers):
            self.group.launch(index, 0.0)
        self.sides = [self.side(rules) for _ in range(rules.workers)]
        self.used = self.closed = False
        self.opened = False  # whether the user is in a pass
        self.unanswered: tuple[tuple[str, int, int], ...] = ()  # calls, stacks: tokens
        self.called = self.asked = self.returns = 0
        self.got = (0,) * rules.workers  # how many items of this pass the user has taken
        self.total = (-1,) * rules.workers  # how many it had, where it has come to its own end
        self.given = (0,) * rules.workers  # how many tasks it was given, the first included
        self.numbers = 0  # so many tasks were given in the course of this pass: each has a number

    def copy(self) -> World:
        """Return a copy that shares nothing that changes, inboxes included."""
        made: World = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.sides = [side.copy() for side in self.sides]
        made.group = self.group.copy()
        for core in made.group.workers:
            shared, core.inbox = core.inbox, Inbox(_Back() if made.rules.returns else None)
            core.inbox.frames.extend(shared.frames)
            for name in _INBOX:
                setattr(core.inbox, name, getattr(shared, name))
        return made

    def after(self, move: Move) -> World:
        """Return the world after a move."""
        made, (what, index) = self.copy(), move
        if what.__qualname__.startswith("Side."):
            what(made.sides[index])
        else:
            what(made, index)
        return made

    def catch_up(self) -> None:
        """Let the workers do all that needs neither user code nor room."""
        for side in self.sides:
            side.catch_up()

    def parts(self) -> tuple[Any, ...]:
        """Return all that makes a difference, in parts that many states have in common."""
        cores = self.group.workers
        return (
            _KEY_OF_WORLD(self),
            *map(_KEY_OF_CORE, cores),
            *((_KEY_OF_INBOX(core.inbox), *core.inbox.frames) for core in cores),
            *map(_KEY_OF_SIDE, self.sides),
        )

    # Questions ------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all is over, on both sides."""
        cores = self.group.workers
        return all(core.done for core in cores) and all(side.ended for side in self.sides)

    @property
    def told(self) -> bool:
        """Whether the user waits for nothing, or need not."""
        return not self.unanswered and all(
            core.state is not ParentState.INITIALIZATION
            and (core.over or not self.opened)
            and not core.inbox.frames
            for core in self.group.workers
        )

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do until the user wants something."""
        return self.told and all(
            side.ended if core.done else side.idle and core.state is ParentState.STAND_BY
            for core, side in zip(self.group.workers, self.sides, strict=True)
        )

    @property
    def answered(self) -> bool:
        """Whether each worker is where the user wants it, as far as it has not ended."""
        at_rest = (ParentState.STAND_BY, ParentState.ITERATION, ParentState.DONE)
        return all(core.state in at_rest for core in self.group.workers)

    def moves(self) -> list[Move]:
        """Return what may happen next."""
        found: list[Move] = [] if self.closed else self._demands()
        if self.rules.limits:
            if not self.told and any(
                core.waits_since is None and not core.done for core in self.group.workers
            ):
                found.append((World.begin_to_wait, 0))
            if self.group.deadline is not None:
                found.append((World.expire, 0))
        for index, (core, side) in enumerate(zip(self.group.workers, self.sides, strict=True)):
            found += self._loop(core, index)
            if side.launching:
                found.append((World.launch, index))
                if self.rules.struck:
                    found.append((World.cut_off, index))
                continue
            if self._reads(core, side):
                found.append((World.read, index))
            if core.done and not side.hung_up:
                found.append((World.hang_up, index))
            if self.rules.breaks and not core.done:
                found.append((World.break_down, index))
            found += [(move, index) for move in side.moves()]
        return found

    def _demands(self) -> list[Move]:
        group, rules = self.group, self.rules
        found: list[Move] = [(World.close, 0)]
        if self.opened:
            found.append((World.stop, 0))
        if self.called and group.workers[0].call is not None:
            found.append((World.give_up_call, 0))
        if group.over:
            return found
        if group.epoch < rules.passes:
            found.append((World.start, 0))
        first = group.workers[0]
        if self.called < rules.calls and not first.opened and first.call is None:
            found.append((World.call, 0))
        if self.asked < rules.asks:
            found += [(World.ask_for_stack, index) for index in range(rules.workers)]
        if self.returns < rules.returns and self.opened:
            found += [(World.take_back, index) for index in range(rules.workers)]
        return found

    def _loop(self, core: ParentCore, index: int) -> list[Move]:
        """Return what the user may do in the loop."""
        found: list[Move] = [(World.take, index)] if core.inbox.frames else []
        if index in self.group.awaiting and self.opened:
            found.append((World.go_on, index))
        elif self.opened and not core.over and self._may_give(index):
            found.append((World.give, index))
        failed = core.ending is not None and not core.inbox.frames
        if self.rules.gives is not None and self.opened and failed:
            found.append((World.raise_failure, index))
        return found

    def _reads(self, core: ParentCore, side: Side) -> bool:
        if self.rules.blocks and side.down and not side.ended:
            return False
        if self.rules.items is None and core.inbox.frames:
            return False  # the user of an endless iterable reads only when nothing is there
        return bool(side.up) or (side.ended and not core.done)

    # The user -------------------------------------------------------------------------------

    def start(self, _: int) -> None:
        """Begin a pass."""
        self.opened = True
        count, tasks = self.rules.workers, self.rules.gives is not None and not self.rules.returns
        plans = None if self.rules.gives is None else [(int(tasks), 0)] * count
        self._step(lambda group: group.start(plans, _Back()))
        self.got, self.total, self.given = (0,) * count, (-1,) * count, (int(tasks),) * count
        self.numbers = 0

    def stop(self, _: int) -> None:
        """Leave the pass, or come to its end."""
        self.opened = False
        cores = self.group.workers
        if [core.over and core.ending is None for core in cores] == [True] and self._has_all(0):
            cores[0].inbox.at_end = True
        else:
            self._step(lambda group: group.stop(group.epoch))

    def _has_all(self, index: int) -> bool:
        return self.got[index] == self.total[index] and not self.group.workers[index].inbox.frames

    def close(self, _: int) -> None:
        """End it all."""
        self.closed = True
        self._step(GroupCore.close)

    def call(self, _: int) -> None:
        """Call a method."""
        self.called += 1
        token = ("call", 0, self.called)
        self.unanswered += (token,)
        self._step(lambda group: group.workers[0].ask(token, "method"))

    def give_up_call(self, _: int) -> None:
        """Wait for the answer no more."""
        token = self.group.workers[0].call
        self._forget(token)
        self._step(lambda group: group.workers[0].give_up_call(token))

    def ask_for_stack(self, index: int) -> None:
        """Ask where a worker is."""
        self.asked += 1
        token = ("stack", index, self.asked)
        self.unanswered += (token,)
        self._step(lambda group: group.workers[index].ask_for_stack(token))

    def take(self, index: int) -> None:
        """Take an item."""
        frame = self.group.workers[index].inbox.frames.popleft()
        got, side = self.got[index], self.sides[index]
        if self.closed or not self.opened or frame.epoch != self.group.epoch:
            raise ViolationError(f"an item of pass {frame.epoch} when nobody wants it")
        self.used = True
        if self.rules.items is None:  # items have no number, and credit is counted in `made`
            side.made -= side.made > 0 and frame.epoch == side.machine.epoch
            return
        if frame.number != got:
            raise ViolationError(f"item {frame.number} comes when item {got} should")
        self.got = _put(self.got, index, got + 1)
        side.acked = (frame.epoch, got + 1)
        if self.rules.gives is not None:
            if self.given[index] <= self.rules.gives and not self.rules.returns:
                self.give(index)
            elif self.got == (1 + self.rules.gives,) * self.rules.workers:
                self.stop(0)

    def _may_give(self, index: int) -> bool:
        """Tell whether a task may be given ahead."""
        given, most = self.given[index], 1 + (self.rules.gives or 0)
        return self.rules.returns > 0 and given < min(most, self.got[index] + 2)

    def give(self, index: int) -> None:
        """Give a worker its next task."""
        number, epoch = self.numbers, self.group.epoch
        self.numbers += 1
        self.given = _put(self.given, index, self.given[index] + 1)
        self._step(lambda group: group.give(epoch, [(index, ((number,),))]))

    def take_back(self, index: int) -> None:
        """Ask a worker for the tasks that it has not begun."""
        self.returns += 1
        self._step(lambda group: group.take_back(index))

    def raise_failure(self, _: int) -> None:
        """Raise why a worker has ended, and so leave the pass: the other workers are ended too."""
        self.stop(0)
        if not all(core.done for core in self.group.workers):
            raise ViolationError("a worker goes on though another one has failed")

    def go_on(self, index: int) -> None:
        """Tell a worker that was started again which tasks are left, and where it is."""
        received = self.group.workers[index].inbox.received
        if self.rules.returns:
            self.given = _put(self.given, index, received)  # the others may be given to any
        plan = self.given[index] - received, received
        self._step(lambda group: group.continue_pass(index, group.epoch, plan))

    # What happens ---------------------------------------------------------------------------

    def begin_to_wait(self, _: int) -> None:
        """Let the time count in which the workers say nothing."""
        self._step(lambda group: group.begin_to_wait(0.0))

    def expire(self, _: int) -> None:
        """Let the deadline pass."""
        deadline = self.group.deadline
        assert deadline is not None
        self._step(lambda group: group.expire(deadline))

    def break_down(self, index: int) -> None:
        """Let something fail in the parent."""
        self._step(lambda group: group.workers[index].fail(BROKEN, None))

    def read(self, index: int) -> None:
        """Take in all that has come, or that the worker is gone."""
        side = self.sides[index]
        if not side.up:
            struck = self.rules.struck
            lose = partial(GroupCore.lose, status=self.status, begun=side.begun, struck=struck)
            self._step(lambda group: lose(group, index))
        frames, side.up = deque(side.up), ()
        while frames and self.sides[index] is side:  # what it still says is forgotten with it
            core = self.group.workers[index]
            core.receive_items(frames)
            goes_on = core.state is ParentState.ITERATION
            if goes_on and self.rules.items is None and core.inbox.frames:
                core.inbox.received = 1  # or there would be no end of states
            if frames:
                self._receive(index, frames.popleft())

    def _receive(self, index: int, frame: Frame) -> None:
        failure = None
        if frame.kind in _FAILURES:
            failure = Failure(("module",), "module") if frame.refused else Failure((), None)
        if frame.kind == Status.ITERATION_FINISHED and frame.epoch == self.group.epoch:
            self.total = _put(self.total, index, frame.number)
        used = self.used
        self._step(lambda group: group.receive(index, frame, failure, used=used))
        if frame.kind == Status.TASKS_RETURNED and not self.group.workers[index].done:
            self._take_returned(index)

    def _take_returned(self, index: int) -> None:
        """Take in how many tasks a worker has given back: it has them no more."""
        returned = self.group.workers[index].inbox.delivery.returned
        self.given = _put(self.given, index, self.given[index] - len(returned))
        returned.clear()

    def launch(self, index: int) -> None:
        """Start the worker that takes the place of another, unless nobody wants it any more."""
        side = self.sides[index]
        side.launching = False
        if self.group.closed:
            side.lose()
            side.hang_up()
        elif self.closed:
            raise ViolationError("a worker is started for a user who has closed all")
        else:
            self._step(lambda group: group.launch(index, 0.0))

    def cut_off(self, index: int) -> None:
        """Let the start of a worker be cut off, unless nobody wants it any more."""
        if self.group.closed:
            self.launch(index)
            return
        self.sides[index].launching = False
        self.sides[index].lose()
        self._step(lambda group: group.lose(index, None, cause=CUT_OFF, struck=True))

    def hang_up(self, index: int) -> None:
        """Close the parent's end of a link."""
        self.sides[index].hang_up()

    # ----------------------------------------------------------------------------------------

    def _step(self, event: Callable[[GroupCore], object]) -> None:
        """Let an event happen, and do what the cores want done. Check what must hold."""
        event(self.group)
        for index, core in enumerate(self.group.workers):
            effects, core.effects = core.effects, ()
            for effect in effects:
                self._do(index, effect)
        self._check()

    def _do(self, index: int, effect: Effect) -> None:
        side = self.sides[index]
        if isinstance(effect, Send):
            self._send(side, effect)
        elif isinstance(effect, (Answer, Fail)):
            self._forget(effect.token)
            if isinstance(effect, Answer) and effect.token[0] == "call":
                self.used = True
                if effect.frame.number != effect.token[2]:
                    raise ViolationError("a call gets the answer to another one")
        elif isinstance(effect, Drop):
            effect.inbox.clear(with_delivery=effect.with_delivery)
        elif isinstance(effect, End) and effect.kill:
            side.lose()
            side.hang_up()
        elif isinstance(effect, Launch):
            again = effect.backend is None
            if self.closed or (not again and (self.used or side.fallen)):
                raise ViolationError(f"a worker is replaced where that must not be: {effect}")
            self.sides[index] = self.side(self.rules, fallen=True)

    def _send(self, side: Side, effect: Send) -> None:
        if side.aborted:
            raise ViolationError(f"{effect.cmd.name} is said after ABORT")
        side.aborted = effect.cmd is Cmd.ABORT
        if not (side.ended or side.hung_up):
            number = -1 if effect.token is None else effect.token[2]
            content = (0, 0) if effect.content is None else effect.content
            side.down += (Command(effect.cmd, effect.epoch, number, content),)
        if effect.cmd in _REVOKES and self.rules.revokes:
            side.revoked = effect.epoch

    def _forget(self, token: Any) -> None:
        if token not in self.unanswered:
            raise ViolationError(f"{token} is answered twice, or was not asked")
        self.unanswered = tuple(each for each in self.unanswered if each != token)

    def _check(self) -> None:
        """Check what must hold after every event."""
        for index, core in enumerate(self.group.workers):
            over = self.opened and core.over and not core.inbox.frames
            if over and core.ending is None and self.got[index] != self.total[index]:
                raise ViolationError("a pass ends for its user as if it had had all its items")
            if self.closed and not core.done:
                raise ViolationError("a worker goes on though the user has closed all")
            if self.closed and core.inbox.frames:
                raise ViolationError("what has arrived can be taken though the user has closed all")
            if not self.opened and core.state in {ParentState.STARTING, ParentState.ITERATION}:
                raise ViolationError("a pass goes on that the user has left")
            if core.done and self.opened and not core.over:
                raise ViolationError("the user waits for items of a worker that is done")
        mine = {core.call for core in self.group.workers}
        for core in self.group.workers:
            mine.update(core._stacks)
        if not set(self.unanswered) <= mine:
            raise ViolationError("the cores have forgotten that something was asked")


def _put(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])


Move = tuple[Callable[..., None], int]
