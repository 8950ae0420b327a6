"""execute_iterable: the worker's side of the protocol, with its I/O."""

from __future__ import annotations

from .._protocol.messages import CONTINUED, EXHAUSTED, Status
from .._protocol.tables import WorkerEvent, WorkerState
from .._protocol.worker import WorkerMachine
from .._transport import codec
from .._transport.credit import Window
from .._transport.items import ATOMS, INT_LIMIT, STR_LIMIT, pack
from .._transport.outbox import Outbox
from ..errors import ChannelClosedError
from . import forward
from .calls import MethodCall
from .courier import Courier
from .failure import describe
from .finalizers import Finalizers
from .info import WorkerInfo, tell
from .iterables import check_iterable, length_of, loopable, may_begin_again
from .job import Job, load_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from .._transport.channel import WorkerChannel
    from .._transport.frames import Ref
    from .failure import Failure
    from .info import Fields
    from .listener import Commands


def execute_iterable(
    channel: WorkerChannel,
    commands: Commands,
    job: Job | bytes | bytearray,
    finalizers: Finalizers | None = None,
) -> None:
    """Run an iterable for the parent, from initialization to the end.

    The states are those of the worker's table; the documentation shows this function beside the
    table's diagram. It returns when the worker is done, and raises nothing of its own.

    Args:
        channel: where statuses and items go, and where credit comes from.
        commands: what the listener hears.
        job: the user's callables and their limits, or the body of the frame that brought them.
        finalizers: is given the user's finalizers. They run afterwards, and not from here.
    """
    execution = Execution(channel, commands, finalizers)
    try:
        execution.initialize(job)
        while execution.machine.state is not WorkerState.DONE:
            if execution.machine.state is WorkerState.STAND_BY:
                execution.obey()
            elif execution.machine.state is WorkerState.CALL:
                execution.call()
            else:
                execution.iterate()
    except ChannelClosedError:
        pass  # nobody is there to be told
    finally:
        execution.end()


def refuse(channel: WorkerChannel, error: BaseException) -> None:
    """Tell the parent that the worker cannot even begin.

    Args:
        channel: where that goes.
        error: why.
    """
    status = WorkerMachine().fire(WorkerEvent.INITIALIZATION_RAISED)
    assert status is not None
    try:
        channel.send(status, 0, codec.dumps(tuple(describe(error, "start", None))))
    except ChannelClosedError:
        pass  # nobody is there to be told


