"""The base of deliveries, which bring the items of all workers to the loop.

Frames that have arrived lie in the workers' inboxes. `queues` opens them, and a delivery puts their
entries into blocks. The order of `InTurn` does not depend on the number of workers. `Dealt` has no
fixed order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import repeat
from operator import length_hint
from typing import TYPE_CHECKING, Any

from ..._in_c import FREE_THREADED, Lock
from ..._protocol.order import Place
from ..._protocol.parent import ParentCore
from ..._protocol.progress import Snapshot, Snapshots
from ..._system.signals import try_lock
from ...errors import NotPicklableError
from .anchors import AFTER_STATE, Anchors
from .queues import PLAIN, Block, Queue

if TYPE_CHECKING:
    from .read_ahead import ReadAhead

MOST = 1000  # about how many entries of a worker a block has at most: as many as most frames


class Delivery:
    """The items of a pass, from the workers' inboxes to the loop: the base of the orders.

    One thread at a time takes blocks. Any thread may read the attributes, and call `clear`.
    """

    failed_inputs = 0  # how many inputs have failed without ending the pass
    slow = False  # whether inputs may come slowly: results that have arrived are handled first
    source: Any = None  # the supply of inputs that have to be awaited
    without_tasks = False  # whether the pass needs no tasks and no marks, as that of one iterable
    first = 0  # how many items of an iterable the loop had before it was resumed
    ahead: ReadAhead | None = None  # if a thread takes the items, and the loop gets them from it
    returned: deque[int] | None = None  # tasks given back, by number; None: none are asked for

    def __init__(self, count: int, *, counting: bool) -> None:
        self.queues = [Queue(index, counting=counting) for index in range(count)]
        self.counting = counting  # whether workers have to know of each item that was taken
        # These are not defaults of the class, since Python would then be slower to set them.
        self.over = False  # whether the marks tell that nothing more comes
        self.finished = False  # whether the loop has reached the end of the pass
        # Whether nothing may be taken any more: the pass was left, or the iterable was closed.
        self.cleared = self._emptied = False
        self.epoch = 0  # as user code knows it
        self.members: Sequence[Any] = ()
        self.failure: BaseException | None = None  # of an input that has ended the pass
        self.left_out: list[int] = []  # for each item left out: how many the loop had before it
        # How many items earlier blocks had, how many the present one has, and what is left of it.
        # It is one object, so that no other thread sees a part of one block and a part of the next.
        self.block: tuple[int, int, Any] = 0, 0, ()
        self._dropped: list[Any] = []  # items that `clear` has just taken out of the block
        self.alone = Lock()  # held in `take`, if there is no GIL
        self.orders: dict[int, list[Any]] = {}  # tasks to be sent, by the index of the worker
        self.anchors = Anchors()  # digests of some items
        self.snapshots = Snapshots()  # states of what the user iterates on, from the workers

    @property
    def needs(self) -> Sequence[int]:
        """The workers that the loop waits for: it can continue when one of them sends something."""
        raise NotImplementedError

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        """Return the next block; None if nothing has arrived, or the pass is `over`."""
        raise NotImplementedError

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        """Tell whether the loop has no need to wait."""
        if self.over:
            return True
        for index in self.needs:
            worker = workers[index]
            if worker.inbox.frames or worker.over or not self.queues[index].is_empty:
                return True
        return False

    def take_orders(self) -> dict[int, list[Any]]:
        """Return the tasks that have yet to be sent to workers, and forget them."""
        orders, self.orders = self.orders, {}
        return orders

    @property
    def rest(self) -> Any:
        """What is left of the present block."""
        return self.block[2]

    @property
    def passed(self) -> int:
        """How many items were taken out of blocks, including those left out. In any thread."""
        before, count, rest = self.block
        return before + max(0, count - length_hint(rest) - len(self._dropped))

    @property
    def delivered(self) -> int:
        """How many items were taken out of blocks for the loop. In any thread."""
        passed = self.passed
        while (left_out := len(self.left_out)) and passed != (now := self.passed):
            passed = now  # something was taken or left out in between
        return passed - left_out

    @property
    def had(self) -> int:
        """How many items the loop was given. In any thread."""
        return self.delivered if self.ahead is None else self.ahead.given

    def not_here(self, why: str, error: Exception) -> list[Any]:
        """Return what the loop gets instead of an item that does not unpickle here, or raise."""
        index = self.first + self.delivered
        raise NotPicklableError(f"the item of index {index} {why}", item_index=index) from error

    @property
    def waiting(self) -> int:
        """How many items have left the inboxes, but the loop has yet to take. In any thread."""
        rest = () if self._emptied else self.rest
        ahead = 0 if self.ahead is None else self.ahead.waiting
        return ahead + length_hint(rest) + sum([queue.waiting for queue in self.queues])

    def place(self, given: int) -> Place | None:
        """Return where the loop was after `given` items; None if that is not known any more."""
        raise NotImplementedError

    def take_snapshot(self, snapshot: Snapshot) -> None:
        """Record a state of what the user iterates on. In any thread."""
        place, shard = self.place(self.had), snapshot.shard
        begun = () if place is None else [each for each in place.begun if each[0] == shard]
        compared = self.anchors.known_of(Place(begun=tuple(begun)), AFTER_STATE)
        # A pass is made again from a snapshot that is followed by an item to compare.
        self.snapshots.add(snapshot, min([each[1] for each in [*begun, *compared]], default=0))

    def _take_anchors(
        self,
        shard: int,
        first: int,
        entries: Sequence[Any],
        sources: Any,
        *,
        due: bool,
        at: int = 0,
        step: int = 1,
    ) -> None:
        """Take the digests of the first item, if `due`, and of the items after each snapshot.

        A snapshot without them is not used. The shard has each `step`-th entry, from `at` on.
        """
        places = self.snapshots.places(shard) if self.anchors.verify else ()
        end = first + len(range(at, len(entries), step))
        # The snapshots with such items among these entries: there are hardly ever any.
        near = [place for place in places if first - AFTER_STATE < place < end]
        wanted = {place + after for place in near for after in range(AFTER_STATE)}
        for index in sorted(wanted | {first} if due else wanted):
            if first <= index < end:
                number = at + (index - first) * step
                source = sources[number] if type(sources) is list else sources
                self.anchors.add(shard, index, entries[number], source or PLAIN)

    def known_of(self, place: Place) -> tuple[list[tuple[int, int, bytes]], list[Snapshot]]:
        """Return what helps to make a pass again up to a place: anchors and snapshots."""
        # An anchor, a shard with the index and the digest of an item, tells whether the pass is the
        # same. A snapshot is a state to continue from.
        found = self.anchors.known_of(place, 1 if self.snapshots.empty else AFTER_STATE)
        begun: Sequence[tuple[int, int]] = place.begun
        snapshots: list[Snapshot] = []
        # Find snapshots before all items to compare; for shards without any, before the last item.
        for way in (reversed(found), found) if not self.snapshots.empty else ():
            indices = {shard: index for shard, index, _ in way}
            if self.anchors.verify:
                # Without an anchor, nobody would notice that a state is incomplete.
                begun = [each for each in begun if each[0] in indices]
            snapshots += self.snapshots.before(begun, indices)
            had = {each.shard for each in snapshots}
            begun = [each for each in begun if each[0] not in had]
        return found, sorted(snapshots)

    def clear(self) -> None:
        """Discard all items that are left, so that nobody takes them any more."""
        if self._emptied:  # the inboxes of all workers call this, one after the other
            return
        self.cleared = True
        if self.ahead is not None:
            self.ahead.cut()
        if FREE_THREADED:
            # Without a GIL, no call empties the block all at once. So the block stays, and a loop
            # that takes from it in another thread checks `cleared` after each item. If that thread
            # is just taking from the queues, it clears them itself.
            try_lock(self.alone, self.clear_queues)
            self._emptied = True
            return
        before, count, rest = block = self.block
        # A single call of C code takes out all items. Otherwise a loop in another thread might miss
        # some of them and then get later ones.
        with suppress(IndexError):
            self._dropped.extend(map(list.pop, repeat(rest)) if type(rest) is list else rest)
        if self.block is block:  # else the loop has seen `cleared`, and has taken none of it
            self.block = before + count - len(self._dropped), 0, ()
        self._dropped = []
        self.clear_queues()
        self._emptied = True  # last: if a signal handler raises before, the next call does it all

    def clear_queues(self) -> None:
        """Drop entries that are in no block, and release the memory of the frame opened last."""
        for queue in self.queues:
            queue.clear()

    def release(self) -> None:
        """Release the user's objects: the pass was left, and only its state may be asked for."""

    def _begin_block(self) -> None:
        """Close the block before: the loop takes no more of it, as it is used up or cleared."""
        self.block = self.passed, 0, ()

    def _end_block(self, entries: list[Any], sources: Any) -> Block:
        """Make a block of entries, and return it for the loop."""
        # The loop takes the entries out of `rest`. If they have sources, it reverses them first,
        # and takes from the end.
        before = self.block[0]
        self.block = before, len(entries), iter(entries) if sources is None else entries
        if self.cleared:  # by another thread, perhaps before this block was there
            self.block = before, 0, ()  # first: a thread that asks meanwhile must not count them
            entries.clear()
            self.clear_queues()
        return entries, sources
