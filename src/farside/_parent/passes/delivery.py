"""Brings the items of all workers to the loop.

What has arrived lies in the workers' inboxes, as frames. `queues` opens them, and a delivery puts
their entries into blocks. `InTurn` keeps an order that no number of workers changes, `Dealt` none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import repeat
from operator import length_hint
from typing import Any

from ..._in_c import FREE_THREADED, Lock
from ..._protocol.order import Place
from ..._protocol.parent import ParentCore
from ..._protocol.progress import Snapshot, Snapshots
from ..._system.signals import try_lock
from ...errors import NotPicklableError
from .anchors import AFTER_STATE, Anchors
from .queues import PLAIN, Block, Queue

MOST = 1000  # about how many entries of each worker a block has at most: as many as a frame


class Delivery:
    """The items of a pass, from the workers' inboxes to the loop: the base of the orders.

    One thread at a time takes blocks. Any thread may ask, and `clear`.
    """

    failed_inputs = 0  # without ending the pass
    slow = False  # whether inputs take long to come: what has arrived meanwhile goes first
    source: Any = None  # the supply of inputs that have to be awaited
    unprompted = False  # whether items come, and end, without tasks and marks: of one iterable
    first = 0  # how many items of an iterable the loop had before it was resumed
    returned: deque[int] | None = None  # tasks given back, by number; None: none are asked for

    def __init__(self, count: int, *, counting: bool) -> None:
        self.queues = [Queue(index, counting=counting) for index in range(count)]
        self.counting = counting  # whether workers have to know of each item that was taken
        # No defaults of the class: Python would be slower to set them.
        self.over = False  # whether the marks tell that nothing more comes
        self.finished = False  # whether the loop has come to the end of the pass
        # Whether nothing may be taken any more: the pass was left, or all was closed.
        self.cleared = self._emptied = False
        self.epoch = 0  # what user code is told
        self.members: Sequence[Any] = ()
        self.failure: BaseException | None = None  # of an input that has ended the pass
        self.left_out: list[int] = []  # for each item that the loop did not get: how many it had
        # How many items were in the blocks before, how many in the present one, and what is left of
        # that: one object, so that another thread finds all of it, or nothing.
        self.block: tuple[int, int, Any] = 0, 0, ()
        self._dropped: list[Any] = []  # what `clear` has just taken out of that
        self.alone = Lock()  # without a GIL, held in `take`
        self.orders: dict[int, list[Any]] = {}  # tasks to be sent, by the numbers of the workers
        self.anchors = Anchors()  # digests of items that were taken now and then
        self.snapshots = Snapshots()  # states of what the user iterates on, from the workers

    @property
    def needs(self) -> Sequence[int]:
        """The workers of which one has to send something for the loop to go on."""
        raise NotImplementedError

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        """Return the next block; None: nothing has come, or `over` says why."""
        raise NotImplementedError

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        """Tell whether the loop need not wait."""
        if self.over:
            return True
        for index in self.needs:
            worker = workers[index]
            if worker.inbox.frames or worker.over or self.queues[index].waiting:
                return True
        return False

    def take_orders(self) -> dict[int, list[Any]]:
        """Return the tasks that workers have to be given since the last time."""
        orders, self.orders = self.orders, {}
        return orders

    @property
    def rest(self) -> Any:
        """What is left of the present block."""
        return self.block[2]

    @property
    def passed(self) -> int:
        """How many items were taken out of blocks, those left out too. In any thread."""
        before, count, rest = self.block
        return before + max(0, count - length_hint(rest) - len(self._dropped))

    @property
    def delivered(self) -> int:
        """How many items the loop was given. In any thread."""
        while True:
            passed, left_out = self.passed, len(self.left_out)
            if passed == self.passed:  # else something was taken or left out in between
                return passed - left_out

    def not_here(self, why: str, error: Exception) -> list[Any]:
        """Return what the loop gets for an item that does not unpickle here; or raise why."""
        index = self.first + self.delivered
        raise NotPicklableError(f"the item of index {index} {why}", item_index=index) from error

    @property
    def waiting(self) -> int:
        """How many items were taken out of the inboxes, and not by the loop. In any thread."""
        rest = () if self._emptied else self.rest
        return length_hint(rest) + sum([queue.waiting for queue in self.queues])

    def place(self, behind: int = 0) -> Place | None:
        """Return where the loop is, or where it was some items ago; None: that is not known."""
        raise NotImplementedError

    def take_snapshot(self, snapshot: Snapshot) -> None:
        """Take in a state of what the user iterates on. In any thread."""
        place, shard = self.place(), snapshot.shard
        begun = () if place is None else [each for each in place.begun if each[0] == shard]
        compared = self.anchors.known_of(Place(begun=tuple(begun)), AFTER_STATE)
        # A pass is made once more from a snapshot that has an item to compare after it.
        self.snapshots.add(snapshot, min([each[1] for each in [*begun, *compared]], default=0))

    def _anchor_snapshots(
        self,
        shard: int,
        first: int,
        entries: Sequence[Any],
        sources: Any,
        *,
        at: int = 0,
        step: int = 1,
    ) -> None:
        """Take the digests of the items that come after snapshots, so that these can be used.

        Of the entries, each `step`-th from `at` on is of the shard, from its item `first` on.
        """
        end = first + len(range(at, len(entries), step))
        places = self.snapshots.places(shard) if self.anchors.verify else ()
        # Those with items to compare here: hardly ever any.
        near = [place for place in places if first - AFTER_STATE < place < end]
        for index in sorted({place + after for place in near for after in range(AFTER_STATE)}):
            if first <= index < end:
                number = at + (index - first) * step
                source = sources[number] if type(sources) is list else sources
                self.anchors.add(shard, index, entries[number], source or PLAIN)

    def known_of(self, place: Place) -> tuple[list[tuple[int, int, bytes]], list[Snapshot]]:
        """Return what helps to make a pass once more up to a place: anchors and snapshots."""
        # An anchor is the shard, the index of an item, and its digest: it tells whether the pass is
        # the same. A snapshot is what to go on from.
        found = self.anchors.known_of(place, 1 if self.snapshots.empty else AFTER_STATE)
        begun: Sequence[tuple[int, int]] = place.begun
        snapshots: list[Snapshot] = []
        # First snapshots before all items to compare; then, for other shards, before some of them.
        for way in (reversed(found), found) if not self.snapshots.empty else ():
            indices = {shard: index for shard, index, _ in way}
            if self.anchors.verify:
                # Without an anchor nobody would notice that a state does not serve.
                begun = [each for each in begun if each[0] in indices]
            snapshots += self.snapshots.before(begun, indices)
            had = {each.shard for each in snapshots}
            begun = [each for each in begun if each[0] not in had]
        return found, sorted(snapshots)

    def clear(self) -> None:
        """Let nobody take any more what is here."""
        if self._emptied:  # the inboxes of all workers say so, one after the other
            return
        self.cleared = True
        if FREE_THREADED:
            # Without a GIL nothing is taken all at once. So the block stays, and a loop in another
            # thread, which takes from it just now, looks at `cleared` after each item.
            # And queues are left to a thread that is in the middle of taking from them.
            try_lock(self.alone, self.clear_queues)
            self._emptied = True
            return
        before, count, rest = block = self.block
        # All at once, by one call of C code: a loop in another thread has to get the items that
        # come first, or none of these.
        with suppress(IndexError):
            self._dropped.extend(map(list.pop, repeat(rest)) if type(rest) is list else rest)
        if self.block is block:  # else the loop has seen that it is cleared, and took none of it
            self.block = before + count - len(self._dropped), 0, ()
        self._dropped = []
        self.clear_queues()
        self._emptied = True  # last: where a signal handler raises before, all is done once more

    def clear_queues(self) -> None:
        """Let go of what is in no block, and of the memory of the frame that was opened last."""
        for queue in self.queues:
            queue.clear()

    def let_go(self) -> None:
        """Let go of the user's objects: the pass was left, and only its state may be asked for."""

    def _begin_block(self) -> None:
        """Take in that the loop takes no more of the block before: it is at its end, or cleared."""
        self.block = self.passed, 0, ()

    def _end_block(self, entries: list[Any], sources: Any) -> Block:
        """Take in the block that the loop is given, and return it."""
        # The loop takes the entries out of `rest`: the last one first, where they have sources.
        before = self.block[0]
        self.block = before, len(entries), iter(entries) if sources is None else entries
        if self.cleared:  # by another thread, which may have found this block, or not
            self.block = before, 0, ()  # first: what asks in the next call must not count them
            entries.clear()
            self.clear_queues()
        return entries, sources


class OneAfterAnother(Delivery):
    """Gives the loop the items of one iterable: without marks, and as they come."""

    needs = (0,)
    unprompted = True

    def __init__(self, first: int = 0, *, counting: bool) -> None:
        super().__init__(1, counting=counting)
        self.first = first

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        queue = self.queues[0]
        opened = queue.open(workers[0])
        if opened is None:
            return None
        self._begin_block()
        entries, source = opened.entries, queue.source
        if not source.each:
            queue.taken += len(entries)
        first = self.first + self.block[0]
        if entries and self.anchors.due:
            self.anchors.add(0, first, entries[0], source)
        self._anchor_snapshots(0, first, entries, source)
        return self._end_block(entries, source.needed)

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        worker = workers[0]
        return bool(worker.inbox.frames) or worker.over

    def place(self, behind: int = 0) -> Place | None:
        count = self.first + self.delivered - behind
        return Place(begun=((0, count),) if count else ())
