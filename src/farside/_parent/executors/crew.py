"""The workers of an executor, and the thread that completes futures."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from math import inf
from time import monotonic
from typing import Any

from ..._backends import live_workers
from ..._backends.preparation import main_file
from ..._payload.one_line import one_line
from ..._protocol.group import GroupCore
from ..._system.signals import at_fork, defer_sigint, try_lock, with_lock
from ...errors import FarsideError
from .. import checks, choosing, closing, starting
from ..client import Client
from ..one_pass import OVER
from ..passes.batches import Plan
from ..passes.delivery import Delivery
from ..passes.inputs import Inputs
from ..passes.sequence import Given
from ..results import enter_iteration_mode
from .pending import BrokenWorkersError, Pending, Work, insist
from .submitted import Submitted

IDLE_SECONDS = 1.0  # after so long without calls, the memory for their contents is given back


class _Tasks(Inputs):
    """What a pass of an executor is made of: what was submitted."""

    def __init__(self, plan: Plan, pending: Pending, most: int | None) -> None:
        super().__init__(iter(()), plan, Given(0))  # what has no length
        self.delivery = Submitted(plan, pending, most)

    def begin(self, begun: int) -> tuple[Delivery, Sequence[Any] | None]:
        self.delivery.epoch, plan = begun, (None, True)  # of no length; the only pass
        return self.delivery, [(begun, self.seed, (0, 0), plan)] * len(self.delivery.queues)


class Crew:
    """The workers of an executor, and the thread that completes futures.

    It has no reference to the executor: when that is dropped, the calls that were submitted are
    made, and no more are taken. A worker does so many tasks at `most`; then another one takes its
    place.
    """

    def __init__(self, options: list[Any], plan: Plan, most: int | None) -> None:
        self._pending = Pending(main_by_value=plan.main_by_value)
        self._tasks = _Tasks(plan, self._pending, most)
        self.positions = count()  # of tasks, as they are submitted
        self._options, self._announced = options, choosing.warn_of_choice(options)
        self._client: Client | None = None
        self._threads: list[threading.Thread] = []  # it, and any that has found it at work
        self._begun = threading.Lock()  # held since it has begun
        self._over = False  # whether the thread has ended
        self._at_work = threading.Lock()  # held until then
        self._at_work.acquire()
        self._broken: tuple[str, BaseException | None] | None = None  # why, and what has caused it
        self._force: Callable[[Any], object] | None = None  # once the workers are to be ended
        self._pid: int | None = None  # the process that has used it
        main_file()  # while the script runs: the workers are started later

    def submit(self, work: Work) -> None:
        """Let a worker do a task; see `WorkerExecutor.submit`."""
        self._pid = self._pid or os.getpid()  # first: a fork may come at any moment
        if self._is_foreign():
            raise RuntimeError(
                "the executor belongs to the process that has forked this one, and was used there; "
                "make one in each process"
            )
        _exit.check()
        if not self._pending.add(work):
            if self._broken is not None:  # asked now: it may have been broken just before
                why, cause = self._broken
                raise BrokenWorkersError(why) from cause
            raise RuntimeError("cannot schedule new futures after shutdown")
        try:
            if not self._threads:
                # With the lock, else Python's exit might not see it, and wait for it for ever.
                defer_sigint(partial(with_lock, _exit.lock, self._start_thread))
        except (RuntimeError, MemoryError):  # no more threads can be had
            if self._pending.withdraw(work):
                raise
        self._wake()

    def _is_foreign(self) -> bool:
        """Tell whether the process that has forked this one had used it: its locks may be held."""
        return self._pid not in {None, os.getpid()}

    def _start_thread(self) -> None:
        if not self._threads:
            _exit.check()
            _exit.crews.add(self)  # first: a signal handler may raise when it has begun
            thread = threading.Thread(target=self._begin, name="farside-executor")
            thread.start()
            self._threads.append(thread)

    def _wake(self) -> None:
        if self._client is not None:
            self._client.waiting.wake()

    def shut_down(self, *, cancel: bool) -> None:
        """Take no more tasks, and end when those are done that were submitted."""
        if self._is_foreign():
            return
        self._pending.closed = True
        try:
            if cancel:
                self._pending.cancel()
        finally:
            self._tasks.delivery.closing = True
            self._wake()

    def end_now(self, *, kill: bool) -> None:
        """End the workers, whatever they do."""
        if self._is_foreign():
            return
        self._force = closing.KILL if kill else closing.TERMINATE
        try:
            self.shut_down(cancel=True)
        finally:  # a callback of what is cancelled may raise SystemExit, or Ctrl-C strike
            if self._client is not None:
                self._end(self._client)

    def _end(self, client: Client) -> None:
        assert self._force is not None
        closing.end_by_force(client, self._force)
        self._wake()

    def join(self) -> None:
        if self._is_foreign():
            return
        threads = with_lock(_exit.lock, lambda: [*self._threads])
        if threads and threading.current_thread() not in threads:
            # Before Python 3.13, Ctrl-C in `join` lets a thread count as ended that goes on. And
            # Python can miss it just as a wait begins, so none is long.
            while not self._over:
                try_lock(self._at_work, bool, seconds=1)
            for thread in threads:
                thread.join()

    def _begin(self) -> None:
        # Another one was started where a finalizer has submitted a task meanwhile, or where a
        # signal handler has raised just as it began.
        if self._begun.acquire(blocking=False):
            self._threads.append(threading.current_thread())
            self._run()

    def _run(self) -> None:
        delivery, client = self._tasks.delivery, None
        try:
            seed = self._tasks.seed = checks.seed(None)  # now: it may have been made before a fork
            options = [replace(each, seed=seed) for each in self._options]
            client = self._client = Client(*options, sequence=self._tasks)
            client.news.nobody_catches = True
            client.announced = self._announced
            if self._force is not None:
                self._end(client)  # for a thread that has just found no client
            live_workers.check_start(in_thread=True)
            starting.start(client)
            this = enter_iteration_mode(client)
            due = inf  # when to let memory go that was needed for calls
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
        except BaseException as error:
            insist(Crew._break, self, error)  # no future must wait for ever
        finally:
            try:
                if client is not None:
                    insist(_close, client)
            finally:
                self._over = True  # first: a signal handler may wait too, in the middle of `join`
                self._at_work.release()

    def _break(self, error: BaseException) -> None:
        """Take in that no more calls can be made, and fail those that wait."""
        why = "were ended" if self._force is not None else f"cannot be used: {one_line(error)}"
        if isinstance(error, FarsideError):
            error.with_traceback(None)  # its frames would keep all of this, and it them
        cause = error if self._force is None else None  # the iterable is none of the user's
        self._broken = f"the workers of the executor {why}", cause
        self._pending.closed = True
        broken = BrokenWorkersError(self._broken[0])
        broken.__cause__ = cause
        self._pending.fail_all(broken)

    def _trim(self, client: Client) -> bool:
        """Let the memory go that was needed for the contents of calls; False: not all of it yet."""
        self._pending.let_go()
        # Another thread, which ends a worker, may close its link meanwhile: it has none then.
        arenas = [member.link.arena for member in client.members if member.link is not None]
        return False not in [arena.trim() for arena in arenas if arena is not None]


def _close(client: Client) -> None:
    closing.close(client, kill=False)


class _Exit:
    """Waits, when Python exits, for what was submitted, as other executors do."""

    def __init__(self) -> None:
        # A finalizer may shut an executor down while this thread starts that of another one.
        self.lock = threading.RLock()
        at_fork(after_in_child=self._renew)
        self._begun = False
        self.crews: weakref.WeakSet[Crew] = weakref.WeakSet()
        # Private, and what concurrent.futures uses: from Python 3.9 on it is there.
        threading._register_atexit(self.wait)  # type: ignore[attr-defined]  # noqa: SLF001

    def _renew(self) -> None:
        self.lock = threading.RLock()

    def check(self) -> None:
        """Raise a RuntimeError if Python exits."""
        if self._begun:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    def _begin(self) -> list[Crew]:
        self._begun = True
        return list(self.crews)

    def wait(self) -> None:
        """Wait until every executor has done what was submitted."""
        crews = with_lock(self.lock, self._begin)
        for crew in crews:
            crew.shut_down(cancel=False)
        for crew in crews:
            crew.join()


_exit = _Exit()
