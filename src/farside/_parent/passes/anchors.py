"""The anchors of a pass: digests of some items. A pass that is made again is compared with them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice
from time import monotonic
from typing import Any

from ..._payload import handlers
from ..._payload.anchors import of_entry, of_input
from ..._payload.plain import ATOMS
from ..._protocol.order import Place
from .queues import Source

_SHARDS = 1000  # anchors are kept for so many shards at most
_ANCHORS = 96
"""How many anchors are kept of a shard. `Anchors.known_of` needs the latest that the loop has
passed. There may be later ones too, as each snapshot within a block may have some. And a loop that
reads ahead asks for earlier ones. With one every `_ANCHOR_SECONDS`, the anchors reach as far back
as the snapshots behind the loop."""

AFTER_STATE = 3
"""How many items after a state are compared, if there are as many. If a state is incomplete, a
single item after it might still be the same by chance, where some items are equal."""

_ANCHOR_TIMES = 200
_ANCHOR_SECONDS = 0.005
"""After a digest, the next one is due after so many times as long as that one took, but after so
many seconds at most, since another program may have slowed it down. In order, the first item of
each shard that is open at the start always has one."""


class _Anchor:
    """The index of an item of a shard, and its digest; None until somebody asks for it."""

    __slots__ = ("digest", "index", "item")

    def __init__(self, index: int, digest: bytes | None, item: Any = None) -> None:
        self.index = index
        self.digest = digest
        self.item = item


class Anchors:
    """The latest anchors of some shards. One thread at a time adds some; any thread may ask."""

    _spared = 0  # for how many of the first shards the anchors are never dropped

    def __init__(self) -> None:
        self.verify = False  # whether to take any
        self._kept: dict[int, list[_Anchor]] = {}
        self._next = 0.0

    def know(self, anchors: Iterable[tuple[int, int, bytes]]) -> None:
        """Add the anchors of a loaded state; see `known_of`."""
        for shard, index, digest in anchors:
            self._kept.setdefault(shard, []).append(_Anchor(index, digest))

    def known_of(self, place: Place, most: int = 1) -> list[tuple[int, int, bytes]]:
        """Return anchors of the shards begun at a place: the shard, an item's index, its digest.

        They are the latest before the place, at most `most` of each shard, in order.
        """
        found = []
        for shard, count in place.begun:
            latest = reversed(tuple(self._kept.get(shard, ())))
            before = [*islice((each for each in latest if each.index < count), most)]
            for anchor in reversed(before):
                if anchor.digest is None:
                    anchor.digest = of_entry(anchor.item, (), plain=True)
                found.append((shard, anchor.index, anchor.digest))
        return found

    @property
    def due(self) -> bool:
        """Whether it is time to take a digest."""
        return self.verify and monotonic() >= self._next

    def _digest(self, entry: Any, source: Source) -> bytes:
        return of_entry(entry, source.blocks, plain=source.plain)

    def add(self, shard: int, index: int, entry: Any, source: Source) -> None:
        """Take the digest of an item, and decide when the next one is due."""
        began = monotonic()
        try:
            if type(entry) is int or type(entry) in ATOMS:  # it cannot change: no digest yet
                self._keep(shard, _Anchor(index, None, entry))
            else:
                self._keep(shard, _Anchor(index, self._digest(entry, source)))
        except Exception as error:  # it has no digest here: its class may pickle in another way
            if handlers.raised(error):
                raise
        pause = _ANCHOR_TIMES * (monotonic() - began)
        self._next = max(self._next, began) + min(pause, _ANCHOR_SECONDS)

    def _keep(self, shard: int, anchor: _Anchor) -> None:
        kept = self._kept.get(shard)
        if kept is None:
            self._kept[shard] = [anchor]  # never empty, as another thread may read it just now
            if len(self._kept) > _SHARDS:  # drop an old one: its shard has most probably ended
                del self._kept[next(islice(self._kept, self._spared, None))]
        elif anchor.index > kept[-1].index:  # else this item has one
            kept.append(anchor)
            if len(kept) > _ANCHORS:
                del kept[0]


class InputAnchors(Anchors):
    """The anchors of a map: digests of its inputs, since its results are not made again.

    An input is a shard here. So each anchor belongs to a shard of its own, and has the index 0.
    """

    _spared = 1

    def _digest(self, entry: Any, source: Source) -> bytes:  # noqa: ARG002  it has none
        return of_input(entry)

    def known_of(self, place: Place, most: int = 1) -> list[tuple[int, int, bytes]]:
        """Return the first anchor that is kept, and the latest before the end of a place."""
        kept = sorted(self._kept)
        latest = bisect_left(kept, place.end) - 1
        numbers = {kept[0], kept[latest]} if latest >= 0 else ()
        begun = tuple([(number, 1) for number in sorted(numbers)])
        return super().known_of(Place(begun=begun), most)
