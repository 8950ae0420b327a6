"""Makes the items of passes, as far ahead as the parent lets it, and sends them."""

from __future__ import annotations

from time import monotonic

from .._payload import handlers, pickling
from .._payload.failure import describe, part_at_fault
from .._payload.records import flatten_line
from .._protocol import progress
from .._protocol.credit import Window
from .._protocol.messages import UNKNOWN, Cmd, Status
from .._system.signals import here, with_lock
from ..errors import ReplayDivergedError
from .loops import LEFT, NOTHING, OVER, TO_GO_ON, make_items, make_results
from .outbox import Outbox
from .passing import Skips
from .snapshots import Snapshots
from .tasks import Tasks, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._link.worker_base import WorkerLink
    from .._payload.failure import Failure
    from .._payload.job import Job
    from .._protocol.worker import WorkerMachine
    from .listener import Commands
    from .loops import Outcome

_QUICK_SECONDS, _MANY = 2e-6, 100
"""If items take less than `_QUICK_SECONDS` each, and `_MANY` or more were made since the last call
of `look_up`, the loop no longer checks after each item whether the parent has begun to wait. That
check would take a sixth of the time of the smallest items. The frame is soon full, or the flusher
sends it."""

_SLOW_SECONDS = 0.001  # after so long without `look_up`, the loop checks after each item again


