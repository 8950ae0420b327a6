"""execute_iterable in steps: for a worker that shares the thread of its parent."""

from __future__ import annotations

from itertools import count

from .._protocol.tables import WorkerState
from .._transport import codec
from ..errors import ProtocolError
from .execute import Execution
from .failure import describe, of_user
from .info import get_worker_info, tell
from .iterables import resumable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

    from .._transport.channel import WorkerChannel
    from .failure import Failure
    from .job import Job
    from .listener import Commands


class Stepwise(Execution):
    """Goes on only when it is told to, up to the next thing that it sends.

    Two exceptions of user code differ from those of other workers. KeyboardInterrupt is not caught:
    whoever pressed Ctrl-C did so in this thread. And whatever else is raised keeps its traceback,
    for debuggers.

    Args:
        channel: where statuses and items go.
        commands: what the parent has said.
        job: the user's callables and their limits.
    """

    _source = staticmethod(resumable)  # a second `for` over the same iterator must not reset it

    def __init__(self, channel: WorkerChannel, commands: Commands, job: Job) -> None:
        super().__init__(channel, commands)
        self._job = job
        self._iterator: Iterator[Any] | None = None
        self._made = 0
        self._number = next(_numbers)

    @property
    def done(self) -> bool:
        """Whether there are no more steps."""
        return self.machine.state is WorkerState.DONE

    def step(self) -> None:
        """Go on for one step. Meanwhile this thread is told that it is the worker's.

        Raises:
            KeyboardInterrupt: user code was interrupted. The pass has ended.
            ProtocolError: the worker waits for a command, and there is none.
        """
        outer = get_worker_info()
        self._enter()
        try:
            self._step()
        finally:
            tell(outer)

    def _enter(self) -> None:
        if self._info is not None:
            tell(self._info.at(max(0, self.machine.epoch - 1)))

    def _step(self) -> None:
        if self.machine.state is WorkerState.INITIALIZATION:
            self.initialize(self._job)
        elif self.machine.state is WorkerState.CALL:
            self.call()
        elif self.machine.state is WorkerState.STAND_BY or not self._commands.empty():
            if self._commands.empty():
                raise ProtocolError("the worker and its parent wait for each other")
            self.obey()
        else:
            self.iterate()
        if self.machine.state is not WorkerState.ITERATION:
            self._iterator = None

    def iterate(self) -> None:
        """Begin the pass, or go on with it."""
        if self._iterator is None:
            self._made = 0
            self._iterator = self._begin()
        if self._iterator is not None:
            self._make_items(self._iterator, self._made)

    def end(self) -> None:
        """Run the finalizers, and let go of everything of the user's."""
        outer = get_worker_info()
        self._enter()
        try:
            self._finalizers.run()
        finally:
            tell(outer)
        self._iterator = None
        self._iterable = ()
        _tracebacks.pop(self._number, None)

    def _look_up(self, made: int) -> int:
        self._made = made
        if self._outbox.entries:
            self._outbox.flush()
            return 0  # enough for this step
        return made + 1

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
        return failure._replace(exception=_with_traceback(failure.exception, self._number))


_numbers = count(1)
_tracebacks: dict[int, TracebackType | None] = {}
"""By the number of a worker that has failed and was not ended since."""


class _Traceback:
    """Pickles as a reference to a traceback of this process."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _recall, (self._number,)


def _recall(number: int) -> TracebackType | None:
    return _tracebacks.pop(number, None)


class _Raised:
    """Pickles as an exception that has a traceback."""

    def __init__(self, error: BaseException, number: int) -> None:
        self._parts = error, _Traceback(number)

    def __reduce__(self) -> tuple[Any, ...]:
        return _raised, self._parts


def _raised(error: BaseException, traceback: TracebackType | None) -> BaseException:
    return error.with_traceback(traceback)


def _with_traceback(frozen: bytes, number: int) -> bytes:
    """Add a traceback to an exception that `failure.freeze` has pickled."""
    try:
        error = codec.loads(frozen)
        if isinstance(error, BaseException):
            error = _Raised(error, number)
        else:
            cls, args, state = error
            error = cls, args, {**state, "__traceback__": _Traceback(number)}
        return b"".join(codec.dumps(error))
    except Exception:  # user code; the failure then arrives as text, as from other workers
        return frozen
