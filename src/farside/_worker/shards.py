"""Runs shards: in slots, one item of each in turn, or one shard after the other."""

from __future__ import annotations

from itertools import chain, repeat, takewhile

from .._in_c import deque, length_hint, partial
from .._payload.items import Mark
from .._protocol.order import Place, Sharding, Turns, order_of, shard_seed
from . import snapshots
from .iterables import begun_once, check_iterable, close_generators
from .tasks import Tasks
from .torch_info import tell_torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from .._payload.worker_info import Task

_STEPS = 1024
"""About how many items of all slots are made at a time, without Python code for each. A larger
number would cost time where shards are short: the steps left when a shard ends are wasted."""

_FIRST_STEPS = 64
"""How many slots are looked at, at most, after a shard has ended; then twice as many each time.
Where shards are short, the next end is near, and there may be very many slots."""

_MANY = 1 << 62


class ShardReader(Tasks):
    """Reads those shards of a sequence that the parent names.

    It is pickled as a function without arguments, which the worker calls. There `fn` makes the
    iterable of a shard. Its arguments are what `setup` has made, if any, and the element of
    `shards`; or the shard's number if `shards` is None. Messages call a shard a `noun`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        setup: Callable[[], Any] | None,
        shards: Sequence[Any] | None,
        noun: str = "shard",
    ) -> None:
        self._given = fn, setup, shards
        self._noun = noun

    def named(self) -> list[tuple[str, Any]]:
        fn, setup, shards = self._given
        numbered = [(f"shards[{index}]", each) for index, each in enumerate(shards or ())]
        given = setup.keywords.items() if isinstance(setup, partial) else ()
        return [("fn", fn), *given, ("setup", setup), *numbered]

    def __call__(self) -> ShardReader:
        """Set up, in the worker, what lasts from pass to pass."""
        self._fn, setup, self._shards = self._given
        self._sharding = Sharding(0)
        self._order: Sequence[int] = (0,)  # see `order_of`
        if setup is not None:
            self.made = setup()
            self._fn = partial(self._fn, self.made)
        self._open: dict[int, Iterator[Any]] = {}  # by slot
        self._read: dict[int, int] = {}  # how many items of a shard to pass over
        self._waiting: deque[int] = deque()  # shards, where the parent deals them out
        self._latest = -1  # the slot whose state was asked for last
        # An iterator whose steps make items, how many steps it has, and the shards of the steps.
        self._walk: tuple[Any, int, tuple[int, ...]] = ((), 0, (0,))
        # Whose turn it was when that began; if shards are dealt, how many items had been read.
        self._turns: Turns | int = 0
        self._epoch = self._seed = 0
        return self

    def begin(self, plan: Any, epoch: int, seed: int) -> Iterator[Any]:
        place, slots, dealt, sharding, anchors, kept = plan
        self._anchors: dict[int, list[tuple[int, bytes]]] = {}
        for shard, index, digest in anchors:
            self._anchors.setdefault(shard, []).append((index, digest))
        # The states to load: of shards, at items.
        self._kept = {shard: (index, state) for shard, index, state in kept}
        self._holders: dict[int, Any] = {}  # objects with a state, by slot
        self._sharding = Sharding(*sharding)
        # Never empty: `where` may be called before any shard is read.
        self._order = order_of(self._sharding, epoch) or (0,)
        self._epoch, self._seed = epoch, seed
        if dealt is not None:
            self.add(dealt)
            return self.items_left()
        place = Place(*place)
        self._read = dict(place.begun)
        turns = Turns.begin(self._sharding, place).part(range(*slots))
        for slot in turns.live if self._read else ():
            self._expect(turns.chains[slot])
        return chain.from_iterable(self._in_turn(turns))

    def add(self, tasks: Any) -> None:
        self.out_of_tasks = False
        for shard, read in tasks:
            self._waiting.append(shard)
            self._read[shard] = read
            self._expect([shard])

    def _expect(self, shards: Sequence[int]) -> None:
        """Count the items of shards that are to be skipped, since they were read before."""
        for shard in shards:
            if shard in self._read:
                self.skips.expect(self._read[shard] - self._kept.get(shard, (0, b""))[0])

    def items_left(self) -> Iterator[Any]:
        return chain.from_iterable(self._one_by_one())

    def leave(self, made: int = 0) -> None:  # noqa: ARG002  see `Tasks`
        opened, self._open, self._holders = self._open, {}, {}
        close_generators(opened.values())
        self._waiting.clear()
        self._walk = (), 0, (self._shard(),)  # the old one has iterators too

    def to_snapshot(self, made: int) -> tuple[int, int, Any] | None:  # noqa: ARG002  see `Tasks`
        holders = self._holders
        if not holders:
            return None
        later = [slot for slot in holders if slot > self._latest]
        self._latest = slot = min(later or holders)
        walk, total, shards = self._walk
        walked, turns = total - length_hint(walk), self._turns
        if isinstance(turns, int):
            return shards[0], turns + walked, holders[slot]
        shard = turns.shard_of(slot)
        return shard, turns.advance(walked).read_of(shard), holders[slot]

    def where(self) -> Task:
        number = self._order[self._shard()]
        return number, self._sharding.total, shard_seed(self._seed, self._epoch, number)

    def _shard(self) -> int:
        """Return the shard that was asked last for an item."""
        walk, total, shards = self._walk
        return shards[(total - length_hint(walk) - 1) % len(shards)]

    def _in_turn(self, turns: Turns) -> Iterator[Any]:
        """Yield iterators over the next items, many in each, so that C code calls ``next()``."""
        most = _FIRST_STEPS
        while not turns.over:
            coming, count = turns.coming(most), len(turns.live)
            slot = coming[0]
            if slot not in self._open:
                self._start(slot, turns.shard)
            self._turns = turns
            if count == 1:
                yield self._alone(slot, turns.shard)
            else:
                run = tuple(takewhile(self._open.__contains__, coming))
                steps = [self._open[each] for each in run]
                if len(run) == count:
                    steps *= max(1, _STEPS // len(run))
                steps.append(iter(()))  # ends the `map` below
                walk = iter(steps)
                self._walk = walk, len(steps), tuple(map(turns.shard_of, run))
                yield map(next, walk)
                made = len(steps) - length_hint(walk) - 1  # the last step made none
                turns = turns.advance(made)
                if made == len(steps) - 1:
                    most = min(2 * most, count)
                    continue
                slot = turns.slot
            self._close(slot, turns.shard)
            self._turns = turns
            yield (Mark(),)
            turns, most = turns.end(), _FIRST_STEPS

    def _one_by_one(self) -> Iterator[Any]:
        while self._waiting:
            shard = self._waiting.popleft()
            self._turns = self._read.get(shard, 0)
            self._start(0, shard)
            yield self._alone(0, shard)
            self._close(0, shard)
            yield (Mark(),)
        self.out_of_tasks = True

    def _alone(self, slot: int, shard: int) -> Iterator[Any]:
        """Return an iterator of a shard's items, which counts them if the shard has a state."""
        if slot not in self._holders:
            self._walk = (), 0, (shard,)
            return begun_once(self._open[slot])
        walk = repeat(self._open[slot], _MANY)
        self._walk = walk, _MANY, (shard,)
        return map(next, walk)

    def _close(self, slot: int, shard: int) -> None:
        self._walk = (), 0, (shard,)
        self._holders.pop(slot, None)
        del self._open[slot]

    def _start(self, slot: int, shard: int) -> None:
        self._walk = (), 0, (shard,)
        tell_torch(self.where)
        number = self._order[shard]
        given = number if self._shards is None else self._shards[number]
        kept, anchors = self._kept.pop(shard, None), self._anchors.get(shard, ())

        def begin(state: bytes | None) -> tuple[Iterator[Any], Any]:
            self.stage = "shard"
            made = check_iterable(self._fn(given))
            if state is not None:
                self.stage = "load_state_dict"
            opened = snapshots.begin(made, state)
            self.stage = "next"
            return opened

        read = self._read.pop(shard, 0)
        self._open[slot], holder = (
            snapshots.continue_from(
                begin, kept, read, anchors, self.skips, of=f"{self._noun} {number}"
            )
            if read
            else begin(None)
        )
        if holder is not None:
            self._holders[slot] = holder
