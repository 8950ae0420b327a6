"""The sequences of one iterable, and of shards: which worker reads what, and from where on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..._protocol.order import Place, Sharding, Turns, count_of, join_ranges, order_of
from ..._protocol.parent import ParentCore
from ...errors import FarsideWarning
from ..notes import logger, warn
from .dealt import Dealt
from .delivery import Delivery
from .in_turn import InTurn
from .one_after_another import OneAfterAnother
from .queues import arrived
from .sequence import Given, ItemSequence, Part, Start
from .shard_names import name_of


class OneIterable(ItemSequence):
    """What ``fn()`` returns, called once, in one worker. In a state it is one shard."""

    def __init__(self, given: Given, *, counting: bool) -> None:
        super().__init__(given, Sharding(1, seed=given.seed))
        self._counting = counting

    def length(self, told: int | None) -> int | None:
        return told

    def state(self, begun: int, behind: int) -> dict[str, Any]:
        state = super().state(begun, behind)
        if state["epoch"] and state["epoch"] == self._fresh:
            state["fresh"] = True
        return state

    def _open(self, begun: int, start: Start) -> tuple[Delivery, Sequence[Any] | None]:
        read = start.place.begun[0][1] if start.place.begun else 0
        delivery = OneAfterAnother(read, counting=self._counting)
        if not (read or self._ahead) and self.seed == self._given.seed:
            return delivery, None  # the worker needs no plan
        if self._loaded is None:
            return delivery, [None]
        return delivery, [self._plan(self.epoch(begun), read, start)]

    def _plan_to_continue(self, delivery: Delivery, core: ParentCore, index: int) -> Any:  # noqa: ARG002  it is 0
        read = delivery.first + core.inbox.received
        place = Place(begun=((0, read),))
        return self._plan(delivery.epoch, read, Start(place, *delivery.known_of(place)))

    def _plan(self, epoch: int, read: int, start: Start) -> list[Any]:
        kept = tuple(start.snapshots[0][1:]) if start.snapshots else None
        return [read, [anchor[1:] for anchor in start.anchors], kept, epoch != self._fresh]


class Shards(ItemSequence):
    """What ``fn(shard)`` returns, called anew in each pass, in several workers.

    Args:
        in_order: whether the order of the items is independent of the number of workers.
        length: how many items a pass has, if the user knows it.
        unit: what a shard is called, if each has one item.
        noun: what it is called in any case.
        contents: the shards as the user gave them; None if they are only numbers.
        before_pass: called with the epoch of each pass that begins.
    """

    kind = "shards"
    several = True

    def __init__(
        self,
        given: Given,
        sharding: Sharding,
        count: int,
        *,
        in_order: bool,
        counting: bool,
        length: int | None = None,
        unit: str | None = None,
        noun: str = "shard",
        contents: Sequence[Any] | None = None,
        before_pass: Callable[[int], object] | None = None,
    ) -> None:
        super().__init__(given, sharding)
        self._before_pass = before_pass
        self._counting = counting
        self._contents = contents
        self._workers = count
        self._in_order = in_order
        self._length = length
        self._unit, self._noun = unit, noun
        self._shards = f"{noun}es" if noun.endswith("ch") else f"{noun}s"

    def length(self, told: int | None) -> int | None:  # noqa: ARG002  the user alone may know it
        return self._length

    def _open(self, begun: int, start: Start) -> tuple[Delivery, Sequence[Any] | None]:  # noqa: ARG002
        count, place = self._workers, start.place
        if self._unit:
            self._sharding = self._sharding._replace(before=place.ended)
        sharding = self._sharding
        if self._in_order:
            turns, ended = Turns.begin(sharding, place), place.ended
            delivery: Delivery = InTurn(turns, count, ended, counting=self._counting)
            return delivery, [self._plan(start, each) for each in range(count)]
        delivery = dealt = Dealt(place, count_of(sharding), count, counting=self._counting)
        firsts = dealt.take_orders()
        return delivery, [self._plan(start, each, firsts.get(each, [])) for each in range(count)]

    def _taken_over(self, sharding: Sharding, start: Start) -> tuple[Sharding, Start]:
        if not self._unit:
            return sharding, start
        # Each shard has one item, so a shard that was begun is done.
        read = [(shard, shard + 1) for shard, _ in start.place.begun]
        ended = tuple(join_ranges([*start.place.ended, *read]))
        return sharding._replace(cycle_length=self._sharding.cycle_length), Start(Place(ended))

    def state(self, begun: int, behind: int) -> dict[str, Any]:
        state = super().state(begun, behind)
        if self._unit:  # both depend on the number of workers, and do not affect the order
            state["cycle_length"], state["turn"] = 1, 0
        return state

    def check(self, begun: int) -> None:
        """Raise ValueError if each rank would shuffle in another way."""
        sharding, given = self._sharding, self._given
        drawn = not given.seed_given and sharding.seed == given.seed
        if sharding.shuffled and sharding.world_size > 1 and drawn:
            raise ValueError(
                f"shuffle_shards=True and world_size={sharding.world_size} without seed: each rank "
                "would shuffle in another way, and some shards be read twice and others never; "
                "pass the same seed to each rank"
            )
        if self._before_pass is not None:
            self._before_pass(self.epoch(begun))

    def part(self, delivery: Delivery, index: int) -> Part | None:
        order = order_of(self._sharding, delivery.epoch)
        if isinstance(delivery, Dealt):
            shard, item = delivery.part_of(delivery.queues[index])
            return self._part_of(order[shard], item)
        assert isinstance(delivery, InTurn)
        turns = delivery.front
        if turns.over:
            return None
        own = turns.part(self._slots(index))
        shards = tuple([order[own.shard_of(slot)] for slot in own.coming(len(own.live))])
        return self._part_of(order[turns.shard], turns.next_index, shards)

    def _part_of(self, shard: int, item: int, turns: tuple[int, ...] = ()) -> Part:
        name = "" if self._contents is None else name_of(self._contents[shard])
        return Part(shard, item, self._unit, turns, self._noun, name)

    def _plan_to_continue(self, delivery: Delivery, core: ParentCore, index: int) -> Any:
        frames, dealt = core.inbox.copied(), None
        if isinstance(delivery, Dealt):
            dealt = delivery.left_of(index, frames)
            place = Place(begun=tuple(dealt))
        else:
            assert isinstance(delivery, InTurn)
            turns = delivery.front.part(self._slots(index))
            for run, ended in arrived(delivery.queues[index], frames):
                turns = turns.advance(run)
                if ended:
                    turns = turns.end()
            place = turns.place(delivery.ended_before)
        return self._plan(Start(place, *delivery.known_of(place)), index, dealt)

    def _slots(self, index: int) -> range:
        return range(index, self._sharding.cycle_length, self._workers)

    def _plan(self, start: Start, index: int, dealt: list[tuple[int, int]] | None = None) -> Any:
        """Return a worker's plan: it begins at a place in its slots, or with shards dealt to it."""
        slots = self._slots(index)
        mine = slots.start, slots.stop, slots.step
        place = tuple(start.place) if dealt is None else ()  # not needed then, and may be long
        kept = [tuple(each) for each in start.snapshots]
        return place, mine, dealt, tuple(self._sharding), start.anchors, kept


