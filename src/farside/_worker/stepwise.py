"""execute_iterable in steps: for a worker that shares the thread of its parent."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from .._link.worker_base import WorkerLink
from .._payload import handlers, pickling
from .._payload.failure import Failure, of_user
from .._payload.job import Job
from .._payload.true_parts import is_a, traceback_of
from .._payload.worker_info import tell, told
from .._protocol.worker import WorkerState
from .._system.signals import defer_signals
from ..errors import ProtocolError
from . import torch_info
from .execute import Execution
from .finalizers import Finalizers
from .iterables import resumable
from .listener import Commands
from .loops import LEFT, TO_GO_ON
from .maker import Maker
from .tasks import Trouble

if TYPE_CHECKING:
    from .loops import Outcome


class _StepMaker(Maker):
    """Makes items until one has to be sent."""

    source = staticmethod(resumable)  # a second `for` over the same iterator must not reset it

    @staticmethod
    def is_final(error: BaseException) -> bool:
        # User code has not failed: its thread is wanted for something else.
        return is_a(error, KeyboardInterrupt) or handlers.raised_outside(error)

    def look_up(self, made: int) -> int:
        self.made = made
        if self._snapshots.due <= monotonic():
            self._snapshots.take(self.tasks.to_snapshot(made - self._before))
        if self.outbox.entries:
            self.outbox.flush()
            return 0  # enough for this step
        return made + 1

    def end_if_forked(self, error: BaseException | None = None) -> None:
        pass  # a child of the user's own process goes on as it likes

    def describe(self, trouble: Trouble) -> Failure:
        failure = super().describe(trouble)
        if failure.exception is None:
            return failure
        raised = _Raised(failure.exception, of_user(traceback_of(trouble.error)))
        self._raised = _all_raised[raised.number] = raised  # the last one alone is kept
        return failure._replace(exception=b"".join(pickling.dumps(raised)))


class Stepwise(Execution):
    """Runs only while `step` is called, until it sends something.

    Exceptions of user code differ in two ways from those in other workers. KeyboardInterrupt, and
    what any handler of a signal raises, reaches the caller: the signal came in this thread, which
    is the user's. (Not so if that code itself has set the handler, as a time limit of its own.) Any
    other exception keeps its traceback, for debuggers.
    """

    _maker_class = _StepMaker

    def __init__(self, link: WorkerLink, commands: Commands, job: Job) -> None:
        super().__init__(link, commands, job, Finalizers(interruptible=True))
        self._torch: Any = None  # what torch is to tell user code; None: what it tells anyway
        self._to_begin = False  # whether a pass is to begin before the next command, for its tasks
        self._parked = False  # whether no tasks are left, or one has failed

    @property
    def done(self) -> bool:
        return self.machine.state is WorkerState.DONE

    @property
    def starting(self) -> bool:
        """Whether it has not come to stand by yet."""
        return self.machine.state is WorkerState.INITIALIZATION

    @property
    def idle(self) -> bool:
        """Whether it can do nothing until a command comes."""
        if not self._commands.empty():
            return False
        if self.machine.state is WorkerState.ITERATION:
            return self._parked and self._maker.tasks.out_of_tasks
        return self.machine.state is WorkerState.STAND_BY

    def step(self) -> None:
        """Run one step. Meanwhile `get_worker_info()` in this thread is that of the worker.

        If user code raises KeyboardInterrupt, or a handler of a signal raises something in it, the
        pass ends, and the exception is raised. Raise ProtocolError if the worker waits in vain.
        """
        self._as_the_worker(self._step)

    def _as_the_worker(self, act: Callable[[], None]) -> None:
        outer, outer_torch = told(), torch_info.told()
        try:
            if self._torch is not None:
                torch_info.exchange(self._torch)
                self._torch = None  # it may have a data set, which is freed when the next is told
            tell(self._current_info)
            act()
        finally:
            tell(outer)
            if torch_info.told() is not outer_torch:
                self._torch = torch_info.told()
                torch_info.exchange(outer_torch)

    def _step(self) -> None:
        if self.idle:
            raise ProtocolError("the worker and its parent wait for each other")
        if self.starting:
            self.initialize()
        elif self.machine.state is WorkerState.CALL:
            self.call()
        elif self.machine.state is WorkerState.STAND_BY:
            self.obey()
        elif self._to_begin or self._commands.empty():
            self.iterate()
        elif not self._maker.take_tasks():
            self._leave()
        if self.machine.state is not WorkerState.ITERATION:
            self._maker.iterator = None
            self._parked = False

    def obey(self) -> None:
        defer_signals(super().obey)  # else the command, or the answer to it, might be lost
        self._to_begin = self.machine.state is WorkerState.ITERATION

    def iterate(self) -> None:
        if self._maker.iterator is None:
            self._to_begin = False
            if self._take_in(self._begin()) or not self._commands.empty():
                return
        if self._parked:
            self._maker.iterator = self._maker.tasks.items_left()
        self._take_in(self._maker.make_items())

    def _take_in(self, outcome: Outcome | None) -> bool:
        """Handle the outcome of a step; tell whether the pass is over."""
        # The frame that has called user code has no variable for the outcome: an error in it refers
        # to that frame, and so to the iterable.
        self._parked = outcome is TO_GO_ON
        if outcome is None or outcome is LEFT or self._parked:
            return False
        self._take(outcome)
        return True

    def end(self) -> None:
        """Run the finalizers, and release all objects of the user's."""
        try:
            self._as_the_worker(self._finalizers.run)
        finally:
            self._maker.end()
            self._parked = False  # `idle` asks the maker no more
            for each in (self._maker.outbox, self._maker):
                vars(each).clear()  # they, and objects that they hold, refer to each other

    def _fail(self, event: Any, trouble: Trouble) -> None:
        interrupted = self._maker.is_final(trouble.error)
        if not interrupted or self.machine.state is WorkerState.CALL:  # a call is never repeated
            super()._fail(event, trouble)
        if interrupted:
            raise trouble.error


class _Raised:
    """Pickles as what `failure.freeze` has pickled, with a traceback of this process."""

    def __init__(self, frozen: bytes, traceback: TracebackType | None) -> None:
        self._frozen = frozen
        self.traceback = traceback
        self.number = next(_numbers)

    def __reduce__(self) -> tuple[Any, ...]:
        return _thaw, (self._frozen, self.number)


_numbers = count(1)
# The references are weak, since an exception may never be loaded. The frames of its traceback refer
# to those that have called them, and so to the worker and its iterable, which would never be freed.
_all_raised: WeakValueDictionary[int, _Raised] = WeakValueDictionary()


def _thaw(frozen: bytes, number: int) -> Any:
    made = pickling.loads(frozen)
    raised, traceback = _all_raised.pop(number, None), None
    if raised is not None:
        traceback, raised.traceback = raised.traceback, None  # the worker keeps `raised`
    if isinstance(made, BaseException):
        return made.with_traceback(traceback)
    cls, args, state = made
    return cls, args, {**state, "__traceback__": traceback}
