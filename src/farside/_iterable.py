"""RemoteIterable: what the user iterates on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from ._calls import call_method
from ._failures import NO_STACK
from ._passes import Course, enter_iteration_mode, iterate_results
from ._starting import Starter
from ._warn import warn
from .errors import CallFailedError, WorkerAbandonedWarning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from ._options import Options
    from ._pass import Pass
    from ._passes import Begin
    from ._session import Session
    from ._stats import Stats
    from .errors import FarsideError

T = TypeVar("T")


class RemoteIterable(Generic[T]):
    """An iterable that lives in a worker.

    Every ``iter()`` begins a fresh pass over the same worker. One pass is open at a time: a newer
    one supersedes it, and its iterator then raises `PassSupersededError`. Leaving a loop stops the
    worker; the next pass finds it ready. Any thread may use it; one iterator is for one thread at a
    time, as generators are: ``next()`` in two threads at once is a ValueError in one of them.

    The worker ends with `close`, at the end of a ``with`` block, when the iterable is dropped,
    after a failure, and with the process.

    Example:
        >>> from functools import partial
        >>> from farside import iterate_in_subprocess
        >>> with iterate_in_subprocess(partial(range, 3)) as numbers:
        ...     list(numbers), list(numbers)
        ([0, 1, 2], [0, 1, 2])
    """

    def __init__(self, options: Options) -> None:
        """Start a worker and wait until it stands by. Users call the entry points instead."""
        self._options = options
        self._session: Session | None = None
        self._starter = Starter(options)
        self._session = self._starter.start()

    @property
    def backend(self) -> str:
        """Name of the backend that runs the worker: ``"subprocess"`` or ``"subinterpreter"``."""
        return self._current.backend

    @property
    def backend_reason(self) -> str:
        """Why this backend was taken."""
        return self._starter.reason

    @property
    def seed(self) -> int:
        """The option ``seed``, or the number that was drawn for it; see `get_worker_info`."""
        return self._options.seed

    @property
    def state(self) -> str:
        """Where the worker is.

        ``"initialization"``, ``"stand by"``, ``"iteration"``, ``"stopping"`` (a loop was left, and
        the worker has not confirmed it) or ``"closed"``.
        """
        return self._current.public_state

    def __iter__(self) -> Iterator[T]:
        """Begin a pass.

        The worker begins at once, and works ahead as far as ``buffer_size`` allows.

        Returns:
            An iterator over what the remote iterable yields. Closing or dropping it stops the
            pass.

        Raises:
            IterableClosedError: the iterable is closed; after a failure, that is its cause.
        """
        session = self._current
        results = iterate_results(session, enter_iteration_mode(session), self._take_over_pass)
        next(results)  # from here on, dropping it stops the pass
        return results

    def __len__(self) -> int:
        """Return how many items the remote iterable has said that it has.

        That is its length after the latest `call` that has returned, or else when it was made. It
        is known here, so asking never waits and disturbs no pass.

        Raises:
            TypeError: it has no length, or could not tell.
        """
        length = self._current.length
        if length is None:
            raise TypeError(f"the iterable of this {type(self).__name__} has no len()")
        return length

    def __bool__(self) -> bool:
        """Return True, whatever the length: this is a worker."""
        return True

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the remote iterable, between two passes, and wait for what it returns.

        When a loop was left early, this waits until the worker stands by. ``timeout`` holds, and
        `close` in another thread ends the wait. A call that fails does not end the worker.

        Args:
            method: name of a method of what ``fn`` returned, such as ``"set_epoch"`` or
                ``"__len__"``. An attribute is read with ``call("__getattribute__", name)``.
            args: what to pass; it is pickled.
            kwargs: what to pass by name; it is pickled.

        Returns:
            What the method returns. It is pickled as items are; large arrays lie in shared memory.

        Raises:
            PassOpenError: an iterator is open; take it to its end, leave the loop, or close it.
            CallFailedError: the method has failed, or there is none of this name (then it is an
                AttributeError too); also of the original type.
            NotPicklableError: the arguments or the result cannot be pickled.
            WorkerTimeoutError: it did not return in time, and the worker was ended.
            WorkerDiedError: the worker has died meanwhile.
            IterableClosedError: the iterable is closed.

        Example:
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> with iterate_in_subprocess(partial(range, 10)) as numbers:
            ...     numbers.call("index", 7), len(numbers)
            (7, 10)
        """
        session = self._current
        try:
            return call_method(session, method, args, kwargs)
        except CallFailedError as error:
            begin = self._take_over(session, error)
            if begin is None:
                raise
            session = begin()
        return call_method(session, method, args, kwargs)

    def dump_stack(self) -> str:
        """Return where the threads of the worker are, as text, whatever it does just now.

        It takes milliseconds, or half a second when the worker does not answer; the text then says
        so. Any thread may ask, also while another one waits for an item.

        Example:
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> with iterate_in_subprocess(partial(range, 10)) as numbers:
            ...     "the thread that runs the iterable" in numbers.dump_stack()
            True
        """
        stack = self._current.stack()
        return f"the {self._current.name}: {NO_STACK}" if stack is None else stack

    def __aiter__(self) -> AsyncIterator[T]:
        """Begin a pass, for ``async for``: on asyncio or trio, whichever runs.

        As `__iter__`, but waiting does not block the event loop. No thread is used, and items that
        have arrived are handed out without a turn of the loop; a loop that never has to wait gives
        the other tasks a turn about every millisecond.

        A task that is cancelled while it waits loses no item: ``anext()`` goes on with the pass.
        The pass is stopped as soon as the iterator is dropped, or by its ``aclose()``.

        Returns:
            An async iterator over what the remote iterable yields, for one task at a time.

        Raises:
            IterableClosedError: the iterable is closed; after a failure, that is its cause.

        Example:
            >>> import asyncio
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> async def main():
            ...     async with iterate_in_subprocess(partial(range, 3)) as numbers:
            ...         return [number async for number in numbers]
            >>> asyncio.run(main())
            [0, 1, 2]
        """
        from ._async import AsyncResults  # not everybody needs it

        session = self._current
        return AsyncResults(Course(session, enter_iteration_mode(session), self._take_over_pass))

    def stats(self) -> Stats:
        """Return figures of the worker: where the time goes, and how full the buffer is.

        Any thread may ask, at any time: during a pass, and after the end of the worker, when they
        are the last ones. It costs some microseconds. After a fallback has taken over, they are
        those of the present worker.

        Example:
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> with iterate_in_subprocess(partial(range, 1000)) as numbers:
            ...     total = sum(numbers)
            >>> stats = numbers.stats()
            >>> stats.items, stats.passes
            (1000, 1)
        """
        from ._stats import collect  # not everybody needs it

        return collect(self._current, self._options.buffer_size)

    def close(self) -> None:
        """End the worker and wait for it, ``shutdown_timeout`` seconds at most.

        The worker is asked first; a process is sent SIGTERM and then SIGKILL if it does not
        end. A subinterpreter that is blocked in C code cannot be ended: it is left behind with
        a `WorkerAbandonedWarning`. Closing twice is fine.
        """
        self._end(kill=False)

    def terminate(self) -> None:
        """End the worker without asking it first, and wait for it.

        A process is killed. A subinterpreter cannot be; for it this is `close`.
        """
        self._end(kill=True)

    async def aclose(self) -> None:
        """End the worker and wait for it, as `close` does, without blocking the event loop.

        A task that is cancelled meanwhile is cancelled after the worker has ended, so within
        ``shutdown_timeout`` seconds.
        """
        from ._loops import off_loop

        session = self._current
        if not await off_loop(session.close):
            self._warn_of_abandonment(session)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return self."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, without blocking the event loop: see `aclose`."""
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: there is one worker, and it belongs to this process."""
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled, since it holds a worker of this "
            "process; make one in each process that needs one"
        )

    def __del__(self) -> None:
        session = getattr(self, "_session", None)
        if session is not None:
            session.abandon()

    def __repr__(self) -> str:
        """Show backend, worker and state."""
        session = self._current
        name = "" if self._options.name is None else f"name={self._options.name!r} "
        return (
            f"<{type(self).__name__} {name}backend={session.backend!r} "
            f"worker={session.worker.label!r} state={self.state!r}>"
        )

    @property
    def _current(self) -> Session:
        assert self._session is not None  # only while it is being made
        return self._session

    def _end(self, *, kill: bool) -> None:
        session = self._current
        if not session.close(kill=kill):
            self._warn_of_abandonment(session)

    def _warn_of_abandonment(self, session: Session) -> None:
        warn(
            f"the {session.name} did not end within "
            f"shutdown_timeout={self._options.shutdown_timeout} seconds and is left behind: "
            "its code is blocked in a call that Python cannot interrupt",
            WorkerAbandonedWarning,
        )

    def _take_over(self, failed: Session, error: FarsideError) -> Callable[[], Session] | None:
        """Go on with the fallback, if the user has nothing yet that it would not know of."""
        if failed.used or failed is not self._session:
            return None
        start = self._starter.fallback(failed, error)
        if start is None:
            return None

        def begin() -> Session:
            self._session = session = start()
            return session

        return begin

    def _take_over_pass(self, failed: Session) -> Begin | None:
        if failed.failure is None:
            return None
        begin = self._take_over(failed, failed.failure)
        return None if begin is None else lambda: _begin_pass(begin())


def _begin_pass(session: Session) -> tuple[Session, Pass]:
    return session, enter_iteration_mode(session)


class SubprocessIterable(RemoteIterable[T]):
    """What `iterate_in_subprocess` returns."""


class SubinterpreterIterable(RemoteIterable[T]):
    """What `iterate_in_subinterpreter` returns.

    Its `backend` is ``"subprocess"`` when the fallback has taken over.
    """
