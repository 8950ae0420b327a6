"""execute_iterable: the worker's side of the protocol, with its I/O."""

from __future__ import annotations

from time import monotonic

from .._payload import pickling
from .._payload.failure import describe
from .._payload.items import Mark, pack
from .._payload.job import Job
from .._payload.plain import ATOMS, INT_LIMIT, STR_LIMIT
from .._payload.records import flatten_line
from .._payload.worker_info import WorkerInfo, tell
from .._protocol import progress
from .._protocol.credit import Window
from .._protocol.messages import CONTINUED, EXHAUSTED, UNKNOWN, Cmd, Status
from .._protocol.worker import WorkerMachine
from .._protocol.worker_table import WorkerEvent, WorkerState
from ..errors import LinkClosedError
from . import forward
from .calls import MethodCall
from .finalizers import Finalizers
from .flusher import Flusher
from .iterables import check_iterable, length_of, loopable, may_begin_again
from .load import load_call
from .outbox import Outbox
from .passing import Skips, pass_over, refuse_one_shot
from .snapshots import Snapshots, has_state, load
from .tasks import Tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from .._link.base import WorkerLink
    from .._memory.parts import Part, Ref
    from .._payload.failure import Failure
    from .._payload.worker_info import Fields
    from .listener import Commands

_ATOMS = ATOMS | {Mark}


def execute_iterable(
    link: WorkerLink,
    commands: Commands,
    job: Job | bytes | bytearray,
    finalizers: Finalizers | None = None,
) -> None:
    """Run an iterable for the parent, from initialization to the end.

    The states are those of the worker's table; the documentation shows this function beside the
    table's diagram. It returns when the worker is done, and raises nothing of its own.

    Args:
        link: where statuses and items go, and where credit comes from.
        commands: what the listener hears.
        job: the user's callables and their limits, or the body of the frame that brought them.
        finalizers: is given the user's finalizers. They run afterwards, and not from here.
    """
    execution = Execution(link, commands, finalizers)
    try:
        execution.initialize(job)
        while execution.machine.state is not WorkerState.DONE:
            if execution.machine.state is WorkerState.STAND_BY:
                execution.obey()
            elif execution.machine.state is WorkerState.CALL:
                execution.call()
            else:
                execution.iterate()
    except LinkClosedError:
        pass  # nobody is there to be told
    finally:
        execution.end()


def refuse(link: WorkerLink, error: BaseException) -> None:
    """Tell the parent that the worker cannot even begin.

    Args:
        link: where that goes.
        error: why.
    """
    status = WorkerMachine().fire(WorkerEvent.INITIALIZATION_RAISED)
    assert status is not None
    try:
        link.send(status, 0, pickling.dumps_plain(tuple(describe(error, "start", None))))
    except LinkClosedError:
        pass  # nobody is there to be told


