"""The client of a group of workers: it holds their core, and everything that changes the core.

Events (`steps`) and frames (`received`) step the core, and `effects` carries out its decisions.
Chores take time or run user code, and news go to the user. Threads that wait handle both, unlocked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, get_args
from weakref import ref

from .._backends import live_workers
from .._backends.preparation import main_file, main_goes_by_value
from .._backends.registry import Choice
from .._link.spinning import Spinning
from .._protocol.effects import BROKEN, Ending
from .._protocol.group import GroupCore
from .._protocol.recovery import Limits
from .._system.signals import here, with_lock
from . import effects, messages_for_people, unguarded
from .calls import Question
from .chores import Chores
from .counters import Counters
from .deadline import Wanted
from .logs import News
from .member import Member
from .options import Options
from .passes.delivery import Delivery
from .passes.sequence import Given, ItemSequence, Part
from .passes.sharded import OneIterable
from .remote_failures import for_later
from .steps import Steps

State = Literal["initialization", "call", "stopping", "iteration", "stand by", "closed"]
"""The values of `RemoteIterable.state`. If workers differ, it is the one listed first here."""

_STATES = get_args(State)

_TORN = (
    "an exception of a signal handler, or want of memory, struck in the middle of a step of the "
    "protocol, so the worker was ended; make a new iterable to go on"
)


class Client(Steps):
    """Holds the workers of one remote iterable, and their core. Any thread may use it.

    Raise BackendUnavailableError if no workers can be started here and now.
    """

    # Finalizers use these attributes, as they find no global names while Python exits.
    _all_told = live_workers.all_told
    _here = here

    def __init__(self, *several: Options, sequence: ItemSequence | None = None) -> None:
        unguarded.be_brief()
        main_file()
        live_workers.check_start()  # before anything exists that would have to be closed
        options = several[0]
        limits = Limits(options.init_timeout, options.timeout, options.task_timeout)
        super().__init__(GroupCore(limits, options.fallback, len(several), options.max_restarts))
        self.chores, self.news, self.counters = Chores(), News(), Counters()
        # Whether the user has got any item or answer: by now, and before the present pass.
        self.used = self.used_before = False
        self.taking = threading.Lock()  # held by the thread that takes items ahead of a loop
        self.launching: set[threading.Thread] = set()  # they start or replace workers
        self.leaving: set[Member] = set()  # replaced workers that have not ended
        self.announced: Choice | None = None  # the choice that its executor has warned of
        self.force: Callable[[Any], object] | None = None  # how to end workers that get no time
        self._told: tuple[Ending, Member] | None = None  # the failure that the user has got
        self.options = options
        self.main_by_value = main_goes_by_value(options)
        self.reason = ""  # why the present backend was taken
        given = Given(options.seed, options.verify_replay, options.seed_given)
        self.sequence: ItemSequence = sequence or OneIterable(given, counting=options.counts_items)
        self.delivery: Delivery | None = None  # of the latest pass
        self.calls: list[Question] = []  # those answered: a restarted worker repeats them
        # The call under way: the question to each worker, and one to repeat it after a restart.
        self.calling: tuple[Sequence[Question], Question] | None = None
        # When the loop's steps check time limits next. None: they never do, since without inputs
        # of a map, limits hold only while somebody waits.
        self.next_look = 0.0 if self.core.has_limits and options.sends_inputs else None
        if options.spins:
            self.waiting.spin = Spinning().spin
        self.members = [Member(index, each) for index, each in enumerate(several)]
        self._owner = here.pid

    @property
    def foreign_to(self) -> int | None:
        """The process that the workers belong to, if this one is a forked child of it."""
        return None if self._here.pid == self._owner else self._owner

    @property
    def unheard(self) -> bool:
        """Whether commands are useless: Python's exit ends all, or this is a forked child."""
        return self._all_told.is_set() or self._here.pid != self._owner

    @property
    def public_state(self) -> State:
        """Where the workers are, in the words of `RemoteIterable.state`."""
        if self.foreign_to:
            return "closed"
        states: set[Any] = {each.public_state for each in self.core.workers}
        state = min(states, key=_STATES.index)
        # Marks may end the loop first. Then nobody reads the statuses that confirm the end.
        complete = self.delivery is not None and self.delivery.finished
        return "stand by" if state == "stopping" and complete else state

    def check_home(self) -> None:
        """Raise IterableClosedError in a forked child: it has no workers."""
        if self._here.pid != self._owner:
            raise messages_for_people.closed(self._owner)

    def check_open(self) -> None:
        """Raise if no more commands can be sent: the failure, or IterableClosedError."""
        # The failure itself is raised if no loop will report it; else it is the cause.
        if self.core.over:
            failed = self._told or self._failed
            early = failed is not None and failed[0].state == "initialization"
            if not self.core.closed and (early or not self.core.opened):  # else a loop reports it
                self.check_failed()
            self.end_unmet()
            cause = None if failed is None else self.error(*failed)
            raise messages_for_people.closed(None) from cause

    def check_failed(self) -> None:
        """Raise the failure of the workers, or of their start, unless the user has had it."""
        failed = self._failed
        if failed is not None and self._told is None:
            self.end_unmet()
            raise self.error(*failed)

    def check_ready(self) -> None:
        """Raise if the workers cannot stand by, even if a loop will report the same failure."""
        self.check_failed()
        self.check_open()

    @property
    def _failed(self) -> tuple[Ending, Member] | None:
        """A failure and its worker: the first in the order of the workers."""
        # A list: Python drops what a signal handler raises as a generator that is left is closed.
        pairs = [*zip([each.failure for each in self.core.workers], self.members, strict=True)]
        failed = [(failure, member) for failure, member in pairs if failure is not None]
        return failed[0] if failed else None

    def end_unmet(self) -> None:
        """End all workers if one has failed, and no open loop is left to report that."""
        if self.core.failure is not None and not self.core.opened:
            self.step(GroupCore.end)

    def error(self, ending: Ending, member: Member, part: Part | None = None) -> BaseException:
        """Return the exception, to be raised now, that says why a worker has ended, and where."""
        live_workers.end_thread_at_exit()
        self._take_as_told(ending, member)
        error = self.make_error(ending, member)
        if member.failure is not None and member.failure[0] is ending:
            with suppress(TypeError):  # some classes allow no weak references
                member.failure = ending, ref(error)  # weak, as its frames refer to the client
            member.part = part = part or member.part
        if part is not None:
            messages_for_people.locate(error, **part._asdict())
        return error

    def make_error(self, ending: Ending, member: Member) -> BaseException:
        """Make the exception that says why a worker has ended. This may run user code."""
        error = member.error_of(ending)
        if error is None:
            made = messages_for_people.error_of(ending, member)
            error = with_lock(self._lock, lambda: self._keep(ending, member, made))
        return error

    def _keep(self, ending: Ending, member: Member, made: BaseException) -> BaseException:
        """With the lock, keep an exception; or return the one that another thread kept first."""
        error = member.error_of(ending)
        if error is None and ending is self.core.workers[member.index].failure:
            member.failure = ending, lambda: made
        return made if error is None else error

    def _take_as_told(self, ending: Ending | None, member: Member) -> None:
        """Record that the user gets the failure of a worker, unless the worker was replaced."""
        if ending is not None and ending is self.core.workers[member.index].failure:
            self._told = self._told or (ending, member)

    def abandon(self) -> None:
        """For finalizers: tell all workers to end, without waiting. They stay in `live_workers`."""
        whole = self.core.closed and self.waiting.links.wakeup.closed  # `close` has done all of it
        if not (self.unheard or whole):
            self._defer_signals(self._leave, once=True)  # else Ctrl-C here may leave workers alive

    def _leave(self) -> None:
        self.post(GroupCore.close)
        for member in self.members:
            if member.worker is not None:
                self.waiting.remove(member)
                member.link.close()  # Ctrl-C may have cut `close` off before this
        self.waiting.links.close()

    def give_up(self, member: Member, cause: str, detail: object) -> None:
        """End all workers, and wait for that, after a failure here. The caller raises it."""
        if not self.foreign_to:
            self.fail(member, cause, detail)  # first: threads that see the end then find the reason
            self.step(GroupCore.end)
            self._take_as_told(self.core.workers[member.index].failure, member)
            self.chores.see_to()

    def wait(
        self, wanted: Wanted, until: float | None = None, problems: list[Exception] | None = None
    ) -> None:
        """Wait until something is ready, or until a time; see `Waiting.until`."""
        self.waiting.until(self, wanted, until, problems)

    def awaited(self, wanted: Wanted) -> list[Member]:
        indices = wanted.workers()
        return self.members if indices is None else [self.members[each] for each in indices]

    def fail(self, member: Member, cause: str, detail: object) -> None:
        """Fail a worker for a reason on this side. A chore then ends it."""
        # A copy of an exception is kept, as the frames of the one raised refer to the client.
        kept = for_later(detail) if isinstance(detail, BaseException) else detail

        def take_in(core: GroupCore) -> None:
            worker = core.workers[member.index]
            worker.fail(cause, kept)
            ending = worker.failure
            if isinstance(detail, BaseException) and ending is not None and ending.detail is kept:
                member.failure = ending, lambda: detail  # before another thread can look for it

        self.step(take_in)

    def _mend(self) -> None:
        """Fail the workers whose effects were cut off by an exception of a signal handler."""
        core = self.core.copy()
        for each in core.workers:
            if each.effects:
                each.effects = each.effects[1:]
                each.fail(BROKEN, _TORN)
        self.core, self._performing = core, False
        self.perform()

    def perform(self) -> None:
        """Carry out the effects of the core, in order, and remove each from it afterwards."""
        for index, core in enumerate(self.core.workers):
            while core.effects:
                self._performing = True
                effects.do(self, self.members[index], core.effects[0])
                core.effects = core.effects[1:]
                self._performing = False