def tell_of_idle_workers(cycle: int, shards: int, workers: int, unit: str | None) -> None:
    """Warn if some workers have no slot, and name a better number; log other causes of idleness."""
    # There are `cycle` slots. With `unit`, a small number of shards needs no message.
    if cycle < min(workers, shards):
        warn(
            f"cycle_length={cycle} is below num_workers={workers}: so many shards are open at a "
            f"time, and {_have(workers - cycle, ' worker')} nothing to do; pass {workers} or more",
            FarsideWarning,
        )
    elif not shards:
        logger().warning(
            "there is nothing to read here: there is no %s, or none for this rank, so a loop gets "
            "no items",
            unit or "shard",
        )
    elif not unit and shards < workers:
        logger().warning(
            "there %s for %d workers here, so %s nothing to do; pass more shards (smaller files)",
            "is 1 shard" if shards == 1 else f"are {shards} shards",
            workers,
            _have(workers - shards),
        )
    elif 1 < workers < cycle < shards and cycle % workers:
        most = -(-cycle // workers)
        logger().info(
            "%d slots cannot be dealt evenly to %d workers: some have %d, and others wait for "
            "them; pass cycle_length=%d",
            cycle,
            workers,
            most,
            most * workers,
        )


def _have(count: int, noun: str = "") -> str:
    return f"{count}{noun} has" if count == 1 else f"{count}{noun and f'{noun}s'} have"
