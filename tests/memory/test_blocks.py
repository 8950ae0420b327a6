"""Blocks never overlap, and whatever was allocated before, free space is usable."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from farside._memory.blocks import UNIT, Allocator
from farside.errors import ProtocolError
from tests.steady import STEADY

PAGES = 1200
"""More than one step of committing."""
CAPACITY = PAGES * UNIT
SLOTS = 12
SIZES = st.one_of(
    st.sampled_from([0, 1, UNIT, UNIT + 1, 40 * UNIT, CAPACITY // 3, CAPACITY, CAPACITY + 1]),
    st.integers(min_value=0, max_value=CAPACITY // 4),
)


class Memory:
    """Has some bytes to commit."""

    def __init__(self, limit: int = CAPACITY) -> None:
        self.limit = limit
        self.committed = 0

    def commit(self, upto: int) -> bool:
        if upto > self.limit:
            return False
        self.committed = max(self.committed, upto)
        return True


def allocate(allocator: Allocator, nbytes: int) -> tuple[int, int]:
    block = allocator.allocate(nbytes)
    assert block is not None
    return block


def free_all(allocator: Allocator, slots: list[int]) -> None:
    for slot in slots:
        allocator.free(slot)
    assert allocator.used == 0


def free_space(allocator: Allocator) -> tuple[dict[int, int], int]:
    """Return all gaps, and the end of what is in use."""
    allocator._merge()
    assert allocator._starts == sorted(allocator._gaps)
    return allocator._gaps, allocator._end


class Blocks(RuleBasedStateMachine):
    """Allocates and frees in any order, with memory that may run out."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.allocator = Allocator(CAPACITY + UNIT // 2, SLOTS, self.memory.commit)
        self.live: dict[int, tuple[int, int]] = {}

    @rule(nbytes=SIZES)
    def allocate(self, nbytes: int) -> None:
        block = self.allocator.allocate(nbytes)
        if block is None:
            self.check_none_fits(nbytes)
            return
        slot, offset = block
        assert 0 <= slot < SLOTS
        assert slot not in self.live
        self.live[slot] = (offset, nbytes)

    def check_none_fits(self, nbytes: int) -> None:
        if len(self.live) == SLOTS:
            return
        nbytes = max(nbytes, 1)
        gaps, end = free_space(self.allocator)
        assert all(room < nbytes for room in gaps.values())
        assert end + nbytes > min(CAPACITY, self.memory.limit)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.live)))
        self.allocator.free(slot)
        del self.live[slot]

    @rule(pages=st.integers(min_value=0, max_value=PAGES))
    def limit_memory(self, pages: int) -> None:
        self.memory.limit = pages * UNIT

    @precondition(lambda self: self.memory.limit >= CAPACITY)
    @rule()
    def free_everything(self) -> None:
        free_all(self.allocator, list(self.live))
        slot, offset = allocate(self.allocator, CAPACITY)
        assert offset == 0
        assert self.allocator.allocate(1) is None
        self.live = {slot: (0, CAPACITY)}

    @invariant()
    def blocks_are_apart_and_committed(self) -> None:
        end = 0
        for offset, nbytes in sorted(self.live.values()):
            assert offset >= end
            assert offset % UNIT == 0
            end = offset + max(nbytes, 1)
        assert end <= self.memory.committed <= CAPACITY

    @invariant()
    def all_is_accounted_for(self) -> None:
        allocator = self.allocator
        assert all(
            nbytes <= allocator.size_of(slot) < nbytes + UNIT or not nbytes
            for slot, (_, nbytes) in self.live.items()
        )
        assert allocator.used == sum(map(allocator.size_of, self.live))
        idle = sum(size * len(slots) for size, slots in allocator._idle.items())
        assert allocator.used + idle + sum(allocator._gaps.values()) == allocator._end


TestBlocks = Blocks.TestCase
TestBlocks.settings = STEADY


@pytest.mark.parametrize(("nbytes", "size"), [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192)])
def test_a_block_is_whole_pages(nbytes: int, size: int) -> None:
    allocator = Allocator(CAPACITY, SLOTS, Memory().commit)
    slot, _ = allocate(allocator, nbytes)
    assert allocator.size_of(slot) == allocator.used == size
    allocator.free(slot)
    assert allocator.size_of(slot) == allocator.used == 0


@STEADY
@given(
    st.integers(min_value=1, max_value=100_000),
    st.lists(st.integers(min_value=0, max_value=SLOTS - 1)),
)
def test_blocks_of_one_size_take_no_more_room_than_were_live_at_once(
    nbytes: int, toggles: list[int]
) -> None:
    allocator = Allocator(CAPACITY, SLOTS, Memory().commit)
    live: dict[int, int] = {}
    most = end = 0
    for which in toggles:
        if which in live:
            allocator.free(live.pop(which))
        else:
            live[which], offset = allocate(allocator, nbytes)
            end = max(end, offset + allocator.size_of(live[which]))
        most = max(most, allocator.used)
    assert end == most


