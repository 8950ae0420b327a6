"""The sequence of a map: its inputs, over which each pass iterates anew."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from functools import partial
from typing import Any

from ..._payload import handlers
from ..._payload.anchors import is_comparable, of_item
from ..._payload.encoder import Encoder
from ..._payload.one_line import one_line
from ..._protocol.order import Place, Sharding
from ..._protocol.parent import ParentCore
from ..._worker.iterables import length_of
from ...errors import ExhaustedIteratorWarning, ReplayDivergedError
from ..checks import shown
from ..notes import warn
from .anchors import InputAnchors
from .async_supply import AsyncSupply
from .batches import Plan
from .delivery import Delivery
from .fingerprint import fingerprint
from .mapped import Mapped
from .mapped_orders import MappedAsTheyCome, MappedInOrder
from .sequence import Given, ItemSequence, Start
from .supply import Supply

_SAMPLE = 16  # how many inputs a fingerprint is made of, where `items` is a sequence


class Inputs(ItemSequence):
    """The results of a function for inputs. In a state, inputs are shards and results are items."""

    kind = _shards = "inputs"
    several = True

    def __init__(self, items: Iterable[Any] | AsyncIterable[Any], plan: Plan, given: Given) -> None:
        super().__init__(given, Sharding(0, seed=given.seed))  # `_look` returns their number
        self._takes_anchors = not isinstance(items, Sequence)  # a sequence has a fingerprint
        self._items = items
        self._plan = plan
        self._in_order = plan.in_order
        self._used = False  # whether an earlier pass has used a one-shot iterator
        self._looked: Delivery | None = None  # the latest pass when the fingerprint was made
        self._asking: list[AsyncSupply] = []  # see `AsyncSupply`

    def length(self, told: int | None) -> int | None:  # noqa: ARG002  it is that of the inputs
        return length_of(self._items) if self._has_one_each else None

    @property
    def _has_one_each(self) -> bool:
        """Whether a pass has one item for each input."""
        return not self._plan.flat and self._plan.on_error != "skip"

    def _open(self, begun: int, start: Start) -> tuple[Delivery, Sequence[Any] | None]:
        items, plan, place = self._items, self._plan, start.place
        kind = MappedInOrder if plan.in_order else MappedAsTheyCome
        awaited = self.awaits and isinstance(items, AsyncIterable)
        iterate = partial(self._iterate, place, awaited=awaited)
        source = partial(AsyncSupply, asking=self._asking, given=items) if awaited else Supply
        by_value = plan.main_by_value
        checks = {at: partial(_compare, at, digest, by_value) for at, _, digest in start.anchors}
        total = length_of(items)
        supply = source(iterate, place, total=total, main_by_value=by_value, checks=checks)
        delivery = kind(plan, supply)
        delivery.anchors = InputAnchors()
        return delivery, [(total if self._has_one_each else None, not begun)] * plan.workers

    def _iterate(self, place: Place, *, awaited: bool) -> Any:
        items: Any = self._items
        if not (awaited or isinstance(items, Iterable)) and isinstance(items, AsyncIterable):
            raise TypeError(_AWAITS)
        if type(items) is range:
            return items  # as it is, so that parts of it can be sent as ranges
        iterator = items.__aiter__() if awaited else iter(items)
        if iterator is self._items:
            if self._used:
                if place.ended or place.begun:
                    raise ValueError(_CANNOT_GO_BACK)
                warn(_USED, ExhaustedIteratorWarning)
            self._used = True
        return iterator

    def _plan_to_continue(self, delivery: Delivery, core: ParentCore, index: int) -> Any:
        assert isinstance(delivery, Mapped)
        delivery.start_again(core, index)
        return self.length(None), False

    def _look(self, *, anew: bool) -> int:
        items, total = self._items, length_of(self._items) or 0
        latest = self._passes[0] if self._passes and self._loaded is None else None
        known = latest is not None and latest is self._looked and not latest.finished
        if isinstance(items, Sequence) and (anew or not known):
            places = range(0, total, max(1, -(-total // _SAMPLE)))
            found = fingerprint([items[each] for each in places]) if total else ""
            self._given, self._looked = self._given._replace(fingerprint=found), latest
        return total

    def _refuse_others(self, read: dict[str, Any], total: int, *, strict: bool) -> None:
        if self._used and (read["ended"] or read["begun"]):
            raise ValueError(_CANNOT_GO_BACK)
        if read["begun"] and not self._plan.flat:
            raise ValueError(_OF_FLAT)
        if read["shards"] and total:
            self._refuse(read, "shards", total, "pass the same items")
        if strict and read["fingerprint"] and self._given.fingerprint:
            cure = "pass strict=False if they only look different now"
            self._refuse(read, "fingerprint", self._given.fingerprint, cure)


def _compare(number: int, digest: bytes, by_value: bool, item: Any) -> Any:  # noqa: FBT001  a partial
    """Return an input; raise if it differs from that of the pass whose state was loaded."""
    encoder, why, problem = Encoder(None, main_by_value=by_value), "", None
    try:
        if digest in of_item(item, encoder) or not is_comparable(item, encoder):
            return item
    except Exception as error:
        if handlers.raised(error):
            raise
        why, problem = f", which does not pickle ({one_line(error)})", error  # that of the pass did
    which = f"input of index {number}" if number else "first input"
    raise ReplayDivergedError(
        f"the {which} differs from that of the pass whose state was loaded: it is "
        f"{shown(item)}{why}; let items give the same each time: seed what shuffles, by the epoch "
        "too; or pass strict=False if it only looks different now"
    ) from problem


_AWAITS = (
    "items is an async iterable, and this loop cannot await it; loop over the results with "
    "async for, or pass items that can be iterated on"
)
_USED = (
    "items is a one-shot iterator, and an earlier pass has used it: this pass begins where that "
    "has ended; pass something that can be iterated again and again, such as a list"
)
_OF_FLAT = (
    "the state is that of a map with flat=True, where some of an input's results were given; pass "
    "flat=True, and the same function"
)
_CANNOT_GO_BACK = (
    "items is a one-shot iterator, and an earlier pass has used it, so no state can be loaded: its "
    "inputs cannot be had again; make a new map, with a new iterator that begins at the first input"
)
