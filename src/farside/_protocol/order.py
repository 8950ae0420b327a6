"""Computes whose turn it is when several workers read the shards of one sequence. Pure.

What is exchanged: with START_ITERATION, the parent sends each worker a `Place` in the pass and the
slots that it reads. From then on, both sides compute whose turn it is by the same functions, so
items need no label. A worker sends the items of its slots in the order of their turns, and marks
where a shard has ended.

The order: `cycle_length` shards are open at a time, in slots. Slot i reads every cycle_length-th
shard, from the i-th on, one after the other. The loop gets one item of each slot in turn. When a
shard ends, its slot continues with its next one in the same turn. A slot without shards is skipped.
The order does not depend on the number of workers.

Why it is enough: if only some slots are kept in the order of all turns, the result is the order
that those slots would have alone (`Turns.part`). So a worker that reads its own slots in turn makes
its items in the order in which the loop wants them. Since each worker's items arrive in order, the
loop knows which worker has the next item, and can wait for that one alone. That worker has room to
send, since none of its items wait.

A place in the pass consists of the shards that have ended, how many items of others were read, and
whose turn it is. A restart or a resume is a pass that begins at such a place.

Here, a shard is identified by its position among those that a rank reads, in their order. So ended
shards form few ranges, however many there are. Only code that opens a shard, or names it to the
user, needs its number among all shards (`order_of`).
"""

from __future__ import annotations

import struct
from _blake2 import blake2b  # and not from `hashlib`, whose import would slow the start of workers
from bisect import bisect_left

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""A set of numbers, as ranges: the first number of each, and the one after its last."""


class Sharding(NamedTuple):
    """How a sequence is cut, and in which order its shards are read."""

    total: int  # how many shards all ranks have together
    cycle_length: int = 1
    shuffled: bool = False  # whether each pass reads them in another order
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    even: bool = False  # whether all ranks read equally many: some at the end may be left out
    before: Ranges = ()
    """If each shard has one item: those that had ended when the pass was resumed. Slots are made of
    the others, so these come in order, whatever the number of slots and whichever had ended."""


class Place(NamedTuple):
    """A place in a pass."""

    ended: tuple[tuple[int, int], ...] = ()  # ended shards, as `Ranges`
    begun: tuple[tuple[int, int], ...] = ()  # other shards, and how many items of each were read
    turn: int = 0  # the slot whose turn it is; the next one with shards, if it has none

    @property
    def end(self) -> int:
        """The number after the last shard that has ended or was begun."""
        ends = [end for _, end in self.ended] + [shard + 1 for shard, _ in self.begun]
        return max(ends, default=0)


BEGIN = Place()
_NUMBERS = struct.Struct("<QQQ")
_LOOK = 16  # finding a range in a chain takes about as long as looking at this many shards


def draw(purpose: bytes, seed: int, epoch: int, index: int) -> int:
    """Return a number below 2**64 that looks random, and depends on these four arguments alone."""
    # It is their BLAKE2b hash (RFC 7693), which is the same on every machine. Numbers for different
    # purposes (of 16 bytes at most) are independent of each other.
    data = _NUMBERS.pack(seed, epoch % (1 << 64), index)
    return int.from_bytes(blake2b(data, digest_size=8, person=purpose).digest(), "little")


def shard_seed(seed: int, epoch: int, index: int) -> int:
    """Return the seed of a shard, or of an input of a map, in a pass."""
    return draw(b"farside shard", seed, epoch, index)


def count_of(sharding: Sharding) -> int:
    """Return how many shards a rank reads."""
    return len(range(sharding.total)[_part_of(sharding)])


def order_of(sharding: Sharding, epoch: int) -> Sequence[int]:
    """Return the shards that a rank reads, by their numbers among all, in reading order."""
    order: Sequence[int] = range(sharding.total)
    if sharding.shuffled:
        seed = sharding.seed
        order = sorted(order, key=lambda shard: draw(b"farside shuffle", seed, epoch, shard))
    return order[_part_of(sharding)]


def _part_of(sharding: Sharding) -> slice:
    left_out = sharding.total % sharding.world_size if sharding.even else 0
    return slice(sharding.rank, sharding.total - left_out, sharding.world_size)


def ranges_of(numbers: Iterable[int]) -> Ranges:
    """Write a set of numbers as ranges.

    Example:
        >>> ranges_of([4, 0, 1, 2])
        ((0, 3), (4, 5))
    """
    return tuple(join_ranges((number, number + 1) for number in numbers))


def numbers_of(ranges: Iterable[tuple[int, int]]) -> set[int]:
    """Return the set of numbers that `ranges_of` has written."""
    return {number for first, end in ranges for number in range(first, end)}


def gaps_of(ranges: Iterable[tuple[int, int]], total: int) -> list[tuple[int, int]]:
    """Return the numbers below `total` that are in none of `ranges`, as ranges in order.

    Example:
        >>> gaps_of([(0, 2), (3, 4)], 6)
        [(2, 3), (4, 6)]
    """
    bounds = [0, *[bound for each in ranges for bound in each], total]
    return [(end, first) for end, first in zip(bounds[::2], bounds[1::2]) if end < first]  # noqa: B905  equal


def join_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same numbers as ranges in order that do not touch each other.

    Example:
        >>> join_ranges([(4, 6), (0, 2), (1, 4)])
        [(0, 6)]
    """
    joined: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((first, end))
    return joined


