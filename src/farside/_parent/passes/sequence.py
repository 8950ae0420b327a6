"""The base class of sequences: of one iterable, of shards (`sharded`), and of a map (`inputs`).

A sequence is what passes iterate over. It decides where each worker begins in a pass, and reports
where a loop is, for `state_dict`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..._payload.user_states import LITERAL, check_literal
from ..._protocol import loop_state as states
from ..._protocol.inbox import nbytes_of
from ..._protocol.order import BEGIN, Place, Sharding
from ..._protocol.parent import ParentCore
from ..._protocol.progress import Snapshot
from .delivery import Delivery


class Part(NamedTuple):
    """Which shard a worker is at, and how many items of that shard the loop was given."""

    shard: int
    item: int
    unit: str | None = None  # what a shard is called, if each has one item
    turns: tuple[int, ...] = ()  # the shards that the worker reads in turn
    noun: str = "shard"  # what a shard is called in any case
    name: str = ""  # what the user gave for the shard, such as a path: see `shard_names`


class Start(NamedTuple):
    """Where a pass begins, and what helps to make the items before that place again."""

    place: Place = BEGIN
    anchors: Sequence[tuple[int, int, bytes]] = ()
    snapshots: Sequence[Snapshot] = ()


_START = Start()


class Given(NamedTuple):
    """What decides the items besides the user's functions, and which arguments were given."""

    seed: int
    verify: bool = True  # whether a pass that is made again is compared with the original
    seed_given: bool = False
    cycle_given: bool = False
    fingerprint: str = ""
    same: str | None = None  # for messages: what the fingerprint is made of, if not of the shards


