"""The items of several workers on their way to the loop, against a plain simulation."""

from __future__ import annotations

import builtins
import itertools
import pickle
import signal
import sys
from collections import Counter, deque
from contextlib import suppress
from itertools import islice
from operator import length_hint
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link.frames import Frame
from farside._parent.decoding import until_cleared
from farside._parent.passes import batches
from farside._parent.passes import delivery as delivery_module
from farside._parent.passes.dealt import Dealt
from farside._parent.passes.delivery import Delivery
from farside._parent.passes.in_turn import InTurn
from farside._parent.passes.one_after_another import OneAfterAnother
from farside._parent.passes.queues import PLAIN, Queue, Source, arrived
from farside._payload.anchors import of_entry
from farside._payload.decoder import decode
from farside._payload.items import Mark, pack
from farside._protocol.inbox import Inbox
from farside._protocol.messages import Status
from farside._protocol.order import (
    BEGIN,
    Place,
    Sharding,
    Turns,
    numbers_of,
    ranges_of,
)
from farside._protocol.progress import Snapshot, Snapshots
from farside.errors import NotPicklableError, ProtocolError
from farside.testing.checks import until
from tests.background import Background
from tests.faults.interrupting import Alarm, alarming, strike_at
from tests.simulated import simulate, walk
from tests.steady import STEADY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMS = ("plain", "pickled", "blocks")
LENGTHS = st.lists(st.integers(0, 5), max_size=10)
CYCLES, WORKERS = st.integers(1, 5), st.integers(1, 4)
CUTS = st.randoms(use_true_random=False)


class Item(NamedTuple):
    """An item: which shard it is of, and its number there."""

    shard: int
    number: int


def frame_of(parts: list[Item | Mark], form: str) -> Frame:
    """Make a frame of some of what a worker sends."""
    entries: list[Any] = []
    blocks: list[memoryview] = []
    for part in parts:
        if isinstance(part, Mark):
            entries.append(part)
        elif form == "plain":
            entries.append(part.shard * 1000 + part.number)
        elif form == "pickled":
            entries.append(pickle.dumps(tuple(part)))
        else:
            blocks.append(memoryview(pickle.dumps(tuple(part))))
            entries.append(part)
    if form != "blocks":
        body = b"".join(pack(entries)[0])
    else:  # what an encoder with an arena does: the numbers of blocks
        numbers = iter(range(len(blocks)))
        entries = [each if isinstance(each, Mark) else (next(numbers), []) for each in entries]
        body = b"".join(_with_tuples(entries))
    return Frame(Status.ITERATOR_SUCCESS, 1, body, len(parts), blocks)


def _with_tuples(entries: list[Any]) -> list[Any]:
    """Pack tuples as they are, as what refers to blocks is packed."""
    marks = [each for each in entries if isinstance(each, Mark)]
    if not marks:
        return [pickle.dumps(entries, 5)]
    head, _ = pack([each if isinstance(each, Mark) else b"" for each in entries])
    joined = b"".join(head)
    empty = pickle.dumps([b""] * (len(entries) - len(marks)), 5)
    assert joined.endswith(empty)
    return [joined[: -len(empty)], pickle.dumps([e for e in entries if type(e) is tuple], 5)]


def read(entry: Any, source: Any) -> Item:
    """Return the item that the loop gets."""
    if source is None or source.plain:
        return Item(*divmod(entry, 1000))
    item = decode(entry, source.blocks)
    return Item(*(pickle.loads(item) if isinstance(item, (bytes, memoryview)) else item))


