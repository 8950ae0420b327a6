"""The tasks of an executor: those that wait, and the results of those that workers have."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import repeat
from math import inf
from time import monotonic
from typing import Any, NamedTuple

from .._payload.decoder import decode
from .._payload.one_line import one_line
from .._protocol.parent import ParentCore
from .._protocol.parent_machine import ParentState
from ..errors import NotPicklableError, RemoteTraceback
from . import not_sent
from .batches import Plan
from .mapped import Mapped
from .notes import note
from .queues import Block, Queue
from .remote_failures import to_keep
from .supply import Supply


class Work(NamedTuple):
    """A task, and where its result goes."""

    future: Future[Any]
    call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Pending(Supply):
    """The tasks that no worker has. Any thread may add some.

    Attributes:
        futures: of the tasks that workers have, by their numbers.
        closed: whether nothing more is added.
    """

    def __init__(self, *, main_by_value: bool = False) -> None:
        super().__init__(lambda: iter(()), main_by_value=main_by_value)
        self._works: deque[Work] = deque()  # each step with it is atomic
        self.futures: dict[int, Future[Any]] = {}
        self.closed = False

    @property
    def ended(self) -> bool:  # it changes
        """Whether no task waits."""
        return not self._works

    @ended.setter
    def ended(self, value: bool) -> None:
        pass

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
        left = self.clear()
        try:
            while left:
                left[0].future.cancel()
                left.popleft().future.set_running_or_notify_cancel()
        finally:
            self._works.extend(left)

    def clear(self) -> deque[Work]:
        """Let go of all that waits, and return it."""
        left: deque[Work] = deque()
        with suppress(IndexError):  # one by one: `take` may have the next one
            left.extend(map(deque.popleft, repeat(self._works)))
        return left

    def take(self, most: int, nbytes: int) -> tuple[list[Any], int]:  # noqa: ARG002  one at a time
        """Take a task that was not cancelled, and pickle it."""
        while True:
            try:
                work = self._works.popleft()
            except IndexError:
                return [], 0
            if not work.future.set_running_or_notify_cancel():
                continue
            entries: list[Any] = []
            try:
                size = self._add(work.call, entries)
            except BaseException as error:  # SystemExit of user code: nobody else could tell
                # Who keeps it must not keep our frames, and so the workers.
                _give(work.future.set_exception, to_keep(not_sent.of_task(work.call, error)))
                continue
            self.futures[self.taken] = work.future
            self.taken += 1
            return entries, size


_SHORT_SECONDS = 0.002
"""With calls shorter than this, a worker that has to wait for the next one loses a tenth or more of
the rate."""


class Submitted(Mapped):
    """Completes the futures of tasks. There is nothing for a loop."""

    most_inputs = 1

    def __init__(self, plan: Plan, pending: Pending, most: int | None = None) -> None:
        super().__init__(plan, pending)
        self.pending = pending
        self.closing = False
        self._most_tasks = inf if most is None else most
        self._begun = [0] * plan.workers  # how many tasks each was given since it was started

    @property
    def depth(self) -> int:  # type: ignore[override]  # it changes
        """One task that runs; where tasks are short, also one that waits."""
        latest = max(self._size.seconds, monotonic() - self._size.measured)
        return 2 if latest < _SHORT_SECONDS else 1

    @property
    def needs(self) -> Sequence[int]:
        """Those that have tasks; where tasks wait, all: whichever ends, these may not be done."""
        return super().needs if self.pending.ended else range(len(self.queues))

    def added(self, index: int | None, count: int) -> None:
        assert index is not None  # no task is refused: `Pending` fails it
        self._begun[index] += count

    def takers(self, workers: Sequence[ParentCore]) -> list[int]:
        # A worker that starts is given none: another one may be free sooner.
        return [
            index
            for index, begun in enumerate(self._begun)
            if begun < self._most_tasks and workers[index].state is not ParentState.INITIALIZATION
        ]

    def take_spent(self) -> list[int]:
        """Return the workers that have done as many tasks as they were to do."""
        if self.closing and self.pending.ended:
            return []
        return [
            index
            for index, begun in enumerate(self._begun)
            if begun >= self._most_tasks and not self._assigned[index].batches
        ]

    def start_again(self, core: ParentCore, index: int) -> None:
        super().start_again(core, index)
        told = sum([len(order[3]) for order in self.orders.get(index, ())])
        self._begun[index] = told + len(self._one_by_one.get(index, ()))

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        over = self.closing and self.pending.ended and not self.needs
        return over or bool(self._settled) or super().ready(workers)

    def end(self) -> None:
        if self.closing and self.pending.ended and not self.needs:
            self.over = True

    def take_next(self, workers: Sequence[ParentCore]) -> Block | None:
        for number in list(self._settled):
            self._fail(number, self.settled(number)[0])
        for queue in self.queues:
            while queue.fill(workers[queue.index]):
                number = self._assigned[queue.index].number
                if queue.at_mark:
                    self._fail(number, self.pass_mark(queue)[0])
                else:
                    self._complete(number, queue)
        return None

    def _complete(self, number: int, queue: Queue) -> None:
        # In this order: another thread may `clear` meanwhile, and then a queue has another source.
        source, entry = queue.source, self.take_entries(queue, 1)[0]
        if source.each:
            queue.taken += 1
        future = self.pending.futures.pop(number)
        try:
            result = entry if source.plain else decode(entry, source.blocks)
        except BaseException as error:  # as in `Pending.take`
            made = NotPicklableError(
                f"the result of the task does not unpickle here ({one_line(error)})"
            )
            made.__cause__ = error
            _give(future.set_exception, to_keep(made))
        else:
            _give(future.set_result, result)

    def _fail(self, number: int, error: BaseException) -> None:
        cause = error.__cause__
        if isinstance(error, NotPicklableError) or cause is None or type(cause) is RemoteTraceback:
            cause = error
        elif getattr(error, "refused", ()):
            with suppress(Exception):  # its class is the user's; and Python 3.10 has no notes
                note(cause, vars(error)["__notes__"][-1])  # the cure
        # Else the exception of the task itself, as with other executors.
        _give(self.pending.futures.pop(number).set_exception, cause)

    def fail_all(self, error: BaseException) -> None:
        """Fail every task that has no result."""
        futures = [*self.pending.futures.values()]
        self.pending.futures.clear()
        for future in futures:
            _give(future.set_exception, error)
        for work in self.pending.clear():
            if work.future.set_running_or_notify_cancel():
                _give(work.future.set_exception, error)


def _give(settle: Callable[[Any], None], outcome: Any) -> None:
    """Give a future its result or its exception, by a method of its own.

    A future logs what its callbacks raise, but not SystemExit and its like, which `result()` raises
    where a call has ended so. That must not end the thread that completes the futures of others.
    """
    try:
        settle(outcome)
    except BaseException:
        import logging  # only who needs it pays for it

        logging.getLogger("concurrent.futures").exception("exception calling callback")
