"""execute_iterable in steps: for a worker that shares the thread of its parent."""

from __future__ import annotations

from itertools import count
from time import monotonic

from .._payload import pickling
from .._payload.failure import describe, of_user
from .._payload.worker_info import get_worker_info, tell
from .._protocol.worker_table import WorkerState
from ..errors import ProtocolError
from .execute import Execution
from .iterables import resumable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any

    from .._link.base import WorkerLink
    from .._payload.failure import Failure
    from .._payload.job import Job
    from .listener import Commands


class Stepwise(Execution):
    """Goes on only when it is told to, up to the next thing that it sends.

    Two exceptions of user code differ from those of other workers. KeyboardInterrupt is not caught:
    whoever pressed Ctrl-C did so in this thread. And whatever else is raised keeps its traceback,
    for debuggers.

    Args:
        link: where statuses and items go.
        commands: what the parent has said.
        job: the user's callables and their limits.
    """

    _source = staticmethod(resumable)  # a second `for` over the same iterator must not reset it

    def __init__(self, link: WorkerLink, commands: Commands, job: Job) -> None:
        super().__init__(link, commands)
        self._job = job
        self._iterator: Iterator[Any] | None = None
        self._made = 0
        self._parked = False  # it has no tasks left
        self._number = next(_numbers)

    @property
    def done(self) -> bool:
        """Whether there are no more steps."""
        return self.machine.state is WorkerState.DONE

    @property
    def idle(self) -> bool:
        """Whether it can only go on when it is told something."""
        if not self._commands.empty():
            return False
        if self.machine.state is WorkerState.ITERATION:
            tasks = self._tasks
            return (
                self._iterator is not None and self._parked and tasks is not None and tasks.hungry
            )
        return self.machine.state is WorkerState.STAND_BY

    def step(self) -> None:
        """Go on for one step. Meanwhile this thread is told that it is the worker's.

        Raises:
            KeyboardInterrupt: user code was interrupted. The pass has ended.
            ProtocolError: the worker waits for a command, and there is none.
        """
        self._as_the_worker(self._step)

    def _as_the_worker(self, act: Callable[[], None]) -> None:
        outer = get_worker_info()
        if self._info is not None:
            tell(self._told)
        try:
            act()
        finally:
            tell(outer)

    def _step(self) -> None:
        if self.machine.state is WorkerState.INITIALIZATION:
            self.initialize(self._job)
        elif self.machine.state is WorkerState.CALL:
            self.call()
        elif self.machine.state is WorkerState.STAND_BY or not self._commands.empty():
            if self._commands.empty():
                raise ProtocolError("the worker and its parent wait for each other")
            if self.machine.state is WorkerState.STAND_BY or not self._take_tasks():
                self._leave()
                self.obey()
        else:
            self.iterate()
        if self.machine.state is not WorkerState.ITERATION:
            self._iterator = None

    def iterate(self) -> None:
        """Begin the pass, or go on with it."""
        if self._iterator is None:
            begun = self._begin()
            if begun is None:
                return
            self._iterator, self._made = begun
            self._parked = False
        if self._parked:  # it has no tasks left, or one has failed
            assert self._tasks is not None
            if self._tasks.hungry:
                raise ProtocolError("the worker and its parent wait for each other")
            self._iterator = self._tasks.go_on()
        self._made, self._parked = self._make_items(self._iterator, self._made)

    def end(self) -> None:
        """Run the finalizers, and let go of everything of the user's."""
        self._as_the_worker(self._finalizers.run)
        self._leave()
        self._iterator = self._tasks = None
        self._iterable = ()
        _tracebacks.pop(self._number, None)

    def _look_up(self, made: int) -> int:
        self._made = made
        if self._snapshots.due <= monotonic():
            self._take_snapshot(made)
        if self._outbox.entries:
            self._outbox.flush()
            return 0  # enough for this step
        return made + 1

    def _may_go_on_after(self, error: BaseException) -> bool:
        return not isinstance(error, KeyboardInterrupt)

    def _fail(self, event: Any, error: BaseException, stage: str, index: int | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            if self.machine.state is WorkerState.CALL:  # it must not be made again
                super()._fail(event, error, stage, index)
            raise error
        super()._fail(event, error, stage, index)

    def _describe(self, error: BaseException, stage: str, index: int | None) -> Failure:
        failure = describe(error, stage, index)
        _tracebacks[self._number] = of_user(error.__traceback__)
        if failure.exception is None:
            return failure
        raised = pickling.dumps(_Raised(failure.exception, self._number))
        return failure._replace(exception=b"".join(raised))


_numbers = count(1)
_tracebacks: dict[int, TracebackType | None] = {}
"""By the number of a worker that has failed and was not ended since."""


class _Raised:
    """Pickles as what `failure.freeze` has pickled, with a traceback of this process."""

    def __init__(self, frozen: bytes, number: int) -> None:
        self._parts = frozen, number

    def __reduce__(self) -> tuple[Any, ...]:
        return _thaw, self._parts


def _thaw(frozen: bytes, number: int) -> Any:
    made = pickling.loads(frozen)
    traceback = _tracebacks.pop(number, None)
    if isinstance(made, BaseException):
        return made.with_traceback(traceback)
    cls, args, state = made
    return cls, args, {**state, "__traceback__": traceback}
