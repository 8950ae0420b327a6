"""execute_iterable: the worker's side of the protocol, with its I/O."""

from __future__ import annotations

from .._protocol.messages import EXHAUSTED
from .._protocol.tables import WorkerEvent, WorkerState
from .._protocol.worker import WorkerMachine
from .._transport import codec
from .._transport.channel import REVOKED
from .._transport.credit import Window
from ..errors import ChannelClosedError
from .failure import describe
from .job import Job, load_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .._transport.channel import WorkerChannel
    from .listener import Commands


def execute_iterable(
    channel: WorkerChannel, commands: Commands, job: Job | bytes | bytearray
) -> None:
    """Run an iterable for the parent, from initialization to the end.

    The states are those of the worker's table; the documentation shows this function beside the
    table's diagram. It returns when the worker is done, and raises nothing of its own.

    Args:
        channel: where statuses and items go, and where credit comes from.
        commands: what the listener hears.
        job: the user's callables and their limits, or the body of the frame that brought them.
    """
    execution = _Execution(channel, commands)
    try:
        execution.initialize(job)
        while execution.machine.state is not WorkerState.DONE:
            if execution.machine.state is WorkerState.STAND_BY:
                execution.obey()
            else:
                execution.iterate()
    except ChannelClosedError:
        pass  # nobody is there to be told


class _Execution:
    """One worker's iterable, and where its protocol stands."""

    def __init__(self, channel: WorkerChannel, commands: Commands) -> None:
        self.machine = WorkerMachine()
        self._channel = channel
        self._commands = commands
        self._window = Window(1, 0)  # the job tells
        self._iterable: Iterable[Any] = ()
        self._used_up = False

    def initialize(self, job: Job | bytes | bytearray) -> None:
        """Initialization: run the initializers, then create the iterable."""
        stage = "load"
        try:
            if not isinstance(job, Job):
                job = Job(*codec.loads(job))
            self._window = Window(job.buffer_size, job.buffer_bytes)
            fn, initializers = load_call(job)
            for number, initializer in enumerate(initializers):
                stage = f"initializer[{number}]"
                initializer()
            stage = "fn"
            self._iterable = _iterable(fn())
        except BaseException as error:  # SystemExit too must reach the parent
            self._fail(WorkerEvent.INITIALIZATION_RAISED, error, stage, None)
        else:
            self._push(self.machine.fire(WorkerEvent.INITIALIZED))

    def obey(self) -> None:
        """Stand By, and whenever a command waits: take one, and do what the table says."""
        command = self._commands.get()
        if command is None:
            self.machine.fire(WorkerEvent.PARENT_LOST)
        else:
            self._push(self.machine.command(*command))

    def iterate(self) -> None:
        """Iteration: a waiting command comes first, then the next item."""
        epoch, index = self.machine.epoch, 0
        self._window.reset()
        self._channel.credit(epoch, wait=False)  # what earlier passes left unread goes
        try:
            iterator = iter(self._iterable)
        except BaseException as error:
            self._fail(WorkerEvent.ITERATOR_RAISED, error, "iter", 0)
            return
        while self._may_go_on(epoch):
            try:
                item = next(iterator)
            except StopIteration:
                self._finish(iterator, index)
                return
            except BaseException as error:
                self._fail(WorkerEvent.ITERATOR_RAISED, error, "next", index)
                return
            if not self._commands.empty():
                self.obey()  # nobody waits for this item any more
                return
            if not self._send_item(item, epoch, index):
                return
            del item  # user code must not find its item still held while it makes the next
            index += 1

    def _may_go_on(self, epoch: int) -> bool:
        """Wait until a further item may be made; False when a command has ended the pass."""
        while self._commands.empty():
            if self._window.is_open():
                return True
            total = self._channel.credit(epoch, wait=True)
            if total == REVOKED:
                break  # a command is on its way: it was sent before the credit was revoked
            self._window.taken(total)
        self.obey()
        return False

    def _send_item(self, item: object, epoch: int, index: int) -> bool:
        try:
            parts = codec.dumps(item)
        except BaseException as error:
            self._fail(WorkerEvent.ITERATOR_RAISED, error, "pickle", index)
            return False
        status = self.machine.fire(WorkerEvent.ITEM_MADE)
        assert status is not None
        self._channel.send(status, epoch, parts)
        self._window.sent(codec.size(parts))
        return True

    def _finish(self, iterator: Iterator[Any], count: int) -> None:
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
        if self.machine.state is WorkerState.ITERATION and not self._commands.empty():
            self.obey()  # nobody waits for this pass any more; ABORT may have raised the error
            return
        failure = describe(error, stage, index)
        self._push(self.machine.fire(event), codec.dumps(tuple(failure)))

    def _push(self, status: int | None, parts: list[codec.Part] | None = None) -> None:
        if status is not None:
            self._channel.send(status, self.machine.epoch, parts or ())


def _iterable(made: Any) -> Iterable[Any]:  # it is whatever fn returned
    """Check what ``fn`` returned, without calling its ``__iter__``: that belongs to a pass."""
    if hasattr(type(made), "__iter__") or hasattr(type(made), "__getitem__"):
        iterable: Iterable[Any] = made
        return iterable
    raise TypeError(
        f"fn returned {type(made).__name__}, which is not iterable; "
        "return a list, a generator or any object with __iter__"
    )