class World:
    """Workers that have made all their items, and whose frames arrive by and by."""

    def __init__(self, delivery: Delivery, sent: list[list[Item | Mark]], cuts: Random) -> None:
        self.delivery = delivery
        self.cuts = cuts
        self.cores: list[Any] = [SimpleNamespace(inbox=Inbox(), over=False) for _ in sent]
        self.under_way = [deque(self._cut(each)) for each in sent]
        self.total = [len(each) for each in sent]

    def _cut(self, parts: list[Item | Mark]) -> list[Frame]:
        frames = []
        while parts:
            count = self.cuts.randint(1, 4)
            frames.append(frame_of(parts[:count], self.cuts.choice(FORMS)))
            parts = parts[count:]
        return frames

    def arrive(self) -> bool:
        """Let a frame of any worker arrive, if there is one."""
        some = [index for index, frames in enumerate(self.under_way) if frames]
        if some:
            index = self.cuts.choice(some)
            self.cores[index].inbox.take_from(self.under_way[index])
        return bool(some)

    def take(self) -> list[tuple[Any, Any]] | None:
        """Take a block, as a pass does: return its entries, each with its source."""
        queues = self.delivery.queues
        for queue in queues:
            queue.end_block()
        taken = [queue.taken for queue in queues]
        block = self.delivery.take(self.cores)
        assert self.delivery.counting or taken == [queue.taken for queue in queues], "too early"
        if block is None:
            return None
        entries, sources = block
        if not isinstance(sources, list):
            sources = [sources] * len(entries)
        assert len(entries) == len(sources) > 0
        return list(zip(entries, sources, strict=True))

    def loop(self) -> Any:
        """Yield the items as the loop gets them, while frames arrive now and then."""
        delivery = self.delivery
        while not delivery.over:
            for _ in range(self.cuts.randint(0, 3)):
                self.arrive()
            ready = delivery.ready(self.cores)
            block = self.take()
            if block is None:
                if delivery.over:
                    return
                for index in delivery.needs:
                    assert not self.cores[index].inbox.frames
                    assert not delivery.queues[index].waiting
                if not self.arrive():
                    return
                continue
            assert ready
            rest = deque(block)
            delivery.block = (*delivery.block[:2], rest)
            while rest:
                entry, source = rest.popleft()
                item = read(entry, source)
                if source is not None and source.each:
                    delivery.queues[source.index].taken += 1
                yield item

    def check_end(self) -> None:
        """Check that nothing waits anywhere, and that the workers were told of all."""
        delivery = self.delivery
        assert delivery.waiting == 0
        for queue in delivery.queues:
            queue.end_block()
        assert not any(core.inbox.frames for core in self.cores)
        assert not any(self.under_way)
        assert [queue.taken for queue in delivery.queues] == self.total


def sent_in_turn(turns: Turns, lengths: list[int], count: int, cycle: int) -> list[list[Any]]:
    """Return what each worker sends that reads its own slots in turn."""
    sent = []
    for worker in range(count):
        parts: list[Any] = []
        own = turns.part(range(worker, cycle, count))
        while not own.over:
            shard, number = own.shard, own.read_of(own.shard)
            if number == lengths[shard]:
                parts.append(Mark())
                own = own.end()
            else:
                parts.append(Item(shard, number))
                own = own.advance(1)
        sent.append(parts)
    return sent


def in_turn(
    lengths: list[int], cycle: int, count: int, cuts: Random, *, counting: bool = False
) -> World:
    """Return workers whose items come in turn."""
    sharding = Sharding(len(lengths), cycle)
    turns = Turns.begin(sharding)
    delivery = InTurn(turns, count, counting=counting)
    return World(delivery, sent_in_turn(turns, lengths, count, cycle), cuts)


def test_a_short_shard_costs_the_same_however_many_are_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    owner = InTurn.owner

    def count(self: InTurn, slot: int) -> int:
        asked.append(slot)
        return owner(self, slot)

    monkeypatch.setattr(InTurn, "owner", count)
    shards, cycle = 1200, 300
    world = in_turn([1] * shards, cycle, 2, Random(0))  # noqa: S311
    assert [item.shard for item in world.loop()] == list(range(shards))
    world.check_end()
    # Once for each step, and once for each slot as one of the last shards ends.
    assert len(asked) < 10 * shards + cycle**2


@pytest.mark.parametrize("counting", [False, True])
@STEADY
@given(lengths=LENGTHS, cycle=CYCLES, count=WORKERS, cuts=CUTS)
def test_items_come_in_turn_whatever_arrives_first(
    *, lengths: list[int], cycle: int, count: int, cuts: Random, counting: bool
) -> None:
    world = in_turn(lengths, cycle, count, cuts, counting=counting)
    delivery = world.delivery
    assert isinstance(delivery, InTurn)
    whole, got = list(simulate(lengths, cycle)), list[Any]()
    for item in world.loop():
        got.append(item)
        assert delivery.delivered == len(got)
        # Where it is, the loop could be left, and another pass go on.
        turns = delivery._past.find(delivery.delivered)
        assert turns is not None
        assert list(walk(turns, lengths)) == whole[len(got) :]
    assert got == whole
    assert delivery.over
    world.check_end()


