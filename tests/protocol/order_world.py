"""Workers that read shards or run inputs, their parent, and a loop over what they make.

Whose turn it is, which worker gets what, where one goes on that was started again: all that is
real (`Turns`, `Shards`, `Inputs`, `Pass`, and each `Delivery`), as are the cores and what workers
make (`reader`). What is made up is what does I/O: links, processes, and the time. How far each side
is ahead of the other makes all the difference here; who calls and who closes makes none, and is
gone through in `world`.

The loop is judged by what a plain loop over the same shards or inputs would have got.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from farside._backends.base import ExitStatus
from farside._parent.one_pass import OVER, SPOILT
from farside._parent.passes import inputs as farside_inputs
from farside._parent.passes.batches import Plan
from farside._parent.passes.mapped import Mapped
from farside._parent.passes.sequence import Given, Start
from farside._parent.passes.sharded import Shards as ShardsOfParent
from farside._protocol.effects import Drop
from farside._protocol.group import GroupCore
from farside._protocol.order import Sharding
from farside._protocol.parent_machine import ParentState
from farside._protocol.recovery import NO_LIMITS
from farside.errors import WorkerDiedError

from .copies import Numbers, copied, frozen, key_of, key_of_rest
from .judge import Judged, missing, plain, rest_from
from .loops import Client, Loop, Undecoded
from .reader import READER_FIELDS, Inputs, Reader, frame_of, stream_of
from .side import Rules, Side, ViolationError

if TYPE_CHECKING:
    from farside._parent.passes.sequence import ItemSequence
    from farside._protocol.effects import Effect
    from farside._protocol.parent import ParentCore

    from .world import Move

NO_END = 1 << 62


class _Member:
    """A worker, for messages."""

    name, backend, options = "the worker", "subprocess", SimpleNamespace(max_restarts=1)


_MEMBER = _Member()
_GROUP = ("epoch", "awaiting", "_restarts")


class OrderWorld(Judged):
    """Workers that read, their parent, and its loop.

    Attributes:
        sequence: what the present pass is made of.
        waits: whether nothing had come when the loop looked last.
        deaths: how many workers have died without a reason.
        failed: whether the loop has raised.
    """

    side = Reader
    status = ExitStatus("exit status 1", 1)

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        endless = isinstance(rules.reads, Inputs)
        restarts = NO_END if endless else rules.restarts
        self.group = GroupCore(NO_LIMITS, None, rules.workers, restarts)
        self.sequence: ItemSequence | None = None
        self.waits = self.failed = False
        self.deaths = 0
        self._of_sides: list[Any] = [None] * rules.workers
        self._of_rest: Any = None
        self.catch_up()
        for index in range(rules.workers):
            self.read(index)

    def copy(self) -> OrderWorld:
        """Return a copy that shares nothing that changes, but for the delivery."""
        made: OrderWorld = super().copy()  # type: ignore[assignment]
        for core in made.group.workers:
            core.inbox.delivery = self.delivery
        return made

    def _own(self) -> None:
        """Let the delivery be this world's alone."""
        memo: dict[int, Any] = {}
        self.delivery, self.sources = copied(self.delivery, memo), copied(self.sources, memo)
        for core in self.group.workers:
            core.inbox.delivery = self.delivery

    def after(self, move: Move) -> OrderWorld:
        """Return the world after a move. One of a worker alone copies only that."""
        what, index = move
        if what.__qualname__.startswith("OrderWorld."):
            made = self.copy()
            if what in _OF_LOOP:
                made._own()
        else:
            made = object.__new__(OrderWorld)
            made.__dict__.update(self.__dict__)
            made.sides, made._of_sides = [*self.sides], [*self._of_sides]
            made.sides[index] = self.sides[index].copy()
        made.make(move)
        return made

    def make(self, move: Move) -> None:
        """Make a move."""
        what, index = move
        if what.__qualname__.startswith("OrderWorld."):
            what(self, index)
            self._of_sides, self._of_rest = [None] * self.rules.workers, None
        else:
            what(self.sides[index])
            self._of_sides[index] = None

    def catch_up(self) -> None:
        for index, side in enumerate(self.sides):
            if self._of_sides[index] is None:
                side.catch_up()
                self._of_sides[index] = tuple([getattr(side, name) for name in _SIDE]), (
                    side.machine.state, side.machine.epoch
                )  # fmt: skip

    def parts(self) -> tuple[Any, ...]:
        if self._of_rest is None:
            delivery = self.delivery
            self._of_rest = (
                tuple([getattr(self.group, name) for name in _GROUP]),
                *[_key_of_core(core, self.group.awaiting) for core in self.group.workers],
                () if delivery is None else key_of(delivery),
                () if delivery is None else key_of_rest(delivery.rest, self.sources),
                (self.opened, self.waits, self.failed, self.got, self.errors),
                (self.deaths, self.struck),
            )
            self.check_bounds()
        return (*self._of_rest, *self._of_sides)

    # Questions ------------------------------------------------------------------------------

    @property
    def told(self) -> bool:
        return not self.opened

    def moves(self) -> list[Move]:
        found = self._of_user()
        for index, (core, side) in enumerate(zip(self.group.workers, self.sides, strict=True)):
            if self._reads(core, side):
                found.append((OrderWorld.read, index))
            if core.done and not side.hung_up:
                found.append((OrderWorld.hang_up, index))
            for move in side.moves():
                if move is Reader.die:
                    found.append((OrderWorld.die, index))
                elif move is not Side.lose:
                    found.append((move, index))
                elif self.deaths < self.rules.deaths:
                    found.append((OrderWorld.lose, index))
        return found

    def _of_user(self) -> list[Move]:
        """Return what the user may do next."""
        rules, found = self.rules, list[Any]()
        more = self.group.epoch < rules.passes and not self.group.over
        if more and (not self.opened or rules.leaves):
            found.append((OrderWorld.start, 0))
        if self.opened and rules.leaves and more:
            found.append((OrderWorld.stop, 0))
        if self.opened and (not self.waits or self._pass.ready()):
            found.append((OrderWorld.take, 0))
        return found

    @property
    def _pass(self) -> Loop:
        assert self.delivery is not None
        return Loop(Client(self, self.sequence), self.group.epoch, self.delivery, None)  # type: ignore[arg-type]

    # The user -------------------------------------------------------------------------------

    def start(self, _: int) -> None:
        """Begin a pass."""
        self.opened, self.waits = True, False
        reads = self.rules.reads
        self.sequence = sequence_of(self.rules)
        delivery, plans = self.sequence.begin(self.group.epoch)
        self.delivery, self.sources = delivery, None
        if isinstance(delivery, Mapped):
            delivery._size.inputs = reads.batch
        delivery.members = [_MEMBER] * self.rules.workers
        self._step(lambda group: group.start(frozen(plans), delivery))
        read, parts = dict(reads.place.begun), range(len(reads.lengths))
        self.got, self.struck = tuple([read.get(part, 0) for part in parts]), (0,) * len(parts)
        self.history, self.errors = (), frozenset()
        self._check_place()

    def stop(self, _: int) -> None:
        """Leave the pass."""
        self.opened = self.waits = False
        self._pass.leave()
        self.sources = None

    def take(self, _: int) -> None:
        """Take an item, or the rest of a block if no worker is told of each; come to the end."""
        loop = self._pass
        try:
            if self.sources is None and not self._begin_block(loop):
                return
            self._take_item(loop.decode_one(Undecoded(loop.delivery.rest, self.sources)))
        except Exception as error:
            if isinstance(error, (ViolationError, AssertionError)):
                raise
            self._fail(loop, error)
            return
        if not loop.delivery.rest:
            self.sources = None

    def _begin_block(self, loop: Loop) -> bool:
        """Take the next block; return whether there is one whose items are taken one by one."""
        inputs, items = _inputs_of(loop), loop.step()
        while items is None and loop.ready() and _inputs_of(loop) > inputs:
            inputs, items = _inputs_of(loop), loop.step()  # there is no wait in between
        if items is None:
            self.waits = True
            if loop.ready():
                raise ViolationError("the loop does not wait, though nothing has come")
            return False
        self.waits = False
        if isinstance(items, Undecoded):
            self.sources = items.sources
            return True
        if items is OVER:
            self._check_end()
            self.stop(0)
        for item in items:
            self._take_item(item)
        return False

    def _fail(self, loop: Loop, error: Exception) -> None:
        """Take in that the loop raises."""
        self.opened, self.failed, self.sources = False, True, None
        reads = self.rules.reads
        if isinstance(reads, Inputs) and error is loop.delivery.failure:
            if reads.on_error != "raise":
                raise ViolationError("the failure of an input ends the pass")
            self._take_failure(error)
        elif not isinstance(error, WorkerDiedError) or self.deaths <= self.rules.restarts:
            raise ViolationError(f"the loop raises {error!r}")
        if isinstance(error, SPOILT):
            loop.spoilt(error)
        loop.leave()

    # What happens ---------------------------------------------------------------------------

    def lose(self, index: int) -> None:
        """Let a worker die without a reason."""
        self.deaths += 1
        self._strike(index)
        self.sides[index].lose()

    def die(self, index: int) -> None:
        """Let a worker be killed by what it runs."""
        self._strike(index)
        self.sides[index].lose()

    def _strike(self, index: int) -> None:
        side = self.sides[index]
        assert isinstance(side, Reader)
        number = side.runs
        if number is not None and side.machine.epoch == self.group.epoch:
            count = self.struck[number] + 1
            self.struck = (*self.struck[:number], count, *self.struck[number + 1 :])

    def read(self, index: int) -> None:
        """Take in all that has come, or that the worker is gone."""
        side = self.sides[index]
        if side.machine.epoch != self.group.epoch:
            side.begun = 0  # the word in shared memory speaks of another pass
        super().read(index)

    def hang_up(self, index: int) -> None:
        """Close the parent's end of a link."""
        super().hang_up(index)

    def _do(self, index: int, effect: Effect) -> None:
        if isinstance(effect, Drop):
            self._own()
        super()._do(index, effect)
        if self.sides[index].launching:
            core = self.group.workers[index]
            core.loss = core.loss or (effect.ending, _MEMBER, core.begun)  # type: ignore[union-attr]
            self.launch(index)

    def _check(self) -> None:
        """Check what must hold after every event."""
        for core in self.group.workers:
            if not self.opened and core.state in {ParentState.STARTING, ParentState.ITERATION}:
                raise ViolationError("a pass goes on that the user has left")
            if core.done and self.opened and not core.over:
                raise ViolationError("the user waits for items of a worker that is done")