@STEADY
@given(st.lists(SIZES, max_size=SLOTS), st.data())
def test_the_order_of_frees_leaves_the_same_space(sizes: list[int], data: st.DataObject) -> None:
    left = []
    kept = data.draw(st.sets(st.integers(min_value=0, max_value=SLOTS - 1)))
    for _ in range(2):
        allocator = Allocator(CAPACITY, SLOTS, Memory().commit)
        blocks = [block for block in map(allocator.allocate, sizes) if block]
        freed = [slot for slot, _ in blocks if slot not in kept]
        for slot in data.draw(st.permutations(freed)):
            allocator.free(slot)
        left.append(free_space(allocator))
    assert left[0] == left[1]


def test_large_blocks_follow_many_small_ones() -> None:
    allocator = Allocator(10 << 20, 4096, Memory(10 << 20).commit)
    for _ in range(3):
        small = [allocate(allocator, 100_000)[0] for _ in range(102)]
        assert allocator.allocate(100_000) is None
        free_all(allocator, small[1::2] + small[::2])
        large, offset = allocate(allocator, 10_000_000)
        assert offset == 0
        free_all(allocator, [large])


def test_changing_sizes_stay_low() -> None:
    """A block is always freed before the next: one of the largest size is all that is needed."""
    memory = Memory()
    allocator = Allocator(CAPACITY, SLOTS, memory.commit)
    for nbytes in [*range(1, 60 * UNIT, 1000), *range(60 * UNIT, 0, -1000)]:
        slot, offset = allocate(allocator, nbytes)
        assert offset + nbytes <= 60 * UNIT
        allocator.free(slot)
    assert memory.committed == 1 << 20


def test_the_block_freed_last_is_used_first() -> None:
    allocator = Allocator(CAPACITY, SLOTS, Memory().commit)
    blocks = [allocate(allocator, 5000) for _ in range(3)]
    for slot, _ in blocks:
        allocator.free(slot)
    assert [allocator.allocate(5001) for _ in range(3)] == blocks[::-1]


def test_slots_of_idle_blocks_are_there_for_other_sizes() -> None:
    allocator = Allocator(CAPACITY, 2, Memory().commit)
    free_all(allocator, [allocate(allocator, 1)[0], allocate(allocator, 1)[0]])
    assert [offset for _, offset in (allocate(allocator, UNIT + 1) for _ in range(2))] == [0, 8192]
    assert allocator.allocate(1) is None


def test_gaps_never_touch() -> None:
    allocator = Allocator(CAPACITY, SLOTS, Memory().commit)
    slots = [allocate(allocator, UNIT)[0] for _ in range(6)]
    for slot in (1, 3, 2, 0):
        allocator.free(slots[slot])
        gaps, _ = free_space(allocator)
        assert not any(one + gaps[one] == other for one, other in pairwise(sorted(gaps)))
    assert gaps == {0: 4 * UNIT}


def test_memory_is_committed_in_steps() -> None:
    asked: list[int] = []

    def commit(upto: int) -> bool:
        asked.append(upto)
        return True

    allocator = Allocator(3_000_000, 4096, commit)
    while allocator.allocate(1):
        pass
    assert [*dict.fromkeys(asked)] == [1 << 20, 2 << 20, 3_000_000 // UNIT * UNIT]


def test_memory_that_ends_within_a_step() -> None:
    memory = Memory(3 * UNIT)
    allocator = Allocator(CAPACITY, SLOTS, memory.commit)
    assert allocator.allocate(4 * UNIT) is None
    slots = [allocate(allocator, UNIT)[0] for _ in range(3)]
    assert allocator.allocate(1) is None
    assert allocator.used == 3 * UNIT
    free_all(allocator, slots)
    memory.limit = CAPACITY
    assert allocator.allocate(CAPACITY) == (slots[-1], 0)


@pytest.mark.parametrize(("capacity", "slots"), [(0, 8), (UNIT - 1, 8), (CAPACITY, 0)])
def test_nothing_to_give(capacity: int, slots: int) -> None:
    assert Allocator(capacity, slots, Memory().commit).allocate(1) is None


def test_freeing_twice_is_an_error() -> None:
    allocator = Allocator(CAPACITY, SLOTS, Memory().commit)
    slot, _ = allocate(allocator, 1)
    allocator.free(slot)
    for each in (slot, slot + 1):
        with pytest.raises(ProtocolError, match=f"slot {each} is not in use"):
            allocator.free(each)
    assert allocator.used == 0


def test_what_is_not_used_takes_no_memory() -> None:
    """Each worker has an allocator, and most use a few slots."""
    tracemalloc.start()
    try:
        allocator = Allocator(1 << 30, 4096, Memory().commit)
        assert allocator.allocate(1) == (0, 0)
        assert tracemalloc.get_traced_memory()[0] < 4000
    finally:
        tracemalloc.stop()


def test_a_slot_beyond_the_last_is_not_in_use() -> None:
    allocator = Allocator(CAPACITY, SLOTS, Memory().commit)
    assert allocator.allocate(1) == (0, 0)
    assert allocator.size_of(1) == 0
    with pytest.raises(ProtocolError, match="slot 1 is not in use"):
        allocator.free(1)


def test_no_block_waits_whose_size_is_not_told_yet() -> None:
    class Struck(dict[int, int]):
        def __setitem__(self, slot: int, size: int) -> None:
            raise TimeoutError

    allocator = Allocator(CAPACITY, SLOTS, Memory().commit, Struck())
    with pytest.raises(TimeoutError):
        allocator.allocate(1)
    assert allocator.reuse(1) is None
