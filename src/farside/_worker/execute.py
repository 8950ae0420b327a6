"""execute_iterable: the worker's side of the protocol, with its I/O."""

from __future__ import annotations

from .._payload import handlers, pickling, true_parts
from .._payload.failure import describe, part_at_fault
from .._payload.items import pack
from .._payload.worker_info import WorkerInfo, tell
from .._protocol.messages import CONTINUED, EXHAUSTED, Status
from .._protocol.worker import WorkerEvent, WorkerMachine, WorkerState
from ..errors import LinkClosedError
from . import forward
from .iterables import find_method, length_of
from .load import load_call
from .loops import LEFT, OVER
from .maker import Maker
from .tasks import Tasks, Trouble, Whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._link.worker_base import WorkerLink
    from .._memory.parts import Part, Ref
    from .._payload.job import Job
    from .finalizers import Finalizers
    from .listener import Commands
    from .loops import Outcome


def execute_iterable(
    link: WorkerLink, commands: Commands, job: Job, finalizers: Finalizers
) -> None:
    """Run an iterable for the parent, from initialization to the end.

    The states are those of the worker's table; the documentation shows this function beside the
    table's diagram. It returns when the worker is done, and raises nothing of its own.

    Args:
        link: where statuses and items go, and where credit comes from.
        commands: the commands that the listener has queued.
        job: the user's callables and their limits.
        finalizers: receives the user's finalizers, which the caller runs afterwards.
    """
    execution = Execution(link, commands, job, finalizers)
    try:
        execution.run()
    except (LinkClosedError, SystemExit):
        # The parent is gone; or the listener raised SystemExit between two pieces of user code, as
        # the worker has to end.
        pass
    finally:
        execution.end()


def refuse(link: WorkerLink, error: BaseException, stage: str = "start") -> None:
    """Tell the parent that the worker cannot even begin."""
    failure = pickling.dumps_plain(tuple(describe(error, stage, None)))
    try:
        link.send(Status.INITIALIZATION_FAILED, 0, failure)
    except LinkClosedError:
        pass  # the parent is gone