class Maker:
    """Makes items, in one pass after the other."""

    def __init__(
        self,
        link: WorkerLink,
        commands: Commands,
        machine: WorkerMachine,
        job: Job,
    ) -> None:
        self.tasks = Tasks()
        # How many items of the pass were made or count as made: by now, and when it began.
        self.made = self._before = 0
        self._link = link
        self._commands = commands
        self._machine = machine
        window = Window(job.buffer_size, job.buffer_bytes)
        self.outbox = Outbox(link, window, job.buffer_bytes, spins=job.spins)
        self._skips = Skips(self._tell, self._say, self.is_left)
        self._snapshots = Snapshots(self._tell, self._say)
        self._pid = here.pid
        self.looking = False  # whether `look_up` runs: an error in it is not about an item
        self.iterator: Any = None  # of the pass, if no function makes its items
        self.watched = link.attention  # the loops call `look_up` while its [0] is not 0
        self._last = 0, 0.0  # the last call of `look_up`: how many items were made, and the time

    def take(self, tasks: Tasks) -> None:
        self.tasks, tasks.begun, tasks.skips = tasks, self._link.begun, self._skips
        self._commands.tasks = tasks

    def end_if_forked(self, error: BaseException | None = None) -> None:
        """End this process if it is a forked child: it must not send anything for the worker."""
        if here.pid != self._pid:
            from .forked import end_child  # only when it happens

            end_child(error)

    def _tell(self, told: progress.Snapshot | progress.Skipped) -> None:
        """Send the parent a snapshot, or how many items were skipped."""
        self._send_beside(Status.PROGRESS_REPORTED, self.outbox.epoch, progress.write(told))

    def _say(self, text: str, *, warning: bool = False) -> None:
        """Send a message of farside's own to the parent's loggers."""
        self._send_beside(Status.RECORDS_EMITTED, 0, flatten_line(text, warning=warning))

    def _send_beside(self, status: Status, epoch: int, body: bytes) -> None:
        """Send a frame that carries no items; if it finds no room, the flusher sends it."""
        if not self._link.send(status, epoch, [body], wait=False):
            self.outbox.flusher.call()

    # A pass ---------------------------------------------------------------------------------

    def begin(self, plan: Any, epoch: int, seed: int, booked: tuple[int, int]) -> Trouble | None:
        """Begin a pass, in which `booked` items and bytes count as made; return what has failed."""
        self.made = self._before = booked[0]
        self.watched, self._last = self._link.attention, (self.made, 0.0)
        self.outbox.begin(self._machine.epoch, *booked)
        self._skips.begin()
        self._snapshots.begin()
        try:
            self.tasks.number = self._machine.epoch
            self.iterator = self.tasks.begin(plan, epoch, seed)
        except BaseException as error:
            return self._trouble(error)
        return None

    def run(self) -> Outcome:
        """Make items until the pass is over, or a command waits that ends it."""
        while True:
            outcome = self.make_items()
            if outcome is not TO_GO_ON:
                return outcome
            if self.tasks.out_of_tasks:
                self.tasks.run_clock(False)  # first: the task is done, however long sending takes
                self.outbox.flush()
                while self.tasks.out_of_tasks:
                    if not self.take_tasks():
                        return LEFT
            self.iterator = self.tasks.items_left()

    def leave(self) -> None:
        """Close what the pass has open, before the parent learns that the pass is over."""
        self.tasks.leave(self.made - self._before)
        self.iterator = None

    def finish(self) -> bool:
        """Send the last items of the pass, and record that it is over; see `Tasks.finish`."""
        if self._commands.empty():
            self.outbox.flush(soon=True)  # ITERATION_FINISHED follows at once
        else:
            self.outbox.drop()  # nobody waits for this pass any more
        return self.tasks.finish(self.made)

    def end(self) -> None:
        self.leave()
        self.tasks = self._commands.tasks = Tasks()

    def take_tasks(self) -> bool:
        """Wait for the next command. If it brings tasks, take it and return True."""
        return with_lock(self._commands.taking, self._take_tasks)

    def _take_tasks(self) -> bool:
        command = self._commands.peek()
        if command is None or command[0] != Cmd.GIVE_TASKS:
            return False
        self._commands.get()
        self._machine.command(*command[:2])
        self.tasks.add(pickling.loads(*command[2:]))
        return True

    def is_left(self) -> bool:
        """Tell whether a command ends the pass; if one was sent, wait until it has arrived.

        If this thread often releases the GIL for a moment, the listener may not get it for 0.1 s.
        Waiting for the command gives the listener its turn. (A forked child has no listener, and
        would wait for ever. So it is ended first.)
        """
        if here.pid != self._pid:
            self.end_if_forked()
        link, commands = self._link, self._commands
        # A command alerts the link after it was put into the queue, so the loops come here again.
        while (link.alerted[0] and not commands.empty()) or link.revoked(self._machine.epoch):
            if not self.take_tasks():
                return True
        return False

    # Items ----------------------------------------------------------------------------------

    source: Callable[[Any], Any] = staticmethod(iter)  # called for each `for` loop over `iterator`

    def describe(self, trouble: Trouble) -> Failure:
        return describe(*trouble)

    @staticmethod
    def is_final(error: BaseException) -> bool:  # noqa: ARG004  subclasses use it
        """Tell whether an error of user code ends the pass, and not just a task."""
        return False

    def make_items(self) -> Outcome:
        """Make items until the tasks end or fail, or `look_up` returns 0."""
        tasks: Any = self.tasks
        return make_results(self, tasks) if tasks.calls else make_items(self)

    def at_end(self) -> Outcome:
        """Return what follows when there is nothing left to make."""
        self.end_if_forked()
        return TO_GO_ON if self.tasks.out_of_tasks else OVER

    def take_failure(self, error: BaseException, item: Any) -> Outcome:
        """Handle a failure of user code, or of pickling what it has made; return what follows."""
        self.end_if_forked(error)
        trouble = self._trouble(error)
        # Whether the error came between two inputs. If so, it must not be taken for the failure of
        # the last input, which may have its answer already.
        struck = self.looking or (item is not NOTHING and not self.outbox.refused)
        if self.outbox.refused:
            self.outbox.refused = False
            if not handlers.struck(error):
                part = part_at_fault(item, "item", error)
                trouble = trouble._replace(stage=self.tasks.pickle_stage, culprit=part)
        task = None if struck else self.tasks.failed_alone(self.made - self._before)
        if task is None and self.tasks.one_by_one:
            raise error  # in an executor, no call has failed: another worker replaces this one
        if task is not None and not self.is_final(error):
            failure = self.describe(trouble._replace(item=task))
            replaceable = self.tasks.replaceable and not self.made
            if not (failure.refused and replaceable):  # else another backend may do it
                self.outbox.put_failure(tuple(failure))
                self.made += 1
                return TO_GO_ON
        return trouble

    def _trouble(self, error: BaseException) -> Trouble:
        """Add to an error what user code was doing, and for which item."""
        first = self.tasks.first
        index = UNKNOWN if first is None else first + self.made - self._before
        if type(error) is ReplayDivergedError:  # an earlier item differs
            index = vars(error).pop("item_index", index)
        return Trouble(error, self.tasks.stage, index)

    def look_up(self, made: int) -> int:
        """Check, between two items, what the parent wants, and send what is due.

        Returns:
            How many items of the pass may be made before the next call; 0 if the pass is to end.
        """
        self.made = made
        if self.is_left():  # first: it ends a forked child
            return 0
        now = monotonic()
        if self._snapshots.due <= now:
            self._snapshots.take(self.tasks.to_snapshot(made - self._before))
        before, last = self._last
        self._last = made, now
        if made - before >= _MANY:
            quick = now - last < _QUICK_SECONDS * (made - before)
            self.watched = self._link.alerted if quick else self._link.attention
        elif now - last >= _SLOW_SECONDS:
            self.watched = self._link.attention
        tasks = self.tasks
        if tasks.timed:
            tasks.run_clock(False)
        stop = self.outbox.send_due(made, each=tasks.one_by_one)
        if stop <= made and not self.outbox.wait_for_credit(made):
            return 0
        if tasks.timed:
            tasks.run_clock(True)
        return max(stop, made + 1)