class Execution:
    """One worker's iterable, and where its protocol stands.

    Attributes:
        machine: the worker's half of the protocol.
    """

    def __init__(
        self, link: WorkerLink, commands: Commands, finalizers: Finalizers | None = None
    ) -> None:
        self.machine = WorkerMachine()
        self._link = link
        self._commands = commands
        self._finalizers = Finalizers() if finalizers is None else finalizers
        self._info: WorkerInfo | None = None
        self._told: WorkerInfo | Callable[[], WorkerInfo] | None = None
        self._window = Window(1, 0)  # the job tells
        self._outbox = Outbox(link, self._window, 0)
        self._frames_before = 0  # as the flusher has seen it last
        self._flusher = Flusher(self._send_late)
        self._forwarder = forward.Forwarder(link, self._flusher.call)
        self._iterable: Iterable[Any] = ()
        self._tasks: Tasks | None = None  # what the iterable is instead, where it is no iterable
        self._used_up = False
        self._one_shot = False  # whether the iterable is an iterator that cannot begin again
        self._left_at = 0  # how many items it had made when the latest pass was left
        self._culprit: str | None = None  # which part of an item or a result has failed to pickle
        self._body: pickling.Body = b""  # of the command that was obeyed last
        self._skips = Skips(self._tell_progress, self._say, self._is_left)
        self._snapshots = Snapshots(self._tell_progress, self._say)
        self._stateful: Iterator[Any] | None = None  # the iterator, if it has a state
        self._first = 0  # the index of the item that is made first, less those that count as made

    def initialize(self, job: Job | bytes | bytearray) -> None:
        """Initialization: run the initializers, then create the iterable."""
        stage = "load"
        try:
            if not isinstance(job, Job):
                job = Job(*pickling.loads(job))
            self._window = Window(job.buffer_size, job.buffer_bytes)
            self._outbox = Outbox(self._link, self._window, job.buffer_bytes)
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
            stage = "setup" if isinstance(fn, Tasks) else "fn"
            made = fn()
            if isinstance(made, Tasks):
                self._tasks, length = made, None
                made.begun, made.skips = self._link.begun, self._skips
            else:
                self._iterable = check_iterable(made)
                length = length_of(self._iterable)
        except BaseException as error:  # SystemExit too must reach the parent
            self._fail(WorkerEvent.INITIALIZATION_RAISED, error, stage, None)
        else:
            self._push(
                self.machine.fire(WorkerEvent.INITIALIZED),
                [] if length is None else [b"%d" % length],
            )

    def _tell(self, fields: Fields | None) -> None:
        self._info = self._told = None if fields is None else WorkerInfo(*fields)
        tell(self._told)

    def end(self) -> None:
        """Let the iterable go, and send the last that user code had to say."""
        self._leave()
        self._iterable, self._tasks = (), None
        self._flusher.stop()
        try:
            self._forwarder.tell_dropped()
            self._link.flush()
        except LinkClosedError:
            pass

    def obey(self) -> None:
        """Stand By, and whenever a command waits: take one, and do what the table says."""
        self._outbox.drop()  # nobody waits any more for what was not sent
        command = self._commands.get()
        if command is None:
            self.machine.fire(WorkerEvent.PARENT_LOST)
        else:
            kind, epoch, self._body, _ = command
            status = self.machine.command(kind, epoch)
            goes_on = status is Status.ITERATION_STARTED and self._one_shot and self._left_at
            self._push(status, [CONTINUED] if goes_on and not self._used_up else [])

    def call(self) -> None:
        """Call: call the method, and stand by again."""
        call, self._body = MethodCall(self._body, "setup" if self._tasks else "fn"), b""
        try:
            target = self._iterable if self._tasks is None else self._tasks.made
            result = call.run(target)
            call.stage = "result"
            parts, refs = pack([self._outbox.encode(result), length_of(target)])
        except BaseException as error:
            if call.stage == "result":
                self._look_into(result, "result", error)
            self._fail(WorkerEvent.CALL_RAISED, error, call.stage, None)
        else:
            self._push(self.machine.fire(WorkerEvent.CALL_RETURNED), parts, 2, refs)

    def iterate(self) -> None:
        """Iteration: a waiting command comes first, then the next item."""
        begun = self._begin()
        if begun is None:
            return
        iterator, made = begun
        while True:
            made, goes_on = self._make_items(iterator, made)
            if not goes_on:
                return
            assert self._tasks is not None
            if self._tasks.hungry:
                self._outbox.flush()
                self._tasks.run_clock(False)
                while self._tasks.hungry:
                    if not self._take_tasks():
                        self._leave()
                        self.obey()
                        return
            iterator = self._tasks.go_on()

    def _begin(self) -> tuple[Iterator[Any], int] | None:
        """Make the iterator of a pass, and tell how many items count as made; None: that fails."""
        self._window.reset()
        self._skips.begin()
        self._snapshots.begin()
        epoch, made, plan = self._take_plan()
        self._outbox.begin(Status.ITERATOR_SUCCESS, self.machine.epoch)
        stage = "iter"
        try:
            if self._tasks is not None:
                iterator = self._tasks.begin(plan, epoch, self._info.seed if self._info else 0)
                return iterator, made
            iterator = iter(self._iterable)
            used = epoch > 0 or self._one_shot  # by a pass of this worker, or of one before it
            self._one_shot = iterator is self._iterable and not may_begin_again(type(iterator))
            self._stateful = iterator if has_state(iterator) else None
            self._first = -made
            if plan:
                read, anchors, kept = plan
                begun, self._first = 0, read - made
                if kept is not None and self._stateful is not None:
                    begun, stage = kept[0], "load_state_dict"
                    load(iterator, kept[1])
                    stage = "iter"
                elif self._one_shot and used:
                    refuse_one_shot()
                self._skips.expect(read - begun)
                pass_over(iterator, read, anchors, self._skips, begun=begun)
        except BaseException as error:
            self._fail(WorkerEvent.ITERATOR_RAISED, error, stage, 0)
            return None
        return iterator, made

    def _take_plan(self) -> tuple[int, int, Any]:
        """Return what START has told: the epoch, how many items count as made, and the rest."""
        info, tasks = self._info, self._tasks
        epoch, count, plan = self.machine.epoch - 1, 0, None
        if self._body:
            epoch, seed, (count, nbytes), plan = pickling.loads(self._body)
            self._body = b""
            if count:
                self._window.sent(count, nbytes)
            if info is not None:
                self._info = info = info.at(epoch, seed)
        if info is not None:
            self._told = lambda: info.at(epoch, info.seed, *(tasks.where()[:3] if tasks else ()))
        tell(self._told)
        return epoch, count, plan

    def _make_items(self, iterator: Iterator[Any], made: int = 0) -> tuple[int, bool]:
        """Go on until the iterator ends or fails, or `_look_up` says that it is enough.

        This loop is what a small item costs the worker: what it needs is in local variables.

        Returns:
            How many items of the pass were made, and whether it goes on.
        """
        outbox, attention, look_up = self._outbox, self._link.attention, self._look_up
        put, add, atoms = outbox.put, outbox.entries.append, _ATOMS
        low, high, short = -INT_LIMIT, INT_LIMIT, STR_LIMIT
        stop = look_up(made)
        item: Any = None
        try:
            for item in self._source(iterator) if stop else ():
                kind = type(item)
                if (
                    # Those of one digit are compared in a third of the time that others take.
                    (kind is int and (-(1 << 29) < item < 1 << 29 or low < item < high))
                    or kind in atoms
                    or (kind is str and len(item) < short)
                ):
                    add(item)
                elif put(item):
                    stop = made
                # User code must not find its item still held while it makes the next.
                item = None  # noqa: PLW2901  `del` would leave none to look into after a failure
                made += 1
                if attention[0] or made >= stop:
                    stop = look_up(made)
                    if not stop:
                        self._left_at = made
                        return made, False
        except LinkClosedError:
            raise  # of farside's own: user code knows no link
        except BaseException as error:
            return self._take_failure(error, item, made)
        return made, bool(stop) and self._is_over(iterator, made)

    def _take_failure(self, error: BaseException, item: Any, made: int) -> tuple[int, bool]:
        """Take in that user code, or pickling what it has made, has failed."""
        tasks = self._tasks
        stage = "next" if tasks is None else tasks.stage
        if self._outbox.refused:
            stage = "pickle" if tasks is None else tasks.pickle_stage
            self._outbox.refused = False
            self._look_into(item, "item", error)
        if tasks is not None and tasks.keeps_failures and self._may_go_on_after(error):
            failure = self._describe(error, stage, tasks.where()[0])
            if made or not failure.refused:  # else a worker of another backend may do it
                self._outbox.entries.append(Mark(tuple(failure._replace(culprit=self._culprit))))
                self._culprit = None
                return made + 1, True
        self._fail(WorkerEvent.ITERATOR_RAISED, error, stage, made)
        return made, False

    def _may_go_on_after(self, error: BaseException) -> bool:  # noqa: ARG002  see `Stepwise`
        return True

    def _is_over(self, iterator: Iterator[Any], made: int) -> bool:
        """Tell whether the pass goes on although its iterator has ended; else finish it."""
        if self._tasks is not None and self._tasks.hungry:
            return True
        self._finish(iterator, made)
        return False

    def _take_tasks(self) -> bool:
        """Take the next command, if it brings tasks; wait for it. Tell whether it does."""
        command = self._commands.peek()
        if command is None or command[0] != Cmd.GIVE_TASKS or self._tasks is None:
            return False
        self._commands.get()
        self.machine.command(*command[:2])
        self._tasks.add(pickling.loads(*command[2:]))
        return True

    def _leave(self) -> None:
        """Let go of what the pass has open: user code is told before the parent."""
        self._stateful = None
        if self._tasks is not None:
            self._tasks.leave()

    def _look_into(self, value: object, name: str, error: BaseException) -> None:
        from .._payload import culprit  # only when something fails

        self._culprit = culprit.find(value, name, error)

    def _look_up(self, made: int) -> int:
        """Look, between two items, what the parent wants, and send what is due.

        Args:
            made: how many items of the pass were made.

        Returns:
            How many there may be before the next look; 0 when a command has ended the pass.
        """
        if self._is_left():
            self._leave()
            self.obey()
            return 0
        if self._snapshots.due <= monotonic():
            self._take_snapshot(made)
        link, outbox, epoch = self._link, self._outbox, self.machine.epoch
        tasks = self._tasks
        each = tasks is not None and tasks.one_by_one
        if link.parent_waits() or outbox.is_full() or each:
            if not outbox.flush():
                self._flusher.call()
        elif outbox.entries:
            self._flusher.call()
        stop = self._window.stop(link.acknowledged(epoch))
        if stop <= made:
            stop = self._wait_for_credit(made, stop)
        if each or not stop:
            return min(stop, made + 1)
        # The first of a batch is looked at, so that the flusher hears of it.
        return min(stop, made + 1 if not outbox.entries else made + outbox.batch)

    def _take_snapshot(self, made: int) -> None:
        if self._tasks is not None:
            self._snapshots.take(self._tasks.to_snapshot())
        else:
            holder = self._stateful
            self._snapshots.take(None if holder is None else (0, self._first + made, holder))

    def _tell_progress(self, told: progress.Snapshot | progress.Skipped) -> None:
        self._send_beside(Status.PROGRESS_REPORTED, self.machine.epoch, progress.write(told))

    def _say(self, text: str, *, warning: bool = False) -> None:
        """Tell the parent's loggers something of farside's own."""
        self._send_beside(Status.RECORDS_EMITTED, 0, flatten_line(text, warning=warning))

    def _send_beside(self, status: Status, epoch: int, body: bytes) -> None:
        """Send what no item waits for; what finds no room now, the flusher sends."""
        if not self._link.send(status, epoch, [body], wait=False):
            self._flusher.call()

    def _is_left(self) -> bool:
        """Tell whether a command waits that ends the pass."""
        while not self._commands.empty():
            if not self._take_tasks():
                return True
        return False

    def _wait_for_credit(self, made: int, stop: int) -> int:
        """Wait until a further item may be made; return what `_look_up` does."""
        link, epoch, tasks = self._link, self.machine.epoch, self._tasks
        while stop <= made:
            self._outbox.flush()
            if tasks is not None:
                tasks.run_clock(False)
            if not link.wait_for_credit(epoch, self._window.wish(made)):
                # It was sent before the wait was broken off; so may have been tasks, before it.
                while self._take_tasks():
                    pass
                self._leave()
                self.obey()
                return 0
            if tasks is not None:
                tasks.run_clock(True)
            stop = self._window.stop(link.acknowledged(epoch))
        return stop

    def _send_late(self) -> bool:
        """Send, for the flusher, what has waited for long enough; tell whether more waits."""
        self._link.flush()  # of what has found no room
        frames, self._frames_before = self._frames_before, self._outbox.frames
        if frames != self._outbox.frames:
            return True  # what waits has not waited since the last time
        sent = self._outbox.flush()
        # What the thread that makes items adds from now on is the first of a batch again.
        self._link.alert(True)
        return not sent or bool(self._outbox.entries)

    def _finish(self, iterator: Iterator[Any], count: int) -> None:
        if self._commands.empty():
            self._outbox.flush()
        else:
            self._outbox.drop()  # nobody waits for this pass any more
        self._stateful = None
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
            if self._is_left():
                self._leave()
                self.obey()  # nobody waits for this pass any more; ABORT may have raised it
                return
            self._outbox.flush()
        if index is not None and self._tasks is not None:
            index = UNKNOWN
        failure = self._describe(error, stage, index)._replace(culprit=self._culprit)
        self._culprit = None
        self._push(self.machine.fire(event), pickling.dumps_plain(tuple(failure)))

    def _describe(self, error: BaseException, stage: str, index: int | None) -> Failure:
        return describe(error, stage, index)

    _source = staticmethod(loopable)

    def _push(
        self,
        status: int | None,
        parts: Sequence[Part] = (),
        count: int = 0,
        refs: Sequence[Ref] = (),
    ) -> None:
        if status is not None:
            if self._link.arena is not None:
                self._link.arena.settle()
            self._link.send(status, self.machine.epoch, parts, count=count, refs=refs)
