"""The client of a group of workers: carries out what the cores decide, and nothing else.

Events step the core (`steps`). What takes time, or runs user code, goes among the *chores*, log
records to `logs`, and warnings among the *notices*: whoever waits sees to them, without the lock.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING, Literal, get_args

from .._backends import live_workers
from .._backends.main_script import main_file
from .._payload.remote_errors import read_failure
from .._protocol.effects import BROKEN, Answer, Drop, End, Fail, Launch, Log, Send
from .._protocol.group import GroupCore
from .._protocol.limits import Limits
from .._protocol.messages import Cmd, Status
from .._protocol.parent_machine import PUBLIC_STATES
from .._protocol.tables import ParentState
from .._system.signals import here
from ..errors import LinkClosedError, ProtocolError
from . import closing, messages_for_people, starting, unguarded
from .chores import Chores
from .counters import Counters
from .member import Member
from .sequence import Given, OneIterable
from .steps import Steps
from .wait import STOPPED_SECONDS, Waiting

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from .._protocol.effects import Effect, Ending
    from .._protocol.parent import ParentCore
    from .calls import Question
    from .delivery import Delivery
    from .options import Options
    from .sequence import ItemSequence, Part
    from .wait import Wanted


_REVOKES_CREDIT = frozenset({Cmd.STOP_ITERATION, Cmd.ABORT})
_WITH_FAILURE = frozenset(
    {Status.INITIALIZATION_FAILED, Status.ITERATOR_FAILED, Status.CALL_FAILED}
)
_RECORDS = frozenset({int(Status.RECORDS_EMITTED)})
_KIND = attrgetter("kind")
State = Literal["initialization", "call", "stopping", "iteration", "stand by", "closed"]
"""What users read in `RemoteIterable.state`: of several workers, the first that holds for any."""

_TORN = (
    "an exception of a signal handler struck in the middle of a step of the protocol, so the "
    "worker was ended; make a new iterable to go on"
)


class Client(Steps):
    """Holds the workers of one remote iterable, and their core. Any thread may use it.

    Args:
        options: what the user asked for, of each worker.
        sequence: what a pass is made of; default: the one iterable of one worker.

    Raises:
        BackendUnavailableError: this is no time or place to start workers.

    Attributes:
        members: a worker each, and what leads to it.
        waiting: where threads and event loops wait for them.
        chores: what is to be done without the lock, and may take its time.
        notices: what is to be warned of, by whoever waits.
        has_news: whether there may be something to deliver.
        counters: what is counted.
        used: whether the user has got anything: an item, or an answer to a call.
        used_before: the same, of the time before the present pass.
        launching: the thread that starts the workers, as long as it does.
        options: what the user asked for.
        reason: why the present backend was taken.
        sequence: what a pass is made of.
        delivery: brings the items of the latest pass.
        calling: the call under way: what each worker was asked, and what to ask one again.
        calls: those that have returned: a worker that is started again gets them once more.
        left_behind: how many workers were started again and have not ended.
    """

    # Finalizers find no global name when Python exits.
    _all_told = live_workers.all_told
    _here = here

    def __init__(self, *several: Options, sequence: ItemSequence | None = None) -> None:
        unguarded.be_brief()
        main_file()
        live_workers.check_start()  # before anything is there that would have to be closed
        options = several[0]
        limits = Limits(options.init_timeout, options.timeout, options.task_timeout)
        count = len(several)
        # The time of each counts from its launch.
        super().__init__(GroupCore(limits, options.fallback, count, None, options.max_restarts))
        self.chores = Chores()
        self.notices: deque[Callable[[], object]] = deque()
        self.has_news = False
        self.counters = Counters()
        self.used = self.used_before = False
        self.launching: threading.Thread | None = None
        self._told = False  # the user knows how the start has ended
        self.options = options
        self.reason = ""
        given = Given(options.seed, options.verify_replay, options.seed_given)
        self.sequence: ItemSequence = sequence or OneIterable(given, counting=options.counts_items)
        self.delivery: Delivery | None = None
        self.calls: list[Question] = []
        self.calling: tuple[Sequence[Question], Question] | None = None
        self.left_behind = 0
        self.waiting = Waiting()
        self.members = [Member(index, each) for index, each in enumerate(several)]
        self._owner = here.pid

    @property
    def foreign_to(self) -> int | None:
        """The process that the workers belong to, if this one is a forked child of it."""
        return None if self._here.pid == self._owner else self._owner

    @property
    def exiting(self) -> bool:
        """Whether the process exits and every worker was told to end: nothing is left to say."""
        return self._all_told.is_set()

    @property
    def public_state(self) -> State:
        """Where the workers are, in the words of `RemoteIterable.state`."""
        if self.foreign_to:
            return "closed"
        states = {each.public_state for each in self.core.workers}
        state = next(each for each in get_args(State) if each in states)
        # The loop may know the end of a pass by marks. Nobody listens to the workers after it.
        complete = self.delivery is not None and self.delivery.finished
        return "stand by" if state == "stopping" and complete else state

    @property
    def length(self) -> int | None:
        """The length of what is iterated on, if that is known."""
        return self.sequence.length(self.core.workers[0].length)

    def check_home(self) -> None:
        """Check that this process is not a forked child: it has no workers.

        Raises:
            IterableClosedError: it is.
        """
        if self._here.pid != self._owner:
            raise messages_for_people.closed(self._owner)

    def check_open(self) -> None:
        """Check that something can still be said to the workers.

        Raises:
            IterableClosedError: it cannot; what has failed is the cause.
        """
        if self.core.over:
            failure = self.core.failure
            if failure is not None and failure.state == PUBLIC_STATES[ParentState.INITIALIZATION]:
                self.check_started()  # what strikes later is raised by the loop that it strikes
            cause = None if failure is None else self.error(failure, self.failed_member)
            raise messages_for_people.closed(None) from cause

    def check_started(self) -> None:
        """Tell the user once if the workers could not be started.

        Raises:
            FarsideError: they could not.
        """
        told, self._told = self._told, True
        failure = self.core.failure
        if failure is not None and not told:
            raise self.error(failure, self.failed_member)

    @property
    def failed_member(self) -> Member:
        """The first worker that has failed, or else the first of all."""
        failed = [each.failure is not None for each in self.core.workers]
        return self.members[failed.index(True) if True in failed else 0]

    def end_others(self) -> None:
        """End all workers, since one has failed: what others would send has no place any more."""
        if len(self.members) > 1:
            self.step(GroupCore.end)

    def error(self, ending: Ending, member: Member, part: Part | None = None) -> BaseException:
        """Return the exception that says why a worker has ended, and at what, to be raised now."""
        live_workers.end_thread_at_exit()
        self._told = True
        error = self.make_error(ending, member)
        if part is not None:
            messages_for_people.locate(error, *part)
        return error

    def make_error(self, ending: Ending, member: Member) -> BaseException:
        """Make the exception that says why a worker has ended. It may run user code."""
        known = member.failure
        if known is not None and known[0] is ending:
            return known[1]
        error = messages_for_people.error_of(ending, member, self.options)
        if ending is self.core.failure:
            member.failure = ending, error
        return error

    def abandon(self) -> None:
        """Tell all workers to end, without waiting: for finalizers."""
        if not self.exiting:
            closing.abandon(self)

    def give_up(self, member: Member, cause: str, detail: object) -> None:
        """End a worker, for a reason on this side, and wait for that."""
        if self.foreign_to:
            return
        self.fail(member, cause, detail)
        self.chores.see_to()

    # Waiting --------------------------------------------------------------------------------

    def wait(
        self,
        wanted: Wanted,
        until: float | None = None,
        problems: list[Exception] | None = None,
    ) -> None:
        """Wait until something is ready, or until a time; see `Waiting.until`."""
        self.waiting.until(self, wanted, until, problems)

    def deliver(self, problems: list[Exception] | None = None) -> None:
        """Give the user's loggers and warning filters what there is; see `Logs.deliver`."""
        self.has_news = False
        try:
            self._deliver(problems)
        except BaseException:
            self.has_news = True  # there may be more
            raise

    def _deliver(self, problems: list[Exception] | None) -> None:
        while self.notices:
            try:
                notice = self.notices.popleft()
            except IndexError:  # another thread has taken it
                break
            try:
                notice()
            except Exception as problem:
                if problems is None:
                    raise
                problems.append(problem)
        for member in self.members:
            member.deliver_logs(problems)

    def begin_to_wait(self, wanted: Wanted) -> None:
        """Let the time count in which a worker says nothing that is waited for."""
        if self.core.has_limits:
            self._look_at_tasks()
            self.core.begin_to_wait(monotonic(), getattr(wanted, "workers", None))

    def awaited(self, wanted: Wanted) -> list[Member]:
        """Return the workers that somebody waits for."""
        indices = getattr(wanted, "workers", None)
        return self.members if indices is None else [self.members[each] for each in indices]

    def time_passes(self, planned: float) -> None:
        """Take in that a wait has ended for nothing.

        Args:
            planned: when it was to end. If that is long ago, this process was stopped meanwhile.
        """
        self._look_at_tasks()
        deadline, now = self.core.deadline, monotonic()
        if deadline is None:
            return
        if now - planned > STOPPED_SECONDS:
            self.step(lambda core: core.sleep_through(now - planned))
        elif now >= deadline:
            self.step(lambda core: core.expire(now))

    def _look_at_tasks(self) -> None:
        """Take in which inputs of a map run, and since when: the time counts whoever waits."""
        if self.options.sends_inputs:
            core = self.core
            for worker, member in zip(core.workers, self.members, strict=True):
                if member.link is not None:
                    worker.look_at_task(*member.link.begun(core.epoch))

    def fail(self, member: Member, cause: str, detail: object) -> None:
        """Give a worker up, for a reason on this side; seeing to chores ends it."""
        self.step(lambda core: core.fail(member.index, cause, detail))

    # Frames ---------------------------------------------------------------------------------

    def take_in(self, member: Member) -> bool:
        """Take in what was read from a worker; tell whether it was more than log records.

        Whoever calls it waits for the workers alone.

        Raises:
            ProtocolError: a frame is none that may come now, or cannot be read.
        """
        frames, index = member.frames, member.index
        if self.members[index] is not member:  # another one has taken its place
            frames.clear()
            return False
        if member.worker.observer is not None:
            member.observe()
        before = len(frames)
        self.core.workers[index].receive_items(frames)  # without the lock: see there
        if not frames:
            return True
        more = len(frames) < before or not _RECORDS.issuperset(map(_KIND, frames))
        try:
            self.change(partial(self._take_frames, member))
        except ProtocolError:
            frames.clear()  # no later frame is trusted, and they may hold memory
            raise
        return more

    def _take_frames(self, member: Member) -> None:
        """With the lock, let each frame happen: one after the other, and each once."""
        frames, index, now = member.frames, member.index, monotonic()
        while frames:
            core = self.core
            worker = core.workers[index]
            if worker.expects_items:
                worker.receive_items(frames)
                if not frames:
                    return
            frame = frames[0]
            if self.members[index] is not member:  # another one has taken its place
                frames.clear()
                return
            if worker.latest is not frame:  # else an exception has struck just after it
                failure = read_failure(frame.body) if frame.kind in _WITH_FAILURE else None
                core = core.copy()
                core.receive(index, frame, failure, used=self._used(worker), now=now)
                core.workers[index].latest = frame
                self.core = core
            if core.workers[index].effects:
                self._perform()
            if frame.kind == Status.INITIALIZATION_SUCCEEDED:
                member.startup_seconds = member.tried + now - (member.launched or now)
            frames.popleft()
            self.core.workers[index].latest = None  # it may hold memory

    def _used(self, worker: ParentCore) -> bool:
        """Tell whether the user can have got anything from a worker, or at all before this pass."""
        return self.used_before or (self.used and worker.inbox.received > 0)

    # Effects --------------------------------------------------------------------------------

    def _tell(self) -> None:
        self.waiting.wake_others()

    def _mend(self) -> None:
        """Give a worker up if an exception of a signal handler has struck in one of its effects."""
        core = self.core.copy()
        for index, each in enumerate(core.workers):
            if each.effects:
                each.effects = each.effects[1:]
                core.fail(index, BROKEN, _TORN)
        self.core, self._performing = core, False
        self._perform()

    def _perform(self) -> None:
        """Do what the core wants done, in order. What is done is taken off the present core."""
        for index, core in enumerate(self.core.workers):
            while core.effects:
                self._performing = True
                self._do(self.members[index], core.effects[0])
                core.effects = core.effects[1:]
                self._performing = False

    def _do(self, member: Member, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._send(member, effect)
        elif isinstance(effect, Drop):
            effect.inbox.clear(beyond=effect.beyond)
        elif isinstance(effect, Answer):
            if effect.frame.kind == Status.CALL_SUCCEEDED:
                self.used = self.used_before = True
            effect.token.arrive(effect.frame)
        elif isinstance(effect, Fail):
            effect.token.fail(effect.ending)
        elif isinstance(effect, Log):
            member.logs.waiting.append(effect.body)
            self.has_news = True
        elif isinstance(effect, End):
            self.chores.add(partial(closing.end_failed, self, member, kill=effect.kill))
        elif isinstance(effect, Launch):
            # What is said from now on, the new worker is told; the old one has nothing more to say.
            self.members[member.index] = new = Member(member.index, member.options)
            new.backend = effect.backend or member.backend
            if effect.backend is None:
                self.core.workers[member.index].loss = (
                    effect.ending, member, self.core.workers[member.index].begun
                )  # fmt: skip
                self.chores.add(
                    partial(starting.restart, self, member, new, effect.ending, kill=effect.kill)
                )
            else:
                new.tried = self._tried(member, effect.ending)
                self.chores.add(partial(starting.replace, self, member, new, effect.ending))

    @staticmethod
    def _tried(member: Member, ending: Ending) -> float:
        """Return for how long workers were started in vain, that a fallback gives up."""
        if ending.state != "initialization" or member.launched is None:
            return member.startup_seconds  # it stood by, and was refused something later
        return member.tried + monotonic() - member.launched

    def _send(self, member: Member, effect: Send) -> None:
        parts = () if effect.token is None else effect.token.parts
        sent = False
        try:
            if effect.content is not None:
                sent = member.send_content(effect.cmd, effect.epoch, effect.content)
            else:
                sent = member.send(effect.cmd, effect.epoch, parts)
            if effect.cmd in _REVOKES_CREDIT:
                # After the command: a worker that waits for credit looks for it now.
                member.revoke(effect.epoch)
        except LinkClosedError:
            sent = True  # the worker is gone: reading tells how
        finally:
            if not sent:  # or an exception has struck in the middle
                self.waiting.links.look_for_room()
                self.waiting.wake()
