"""What a worker tells of its place in a pass, beside items: bodies of PROGRESS_REPORTED. Pure.

There are two kinds. A *snapshot* is the state of what the user iterates on, at an item of a shard:
a worker that is to go on at that item, or later, loads it, and need not make the items before. And
while a worker makes items again that the loop has had, it tells how many it has *skipped*.
"""

from __future__ import annotations

from struct import Struct, error

from .._named_tuple import NamedTuple
from ..errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Snapshot(NamedTuple):
    """A state of what the user iterates on."""

    shard: int
    item: int  # how many items of the shard came before it
    state: bytes  # see `_payload.user_states`


class Skipped(NamedTuple):
    """How far a worker has got in making items again, and dropping them."""

    done: int
    total: int
    seconds: float


NOTHING = Skipped(0, 0, 0.0)
KEPT = 8  # how many snapshots are kept of a shard
MOST_SHARDS = 1000  # and of how many shards
_SNAPSHOT, _SKIPPED = b"S", b"K"
_PLACE = Struct("<QQ")
_SHARE = Struct("<QQd")


def write(told: Snapshot | Skipped) -> bytes:
    """Return the body that tells something."""
    if isinstance(told, Skipped):
        return _SKIPPED + _SHARE.pack(*told)
    return _SNAPSHOT + _PLACE.pack(told.shard, told.item) + told.state


def read(body: bytes | bytearray | memoryview) -> Snapshot | Skipped:
    """Return what a body tells, or raise a ProtocolError."""
    try:
        if body[:1] == _SKIPPED:
            return Skipped(*_SHARE.unpack(body[1:]))
        if body[:1] == _SNAPSHOT:
            shard, item = _PLACE.unpack_from(body, 1)
            return Snapshot(shard, item, bytes(body[1 + _PLACE.size :]))
    except error as problem:
        raise ProtocolError(f"progress that cannot be read: {problem}") from problem
    raise ProtocolError("progress of an unknown kind")


class Snapshots:
    """The latest snapshots of each shard of a pass.

    The worker is ahead of the loop, and nobody knows how far. So the distances of those that are
    kept from the newest grow by about the same ratio. One thread at a time adds; any may ask.

    Example:
        >>> snapshots = Snapshots([Snapshot(0, 10, b"a"), Snapshot(0, 20, b"b")])
        >>> snapshots.before([(0, 25)], {}), snapshots.before([(0, 20)], {0: 19})
        ([Snapshot(shard=0, item=20, state=b'b')], [Snapshot(shard=0, item=10, state=b'a')])
    """

    def __init__(self, known: Iterable[Snapshot] = ()) -> None:
        self._kept: dict[int, tuple[Snapshot, ...]] = {}
        for each in known:
            self.add(each)

    def add(self, snapshot: Snapshot) -> None:
        """Take one in, instead of one of the same item; drop one if there are too many."""
        others = self._kept.get(snapshot.shard, ())
        kept = sorted([*[each for each in others if each.item != snapshot.item], snapshot])
        if len(kept) > KEPT:
            places = [0, *[each.item for each in kept]]
            newest = places[-1]
            # Without a snapshot there is a gap between its neighbours. Drop the one whose gap is
            # smallest beside its distance from the newest.
            ratios = [
                (places[number + 2] - places[number]) / (newest - places[number])
                for number in range(KEPT)
            ]
            del kept[ratios.index(min(ratios))]
        self._kept.pop(snapshot.shard, None)  # so that the last is the one that was added to last
        self._kept[snapshot.shard] = tuple(kept)
        if len(self._kept) > MOST_SHARDS:  # nearly all have ended; without one, more is made again
            del self._kept[next(iter(self._kept))]

    def before(self, begun: Iterable[tuple[int, int]], anchors: dict[int, int]) -> list[Snapshot]:
        """Return, for those of some shards that have any, the snapshot to go on from.

        `begun` has shards, and how many items of each were read. `anchors` has, for some, the index
        of an item that is compared: a snapshot after it would leave nothing to compare, so if the
        state does not tell all, nobody would notice that items are missing.
        """
        found: list[Snapshot] = []
        for shard, count in begun if self._kept else ():
            most = min(count, anchors.get(shard, count))
            found += [each for each in self._kept.get(shard, ()) if each.item <= most][-1:]
        return found
