"""A pass over a remote iterable: all that ``for`` and ``async for`` share, except the wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NoReturn
from weakref import ref

from .. import errors
from .._in_c import FREE_THREADED
from .._payload.failure import of_user
from .._protocol.effects import BROKEN, HERE
from .._protocol.group import GroupCore
from .._protocol.parent import ParentCore
from .._system.signals import try_lock
from . import deadline, messages_for_people
from .client import Client
from .decoding import decode_each, until_cleared
from .notes import warn
from .passes.delivery import Delivery
from .passes.queues import Block, Queue

_EARLY = "a worker has ended its pass before the end of its shards"
OVER: list[Any] = []  # what `Pass.step` returns at the end
# Raised in `Delivery.take` if another thread clears the delivery meanwhile.
_OF_CLEARED = (IndexError, ValueError, errors.ProtocolError)
SPOILT = (errors.NotPicklableError, errors.ProtocolError)  # received data cannot be read


class Pass:
    """A pass over a remote iterable. Its iterator holds it, and waits for it: see `Wanted`.

    `owner` is the remote iterable. This reference keeps it alive while an iterator exists.
    """

    __slots__ = ("_begun", "_owner", "client", "delivery", "epoch")

    def __init__(self, client: Client, epoch: int, delivery: Delivery, owner: object) -> None:
        self.client = client
        self.epoch = epoch
        self.delivery = delivery
        self._owner = owner
        self._begun = False  # whether `_begin` has nothing more to do

    def ready(self) -> bool:
        core = self.client.core
        return core.epoch != self.epoch or bool(core.awaiting) or self.delivery.ready(core.workers)

    def workers(self) -> Sequence[int]:
        return self.delivery.needs

    def step(self) -> Iterable[Any] | None:
        """Return an iterable of the next items; None if none has arrived, `OVER` at the end."""
        client, delivery = self.client, self.delivery
        client.check_home()
        self.acknowledge()  # the loop has finished with the block before
        if delivery.slow:
            client.waiting.look_if_free(client)
        deadline.check(client)
        core = client.core
        if core.epoch != self.epoch or core.awaiting:
            core = self._continue_restarted()
        workers = core.workers
        block = self._take(workers)
        if not self._begun and (block is not None or len(workers) > 1 or workers[0].over):
            self._begin(core, block is not None)
        if block is not None:
            return self._open(*block)
        if not delivery.without_tasks:
            self._tell()  # of marks that were passed
        if delivery.cleared:
            self._raise_cut_off()
        if not (delivery.over or self._is_at_end(core)):
            return None
        if delivery.ahead is None:  # else the loop has yet to get what was taken
            self.finish(core)
        return OVER

    def finish(self, core: GroupCore) -> None:
        """Record that the loop has reached the end of the pass."""
        delivery = self.delivery
        if not delivery.over:
            for worker in core.workers:
                worker.inbox.at_end = True  # without an event, as there is nothing to send
            delivery.clear_queues()
        delivery.finished = True

    def _take(self, workers: Sequence[ParentCore]) -> Block | None:
        delivery = self.delivery
        try:
            return self._take_alone(workers) if FREE_THREADED else delivery.take(workers)
        except Exception as error:
            if error is delivery.failure:
                # No variable may hold the traceback: it refers to this frame, so there would be a
                # cycle. `own`: the failure has no frame of user code.
                own = of_user(error.__traceback__) is error.__traceback__
                if own and isinstance(error, errors.FarsideError):
                    raise error.with_traceback(None) from error.__cause__
            elif delivery.cleared and isinstance(error, _OF_CLEARED):
                return None  # another thread has cleared it meanwhile
            raise

    def _take_alone(self, workers: Sequence[ParentCore]) -> Block | None:
        """Take a block without a GIL: another thread may want to clear the queues meanwhile."""
        delivery = self.delivery
        try:
            # The result is None instead of a tuple if another thread is clearing them.
            found = try_lock(delivery.alone, lambda: (delivery.take(workers),))
        finally:
            if delivery.cleared:  # another thread has left that to this one
                try_lock(delivery.alone, delivery.clear_queues)
        return found and found[0]

    def _begin(self, core: GroupCore, came: bool) -> None:  # noqa: FBT001  it is a fact
        """Record whether the user has got anything; warn if a one-shot iterator was left midway."""
        client = self.client
        # A mark counts too: the shard that it ends is not read again.
        used = came or True in [each.taken + each.given > 0 for each in self.delivery.queues]
        client.used = client.used or used
        continued = True in [each.continued for each in core.workers]
        self._begun = used or continued
        if continued:
            warn(messages_for_people.CONTINUED, errors.ExhaustedIteratorWarning)

    def _raise_cut_off(self) -> NoReturn:
        """Raise the error that says why no more can be taken, even if more has arrived."""
        self.delivery.clear_queues()  # again: this thread may have opened a frame since
        self.tell_end()

    def tell_end(self) -> NoReturn:
        """Raise the error that says why the pass was ended. A thread may be stepping it yet."""
        core = self._look_again()
        for worker, member in zip(core.workers, self.client.members, strict=True):
            if worker.opened and worker.ending is not None:
                raise self.client.error(worker.ending, member)
        raise errors.IterableClosedError("the iterator was closed")

    def _is_at_end(self, core: GroupCore) -> bool:
        """Return whether the pass is complete, once no item is left here; raise if it failed."""
        delivery, needs = self.delivery, self.delivery.needs
        finished = bool(needs)  # if no worker is needed, only inputs of a map are missing
        for index in needs:
            worker = core.workers[index]
            if not worker.over or worker.inbox.frames:
                finished = False
                continue
            if not worker.opened:
                raise errors.IterableClosedError("the iterator was closed")
            if worker.ending is not None or not delivery.without_tasks:
                if delivery.ahead is None:
                    self.fail(index)
                delivery.ahead.failed = index  # the loop raises it, or the next pass
                return True
            if worker.used_up:
                warn(messages_for_people.USED_UP, errors.ExhaustedIteratorWarning)
        return finished

    def fail(self, index: int) -> NoReturn:
        """Raise why a worker has failed, and end all of them."""
        client, ending = self.client, self.client.core.workers[index].ending
        if ending is None:  # marks tell the end, and the last is missing
            client.give_up(client.members[index], BROKEN, _EARLY)
            raise errors.ProtocolError(_EARLY)
        client.step(GroupCore.end)
        part = client.sequence.part(self.delivery, index)
        raise client.error(ending, client.members[index], part)

    def _continue_restarted(self) -> GroupCore:
        """Tell restarted workers where to continue the pass."""
        core = self._look_again()
        for index in core.awaiting:
            plan = self.client.sequence.successor(self.delivery, core.workers[index], index)
            # The worker may have been told that it made its predecessor's items: correct that.
            self.acknowledge_queue(self.delivery.queues[index])
            self.client.step(
                partial(GroupCore.continue_pass, index=index, epoch=self.epoch, plan=plan)
            )
        return core

    def _look_again(self) -> GroupCore:
        """Return the core after any step in another thread; raise if a newer pass has begun."""
        # The empty step waits for the end of a step in another thread, which may replace workers,
        # or begin a pass. That has to be over before the user may ask for the loop's state.
        self.client.step(lambda _: None)
        core = self.client.core
        if core.epoch != self.epoch:
            raise messages_for_people.superseded(self.epoch, core.epoch)
        return core

    def acknowledge(self, *, done: bool = True) -> None:
        """Tell the workers how many items were taken; `done`: all of the present block are."""
        workers = self.client.core.workers
        for queue in self.delivery.queues:
            if done and queue.given:
                queue.end_block()
            # A worker whose pass is over makes nothing more, so it needs no credit.
            if queue.acknowledged != queue.taken and not workers[queue.index].over:
                self.acknowledge_queue(queue)

    def _tell(self, *, done: bool = True) -> None:
        """Tell the workers how many items were taken, and send them their tasks."""
        self.acknowledge(done=done)
        if self.delivery.orders:
            orders = [*self.delivery.take_orders().items()]
            only = orders[0][0] if len(orders) == 1 else None
            self.client.step(partial(GroupCore.give, epoch=self.epoch, orders=orders), only)

    def acknowledge_queue(self, queue: Queue) -> None:
        taken = queue.taken
        self.client.members[queue.index].acknowledge(self.epoch, taken - queue.before)
        queue.acknowledged = taken  # last: if a signal handler raises before, it is done again

    def spoilt(self, error: errors.FarsideError) -> None:
        """End all workers, since one of them has sent data that cannot be read."""
        client = self.client
        if error is self.delivery.failure:
            return  # only one input has failed, and the workers are not affected
        if client.core.failure is None:
            member = client.members[0]
            client.give_up(member, HERE, error)
            known = member.failure  # perhaps another one, if another thread was faster
            if known is not None and known[1]() is error:
                member.failure = known[0], ref(error)  # kept only while somebody else has it

    def leave(self) -> None:
        """Stop the pass, unless it is over. Never waits."""
        # A finalizer may call this in the middle of anything that this or another thread does.
        client, delivery = self.client, self.delivery
        if not client.unheard:
            if delivery.over or not delivery.finished:
                client.post(partial(GroupCore.stop, epoch=self.epoch))
            # After the stop, which ends the worker's wait: `stats` must not show a wait that is
            # longer than the pass.
            client.counters.end(self.epoch)
        if delivery.ahead is None or delivery.ahead.over:  # else a thread may be using them yet
            delivery.release()

    def _open(self, entries: list[Any], sources: Any) -> Iterable[Any]:
        """Return an iterable of the items of a block. It ends when the pass is left."""
        one = len(entries) == 1
        if one or not self.delivery.without_tasks:
            self._tell(done=one)  # the loop takes a single one now
        if sources is None:
            rest: Iterable[Any] = self.delivery.rest
            return until_cleared(self.delivery, rest) if FREE_THREADED else rest
        entries.reverse()
        if type(sources) is list:
            sources.reverse()
        return decode_each(self, entries, sources)
