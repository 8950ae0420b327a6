"""The parent's half of the protocol with a group of workers; one worker is a group of one.

Each worker has its own conversation (`ParentCore`). This module has what concerns all of them: the
number of the pass, whether the user has closed the group, and what follows when a worker has ended
early (`recovery`). A worker that replaces another is asked for what its predecessor has not done:
after a fallback, the open pass and the call under way; after a restart, only the pass, as the call
has failed. Closing wins over recovery: no worker is started once the user has closed the group.

A restarted worker continues the pass after the last item that has arrived. The cores do not know
which item that is, since only the loop opens items. So the loop calls `continue_pass` with a plan.
Until then, `awaiting` has the worker's index.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .effects import DIED, FAILED, RETIRED, End, Ending, Launch
from .messages import Status
from .parent import ParentCore
from .parent_machine import ParentState
from .recovery import NO_LIMITS, STACK_SECONDS, STEADY_SECONDS, Limits, may_hand_over, may_restart


class GroupCore:
    """Everything that the parent knows of its workers.

    In each pass, the group as a whole may restart workers `max_restarts` times. `has_limits` tells
    whether there may be a deadline.
    """

    def __init__(
        self,
        limits: Limits = NO_LIMITS,
        fallback: str | None = None,
        count: int = 1,
        max_restarts: int = 0,
    ) -> None:
        self.workers = tuple(ParentCore(limits) for _ in range(count))
        self.epoch = 0  # the number of the running or latest pass
        self.closed = False
        self.stamp: Any = None  # used by the shell alone: the event that has stepped this copy
        self._limits, self.has_limits = limits, limits != NO_LIMITS
        self._fallback = fallback
        self.awaiting: frozenset[int] = frozenset()  # restarted, and not told yet where to continue
        self._max_restarts = max_restarts
        self._restarts = 0  # in this pass
        self.restarts = 0  # in all

    def copy(self, index: int | None = None) -> GroupCore:
        """Return a copy that shares the inboxes."""
        # With `index`, the next event concerns that worker alone. The copy then shares the other
        # workers, since there may be many.
        made: GroupCore = object.__new__(type(self))
        made.__dict__ = self.__dict__.copy()
        workers = self.workers
        if index is None:
            made.workers = tuple([worker.copy() for worker in workers])
        else:
            own = workers[index].copy()
            alone = len(workers) == 1
            made.workers = (own,) if alone else (*workers[:index], own, *workers[index + 1 :])
        return made

    # Questions ------------------------------------------------------------------------------

    @property
    def failure(self) -> Ending | None:
        """What has ended the group before its time: the failure of any worker."""
        return next(iter([each.failure for each in self.workers if each.failure is not None]), None)

    @property
    def over(self) -> bool:
        """Whether the group is of no use any more: it was closed, or a worker is done."""
        return self.closed or True in [each.done for each in self.workers]

    @property
    def starting(self) -> bool:
        """Whether a worker has yet to stand by, or to fail."""
        return ParentState.INITIALIZATION in [each.state for each in self.workers]

    @property
    def opened(self) -> bool:
        """Whether a pass is open in any worker."""
        return True in [each.opened for each in self.workers]

    @property
    def deadline(self) -> float | None:
        """When to call `expire` if nothing arrives before; None: never."""
        if not self.has_limits:
            return None
        deadlines = [each.deadline for each in self.workers]
        return min([each for each in deadlines if each is not None], default=None)

    @property
    def shortest_limit(self) -> float:
        """The length in seconds of the shortest time limit that any worker may have."""
        return min([STACK_SECONDS, *[each for each in self._limits if each is not None]])

    # What the user wants --------------------------------------------------------------------

    def start(self, plans: Sequence[Any] | None = None, delivery: Any = None) -> int:
        """Begin a pass, even if one is open, with a plan for each worker; return its number."""
        self.epoch += 1
        self.awaiting, self._restarts = frozenset(), 0
        for index, each in enumerate(self.workers):
            each.start(self.epoch, None if plans is None else plans[index], delivery)
        return self.epoch

    def give(self, epoch: int, orders: Sequence[tuple[int, Any]]) -> None:
        """Give each of some workers its own further tasks, if the pass is the present one."""
        if epoch == self.epoch:
            for index, tasks in orders:
                self.workers[index].give(tasks)

    def take_back(self, index: int) -> None:
        """Ask a worker for the tasks that it has not begun."""
        self.workers[index].take_back()

    def continue_pass(self, index: int, epoch: int, plan: Any) -> None:
        """Tell a restarted worker where to continue, if the pass is the present one."""
        if epoch == self.epoch and index in self.awaiting:
            self.awaiting -= {index}
            self.workers[index].continue_pass(epoch, plan)

    def stop(self, epoch: int) -> None:
        """Leave a pass, if it is the present one."""
        if epoch == self.epoch:
            self.awaiting = frozenset()
            for each in self.workers:
                each.stop()
            if self.failure is not None:
                self.end()

    def end(self) -> None:
        """End all workers that are not done, since one has failed."""
        for each in self.workers:
            if not each.done:
                each.close()
                each.effects += (End(kill=False),)

    def close(self) -> None:
        """End all conversations, since the user closes the group."""
        self.closed = True
        for each in self.workers:
            each.close()

    # What happens ---------------------------------------------------------------------------

    def receive(
        self, index: int, frame: Any, failure: Any = None, *, used: bool = True, now: float = 0.0
    ) -> None:
        """Handle a frame of a worker. `failure` is the failure that it carries, if it has one.

        `used` tells whether the user has got anything from the worker.
        """
        worker = self.workers[index]
        if failure is not None and self._fallback is not None and not worker.done:
            ending = Ending(FAILED, worker.public_state, detail=failure)
            used = used or bool(worker.given_late) or worker.follows_dead is not None
            if may_hand_over(ending, used=used):
                worker.copy().hear(frame.kind, frame.epoch)  # raises if it may not come now
                self._replace(index, self._fallback, ending)
                return
        had_failed = worker.failure is not None
        worker.receive(frame, failure)
        if frame.kind == Status.INITIALIZATION_SUCCEEDED:
            worker.ready_since = now
        if worker.failure is not None and not had_failed and failure is None:
            self._start_again(index)  # it was out of time, and this frame has its stacks

    def launch(self, index: int, now: float) -> None:
        """Record that a worker is being started now."""
        self.workers[index].launched = now

    def lose(
        self,
        index: int,
        status: Any,
        now: float = 0.0,
        begun: int | None = None,
        *,
        gets_inputs: bool = False,
        cause: str = DIED,
        struck: bool = False,
    ) -> None:
        """Handle the end of a worker. `status` tells how it ended.

        The cause is DIED, or CUT_OFF. `struck` tells whether something outside has ended it. For
        `begun`, the input of a map that it had begun, see `ParentCore`.
        """
        worker = self.workers[index]
        if not worker.done:
            starting = worker.state is ParentState.INITIALIZATION
            none = gets_inputs and (starting or worker.given_late is None)
            worker.look_at_task(0 if none else begun, None)
            if not starting and now - worker.ready_since >= STEADY_SECONDS:
                worker.without_input = 0
            worker.lose(status, cause)
            self._start_again(index, struck=struck)

    def retire(self, index: int) -> None:
        """Replace a worker that has done its full number of tasks."""
        worker = self.workers[index]
        if not worker.done:
            worker.begun = None  # it has done all its tasks
            worker.fail(RETIRED, None, kill=False)
            self._start_again(index)

    def expire(self, now: float) -> None:
        """Handle all deadlines that have passed."""
        for index, each in enumerate(self.workers):
            failed = each.failure is not None
            each.expire(now)
            if each.failure is not None and not failed:
                self._start_again(index)

    def begin_to_wait(self, now: float, indices: Collection[int] | None = None) -> None:
        """Record that somebody waits for the workers at `indices`, or for all."""
        for index, each in enumerate(self.workers):
            if indices is None or index in indices:
                each.begin_to_wait(now)

    def end_to_wait(self) -> None:
        """Record that nobody waits any more: the next wait has the whole time limit."""
        for each in self.workers:
            each.waits_since = each.paused = None

    def pause(self, now: float) -> None:
        """Record that nobody waits for now: the time waited so far counts in the next wait."""
        for each in self.workers:
            if each.paused is None:
                each.paused = now

    def sleep_through(self, seconds: float, *, before: float = float("inf")) -> None:
        """Shift start times up to `before` by the seconds for which this process was stopped."""
        for each in self.workers:
            each.sleep_through(seconds, before)

    def _replace(self, index: int, backend: str, ending: Ending) -> None:
        """Let a worker of another backend do what is left to do for the user."""
        old, new = self.workers[index], ParentCore(self._limits)
        new.follows_dead = False  # not None: so no further fallback replaces this one
        old.hand_over(new)
        new.effects = (*old.effects, Launch(backend, ending), *new.effects)
        self.workers = (*self.workers[:index], new, *self.workers[index + 1 :])

    def _start_again(self, index: int, *, struck: bool = False) -> None:
        """Restart a worker that has just failed, if `recovery` allows it."""
        old, failed = self.workers[index], self.workers[index].failure
        assert failed is not None
        left = self._max_restarts - self._restarts
        again = bool(old.follows_dead)
        if self.closed or not may_restart(failed, left, again=again, struck=struck):
            return
        self._restarts += 1
        self.restarts += 1
        new = ParentCore(self._limits)
        new.follows_dead = failed.cause != RETIRED
        if index in self.awaiting:  # the loop has not yet handled the loss before this one
            new.loss = old.loss
        if new.inherit_from(old):
            self.awaiting |= {index}
        told = [each for each in old.effects if not isinstance(each, End)]
        kill = True in [each.kill for each in old.effects if isinstance(each, End)]
        new.effects = (*told, Launch(None, failed, kill))
        self.workers = (*self.workers[:index], new, *self.workers[index + 1 :])
