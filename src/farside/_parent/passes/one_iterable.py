"""What a pass over one iterable of one worker is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..._protocol.order import Place, Sharding
from ..._protocol.parent import ParentCore
from .delivery import Delivery, OneAfterAnother
from .sequence import Given, ItemSequence, Start


class OneIterable(ItemSequence):
    """What ``fn()`` makes, once, in one worker."""

    def __init__(self, given: Given, *, counting: bool) -> None:
        super().__init__(given, Sharding(1, seed=given.seed))
        self._counting = counting
        self._next: Delivery | None = None  # of a pass from its beginning

    def make_ready(self) -> None:
        self._next = OneAfterAnother(counting=self._counting)

    def length(self, told: int | None) -> int | None:
        return told

    def state(self, begun: int, behind: int) -> dict[str, Any]:
        state = super().state(begun, behind)
        if state["epoch"] and state["epoch"] == self._fresh:
            state["fresh"] = True
        return state

    def _open(self, begun: int, start: Start) -> tuple[Delivery, Sequence[Any] | None]:
        read = start.place.begun[0][1] if start.place.begun else 0
        delivery, self._next = self._next, None
        if delivery is None or read:
            delivery = OneAfterAnother(read, counting=self._counting)
        if not (read or self._ahead) and self.seed == self._given.seed:
            return delivery, None  # the worker needs no plan
        if self._loaded is None:
            return delivery, [None]
        return delivery, [self._plan(self.epoch(begun), read, start)]

    def _go_on(self, delivery: Delivery, core: ParentCore, index: int) -> Any:  # noqa: ARG002  it is 0
        read = delivery.first + core.inbox.received
        place = Place(begun=((0, read),))
        return self._plan(delivery.epoch, read, Start(place, *delivery.known_of(place)))

    def _plan(self, epoch: int, read: int, start: Start) -> list[Any]:
        kept = tuple(start.snapshots[0][1:]) if start.snapshots else None
        return [read, [anchor[1:] for anchor in start.anchors], kept, epoch != self._fresh]