class Execution:
    """One worker's iterable, and where its protocol stands.

    Attributes:
        machine: the worker's half of the protocol.
    """

    def __init__(
        self, channel: WorkerChannel, commands: Commands, finalizers: Finalizers | None = None
    ) -> None:
        self.machine = WorkerMachine()
        self._channel = channel
        self._commands = commands
        self._finalizers = Finalizers() if finalizers is None else finalizers
        self._info: WorkerInfo | None = None
        self._window = Window(1, 0)  # the job tells
        self._outbox = Outbox(channel, self._window, 0)
        self._frames_before = 0  # as the courier has seen it last
        self._courier = Courier(self._send_late)
        self._forwarder = forward.Forwarder(channel, self._courier.call)
        self._iterable: Iterable[Any] = ()
        self._used_up = False
        self._one_shot = False  # whether the iterable is an iterator that cannot begin again
        self._left_at = 0  # how many items it had made when the latest pass was left
        self._body: codec.Body = b""  # of the command that was obeyed last

    def initialize(self, job: Job | bytes | bytearray) -> None:
        """Initialization: run the initializers, then create the iterable."""
        stage = "load"
        try:
            if not isinstance(job, Job):
                job = Job(*codec.loads(job))
            self._window = Window(job.buffer_size, job.buffer_bytes)
            self._outbox = Outbox(self._channel, self._window, job.buffer_bytes)
            self._tell(job.info)
            if job.forward_logs:
                forward.start(self._forwarder, job.log_levels)
            fn, initializers, finalizers = load_call(job)
            self._finalizers.load(finalizers, job.finalizer_seconds)
            if job.forward_logs:
                forward.take_over(job.log_levels)
            for number, initializer in enumerate(initializers):
                stage = f"initializer[{number}]"
                initializer()
            stage = "fn"
            self._iterable = check_iterable(fn())
            length = length_of(self._iterable)
        except BaseException as error:  # SystemExit too must reach the parent
            self._fail(WorkerEvent.INITIALIZATION_RAISED, error, stage, None)
        else:
            self._push(
                self.machine.fire(WorkerEvent.INITIALIZED),
                [] if length is None else [b"%d" % length],
            )

    def _tell(self, fields: Fields | None) -> None:
        self._info = None if fields is None else WorkerInfo(*fields)
        tell(self._info)

    def end(self) -> None:
        """Let the iterable go, and send the last that user code had to say."""
        self._iterable = ()
        self._courier.stop()
        try:
            self._forwarder.tell_dropped()
            self._channel.flush()
        except ChannelClosedError:
            pass

    def obey(self) -> None:
        """Stand By, and whenever a command waits: take one, and do what the table says."""
        self._outbox.drop()  # nobody waits any more for what was not sent
        command = self._commands.get()
        if command is None:
            self.machine.fire(WorkerEvent.PARENT_LOST)
        else:
            kind, epoch, self._body = command
            status = self.machine.command(kind, epoch)
            goes_on = status is Status.ITERATION_STARTED and self._one_shot and self._left_at
            self._push(status, [CONTINUED] if goes_on and not self._used_up else [])

    def call(self) -> None:
        """Call: call the method, and stand by again."""
        call, self._body = MethodCall(self._body), b""
        try:
            result = call.run(self._iterable)
            call.stage = "result"
            parts, refs = pack([self._outbox.encode(result), length_of(self._iterable)])
        except BaseException as error:
            self._fail(WorkerEvent.CALL_RAISED, error, call.stage, None)
        else:
            self._push(self.machine.fire(WorkerEvent.CALL_RETURNED), parts, 2, refs)

    def iterate(self) -> None:
        """Iteration: a waiting command comes first, then the next item."""
        iterator = self._begin()
        if iterator is not None:
            self._make_items(iterator)

    def _begin(self) -> Iterator[Any] | None:
        """Make the iterator of a pass; None when that fails."""
        self._window.reset()
        if self._info is not None:
            tell(self._info.at(self.machine.epoch - 1))
        self._outbox.begin(Status.ITERATOR_SUCCESS, self.machine.epoch)
        try:
            iterator = iter(self._iterable)
        except BaseException as error:
            self._fail(WorkerEvent.ITERATOR_RAISED, error, "iter", 0)
            return None
        self._one_shot = iterator is self._iterable and not may_begin_again(type(iterator))
        return iterator

    def _make_items(self, iterator: Iterator[Any], made: int = 0) -> None:
        """Go on until the iterator ends or fails, or `_look_up` says that it is enough.

        This loop is what a small item costs the worker: what it needs is in local variables.
        """
        outbox, attention, look_up = self._outbox, self._channel.attention, self._look_up
        put, add, atoms = outbox.put, outbox.entries.append, ATOMS
        low, high, short = -INT_LIMIT, INT_LIMIT, STR_LIMIT
        stop = look_up(made)
        try:
            for item in self._source(iterator) if stop else ():
                kind = type(item)
                if (
                    (kind is int and low < item < high)
                    or kind in atoms
                    or (kind is str and len(item) < short)
                ):
                    add(item)
                elif put(item):
                    stop = made
                del item  # user code must not find its item still held while it makes the next
                made += 1
                if attention[0] or made >= stop:
                    stop = look_up(made)
                    if not stop:
                        self._left_at = made
                        return
        except ChannelClosedError:
            raise  # of farside's own: user code knows no channel
        except BaseException as error:
            stage = "pickle" if outbox.refused else "next"
            self._fail(WorkerEvent.ITERATOR_RAISED, error, stage, made)
            return
        if stop:
            self._finish(iterator, made)

    def _look_up(self, made: int) -> int:
        """Look, between two items, what the parent wants, and send what is due.

        Args:
            made: how many items of the pass were made.

        Returns:
            How many there may be before the next look; 0 when a command has ended the pass.
        """
        if not self._commands.empty():
            self.obey()
            return 0
        channel, outbox, epoch = self._channel, self._outbox, self.machine.epoch
        if channel.parent_waits() or outbox.is_full():
            outbox.flush()
        elif outbox.entries:
            self._courier.call()
        stop = self._window.stop(channel.taken(epoch))
        while stop <= made:
            outbox.flush()
            if not channel.await_taken(epoch, self._window.wish(made)):
                self.obey()  # it was sent before the wait was broken off
                return 0
            stop = self._window.stop(channel.taken(epoch))
        # The first of a batch is looked at, so that the courier hears of it.
        return min(stop, made + 1 if not outbox.entries else made + outbox.batch)

    def _send_late(self) -> bool:
        """Send, for the courier, what has waited for long enough; tell whether more waits."""
        self._channel.flush()  # of what other threads have posted
        frames, self._frames_before = self._frames_before, self._outbox.frames
        if frames != self._outbox.frames:
            return True  # what waits has not waited since the last time
        self._outbox.flush()
        # What the thread that makes items adds from now on is the first of a batch again.
        self._channel.alert(True)
        return bool(self._outbox.entries)

    def _finish(self, iterator: Iterator[Any], count: int) -> None:
        if self._commands.empty():
            self._outbox.flush()
        else:
            self._outbox.drop()  # nobody waits for this pass any more
        one_shot = iterator is self._iterable
        empty_again = one_shot and self._used_up and not count
        self._used_up = self._used_up or one_shot
        self._push(
            self.machine.fire(WorkerEvent.ITERATOR_EXHAUSTED),
            [EXHAUSTED] if empty_again else [],
        )

    def _fail(
        self, event: WorkerEvent, error: BaseException, stage: str, index: int | None
    ) -> None:
        if not self.machine.allows(event):
            return  # the listener's SystemExit, just after a command was obeyed: the next says why
        if self.machine.state is WorkerState.ITERATION:
            if not self._commands.empty():
                self.obey()  # nobody waits for this pass any more; ABORT may have raised the error
                return
            self._outbox.flush()
        failure = self._describe(error, stage, index)
        self._push(self.machine.fire(event), codec.dumps(tuple(failure)))

    def _describe(self, error: BaseException, stage: str, index: int | None) -> Failure:
        return describe(error, stage, index)

    _source = staticmethod(loopable)

    def _push(
        self,
        status: int | None,
        parts: Sequence[codec.Part] = (),
        count: int = 0,
        refs: Sequence[Ref] = (),
    ) -> None:
        if status is not None:
            self._channel.send(status, self.machine.epoch, parts, count=count, refs=refs)
