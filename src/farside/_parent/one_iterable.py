"""What a pass over one iterable of one worker is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._protocol.order import Sharding
from .._protocol.parent import ParentCore
from .._protocol.progress import Snapshot
from .delivery import Delivery, OneAfterAnother
from .sequence import Given, ItemSequence, bytes_of


class OneIterable(ItemSequence):
    """What ``fn()`` makes, once, in one worker."""

    def __init__(self, given: Given, *, counting: bool) -> None:
        super().__init__(given, Sharding(1, seed=given.seed))
        self._counting = counting
        self._planned = False
        # The epoch of the first pass: no other has used up what an iterable gives only once.
        self._fresh: int | None = 0

    def length(self, told: int | None) -> int | None:
        return told

    def set_epoch(self, epoch: int, begun: int) -> None:
        super().set_epoch(epoch, begun)
        self._fresh = None if begun else epoch

    def load(self, state: Any, begun: int, *, strict: bool) -> None:
        super().load(state, begun, strict=strict)
        self._fresh = state["epoch"] if state.get("fresh", not state["epoch"]) else None

    def state(self, begun: int, behind: int) -> dict[str, Any]:
        state = super().state(begun, behind)
        if state["epoch"] and state["epoch"] == self._fresh:
            state["fresh"] = True
        return state

    def begin(self, begun: int) -> tuple[Delivery, Sequence[Any] | None]:
        epoch, start = self._begin_at(begun)
        read = start.place.begun[0][1] if start.place.begun else 0
        delivery = OneAfterAnother(read, counting=self._counting)
        self._keep(delivery, epoch, start)
        if not (read or self._ahead or self._planned) and self.seed == self._given.seed:
            return delivery, None  # the worker needs no plan
        self._planned = True  # from now on the worker may have another seed
        if self._loaded is None:
            return delivery, [(epoch, self.seed, (0, 0), None)]
        return delivery, [self._plan(epoch, (0, 0), read, start.anchors, start.snapshots)]

    def successor(self, delivery: Delivery, core: ParentCore, index: int) -> Any:
        received = core.inbox.received
        base = delivery.queues[index].go_on(received), bytes_of(core)
        read = delivery.first + received
        return self._plan(delivery.epoch, base, read, *delivery.known_of([(0, read)]))

    def _plan(
        self,
        epoch: int,
        base: tuple[int, int],
        read: int,
        anchors: list[tuple[int, int, bytes]],
        snapshots: list[Snapshot],
    ) -> Any:
        kept = tuple(snapshots[0][1:]) if snapshots else None
        told = [read, [anchor[1:] for anchor in anchors], kept, epoch != self._fresh]
        return epoch, self.seed, base, told
