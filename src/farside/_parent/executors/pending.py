"""Holds the tasks of an executor that no worker has, and fails tasks if the workers fail."""

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

PAUSE_SECONDS, TRIES = 0.02, 250  # for what fails as memory has run out: see `give`


class BrokenWorkersError(FarsideError, BrokenExecutor):
    """The workers of an executor cannot be started, which its cause explains, or were ended.

    It is a `concurrent.futures.BrokenExecutor` too.
    """

    __module__ = "farside"  # it is not in `errors`, as importing its base takes time


class Work(NamedTuple):
    """A task, and the future for its result."""

    future: Future[Any]
    call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    position: int  # how many tasks were submitted before it


class GivenTask(NamedTuple):
    """What is kept of a task that a worker has."""

    future: Future[Any]
    position: int  # as in `Work`. Workers know the task by a number, new each time it is given


class Pending(Supply):
    """The tasks that no worker has. Any thread may add some."""

    def __init__(self, *, main_by_value: bool = False) -> None:
        super().__init__(lambda: iter(()), main_by_value=main_by_value)
        self._works: deque[Work] = deque()  # each operation on it is atomic
        self.given: dict[int, GivenTask] = {}  # the tasks that workers have, by their numbers
        self._returned: deque[tuple[GivenTask, Batch]] = deque()
        self._taking: Future[Any] | None = None  # of a task that was just taken out of `_works`
        self.tries = 0  # how many workers the task that was taken last has cost
        self.closed = False  # whether no more tasks are accepted
        self._cancelling: set[int] = set()  # the threads that are in the middle of `cancel`

    @property
    def ended(self) -> bool:  # for a supply of tasks, this can become false again
        return not (self._works or self._returned)

    @ended.setter
    def ended(self, value: bool) -> None:
        pass

    @property
    def waiting(self) -> int:
        return len(self._works)

    def add(self, work: Work) -> bool:
        """Add a task; return False if no more are accepted."""
        if self.closed:
            return False
        self._works.append(work)
        return not (self.closed and self.withdraw(work))  # it may have been closed just now

    def withdraw(self, work: Work) -> bool:
        """Remove a task; return False if another thread has taken it."""
        try:
            self._works.remove(work)
        except ValueError:
            return False
        return True

    def cancel(self) -> None:
        """Cancel all waiting tasks. If a callback or Ctrl-C interrupts this, the others are run."""
        here = get_ident()
        if here in self._cancelling:
            return  # a callback of a cancelled future calls this; the outer call cancels the rest
        try:
            self._cancelling.add(here)
            self._cancel_each()
        finally:
            self._cancelling.discard(here)

    def _cancel_each(self) -> None:
        # Each task stays here until it is cancelled. Else the workers might end before that.
        while self._works:
            with suppress(IndexError):  # another thread has taken the last one
                work = self._works[0]
                work.future.cancel()
                if self.withdraw(work):
                    work.future.set_running_or_notify_cancel()

    def put_back(self, batch: Batch) -> None:
        """Queue a task that a worker has given back: it comes before all that wait."""
        # It also comes before tasks that were given back earlier, since a worker gives back its
        # last task first.
        self._returned.appendleft((self.given[batch.first], batch))
        del self.given[batch.first]  # last: else nobody would fail it where memory runs out

    def fail_all(self, error: BaseException) -> None:
        """Fail every task that has no result."""
        # Each task stays here until it has failed, as this is called again if memory runs out.
        given = [*self.given.values(), *[each for each, _ in self._returned]]
        for future in [each.future for each in given]:
            _fail(future, error)
        self.given.clear()
        self._returned.clear()
        with suppress(IndexError):
            while True:
                if self._taking is not None:
                    _fail(self._taking, error)
                    self._taking = None
                work = self._works.popleft()
                self._taking = work.future
                work.future.set_running_or_notify_cancel()

    def take(self, most: int, nbytes: int) -> tuple[Sequence[Any], int]:  # noqa: ARG002  it takes one
        """Take a task that was not cancelled, and pickle it unless it has been already."""
        self.tries = 0
        if self._returned:
            given, batch = self._returned[0]
            self.tries = batch.tries
            self._number(given)
            self._returned.popleft()
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
            except BaseException as error:  # even SystemExit of user code: only a future reports it
                # Whoever keeps the error must not keep our frames, and so the workers.
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
        give(future.set_exception, error, tries=0)  # whoever fails all tries that again


def give(settle: Callable[[Any], None], outcome: Any, *, tries: int = TRIES) -> None:
    """Give a future its result or its exception, by its method `settle`.

    Repeat that while memory runs out, for five seconds at least, as somebody may wait for it.
    """
    future: Future[Any] = settle.__self__  # type: ignore[attr-defined]
    while True:
        try:
            settle(outcome)
        except BaseException as error:
            if isinstance(error, MemoryError) and not future.done():
                if not tries:
                    raise
                tries -= 1  # up to 256, numbers take no memory
                sleep(PAUSE_SECONDS)
                continue
            # A future logs exceptions of its callbacks, but not SystemExit and its like, which
            # `result()` raises in a callback if the call has raised one. That must not end this
            # thread, which completes other futures too.
            import logging  # here, since it is rarely needed

            logging.getLogger("concurrent.futures").exception("exception calling callback")
        if future.done():
            return
