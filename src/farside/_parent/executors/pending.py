"""The tasks of an executor that no worker has, and what becomes of them without workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from threading import get_ident
from time import sleep
from typing import Any, NamedTuple

from ...errors import FarsideError
from .. import not_sent
from ..passes.batches import Batch
from ..passes.supply import Supply
from ..remote_failures import to_keep

_PAUSE_SECONDS, _TRIES = 0.01, 500  # between two tries, and how many, where memory has run out


class BrokenWorkersError(FarsideError, BrokenExecutor):
    """The workers of an executor cannot be started, which its cause explains, or were ended.

    It is a `concurrent.futures.BrokenExecutor` too.
    """

    __module__ = "farside"  # it is not in `errors`, for what it derives from takes time to import


class Work(NamedTuple):
    """A task, and where its result goes."""

    future: Future[Any]
    call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    position: int  # how many were submitted before it


class GivenTask(NamedTuple):
    """What is kept of a task that a worker has."""

    future: Future[Any]
    position: int  # workers know it by a number that is new each time it is given to one


class Pending(Supply):
    """The tasks that no worker has. Any thread may add some."""

    def __init__(self, *, main_by_value: bool = False) -> None:
        super().__init__(lambda: iter(()), main_by_value=main_by_value)
        self._works: deque[Work] = deque()  # each step with it is atomic
        self.given: dict[int, GivenTask] = {}  # the tasks that workers have, by their numbers
        self._returned: deque[tuple[GivenTask, Batch]] = deque()
        self._taking: Future[Any] | None = None  # of a task on its way from there
        self.tries = 0  # how many workers the task has cost that was taken last
        self.closed = False  # whether nothing more is added
        self._cancelling: set[int] = set()  # the threads that are in the middle of `cancel`

    @property
    def ended(self) -> bool:  # it changes
        return not (self._works or self._returned)

    @ended.setter
    def ended(self, value: bool) -> None:
        pass

    @property
    def waiting(self) -> int:
        return len(self._works)

    def add(self, work: Work) -> bool:
        """Add a task; False: nothing is added any more."""
        if self.closed:
            return False
        self._works.append(work)
        return not (self.closed and self.withdraw(work))  # it may have been closed just now

    def withdraw(self, work: Work) -> bool:
        """Take a task back; False: somebody has taken it."""
        try:
            self._works.remove(work)
        except ValueError:
            return False
        return True

    def cancel(self) -> None:
        """Cancel all that waits. What is left when a callback, or Ctrl-C, ends this is done."""
        here = get_ident()
        if here in self._cancelling:
            return  # in a callback of what is cancelled further up, where this goes on
        try:
            self._cancelling.add(here)
            self._cancel_each()
        finally:
            self._cancelling.discard(here)

    def _cancel_each(self) -> None:
        # Each stays here until it is cancelled: else the workers might end before what is left.
        while self._works:
            with suppress(IndexError):  # another thread has taken the last one
                work = self._works[0]
                work.future.cancel()
                if self.withdraw(work):
                    work.future.set_running_or_notify_cancel()

    def put_back(self, batch: Batch) -> None:
        """Take in a task that a worker had and has not begun: it comes before all that wait."""
        # It comes before those that were given back earlier, too: a worker gives back its last
        # task first.
        self._returned.appendleft((self.given.pop(batch.first), batch))

    def fail_all(self, error: BaseException) -> None:
        """Fail every task that has no result."""
        # Each stays here until it has failed: where memory runs out, this is called again.
        given = [*self.given.values(), *[each for each, _ in self._returned]]
        for future in [each.future for each in given]:
            _fail(future, error)
        self.given.clear()
        self._returned.clear()
        with suppress(IndexError):
            while True:
                if self._taking is not None:
                    _fail(self._taking, error)
                work = self._works.popleft()
                self._taking = work.future
                work.future.set_running_or_notify_cancel()

    def take(self, most: int, nbytes: int) -> tuple[Sequence[Any], int]:  # noqa: ARG002  it takes one
        """Take a task that was not cancelled, and pickle it."""
        self.tries = 0
        if self._returned:
            given, batch = self._returned.popleft()
            self.tries = batch.tries
            self._number(given)
            return batch.entries, batch.nbytes
        while True:
            try:
                work = self._works.popleft()
            except IndexError:
                self._taking = None
                return [], 0
            self._taking = work.future
            if not work.future.set_running_or_notify_cancel():
                continue
            entries: list[Any] = []
            try:
                size = self._add(work.call, entries)
            except BaseException as error:  # SystemExit of user code: nobody else could tell
                # Who keeps it must not keep our frames, and so the workers.
                give(work.future.set_exception, to_keep(not_sent.of_task(work.call, error)))
                continue
            self._number(GivenTask(work.future, work.position))
            self._taking = None
            return entries, size

    def _number(self, given: GivenTask) -> None:
        self.given[self.taken] = given
        self.taken += 1


def _fail(future: Future[Any], error: BaseException) -> None:
    if not future.done():
        give(future.set_exception, error)


def insist(act: Callable[..., object], *given: Any) -> None:
    """Call `act`, and call it again while there is no memory for it, for five seconds at least."""
    for _ in range(_TRIES):
        try:
            act(*given)
        except MemoryError:
            sleep(_PAUSE_SECONDS)
        else:
            return
    act(*given)


def give(settle: Callable[[Any], None], outcome: Any) -> None:
    """Give a future its result or its exception, by a method of its own."""
    # A future logs what its callbacks raise, but not SystemExit and its like, which `result()`
    # raises where a call has ended so. That must not end the thread that completes other futures.
    try:
        settle(outcome)
    except BaseException:
        future: Future[Any] = settle.__self__  # type: ignore[attr-defined]
        if not future.done():  # there was no memory for that: whoever waits must hear of it
            insist(settle, outcome)
        import logging  # only who needs it pays for it

        logging.getLogger("concurrent.futures").exception("exception calling callback")
