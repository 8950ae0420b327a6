"""The workers of an executor, and the thread that completes futures."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from math import inf
from time import monotonic, sleep
from typing import Any

from ..._backends import live_workers
from ..._backends.preparation import main_file
from ..._payload.one_line import one_line
from ..._protocol.group import GroupCore
from ..._system.signals import defer_signals, start_thread, try_lock, with_lock
from ...errors import FarsideError
from .. import checks, choosing, closing, starting
from ..client import Client
from ..one_pass import OVER
from ..passes.batches import Plan
from ..passes.delivery import Delivery
from ..passes.inputs import Inputs
from ..passes.sequence import Given
from ..results import enter_iteration_mode
from .at_exit import at_exit
from .pending import PAUSE_SECONDS, TRIES, BrokenWorkersError, Pending, Work
from .submitted import Submitted

IDLE_SECONDS = 1.0  # after so long without calls, the memory of their contents is given back


class _Tasks(Inputs):
    """The sequence of an executor, which has a single pass: over the tasks that were submitted."""

    def __init__(self, plan: Plan, pending: Pending, most: int | None) -> None:
        super().__init__(iter(()), plan, Given(0))  # an iterator, since it has no length
        self.delivery = Submitted(plan, pending, most)

    def begin(self, begun: int) -> tuple[Delivery, Sequence[Any] | None]:
        self.delivery.epoch, plan = begun, (None, True)  # the length is unknown; the first pass
        return self.delivery, [(begun, self.seed, (0, 0), plan)] * len(self.delivery.queues)


class Crew:
    """The workers of an executor, and the thread that completes futures.

    It has no reference to the executor. When the executor is dropped, the calls that were submitted
    are still made, and no more are accepted. A worker does at most `most` tasks, and then another
    one takes its place.
    """

    def __init__(self, options: list[Any], plan: Plan, most: int | None) -> None:
        self._pending = Pending(main_by_value=plan.main_by_value)
        self._tasks = _Tasks(plan, self._pending, most)
        self.positions = count()  # of tasks, as they are submitted
        self._options, self._announced = options, choosing.warn_of_choice(options)
        self._client: Client | None = None
        self._threads: list[threading.Thread] = []  # it, and any second one: see `_begin`
        self._begun = threading.Lock()  # held once the thread has begun
        self._ran, self._over = False, False  # whether it makes no more calls, and has ended
        self._error: BaseException | None = None  # why, until all futures have failed
        self._at_work = threading.Lock()  # held until the thread has ended
        self._all_ended = True  # whether no worker was left behind, or the user was told
        self._at_work.acquire()
        self._broken: tuple[str, BaseException | None] | None = None  # a message, and the cause
        self._force: Callable[[Any], object] | None = None  # set once the workers are to be ended
        self._pid: int | None = None  # the process that has used this crew
        main_file()  # to be remembered, as the workers may be started after the script has ended

    def submit(self, work: Work) -> None:
        """Queue a task for the workers; see `WorkerExecutor.submit`."""
        self._pid = self._pid or os.getpid()  # first, as a fork may come at any moment
        if self.is_foreign():
            raise RuntimeError(
                "the executor belongs to the process that has forked this one, and was used there; "
                "make one in each process"
            )
        at_exit.check()
        if not self._pending.add(work):
            if self._broken is not None:  # checked after `add`: it may have been broken just before
                why, cause = self._broken
                raise BrokenWorkersError(why) from cause
            raise RuntimeError("cannot schedule new futures after shutdown")
        try:
            if not self._threads:
                # With the lock, else Python's exit might not see it, and wait for it for ever.
                defer_signals(partial(with_lock, at_exit.lock, self._start_thread))
            self._wake()
        except (RuntimeError, MemoryError):  # no more threads can be had
            if self._pending.withdraw(work):
                raise

    def is_foreign(self) -> bool:
        """Tell whether the process that forked this one has used the crew: locks may be held."""
        return self._pid not in {None, os.getpid()}

    def _start_thread(self) -> None:
        if not self._threads:
            at_exit.check()
            at_exit.crews.add(self)  # first: a signal handler may raise once the thread has begun
            thread = threading.Thread(target=self._begin, name="farside-executor")
            start_thread(thread)
            self._threads.append(thread)

    def _wake(self) -> None:
        if self._client is not None:
            self._client.waiting.wake()

    def shut_down(self, *, cancel: bool) -> None:
        """Accept no more tasks, and end the workers when all that were submitted are done."""
        if self.is_foreign():
            return
        self._pending.closed = True
        try:
            if cancel:
                self._pending.cancel()  # a callback may raise SystemExit, or Ctrl-C may strike
        finally:
            self._wake()

    def end_now(self, *, kill: bool) -> None:
        """End the workers, whatever they do."""
        if self.is_foreign():
            return
        self._force = closing.KILL if kill else closing.TERMINATE
        try:
            self.shut_down(cancel=True)
        finally:  # a callback of a cancelled future may raise SystemExit, or Ctrl-C may strike
            if self._client is not None:
                closing.end_by_force(self._client, self._force)

    def join(self) -> None:
        if self.is_foreign():
            return
        threads = with_lock(at_exit.lock, lambda: [*self._threads])
        if threads and threading.current_thread() not in threads:
            # Before Python 3.13, Ctrl-C in `Thread.join` makes a thread that goes on count as
            # ended. And Python can miss Ctrl-C just as a wait begins, so each wait is short.
            while not self._over:
                try_lock(self._at_work, bool, seconds=1)
            for thread in threads:
                thread.join()

    def _begin(self) -> None:
        # There may be a second thread, if a finalizer has submitted a task while the first one was
        # started, or a signal handler has raised just as the first one began.
        if not self._begun.acquire(False):
            return
        tries = TRIES
        try:
            while tries:
                try:
                    self._work()
                    tries = 0
                except MemoryError:  # repeated in this frame, since a further call needs memory too
                    tries -= 1
                    sleep(PAUSE_SECONDS)
        finally:
            self._over = True  # first: a signal handler may wait too, in the middle of `join`
            self._at_work.release()

    def _work(self) -> None:
        """Make calls until the executor is shut down or broken, and end the workers."""
        if not self._ran:
            try:
                self._run()
            except BaseException as error:
                self._error = error
            self._ran = True
        if self._error is not None:
            self._break(self._error)  # else futures would wait for ever
            self._error = None
        if self._client is not None:
            self._all_ended = closing.close(self._client, kill=False)

    def tell_of_end(self) -> None:
        """Warn, once, of finalizers that may have been cut off, and of workers left behind."""
        if self._client is not None and not self.is_foreign():
            all_ended, self._all_ended = self._all_ended, True
            closing.tell_of_end(self._client, all_ended)

    def _run(self) -> None:
        self._threads.append(threading.current_thread())
        delivery = self._tasks.delivery
        seed = self._tasks.seed = checks.seed(None)  # now: the crew may be older than a fork
        options = [replace(each, seed=seed) for each in self._options]
        client = self._client = Client(*options, sequence=self._tasks)
        client.news.nobody_catches = True
        client.announced = self._announced
        if self._force is not None:
            # In place of `end_now`, which may have found no client.
            closing.end_by_force(client, self._force)
        live_workers.check_start(in_thread=True)
        starting.start(client)
        this = enter_iteration_mode(client)
        due = inf  # when to give back memory that was needed for calls
        while this.step() is not OVER:
            for index in delivery.take_spent():
                client.step(partial(GroupCore.retire, index=index))
            for index in delivery.take_silent():
                client.step(partial(GroupCore.take_back, index=index), index)
            if self._pending.given:
                due = monotonic() + IDLE_SECONDS
            elif monotonic() >= due:
                due = inf if self._trim(client) else monotonic() + IDLE_SECONDS
            client.wait(this, min(due, delivery.next_look))
        this.leave()

    def _break(self, error: BaseException) -> None:
        """Record that no more calls can be made, and fail those that have no result."""
        why = "were ended" if self._force is not None else f"cannot be used: {one_line(error)}"
        if isinstance(error, FarsideError):
            error.with_traceback(None)  # its frames refer to all of this, which keeps the error
        cause = error if self._force is None else None  # the user ended them: no cause is needed
        self._broken = f"the workers of the executor {why}", cause
        self._pending.closed = True
        broken = BrokenWorkersError(self._broken[0])
        broken.__cause__ = cause
        self._pending.fail_all(broken)

    def _trim(self, client: Client) -> bool:
        """Give back the memory of the contents of calls; return False if some is still in use."""
        self._pending.release()
        # Another thread that ends a worker may close its link meanwhile, which then has no arena.
        arenas = [member.link.arena for member in client.members if member.link is not None]
        return False not in [arena.trim() for arena in arenas if arena is not None]