@STEADY
@given(LENGTHS, CYCLES, WORKERS, CUTS)
def test_where_the_loop_was_some_items_ago_is_known(
    lengths: list[int], cycle: int, count: int, cuts: Random
) -> None:
    world = in_turn(lengths, cycle, count, cuts)
    delivery = world.delivery
    whole = list(simulate(lengths, cycle))
    for got, _ in enumerate(world.loop(), 1):
        behind = cuts.randint(0, got)
        place = delivery.place(got - behind)
        assert place is not None
        again = Turns.begin(Sharding(len(lengths), cycle), place)
        assert list(walk(again, lengths)) == whole[got - behind :]


def test_where_the_loop_was_longer_ago_than_is_kept_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("farside._parent.passes.in_turn._KEPT", 3)
    world = in_turn([1] * 40, 1, 1, Random(0))  # noqa: S311
    assert len([*world.loop()]) == 40
    assert world.delivery.place(0) is None
    assert world.delivery.place(37) is not None


@STEADY
@given(LENGTHS, CYCLES, WORKERS, CUTS)
def test_a_loop_that_is_in_time_is_given_all_that_has_its_turn(
    lengths: list[int], cycle: int, count: int, cuts: Random
) -> None:
    # When all has arrived, blocks follow one another until the end: nothing waits for anything.
    world = in_turn(lengths, cycle, count, cuts)
    while world.arrive():
        pass
    delivery, got = world.delivery, 0
    while not delivery.over:
        block = world.take()
        if block is None:
            break
        got += len(block)
        delivery.block = (*delivery.block[:2], ())
        for _, source in block:
            if source is not None and source.each:
                delivery.queues[source.index].taken += 1
    assert delivery.over
    assert got == sum(lengths)
    world.check_end()


def as_they_come(count: int, *, counting: bool = False) -> Dealt:
    """Return what gives items as they come, where each worker reads one shard."""
    delivery = Dealt(BEGIN, count, count, counting=counting)
    delivery.deal()
    return delivery


@pytest.mark.parametrize("counting", [False, True])
@STEADY
@given(lengths=LENGTHS, count=WORKERS, cuts=CUTS)
def test_items_come_as_they_come_and_each_workers_in_order(
    *, lengths: list[int], count: int, cuts: Random, counting: bool
) -> None:
    sent: list[list[Any]] = [
        [
            Item(shard, number)
            for shard in range(worker, len(lengths), count)
            for number in range(lengths[shard])
        ]
        for worker in range(count)
    ]
    world = World(as_they_come(count, counting=counting), sent, cuts)
    got = []
    for item in world.loop():
        got.append(item)
        assert world.delivery.delivered == len(got)
    assert sorted(got) == sorted(item for parts in sent for item in parts)
    for worker, parts in enumerate(sent):
        assert [item for item in got if item.shard % count == worker] == parts
    world.check_end()


@pytest.mark.parametrize("surplus", [Item(0, 1), Mark()])
def test_more_than_the_shards_of_a_worker_is_a_protocol_error(surplus: Any) -> None:
    world = World(as_they_come(2), [[Item(0, 0), Mark(), surplus], [Item(1, 0)]], Random(0))  # noqa: S311
    with pytest.raises(ProtocolError, match="more than it was asked for"):
        list(world.loop())


def test_no_worker_waits_since_another_has_always_sent_something() -> None:
    delivery = as_they_come(2)
    cores: list[Any] = [SimpleNamespace(inbox=Inbox(), over=False) for _ in range(2)]
    for shard, core in enumerate(cores):
        core.inbox.frames += [frame_of([Item(shard, number)], "plain") for number in range(3)]
    taken = [delivery.take(cores) for _ in range(6)]
    assert [entry for block in taken if block for entry in block[0]] == [0, 1000, 1, 1001, 2, 1002]


