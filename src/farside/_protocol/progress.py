"""What a worker reports of its place in a pass, beside items: bodies of PROGRESS_REPORTED. Pure.

There are two kinds. A *snapshot* is the state of what the user iterates on, at an item of a shard.
A worker that continues at that item or later loads the snapshot, and need not make the items before
it again. The other kind tells how many items a worker has *skipped*, while it makes items again
that the loop has had.
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
    """How far a worker has got in making items again, which it then drops."""

    done: int
    total: int
    seconds: float


NOTHING = Skipped(0, 0, 0.0)
KEPT = 8  # how many snapshots are kept of a shard
_BEHIND = 3  # how many of these may lie before the loop's place, for states of earlier places
MOST_SHARDS = 1000  # for how many shards snapshots are kept
_SNAPSHOT, _SKIPPED = b"S", b"K"
_PLACE = Struct("<QQ")
_SHARE = Struct("<QQd")


def write(told: Snapshot | Skipped) -> bytes:
    """Return a report as a body."""
    if isinstance(told, Skipped):
        return _SKIPPED + _SHARE.pack(*told)
    return _SNAPSHOT + _PLACE.pack(told.shard, told.item) + told.state


def read(body: bytes | bytearray | memoryview) -> Snapshot | Skipped:
    """Return the report in a body. Raise ProtocolError if it cannot be read."""
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

    The worker is ahead of the loop. The snapshots that are kept begin near the loop's place, and
    are spread evenly from there to the newest. One thread at a time may add some; any may read.

    Example:
        >>> snapshots = Snapshots([Snapshot(0, 10, b"a"), Snapshot(0, 20, b"b")])
        >>> snapshots.before([(0, 25)], {}), snapshots.before([(0, 20)], {0: 19})
        ([Snapshot(shard=0, item=20, state=b'b')], [Snapshot(shard=0, item=10, state=b'a')])
    """

    def __init__(self, known: Iterable[Snapshot] = ()) -> None:
        self._kept: dict[int, tuple[Snapshot, ...]] = {}
        for each in known:
            self.add(each)

    def add(self, snapshot: Snapshot, least: int = 0) -> None:
        """Add a snapshot, in place of one of the same item; drop one if there are too many.

        A worker that makes the pass again begins at item `least` of the shard or later, or a little
        before it. So a few of the snapshots before that item are enough.
        """
        others = self._kept.get(snapshot.shard, ())
        kept = sorted([*[each for each in others if each.item != snapshot.item], snapshot])
        behind = len([each for each in kept if each.item <= least])
        del kept[: max(0, behind - _BEHIND)]
        if len(kept) > KEPT:
            items = [each.item for each in kept[max(0, min(behind, _BEHIND) - 1) :]]
            # Drop the snapshot whose two neighbours are closest to each other.
            gaps = [after - before for before, after in zip(items, items[2:])]  # noqa: B905  fewer
            del kept[len(kept) - len(items) + 1 + gaps.index(min(gaps))]
        self._kept.pop(snapshot.shard, None)  # so that the shard that was added to last comes last
        self._kept[snapshot.shard] = tuple(kept)
        # Nearly all of these shards have ended. For one that has not, more items are made again.
        if len(self._kept) > MOST_SHARDS:
            del self._kept[next(iter(self._kept))]

    @property
    def empty(self) -> bool:
        return not self._kept

    def places(self, shard: int) -> list[int]:
        """Return the items of a shard before which the kept snapshots were taken."""
        return [each.item for each in self._kept.get(shard, ())]

    def before(self, begun: Iterable[tuple[int, int]], anchors: dict[int, int]) -> list[Snapshot]:
        """Return the snapshot to continue from, for each begun shard that has any.

        `begun` has shards, and how many items of each were read. For some shards, `anchors` has the
        index of an item that is compared. A snapshot after that item would leave nothing to
        compare: if the state were incomplete, nobody would notice that items are missing.
        """
        found: list[Snapshot] = []
        for shard, count in begun if self._kept else ():
            most = min(count, anchors.get(shard, count))
            found += [each for each in self._kept.get(shard, ()) if each.item <= most][-1:]
        return found