_SIDE = READER_FIELDS
_OF_LOOP = {OrderWorld.start, OrderWorld.stop, OrderWorld.take}


def _key_of_core(core: ParentCore, awaiting: frozenset[int]) -> tuple[Any, ...]:
    """Return what in a core makes a difference, where no worker is replaced and none is called."""
    wanted = None if core._wanted is None else (core._wanted, core._plan, core._given)
    inbox = core.inbox
    return (
        core.state, core.epoch, core.opened, core.over, core.ending, core.failure, wanted,
        core.follows_dead, core.loss if awaiting else None,
        inbox.received, inbox.cleared, *inbox.frames,
    )  # fmt: skip


def sequence_of(rules: Rules) -> ItemSequence:
    """Return what a pass is made of."""
    reads, counting = rules.reads, rules.credit is not None
    if isinstance(reads, Inputs):
        ahead = None if rules.credit is None else rules.credit + rules.workers
        plan = Plan(
            rules.workers, reads.flat, reads.in_order, ahead, 1 << 20, reads.on_error, reads.retries
        )
        items = _Items(len(reads.lengths))
        mapped = farside_inputs.Inputs(items, plan, Given(0, verify=False))
        mapped._loaded = Start(reads.place)
        return mapped
    sharding = Sharding(len(reads.lengths), reads.cycle)
    made = ShardsOfParent(
        Given(0, verify=False), sharding, rules.workers, in_order=reads.in_order, counting=counting
    )
    made._loaded = Start(reads.place)
    return made


class _Items:
    """The inputs of a map: their numbers."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __iter__(self) -> Numbers:
        return Numbers(self._count)


def _inputs_of(loop: Loop) -> int:
    """Return how many inputs of a map were given to workers."""
    return getattr(loop.delivery, "_numbered", 0)


def forget() -> None:
    """Forget what was made by code that a test has changed, or will."""
    for each in (stream_of, frame_of, plain, rest_from, missing):
        each.cache_clear()