class Execution:
    """Runs one worker's iterable, and keeps the state of its protocol."""

    _maker_class = Maker

    def __init__(
        self, link: WorkerLink, commands: Commands, job: Job, finalizers: Finalizers
    ) -> None:
        self.machine = WorkerMachine()
        self._link = link
        self._commands = commands
        self._job = job
        self._info = WorkerInfo(*job.info)
        self._current_info: WorkerInfo | Callable[[], WorkerInfo] = self._info
        self._finalizers = finalizers
        self._maker = self._maker_class(link, commands, self.machine, job)
        self._forwarder = forward.Forwarder(link, self._maker.outbox.flusher.call)
        self._body: pickling.Body = b""  # of the command that was obeyed last

    def run(self) -> None:
        """Initialize the worker, then carry out commands until it is done."""
        self.initialize()
        # The `try` of `execute_iterable` contains no loop: if SystemExit is raised as a loop begins
        # again, Python 3.12 and 3.13 may skip the `try` around it.
        while self.machine.state is not WorkerState.DONE:
            if self.machine.state is WorkerState.STAND_BY:
                self.obey()
            elif self.machine.state is WorkerState.CALL:
                self.call()
            else:
                self.iterate()

    def initialize(self) -> None:
        """Initialization: run the initializers, then create the iterable."""
        job, stage = self._job, "load"
        tell(self._current_info)
        try:
            if job.forward_logs:
                forward.start(self._forwarder, job.log_levels)
            fn, initializers, finalizers = load_call(job)
            self._finalizers.load(finalizers, job.finalizer_seconds)
            if job.forward_logs:
                forward.take_over(job.log_levels)
            for number, initializer in enumerate(initializers):
                stage = f"initializer[{number}]"
                initializer()
            stage = fn.origin if isinstance(fn, Tasks) else "fn"
            made = fn()
            self._maker.take(made if isinstance(made, Tasks) else Whole(made))
            length = length_of(made)
        except BaseException as error:  # SystemExit too must reach the parent
            self._fail(WorkerEvent.INITIALIZATION_RAISED, Trouble(error, stage, None))
        else:
            status = self.machine.fire(WorkerEvent.INITIALIZED)
            self._push(status, [] if length is None else [b"%d" % length])

    def end(self) -> None:
        """Release the iterable, and send the last records that user code has logged."""
        self._commands.leaving = self._job.finalizer_seconds / 2
        self._maker.end()
        self._maker.outbox.flusher.stop()
        forward.send_last(self._link)

    def obey(self) -> None:
        """Take a command, in Stand By or as a pass is left, and step the machine by it."""
        self._maker.outbox.make_ready()  # nobody waits for unsent items any more
        command = self._commands.take()
        if command is None:
            self.machine.fire(WorkerEvent.PARENT_LOST)
        else:
            kind, epoch, self._body, _ = command
            status = self.machine.command(kind, epoch)
            goes_on = status is Status.ITERATION_STARTED and self._maker.tasks.goes_on
            self._push(status, [CONTINUED] if goes_on else [])

    def call(self) -> None:
        """Call: call the method, and stand by again."""
        target, origin = self._maker.tasks.made, self._maker.tasks.origin
        stage, result = "arguments", None
        try:
            name, args, kwargs = pickling.loads(self._body)
            stage, self._body = "call", b""
            result = find_method(target, name, origin)(*args, **kwargs)
            del args, kwargs  # what they hold may be large
            stage = "result"
            parts, refs = pack([self._maker.outbox.encoder.encode(result), length_of(target)])
        except BaseException as error:
            if stage == "result" and handlers.struck(error):
                stage = "call"  # it says nothing about the result
            part = part_at_fault(result, "result", error) if stage == "result" else None
            # The error refers to this frame. A variable for it would make a cycle, which would keep
            # the arguments.
            self._fail(WorkerEvent.CALL_RAISED, Trouble(error, stage, None, part))
        else:
            self._push(self.machine.fire(WorkerEvent.CALL_RETURNED), parts, 2, refs)

    def iterate(self) -> None:
        """Iteration: a waiting command comes first, then the next item."""
        self._take(self._begin() or self._maker.run())
        self._maker.iterator = None

    def _begin(self) -> Trouble | None:
        maker = self._maker
        epoch, seed, booked, plan = self.machine.epoch - 1, self._info.seed, (0, 0), None
        body, self._body = self._body, b""
        if body:
            epoch, seed, booked, plan = pickling.loads(body)
        info = self._info
        # Through the maker: a reference to the tasks would keep the user's objects alive.
        self._current_info = lambda: info.at(epoch, seed, *maker.tasks.where())
        tell(self._current_info)
        return maker.begin(plan, epoch, seed, booked)

    def _take(self, outcome: Outcome) -> None:
        """Leave the pass, finish it, or fail, depending on how the maker's run has ended."""
        if outcome is LEFT:
            self._leave()
        elif outcome is OVER:
            empty_again = self._maker.finish()
            status = self.machine.fire(WorkerEvent.ITERATOR_EXHAUSTED)
            self._push(status, [EXHAUSTED] if empty_again else [])
        else:
            assert isinstance(outcome, Trouble)
            self._fail(WorkerEvent.ITERATOR_RAISED, outcome)

    def _leave(self) -> None:
        """Close what the pass has open, and then obey the command that ends the pass."""
        while self._maker.take_tasks():
            pass  # these tasks came before the command that ends the pass, and are not run
        self._commands.leaving = self._job.finalizer_seconds / 2
        self._maker.leave()
        self._commands.leaving = 0.0
        self.obey()

    def _fail(self, event: WorkerEvent, trouble: Trouble) -> None:
        """Send a failure. That of an item is sent only once the loop waits for this item."""
        self._maker.end_if_forked(trouble.error)
        if self.machine.state is WorkerState.ITERATION and not self._is_awaited():
            # Nobody waits for this error, which ABORT may have raised in farside's own code. The
            # frames of its traceback would keep the iterator, which is to be closed now.
            true_parts.put(trouble.error, "__traceback__", None)
            self._leave()
            return
        failure = self._maker.describe(trouble)
        self._push(self.machine.fire(event), pickling.dumps_plain(tuple(failure)))

    def _is_awaited(self) -> bool:
        """Wait until the parent waits for more; False: the pass is to end, or the parent is gone.

        So if the loop is left before it reaches the failed item, the failure has no effect.
        """
        maker = self._maker
        maker.tasks.run_clock(False)
        return not maker.is_left() and maker.outbox.wait_for_parent()

    def _push(
        self,
        status: int | None,
        parts: Sequence[Part] = (),
        count: int = 0,
        refs: Sequence[Ref] = (),
    ) -> None:
        self._maker.end_if_forked()
        if status is not None:
            if self._link.arena is not None:
                self._link.arena.settle()
            self._link.send(status, self.machine.epoch, parts, count=count, refs=refs)