class ItemSequence:
    """The base of all sequences: it has their epochs, the place to begin at, and their states."""

    kind = "iterable"  # its name in states
    several = False  # whether the user has asked for several workers: a call then returns a list
    awaits = False  # whether the loop of the next pass can await inputs
    _in_order = True
    _shards = "shards"  # their name in messages

    def __init__(self, given: Given, sharding: Sharding) -> None:
        self._given = given
        self._sharding = sharding
        self._ahead = 0  # the epoch of the next pass, minus the number of passes begun
        # The epoch of the first pass, before which nothing can have used up a one-shot iterable.
        self._fresh: int | None = 0
        self._loaded: Start | None = None
        self._passes: list[Delivery] = []  # the latest, and the one before it
        self._takes_anchors = given.verify

    @property
    def seed(self) -> int:
        """The seed of random numbers, given or drawn."""
        return self._sharding.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._sharding = self._sharding._replace(seed=seed)

    def length(self, told: int | None) -> int | None:
        """Return how many items a pass has, if known. `told` is what the first worker reported."""
        raise NotImplementedError

    @property
    def stamp(self) -> object:
        """An object that is replaced whenever a pass begins, or the next one is changed."""
        return self._passes

    def epoch(self, begun: int) -> int:
        """Return the epoch of the next pass, after `begun` passes."""
        return begun + self._ahead

    def set_epoch(self, epoch: int, begun: int) -> None:
        """Set the epoch of the next pass; see `RemoteIterable.set_epoch`."""
        if self._loaded is not None and self._loaded.place != BEGIN:
            raise ValueError(
                f"epoch={epoch}, but the state that was loaded is from the middle of epoch "
                f"{self.epoch(begun)}; leave set_epoch out, or load no state"
            )
        # There is no call between these lines, so no signal handler runs: all change, or nothing.
        self._ahead, self._fresh = epoch - begun, None if begun else epoch
        self._loaded, self._passes = None, []

    def begin(self, begun: int) -> tuple[Delivery, Sequence[Any] | None]:
        """Begin a pass, after `begun` others; return its delivery, and what each worker is sent.

        Each worker is sent the epoch, the seed, how many items and bytes count as already made, and
        its plan. None instead of a list: the workers need none of this.
        """
        epoch, start = self.epoch(begun), self._loaded or _START
        delivery, plans = self._open(begun, start)
        delivery.epoch, delivery.anchors.verify = epoch, self._takes_anchors
        if start is not _START:
            delivery.anchors.know(start.anchors)
            for snapshot in start.snapshots:
                delivery.snapshots.add(snapshot)
        told = None if plans is None else [(epoch, self.seed, (0, 0), plan) for plan in plans]
        return delivery, told

    def _open(self, begun: int, start: Start) -> tuple[Delivery, Sequence[Any] | None]:
        """Return the delivery of the next pass, and the plan of each worker, if any is needed."""
        raise NotImplementedError

    def begun(self, delivery: Delivery) -> None:
        """Record that a pass has begun. Up to here, an exception leaves the state as it was."""
        self._loaded, self._passes = None, [delivery, *self._passes[:1]]

    def check(self, begun: int) -> None:
        """Check that a pass can begin, after `begun` others; see `Shards.check`."""

    def part(self, delivery: Delivery, index: int) -> Part | None:  # noqa: ARG002  most have none
        """Return the shard that a worker is at, as far as the loop has got; None if at none."""
        return None

    def successor(self, delivery: Delivery, core: ParentCore, index: int) -> Any:
        """Return what is sent to a worker that takes the place of another; see `begin`."""
        received, frames = core.inbox.received, core.inbox.copied()
        queue = delivery.queues[index]
        made = queue.begin_successor(received)
        open_bytes = 0 if queue.is_empty else queue.nbytes  # all of it: it may be half taken
        base = made, open_bytes + sum(map(nbytes_of, frames))
        return delivery.epoch, self.seed, base, self._plan_to_continue(delivery, core, index)

    def _plan_to_continue(self, delivery: Delivery, core: ParentCore, index: int) -> Any:
        """Return the plan of a worker that takes the place of another."""
        raise NotImplementedError

    def state(self, begun: int, behind: int) -> dict[str, Any]:
        """Return the state of the loop; see `RemoteIterable.state_dict`."""
        total = self._look(anew=False)
        epoch, start = self._find(begun, behind)
        return states.write(
            start.place,
            self._sharding._replace(total=total),
            kind=self.kind,
            epoch=epoch,
            fingerprint=self._given.fingerprint,
            in_order=self._in_order,
            anchors=start.anchors,
            # Loading other snapshots means unpickling, and a state may come from any file.
            snapshots=[each for each in start.snapshots if each.state[:1] == LITERAL],
        )

    def _look(self, *, anew: bool) -> int:  # noqa: ARG002  it matters to a map
        """Return how many shards there are. A map also updates its fingerprint; `anew`: always."""
        return self._sharding.total

    def _find(self, begun: int, behind: int) -> tuple[int, Start]:
        """Return the epoch and the place of the loop, as of `behind` items ago."""
        loaded, passes = self._loaded, self._passes
        if not behind and (loaded or not passes or passes[0].finished):
            return self.epoch(begun), loaded or _START
        left = behind
        for delivery in passes if loaded is None else ():
            had = delivery.had
            if left <= had:
                place = delivery.place(had - left)
                for _ in range(10):  # a loop in another thread may have moved on far meanwhile
                    if place is not None or had == delivery.had:
                        break
                    had = delivery.had
                    place = delivery.place(had - left)
                if place is not None:
                    return delivery.epoch, Start(place, *delivery.known_of(place))
                break
            left -= had
        raise ValueError(
            f"behind={behind} is further back than is known; pass a smaller number: as many items "
            "as your program holds back"
        )

    def load(self, state: Any, *, strict: bool) -> Callable[[int], None]:
        """Check a state, which may take long; return a function that makes the next pass use it.

        The function takes the number of passes begun. See `RemoteIterable.load_state_dict`.
        """
        total = self._look(anew=True)
        read, sharding, given = states.check(state, self.kind), self._sharding, self._given
        self._refuse_others(read, total, strict=strict)
        if given.seed_given:
            self._refuse(read, "seed", sharding.seed, "leave seed out, or pass the state's")
        if given.cycle_given:
            cure = "leave it out, or pass the state's"
            self._refuse(read, "cycle_length", sharding.cycle_length, cure)
        read = states.of_rank(read, sharding.rank, sharding.world_size)
        self._refuse(read, "shuffled", sharding.shuffled, "pass shuffle_shards as it was then")
        # Anchors of a map are digests of its inputs, which may differ now if `strict` is false.
        verify = given.verify and (strict or self.kind != "inputs")
        anchors, kept = states.anchors(read) if verify else [], states.snapshots(read)
        for each in kept:
            check_literal(each.state)
        return partial(self._take_over, read, Start(states.read(read), anchors, kept))

    def _take_over(self, read: dict[str, Any], start: Start, begun: int) -> None:
        own = self._sharding._replace(seed=read["seed"], cycle_length=read["cycle_length"])
        sharding, start = self._taken_over(own, start)
        epoch, fresh = read["epoch"], read.get("fresh", not read["epoch"])
        # As in `set_epoch`, there is no call between these lines.
        self._sharding, self._ahead, self._fresh = sharding, epoch - begun, epoch if fresh else None
        self._loaded, self._passes = start, []

    def _taken_over(self, sharding: Sharding, start: Start) -> tuple[Sharding, Start]:
        """Return the sharding and the start of the next pass, given those of a loaded state."""
        return sharding, start

    def _refuse_others(self, read: dict[str, Any], total: int, *, strict: bool) -> None:
        """Refuse the state of another data set. This one has `total` shards."""
        same = self._given.same
        # If the data set has grown, a place in the old one is void, but its epoch is still valid.
        anew = f", or begin its epoch anew, by set_epoch({read['epoch']})"
        cure = f"pass the same {same or 'shards'}{anew}"
        self._refuse(read, "shards", total, cure)
        moved = f"pass strict=False if only their names have changed{anew}"
        if strict:
            self._refuse(read, "fingerprint", self._given.fingerprint, cure if same else moved)

    def _refuse(self, state: dict[str, Any], key: str, own: object, cure: str) -> None:
        if state[key] != own:
            name = self._shards if key == "shards" else key
            what = f"has {name}={state[key]!r}, and this iterable has {own!r}"
            if key == "fingerprint":
                what = f"was saved with other {self._shards}, or in another order"
            raise ValueError(f"the state {what}; {cure}")