@STEADY
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 3), CUTS)
def test_where_a_loop_was_is_known_where_items_come_as_they_come(
    lengths: list[int], done: int, cuts: Random
) -> None:
    """The first shards have ended before; each of the others has a worker of its own."""
    total, count = done + len(lengths), len(lengths)
    delivery = Dealt(Place(ranges_of(range(done))), total, count, counting=False)
    delivery.deal()
    sent: list[list[Item | Mark]] = [
        [*(Item(shard, number) for number in range(length)), Mark()]
        for shard, length in enumerate(lengths, done)
    ]
    assert delivery.place(0) == Place(ranges_of(range(done)))
    world, got = World(delivery, sent, cuts), list[Item]()
    for item in world.loop():
        got.append(item)
        behind = cuts.randint(0, len(got))
        place = delivery.place(len(got) - behind)
        assert place is not None
        given_then = Counter(each.shard for each in got[: len(got) - behind])
        ended = numbers_of(place.ended)
        assert ended >= {*range(done)}
        assert all(given_then[shard] == lengths[shard - done] for shard in ended if shard >= done)
        left = {shard: count for shard, count in given_then.items() if shard not in ended}
        assert left == dict(place.begun)
    assert delivery.place(len(got)) == Place(((0, total),))


@pytest.mark.parametrize(
    ("count", "seconds", "most"),
    [(2000, 0.00001, 16), (2000, 0.01, 2), (15, 0.00001, 2)],
    ids=["short", "long", "few"],
)
def test_shards_are_dealt_together_where_they_are_short_and_many(
    count: int, seconds: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(batches, "monotonic", lambda: now)
    delivery = Dealt(BEGIN, count, 2, counting=False)
    dealt: list[list[tuple[int, int]]] = []
    under_way, longest = [0, 0], 0
    delivery.deal()
    for number in range(count):
        for index, tasks in delivery.take_orders().items():
            dealt.append(tasks)
            under_way[index] += len(tasks)
        longest = max(longest, *under_way)
        queue: Any = SimpleNamespace(index=number % 2, pass_mark=int)
        now += seconds / 2
        under_way[number % 2] -= 1
        delivery._pass_mark(queue)
    assert sorted(task for tasks in dealt for task in tasks) == [(each, 0) for each in range(count)]
    assert longest == most
    assert (len(dealt) < count / 4) == (most > 2)


def test_long_shards_that_end_at_once_are_not_taken_for_short_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(batches, "monotonic", lambda: now)
    delivery = Dealt(BEGIN, 2000, 2, counting=False)
    delivery.deal()
    under_way = [0, 0]
    for number in range(1000):
        for index, tasks in delivery.take_orders().items():
            under_way[index] += len(tasks)
        assert max(under_way) <= 2
        now += 0.00001 if number % 4 else 0.1  # the loop comes when all have ended
        under_way[number % 2] -= 1
        queue: Any = SimpleNamespace(index=number % 2, pass_mark=int)
        delivery._pass_mark(queue)


@STEADY
@given(LENGTHS, CYCLES, WORKERS, CUTS, st.integers(0, 20))
def test_what_has_arrived_tells_where_another_worker_goes_on(
    lengths: list[int], cycle: int, count: int, cuts: Random, number: int
) -> None:
    world = in_turn(lengths, cycle, count, cuts)
    delivery = world.delivery
    assert isinstance(delivery, InTurn)
    list(islice(world.loop(), number))
    for _ in range(cuts.randint(0, 9)):
        world.arrive()
    for worker, queue in enumerate(delivery.queues):
        frames = tuple(world.cores[worker].inbox.frames)
        turns = delivery.front.part(range(worker, cycle, count))
        for run, ended in arrived(queue, frames):
            turns = turns.advance(run)
            if ended:
                assert turns.next_index == lengths[turns.shard]
                turns = turns.end()
        whole = Turns.begin(Sharding(len(lengths), cycle)).part(range(worker, cycle, count))
        left = sum(frame.items for frame in world.under_way[worker])
        parts = sent_in_turn(whole, lengths, count, cycle)[worker]
        rest = [tuple(part) for part in parts[len(parts) - left :] if isinstance(part, Item)]
        assert list(walk(turns, lengths)) == rest


@STEADY
@given(LENGTHS, CYCLES, WORKERS, CUTS, st.integers(0, 20))
def test_who_clears_leaves_nothing_and_counts_what_was_given(
    lengths: list[int], cycle: int, count: int, cuts: Random, number: int
) -> None:
    world = in_turn(lengths, cycle, count, cuts)
    given_before = len(list(islice(world.loop(), number)))
    world.delivery.clear()
    assert world.delivery.delivered == given_before
    assert world.delivery.waiting == 0


class Late:
    """A `length_hint` after which another thread does something, once."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._acts = [act]

    def __call__(self, rest: Any) -> int:
        found = length_hint(rest)
        while self._acts:
            self._acts.pop()()
        return found


def test_what_is_cleared_while_a_block_is_opened_is_not_taken() -> None:
    delivery = as_they_come(1)
    core: Any = SimpleNamespace(inbox=Inbox(), over=False)
    core.inbox.frames.append(frame_of([Item(0, 0), Item(0, 1)], "plain"))
    assert delivery.take([core]) is not None
    taken = delivery.rest  # by the loop
    delivery.clear()
    assert list(taken) == list(delivery.rest) == []
    assert (delivery.delivered, delivery.waiting) == (0, 0)


def test_what_is_opened_after_it_was_cleared_is_not_taken() -> None:
    delivery = Delivery(1, counting=False)
    delivery._begin_block()
    delivery.clear()
    entries = [0, 1]
    delivery._end_block(entries, None)
    assert list(delivery.rest) == entries == []
    assert (delivery.delivered, delivery.waiting) == (0, 0)


def test_what_is_opened_after_it_was_cleared_never_counts() -> None:
    """A signal handler, or another thread, that comes while it is dropped must not count it."""
    found: list[int] = []

    class Asked(list[int]):
        def clear(self) -> None:
            super().clear()
            found.append(delivery.delivered)

    delivery = Delivery(1, counting=False)
    delivery.clear()
    delivery._end_block(Asked([0, 1]), None)
    assert found == [0]


def test_what_the_loop_drops_while_another_thread_clears_never_counts() -> None:
    delivery = Delivery(1, counting=False)

    def rest() -> Iterator[int]:
        delivery.block = 5, 0, ()  # as `_end_block` does, in the loop's thread
        return
        yield

    delivery.block = 5, 3, rest()
    delivery.clear()
    assert delivery.delivered == 5


def test_who_is_at_the_end_of_what_another_thread_clears_does_not_count_that() -> None:
    delivery = Delivery(1, counting=False)
    delivery.block, delivery._dropped = (5, 3, iter(())), [6, 7]  # in the middle of `clear`
    delivery._begin_block()
    assert delivery.delivered == 6


def test_what_is_left_of_a_block_as_the_loop_ends_does_not_count() -> None:
    """Where no GIL lets another thread empty the block, it stays when it is cleared."""
    delivery, take = block_of(5, plain=True)
    take()
    delivery.cleared = True
    delivery._begin_block()
    assert delivery.delivered == 1


def block_of(count: int, *, plain: bool) -> tuple[Delivery, Callable[[], int]]:
    """Return a delivery with a block of numbers, and what takes the next one, as a loop does."""
    delivery, numbers = Delivery(1, counting=False), list(range(count))
    delivery._end_block(numbers, None if plain else Source(0, plain=False, each=False))
    if plain:
        return delivery, iter(delivery.rest).__next__
    numbers.reverse()
    return delivery, numbers.pop


@pytest.mark.parametrize("plain", [True, False])
def test_who_clears_counts_what_a_loop_in_another_thread_takes_just_then(
    plain: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delivery, take = block_of(5, plain=plain)
    take()

    def suppress_late(*kinds: type[Exception]) -> Any:
        take()
        return suppress(*kinds)

    monkeypatch.setattr(delivery_module, "suppress", suppress_late)
    delivery.clear()
    assert delivery.delivered == 2
    with pytest.raises((IndexError, StopIteration)):
        take()


@pytest.mark.parametrize("plain", [True, False])
def test_a_loop_in_another_thread_skips_none_of_what_is_cleared(
    plain: bool,  # noqa: FBT001
) -> None:
    """It got items that follow those that had been dropped already."""
    delivery, take = block_of(200_000, plain=plain)
    got: list[int] = []

    def loop() -> None:
        with suppress(IndexError, StopIteration):
            while True:
                got.append(take())

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        looping = Background(loop)
        until(lambda: len(got) > 1000)
        delivery.clear()
        looping.result()
    finally:
        sys.setswitchinterval(before)
    assert got == list(range(delivery.delivered))


def test_a_loop_that_looks_ends_when_another_thread_clears() -> None:
    """What ends it where no GIL lets another thread empty the block."""
    delivery, _ = block_of(5, plain=True)
    items = until_cleared(delivery, iter(range(5)))
    assert [next(items), next(items)] == [0, 1]
    delivery.cleared = True
    assert list(items) == []
    assert list(until_cleared(delivery, iter(range(5)))) == []


@pytest.mark.parametrize("plain", [True, False])
def test_what_an_exception_has_struck_is_cleared_once_more(
    plain: bool,  # noqa: FBT001
) -> None:
    with alarming():
        for place in itertools.count(1):
            delivery, take = block_of(5, plain=plain)
            delivery.queues[0].entries = [6, 7]
            take()
            struck = strike_at(place, delivery.clear, signal.SIGUSR1, Alarm)
            delivery.clear()  # as an event that was struck happens once more
            assert delivery.delivered == 1
            assert delivery.waiting == 0
            if not struck.reached:
                break


@pytest.mark.parametrize("plain", [True, False])
def test_what_is_taken_out_counts_as_left_until_that_is_noted(
    plain: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delivery, take = block_of(5, plain=plain)
    take()
    asked: list[int] = []

    def len_late(of: Any) -> int:
        found = builtins.len(of)
        if not asked:  # else this is `delivered` itself
            asked.append(-1)
            asked[0] = delivery.delivered  # as another thread asks
        return found

    monkeypatch.setattr(delivery_module, "len", len_late, raising=False)
    delivery.clear()
    assert asked == [1]
    assert delivery.delivered == 1


def test_what_is_left_out_while_another_thread_asks_counts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delivery, take = block_of(5, plain=False)
    take()

    def leave_out() -> None:
        take()
        delivery.left_out.append(1)

    monkeypatch.setattr(delivery_module, "length_hint", Late(leave_out))
    assert delivery.delivered == 1


def test_one_frame_of_one_worker_is_given_as_it_is() -> None:
    # No copy is made of what a single worker sends.
    delivery = as_they_come(1)
    core: Any = SimpleNamespace(inbox=Inbox(), over=False)
    core.inbox.frames.append(frame_of([Item(0, number) for number in range(5)], "plain"))
    block = delivery.take([core])
    assert block == (list(range(5)), None)


def test_a_worker_that_counts_is_not_told_of_an_end_before_the_loop_is_there() -> None:
    for counting in (False, True):
        delivery = InTurn(Turns.begin(Sharding(2, 1)), 1, counting=counting)
        core: Any = SimpleNamespace(inbox=Inbox(), over=False)
        parts: list[Item | Mark] = [Item(0, 0), Mark(), Item(1, 0), Mark()]
        core.inbox.frames.append(frame_of(parts, "plain"))
        block = delivery.take([core])
        assert block is not None
        assert len(block[0]) == (1 if counting else 2)


@pytest.mark.parametrize("form", FORMS)
def test_the_source_tells_what_the_loop_has_to_do(form: str) -> None:
    queue = Queue(0, counting=False)
    core: Any = SimpleNamespace(inbox=Inbox())
    core.inbox.frames.append(frame_of([Item(1, 2)], form))
    assert queue.fill(core)
    assert (queue.source.plain, queue.source.each) == (form == "plain", form == "blocks")
    (entry,) = queue.take(1)
    assert read(entry, queue.source) == Item(1, 2)
    assert queue.taken == 0
    queue.end_block()
    assert queue.taken == (0 if form == "blocks" else 1)


def test_a_frame_that_cannot_be_read_is_no_item() -> None:
    delivery = InTurn(Turns.begin(Sharding(1, 1)), 1, counting=False)
    core: Any = SimpleNamespace(inbox=Inbox(), over=False)
    core.inbox.frames.append(Frame(Status.ITERATOR_SUCCESS, 1, b"no items", 1))
    with pytest.raises(ProtocolError, match="items that cannot be read"):
        delivery.take([core])


def test_nothing_is_waited_for_where_there_are_no_shards() -> None:
    delivery = InTurn(Turns.begin(Sharding(0, 3)), 2, counting=False)
    cores: list[Any] = [SimpleNamespace(inbox=Inbox(), over=False) for _ in range(2)]
    assert delivery.over
    assert list(delivery.needs) == []
    assert delivery.ready(cores)
    assert delivery.take(cores) is None


def test_it_is_ready_when_the_one_has_sent_whose_turn_it_is() -> None:
    delivery = InTurn(Turns.begin(Sharding(2, 2)), 2, counting=False)
    cores: list[Any] = [SimpleNamespace(inbox=Inbox(), over=False) for _ in range(2)]
    cores[1].inbox.frames.append(frame_of([Item(1, 0)], "plain"))
    assert list(delivery.needs) == [0]
    assert not delivery.ready(cores)
    assert delivery.take(cores) is None
    cores[0].over = True  # it will send nothing more
    assert delivery.ready(cores)


def test_it_is_ready_when_something_is_out_of_the_inbox_and_in_no_block() -> None:
    delivery = InTurn(Turns.begin(Sharding(2, 1)), 1, counting=True)
    core: Any = SimpleNamespace(inbox=Inbox(), over=False)
    parts: list[Item | Mark] = [Item(0, 0), Mark(), Item(1, 0), Mark()]
    core.inbox.frames.append(frame_of(parts, "plain"))
    assert delivery.take([core]) is not None
    assert not core.inbox.frames
    assert delivery.waiting == 4  # the item in the block too, which the loop has not taken
    assert delivery.ready([core])
    delivery.clear()
    assert delivery.waiting == 0


def test_what_one_iterable_has_sent_is_counted_from_where_its_loop_began() -> None:
    delivery = OneAfterAnother(100, counting=False)
    delivery.anchors.verify = True
    core: Any = SimpleNamespace(inbox=Inbox(), over=False)
    core.inbox.frames.append(frame_of([Item(0, number) for number in range(3)], "plain"))
    entries, _ = delivery.take([core]) or ([], None)
    assert entries == [0, 1, 2]
    queue = delivery.queues[0]
    assert (queue.taken, queue.given) == (0, 3)
    assert delivery.known_of(Place(begun=((0, 101),)))[0] == [(0, 100, of_entry(0, (), plain=True))]
    assert [next(delivery.rest), next(delivery.rest)] == [0, 1]
    assert delivery.place(delivery.had) == Place(begun=((0, 102),))
    with pytest.raises(NotPicklableError, match="the item of index 102 is odd") as raised:
        delivery.not_here("is odd", ValueError())
    assert raised.value.item_index == 102


# States of what the user iterates on --------------------------------------------------------------


@pytest.mark.parametrize("verify", [True, False])
def test_items_of_one_iterable_after_a_snapshot_are_compared(*, verify: bool) -> None:
    delivery = OneAfterAnother(100, counting=False)
    delivery.anchors.verify = verify
    delivery.take_snapshot(Snapshot(0, 102, b"state"))
    core: Any = SimpleNamespace(inbox=Inbox(), over=False)
    core.inbox.frames.append(frame_of([Item(0, number) for number in range(9)], "plain"))
    assert delivery.take([core]) is not None
    anchors, snapshots = delivery.known_of(Place(begun=((0, 108),)))
    compared = range(102, 105) if verify else ()
    assert anchors == [(0, index, of_entry(index - 100, (), plain=True)) for index in compared]
    assert snapshots == [Snapshot(0, 102, b"state")]


def test_items_of_each_shard_in_turn_are_compared_by_their_own_indices() -> None:
    place = Place(begun=((0, 4), (2, 7)))
    delivery = InTurn(Turns.begin(Sharding(3, 3), place), 1, counting=False)
    delivery.anchors.verify = True
    for shard, index in ((0, 5), (2, 9)):
        delivery.take_snapshot(Snapshot(shard, index, b"state"))
    core: Any = SimpleNamespace(inbox=Inbox(), over=False)
    first = (4, 0, 7)
    items = [Item(shard, first[shard] + number) for number in range(6) for shard in range(3)]
    core.inbox.frames.append(frame_of([*items], "plain"))
    assert delivery.take([core]) is not None
    anchors, snapshots = delivery.known_of(Place(begun=((0, 10), (1, 6), (2, 13))))
    compared = [(0, 5), (0, 6), (0, 7), (1, 0), (2, 9), (2, 10), (2, 11)]
    assert anchors == [
        (shard, index, of_entry(shard * 1000 + index, (), plain=True)) for shard, index in compared
    ]
    assert snapshots == [Snapshot(0, 5, b"state"), Snapshot(2, 9, b"state")]


def test_some_items_after_each_snapshot_are_compared() -> None:
    """Else only the first item of a block would be, and no snapshot within it could be used."""
    delivery = OneAfterAnother(counting=False)
    delivery.anchors.verify = True
    for shard, place in ((3, 12), (3, 99), (4, 0)):
        delivery.snapshots.add(Snapshot(shard, place, b"state"))
    entries = [f"item {number}" for number in range(20)]
    # Of two shards in turn: the entries 1, 3 and so on are of shard 3, from its item 10 on.
    delivery._take_anchors(3, 10, entries, None, due=False, at=1, step=2)
    expected = [
        (3, 12 + after, of_entry(f"item {5 + 2 * after}", (), plain=True)) for after in range(3)
    ]
    for place in (14, 15, 19):
        anchors, snapshots = delivery.known_of(Place(begun=((3, place),)))
        assert anchors == expected[: place - 12]
        assert snapshots == [Snapshot(3, 12, b"state")]


def test_a_snapshot_with_few_items_to_compare_is_not_used_where_there_is_an_earlier_one() -> None:
    """An item after a state that does not tell all may be the same by chance."""
    delivery = OneAfterAnother(counting=False)
    delivery.anchors.verify = True
    snapshots = [Snapshot(0, place, b"state") for place in (10, 20)]
    for snapshot in snapshots:
        delivery.snapshots.add(snapshot)
    delivery._take_anchors(0, 0, [f"item {number}" for number in range(30)], None, due=False)
    used = [delivery.known_of(Place(begun=((0, place),)))[1] for place in (10, 11, 20, 22, 23)]
    assert used == [[], [snapshots[0]], [snapshots[0]], [snapshots[0]], [snapshots[1]]]
    delivery.snapshots = Snapshots([snapshots[1]])
    assert delivery.known_of(Place(begun=((0, 22),)))[1] == [snapshots[1]], (
        "there is no earlier one"
    )


@pytest.mark.parametrize("verify", [True, False])
def test_a_snapshot_is_not_used_where_no_item_after_it_can_be_compared(*, verify: bool) -> None:
    """A loop that looks far ahead may ask for a place before all items that were compared."""
    delivery = OneAfterAnother(counting=False)
    delivery.anchors.verify = verify
    delivery.snapshots.add(Snapshot(0, 12, b"state"))
    delivery.anchors.add(0, 30, "an item", PLAIN)
    anchors, snapshots = delivery.known_of(Place(begun=((0, 25),)))
    assert anchors == []
    assert snapshots == ([] if verify else [Snapshot(0, 12, b"state")])


def test_snapshots_long_before_the_place_of_the_loop_are_dropped() -> None:
    delivery = OneAfterAnother(1000, counting=False)
    for place in range(0, 900, 100):
        delivery.take_snapshot(Snapshot(0, place, b"state"))
    assert delivery.snapshots.places(0) == [600, 700, 800]


def test_snapshots_before_the_items_that_are_compared_are_kept() -> None:
    """A pass is made once more from one of them: after one beyond, nothing could be compared."""
    delivery = OneAfterAnother(1000, counting=False)
    delivery.anchors.verify = True
    for index in (5, 450, 451, 452):
        delivery.anchors.add(0, index, index, PLAIN)
    for place in range(0, 900, 100):
        delivery.take_snapshot(Snapshot(0, place, b"state"))
    assert delivery.snapshots.places(0) == [200, 300, 400, 500, 600, 700, 800]


def test_one_iterable_of_which_nothing_was_taken_is_at_the_beginning() -> None:
    """Its state is that of any other iterable that was not begun."""
    assert OneAfterAnother(counting=False).place(0) == Place()
    assert OneAfterAnother(3, counting=False).place(0) == Place(begun=((0, 3),))