def _without(chains: Sequence[Sequence[int]], ended: Ranges) -> list[Sequence[int]]:
    """Return chains without the shards that have ended."""
    if _LOOK * len(ended) * len(chains) <= sum(map(len, chains)):
        left = [_rest(chain, ended) for chain in chains]
        if None not in left:
            return [chain for chain in left if chain is not None]
    numbers = numbers_of(ended)
    return [[shard for shard in chain if shard not in numbers] for chain in chains]


def _rest(chain: Sequence[int], ended: Ranges) -> Sequence[int] | None:
    """Return the rest of a chain after its ended shards; None if those are not its first ones."""
    # The rest of a `range` is a `range` again, and takes no memory, even for millions of shards.
    count = 0
    for first, end in ended:
        low, high = bisect_left(chain, first), bisect_left(chain, end)
        if low < high:
            if low > count:
                return None
            count = high
    return chain[count:]


def with_range(ranges: Ranges, first: int, end: int) -> Ranges:
    """Return ranges with one more, which may adjoin the others and does not overlap them.

    Example:
        >>> with_range(((0, 2), (5, 6)), 2, 4)
        ((0, 4), (5, 6))
    """
    at = bisect_left(ranges, (first, end))
    low = high = at
    if at and ranges[at - 1][1] == first:
        low, first = at - 1, ranges[at - 1][0]
    if at < len(ranges) and ranges[at][0] == end:
        high, end = at + 1, ranges[at][1]
    return (*ranges[:low], (first, end), *ranges[high:])


def with_numbers(ranges: Ranges, numbers: Iterable[int]) -> Ranges:
    """Return ranges with more numbers, none of which is in them."""
    return tuple(join_ranges([*ranges, *ranges_of(numbers)]))


