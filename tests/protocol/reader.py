"""A worker that reads shards, or runs inputs of a map: what it makes is what the real code makes.

`ShardReader` and `Mapper` are generators, which cannot be copied. But what they make depends on
nothing but what they were told, so it is made once, for each thing that a worker can be told
(`Stream`), and how far a worker has got in that is a number.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from farside._link.control import begun_word, total_of
from farside._payload.failure import describe
from farside._payload.items import Mark, pack
from farside._protocol.messages import Cmd, Status
from farside._protocol.order import BEGIN, Place
from farside._protocol.worker import WorkerEvent, WorkerState
from farside._worker.mapper import Mapper
from farside._worker.passing import Skips
from farside._worker.shards import ShardReader
from tests.worker.calling import go_on

from .side import FIELDS, Frame, Phase, Rules, Side, SideMove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._worker.tasks import Tasks

MOST = 100
"""More items than any shard or input has here."""


class Shards(NamedTuple):
    """Shards of some lengths. Item j of shard i is the number ``i * MOST + j``."""

    lengths: tuple[int, ...] = (2, 0, 1)
    cycle: int = 2
    in_order: bool = True
    place: Place = BEGIN
    """Where it begins."""


class Inputs(NamedTuple):
    """Inputs of a map, and how many results each has."""

    lengths: tuple[int, ...] = (1, 1, 1)
    in_order: bool = True
    flat: bool = False
    on_error: str = "raise"
    retries: int = 0
    fails: frozenset[int] = frozenset()
    """The function raises, after the results."""
    poison: frozenset[int] = frozenset()
    """The function kills the worker, before the results."""
    batch: int = 1
    """How many inputs are given at a time."""
    place: Place = BEGIN
    """Where it begins."""

    def results(self, number: int) -> int:
        """Return how many results an input has."""
        return self.lengths[number] if self.flat or number not in self.fails else 0


class _KilledError(BaseException):
    """Kills the worker."""


class Made(NamedTuple):
    """What a worker makes in one ``next()``."""

    entry: Any
    """An item or a mark; None: making it kills the worker."""
    begun: int
    """Which input of a map it has begun then, plus one."""


class Stream:
    """All that a worker makes of what it was told, in order. There is one for each such thing.

    Attributes:
        made: that.
        out_of_tasks: whether more tasks may come at its end.
    """

    def __init__(self, reads: Shards | Inputs, told: Any, given: tuple[Any, ...]) -> None:
        self._told = reads, told, given
        epoch, seed, _, plan = told
        tasks: Tasks = reader(reads) if isinstance(reads, Shards) else mapper(reads)
        tasks.number, tasks.begun = epoch + 1, (words := [0, 0, 0])
        tasks.skips = Skips(_ignore, _ignore, lambda: False)
        iterator = tasks.begin(plan, epoch, seed)
        if tasks.calls:
            iterator = go_on(tasks)
        for each in given:
            tasks.add(each)
        self.made = tuple(
            Made(entry, total_of(begun_word(words), epoch + 1))
            for entry in _entries(tasks, iterator)
        )
        self.out_of_tasks = tasks.out_of_tasks

    def given(self, tasks: Any) -> Stream:
        """Return what it is with further tasks."""
        reads, told, given = self._told
        return stream_of(reads, told, (*given, tasks))

    def has_sent(self, number: int, count: int) -> bool:
        """Tell whether the first entries have all results of an input."""
        return all(made.begun != number + 1 for made in self.made[count:])


def _ignore(_: object) -> None:
    pass


@cache
def stream_of(reads: Shards | Inputs, told: Any, given: tuple[Any, ...] = ()) -> Stream:
    """Return what a worker makes when it was told something, and was given tasks."""
    return Stream(reads, told, given)


def reader(reads: Shards) -> Tasks:
    """Make what reads the shards."""
    lengths = reads.lengths
    make: Any = ShardReader(
        lambda shard: [shard * MOST + number for number in range(lengths[shard])], None, None
    )
    made: Tasks = make()
    return made


def mapper(reads: Inputs) -> Tasks:
    """Make what runs the inputs."""

    def results(number: int) -> Iterator[int]:
        if number in reads.poison:
            raise _KilledError
        yield from range(number * MOST, number * MOST + reads.lengths[number])
        if number in reads.fails:
            raise ValueError(number)

    def result(number: int) -> int:
        first, *_ = results(number)
        return first

    make: Any = Mapper(results if reads.flat else result, flat=reads.flat)
    made: Tasks = make()
    return made


def _entries(tasks: Tasks, iterator: Iterator[Any]) -> Iterator[Any]:
    """Yield what the worker makes, as `Execution` does."""
    made = 0
    while True:
        try:
            for each in iterator:
                made += 1
                yield each
        except _KilledError:
            yield None
            return
        except ValueError as error:
            yield Mark(tuple(describe(error, tasks.stage, tasks.failed_alone(made))))
            made += 1
            iterator = go_on(tasks, made)
        else:
            return


@cache
def frame_of(stream: Stream, epoch: int, first: int, end: int) -> Frame:
    """Return a frame of some of what a worker makes."""
    parts, _ = pack([each.entry for each in stream.made[first:end]])
    body = b"".join(map(bytes, parts))
    return Frame(Status.ITERATOR_SUCCESS, epoch, body=body, items=end - first)


def items_of(frames: tuple[Frame, ...], epoch: int) -> int:
    """Return how many items and marks of a pass are in some frames."""
    items = [each for each in frames if each.kind == Status.ITERATOR_SUCCESS]
    return sum(each.items for each in items if each.epoch == epoch)


class Reader(Side):
    """A worker that reads.

    Attributes:
        stream: what it makes in this pass.
        at: how much of that it has made.
        kept: how many of these have not been sent.
    """

    def __init__(self, rules: Rules, *, fallen: bool = False) -> None:
        super().__init__(rules, fallen=fallen)
        self.stream: Stream | None = None
        self.at = self.kept = 0

    def _work(self) -> list[SideMove]:
        state = self.machine.state
        if state is WorkerState.INITIALIZATION:
            return [Side.initialize]
        if state is WorkerState.STAND_BY:
            return [Reader.obey] if self.heard else []
        if self.phase is Phase.ITER:
            return [Side.make_iterator]
        if self.phase is Phase.NEXT:
            found: list[SideMove] = [Reader.die if self._is_fatal else Reader.make]
        elif self.phase is Phase.CREDIT:
            revoked = self.revoked >= self.machine.epoch and self.heard
            found = [Reader.go_on] if self._has_credit else [Reader.obey] if revoked else []
        elif self.heard:
            return [Reader.obey]
        else:
            found = [Reader.go_on] if self.phase is Phase.LOOK else []
        return [Reader.send, *found] if self.kept else found

    def _is_prompt(self, move: SideMove) -> bool:
        if move is Reader.send:  # else the flusher does it, some time or other
            return self.kept >= self.rules.share or self.phase in {Phase.CREDIT, Phase.HUNGRY}
        if move is Reader.go_on:  # a worker that dies before has begun nothing
            return not (self.rules.deaths and isinstance(self.rules.reads, Inputs))
        return move in {Side.initialize, Reader.obey} or super()._is_prompt(move)

    @property
    def _is_fatal(self) -> bool:
        assert self.stream is not None
        made = self.stream.made
        return self.at < len(made) and made[self.at].entry is None

    @property
    def runs(self) -> int | None:
        """Which input it has begun, if not all its results were sent."""
        if not self.begun or self.stream is None:
            return None
        number = self.begun - 1
        sent = self.at - self.kept - items_of(self.pushing, self.machine.epoch)
        return None if self.stream.has_sent(number, sent) else number

    # What may happen ------------------------------------------------------------------------

    def obey(self) -> None:
        """Take a command that was heard."""
        if self.heard[0] is not None and self.heard[0].cmd is not Cmd.GIVE_TASKS:
            self.kept = 0  # nobody waits any more for what was not sent
        super().obey()

    def _begin(self, content: Any) -> None:
        self.stream, (self.made, _), self.at = stream_of(self.rules.reads, content), content[2], 0
        self.begun = 0  # what it began before was in another pass

    def _add(self, content: Any) -> None:
        assert self.stream is not None
        self.stream = self.stream.given(content)

    def go_on(self) -> None:
        """Enter ``next()`` if credit allows it, or wait for credit."""
        super().go_on()
        assert self.stream is not None
        if self.phase is Phase.NEXT and self.at < len(self.stream.made):
            self.begun = self.stream.made[self.at].begun

    def make(self) -> None:
        """Return an item or a mark from ``next()``, or come to the end of what there is to do."""
        stream = self.stream
        assert stream is not None
        if self.at < len(stream.made):
            self.at, self.made, self.kept = self.at + 1, self.made + 1, self.kept + 1
            self.phase = Phase.LOOK
        elif stream.out_of_tasks:
            self.phase = Phase.HUNGRY
        else:
            if self.heard:
                self.kept = 0
            last = self._taken()
            self._report(self.machine.fire(WorkerEvent.ITERATOR_EXHAUSTED))
            self.pushing = (*last, *self.pushing)

    def send(self) -> None:
        """Send what was made."""
        self.pushing = self._taken()

    def die(self) -> None:
        """Be killed by what it runs."""
        self.lose()

    def lose(self) -> None:
        """End without a word; what was sent arrives."""
        super().lose()
        self.stream, self.at, self.kept = None, 0, 0

    def _taken(self) -> tuple[Frame, ...]:
        kept, self.kept = self.kept, 0
        if not kept:
            return ()
        assert self.stream is not None
        return (frame_of(self.stream, self.machine.epoch, self.at - kept, self.at),)

    def _report(self, status: Status | None, number: int = -1, *, refused: bool = False) -> None:
        super()._report(status, number, refused=refused)
        if self.machine.state is not WorkerState.ITERATION:
            self.stream, self.at = None, 0


READER_FIELDS = (*FIELDS, "stream", "at", "kept", "begun")