class Turns(NamedTuple):
    """Whose turn it is among the slots that a side reads. Immutable: each step returns a new one.

    Attributes:
        chains: for each slot, the shards that it had yet to read at the first turn, in order.
        live: the slots that have shards left, in ascending order.
        heads: for each slot, the index in its chain of the shard that it reads.
        read: for some shards, how many of their items were read.
        at: the index in `live` of the slot whose turn it was, `ahead` items ago.
        ahead: how many items were read since `read` and `at` were last updated.

    Example:
        >>> turns = Turns.of(((0, 2), (1,)))
        >>> turns.shard, turns.advance(1).shard, turns.advance(3).end().shard
        (0, 1, 0)
    """

    chains: tuple[Sequence[int], ...]
    live: tuple[int, ...]
    heads: tuple[int, ...]
    read: dict[int, int]
    at: int
    ahead: int

    @classmethod
    def of(
        cls, chains: tuple[Sequence[int], ...], read: dict[int, int] | None = None, turn: int = 0
    ) -> Turns:
        """Return the turns of slots, beginning with the slot `turn`: see `Place`."""
        live = tuple([slot for slot, chain in enumerate(chains) if chain])
        at = bisect_left(live, turn) % (len(live) or 1)
        return cls(chains, live, (0,) * len(chains), {} if read is None else read, at, 0)

    @classmethod
    def begin(cls, sharding: Sharding, place: Place = BEGIN) -> Turns:
        """Return the turns of all slots, beginning at a place in a pass."""
        shards: Sequence[int] = range(count_of(sharding))
        if sharding.before:  # usually one gap, which stays a `range`, as it may have millions
            left = [range(*gap) for gap in gaps_of(sharding.before, len(shards))]
            shards = left[0] if len(left) == 1 else [shard for each in left for shard in each]
        cycle = min(sharding.cycle_length, len(shards) or 1)  # other slots would have no shard
        chains = [shards[slot::cycle] for slot in range(cycle)]
        if place.ended != sharding.before:
            chains = _without(chains, place.ended)
        return cls.of(tuple(chains), dict(place.begun), place.turn)

    @property
    def over(self) -> bool:
        """Whether no slot has a shard left."""
        return not self.live

    @property
    def slot(self) -> int:
        """The slot whose turn it is. There must be one."""
        return self.live[(self.at + self.ahead) % len(self.live)]

    @property
    def shard(self) -> int:
        """The shard that `slot` reads."""
        return self.shard_of(self.slot)

    def coming(self, most: int) -> tuple[int, ...]:
        """Return the slots that have shards, in the order of their turns from now on.

        They are at most `most`, as there may be very many.
        """
        live, at = self.live, (self.at + self.ahead) % (len(self.live) or 1)
        return live[at : at + most] + live[: min(at, max(0, at + most - len(live)))]

    @property
    def next_index(self) -> int:
        """How many items of `shard` were read, which is the index of its next one."""
        return self.read.get(self.shard, 0) + self.ahead // len(self.live)

    def shard_of(self, slot: int) -> int:
        """Return the shard that a slot reads."""
        return self.chains[slot][self.heads[slot]]

    def read_of(self, shard: int) -> int:
        """Return how many items of a shard that has not ended were read."""
        return self.settled().read.get(shard, 0)

    def advance(self, count: int) -> Turns:
        """Return the turns after `count` further items, within which no shard has ended."""
        chains, live, heads, read, at, ahead = self
        return Turns(chains, live, heads, read, at, ahead + count)

    def end(self) -> Turns:
        """Return the turns after the end of the shard whose turn it is."""
        chains, live, heads, read, at, _ = self.settled()
        slot = live[at]
        ended = chains[slot][heads[slot]]
        if ended in read:
            read = dict(read)
            del read[ended]
        heads = (*heads[:slot], heads[slot] + 1, *heads[slot + 1 :])
        if heads[slot] == len(chains[slot]):
            live = live[:at] + live[at + 1 :]
            at %= len(live) or 1
        return Turns(chains, live, heads, read, at, 0)

    def part(self, slots: Sequence[int]) -> Turns:
        """Return the turns of some of the slots alone."""
        now = self.settled()
        live = tuple([slot for slot in now.live if slot in slots])
        turn = now.slot if now.live else 0
        return now._replace(live=live, at=bisect_left(live, turn) % (len(live) or 1))

    def place(self, before: Ranges = ()) -> Place:
        """Return the place in the pass. Its begun shards are those of slots in `live` alone.

        `before` has the shards that had ended before the first turn.
        """
        left = {shard for slot in self.live for shard in self.chains[slot][self.heads[slot] :]}
        place = self.place_after(with_numbers(before, self.ended_since()))
        return place._replace(begun=tuple([each for each in place.begun if each[0] in left]))

    def place_after(self, ended: Ranges) -> Place:
        """Return the place in the pass, given which shards have `ended`."""
        now = self.settled()
        begun = [each for each in now.read.items() if each[1]]
        return Place(ended, tuple(sorted(begun)), now.slot if now.live else 0)

    def ended_since(self, heads: Sequence[int] = ()) -> list[int]:
        """Return the shards ended since the time of `heads`; without it, since the first turn."""
        firsts = heads or (0,) * len(self.heads)
        slices = zip(self.chains, firsts, self.heads)  # noqa: B905  equal
        return [shard for chain, first, head in slices for shard in chain[first:head]]

    def settled(self) -> Turns:
        """Return the same turns with `read` and `at` updated, and nothing ahead."""
        chains, live, heads, read, at, ahead = self
        if not ahead:
            return self
        read = dict(read)
        rounds, rest = divmod(ahead, len(live))
        coming = live[at:] + live[:at]
        for step, slot in enumerate(coming if rounds else coming[:rest]):
            shard = chains[slot][heads[slot]]
            read[shard] = read.get(shard, 0) + rounds + (step < rest)
        return Turns(chains, live, heads, read, (at + rest) % len(live), 0)
