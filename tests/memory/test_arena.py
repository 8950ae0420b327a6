"""The arena: payloads lie where their references say, and blocks are used again."""

import mmap
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._memory.arena import ARENA_PEAK, ARENA_USED
from farside._memory.mapping import SLOTS
from farside._memory.parts import Ref, Scattered
from farside.errors import ProtocolError
from tests.children import forked
from tests.faults.interrupting import strike_at
from tests.memory.blocks_of import Blocks
from tests.steady import STEADY

ARENA = 1 << 20


@pytest.fixture
def blocks() -> Iterator[Blocks]:
    made = Blocks(ARENA)
    yield made
    made.close()


@pytest.mark.parametrize(
    "parts",
    [[], [b""], [b"one"], [b"one", b"two" * 5000], [b"a", memoryview(b"b"), bytearray(b"c")]],
)
def test_a_payload_lies_in_one_block(blocks: Blocks, parts: list[bytes]) -> None:
    ref = blocks.store(*parts)
    assert type(ref) is Ref
    assert bytes(blocks.view(ref)) == b"".join(parts)


def test_parts_are_counted_in_bytes(blocks: Blocks) -> None:
    words = memoryview(bytearray(range(80))).cast("B")
    ref = blocks.store(words, b"after")
    assert ref
    assert bytes(blocks.view(ref)) == bytes(words) + b"after"


def test_without_room_it_says_so_and_goes_on(blocks: Blocks) -> None:
    first = blocks.store(bytes(ARENA // 2))
    assert blocks.store(bytes(ARENA)) is None
    assert blocks.store(bytes(ARENA // 2 + 1)) is None
    second = blocks.store(b"x" * (ARENA // 2))
    assert first
    assert second
    assert blocks.store(b"y") is None
    assert bytes(blocks.view(first)) == bytes(ARENA // 2)


def test_without_slots_it_says_so() -> None:
    blocks = Blocks(2 * SLOTS * 4096)
    refs = [blocks.store(b"x") for _ in range(SLOTS)]
    assert all(refs)
    assert blocks.store(b"x") is None
    blocks.mapping.flags[refs[-1].slot] = 1  # type: ignore[union-attr]
    assert blocks.store(b"x")
    blocks.close()


def test_what_was_freed_is_used_again(blocks: Blocks) -> None:
    for _ in range(10):
        ref = blocks.store(bytes(ARENA))
        assert ref
        blocks.arena.free(ref)


def test_a_block_is_free_again_where_a_signal_handler_raises_as_it_is_filled(
    blocks: Blocks,
) -> None:
    class Strikes(bytes):
        def __len__(self) -> int:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        blocks.arena.store([bytes(9_000), Strikes()], 10_000)
    blocks.arena.settle()
    assert blocks.mapping.control[ARENA_USED] == 0


def test_scattered_contents_are_copied_to_where_they_are_to_lie(blocks: Blocks) -> None:
    def copy_to(memory: memoryview) -> None:
        memory[::2], memory[1::2] = b"a" * 5_000, b"b" * 5_000

    ref = blocks.arena.store([b"first", Scattered(10_000, copy_to), b"last"], 10_009)
    assert ref
    assert bytes(blocks.view(ref)) == b"first" + b"ab" * 5_000 + b"last"


def test_a_block_is_free_again_where_scattered_contents_cannot_be_copied(blocks: Blocks) -> None:
    def copy_to(memory: memoryview) -> None:
        memory[:5_000] = bytes(5_000)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        blocks.arena.store([Scattered(10_000, copy_to)], 10_000)
    blocks.arena.settle()
    assert blocks.mapping.control[ARENA_USED] == 0


def test_what_the_parent_gave_back_is_used_again_and_its_flag_cleared(blocks: Blocks) -> None:
    for _ in range(10):
        refs = [blocks.store(bytes(ARENA // 4)) for _ in range(4)]
        assert blocks.store(b"x") is None
        blocks.give_all_back(ref for ref in refs if ref)
        assert blocks.used == 0
        assert not any(blocks.mapping.flags)


@pytest.mark.parametrize("asked", [True, False], ids=["merged", "idle"])
def test_room_at_the_very_beginning_is_used_again(blocks: Blocks, *, asked: bool) -> None:
    first, rest = blocks.store(bytes(ARENA // 4)), blocks.store(bytes(3 * ARENA // 4))
    assert first
    assert rest
    assert (first.offset, rest.offset) == (0, ARENA // 4)
    blocks.arena.free(first)
    if asked:
        assert blocks.store(bytes(ARENA)) is None
    for number in range(2):
        ref = blocks.store(bytes(ARENA // 8))
        assert ref
        assert ref.offset == number * ARENA // 8
    assert blocks.store(b"x") is None


def test_what_is_in_use_is_told_and_settled(blocks: Blocks) -> None:
    control = blocks.mapping.control
    refs = [blocks.store(bytes(ARENA // 4)) for _ in range(3)]
    blocks.give_all_back(ref for ref in refs[:2] if ref)
    for _ in range(2):  # it is free again for others
        assert (control[ARENA_USED], control[ARENA_PEAK]) == (3 * ARENA // 4, 3 * ARENA // 4)
        blocks.arena.settle()
        assert (control[ARENA_USED], control[ARENA_PEAK]) == (ARENA // 4, 3 * ARENA // 4)
        refs = [blocks.store(bytes(ARENA // 4)) for _ in range(2)]
        blocks.give_all_back(ref for ref in refs if ref)


@pytest.mark.skipif(not hasattr(mmap, "MADV_REMOVE"), reason="needs files with holes")
def test_memory_that_was_given_back_is_reserved_again(
    blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else to write to it would end the process, where there is none left."""
    ref = blocks.store(bytes(ARENA // 4))
    assert ref
    blocks.arena.free(ref)
    assert blocks.arena.trim()
    monkeypatch.setattr("farside._memory.mapping.reserve", refuse)
    assert blocks.store(bytes(ARENA // 4)) is None


def refuse(*_: object) -> None:
    """Have no memory left."""
    raise OSError


@pytest.mark.skipif(not hasattr(mmap, "MADV_REMOVE"), reason="needs files with holes")
def test_memory_is_given_back_when_nobody_has_any_of_it(blocks: Blocks) -> None:
    def taken() -> int:
        return os.fstat(blocks.mapping.fileno()).st_blocks

    before = taken()
    refs = [blocks.store(b"x" * (ARENA // 4)) for _ in range(4)]
    most = taken()
    for ref in refs:
        assert ref
        assert not blocks.arena.trim()
        assert taken() == most
        assert bytes(blocks.view(ref)) == b"x" * (ARENA // 4)
        blocks.mapping.flags[ref.slot] = 1
    assert blocks.arena.trim()
    assert taken() == before
    again = blocks.store(b"y" * ARENA)
    assert again
    assert bytes(blocks.view(again)) == b"y" * ARENA


def test_where_memory_cannot_be_given_back_it_stays(
    blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mmap, "MADV_REMOVE", raising=False)
    ref = blocks.store(b"x" * ARENA)
    assert ref
    blocks.mapping.flags[ref.slot] = 1
    assert blocks.arena.trim()
    assert blocks.store(b"y" * ARENA)


def test_a_forked_child_leaves_it_alone(blocks: Blocks) -> None:
    granted = blocks.arena.grant(10_000)
    ref = blocks.store(b"x")
    assert ref
    blocks.mapping.flags[ref.slot] = 1

    def child() -> None:
        assert granted is not None
        assert blocks.store(b"y") is None
        assert blocks.arena.grant(10_000) is None
        assert blocks.arena.claim(granted) is None
        assert not blocks.arena.trim()
        blocks.arena.settle()
        assert blocks.mapping.flags[ref.slot] == 1

    assert forked(child) == 0
    assert bytes(blocks.view(ref)) == b"x"
    assert blocks.mapping.flags[ref.slot] == 1


@STEADY
@given(
    st.lists(
        st.tuples(st.sampled_from(["free", "give", "store", "store"]), st.integers(0, 300_000)),
        max_size=60,
    )
)
def test_no_block_is_written_to_while_it_is_used(steps: list[tuple[str, int]]) -> None:
    blocks = Blocks(ARENA)
    used: dict[Ref, bytes] = {}
    for number, (act, size) in enumerate(steps):
        if act == "store":
            payload = bytes([number]) * size
            ref = blocks.store(payload)
            if ref is not None:
                used[ref] = payload
        elif used:
            ref = list(used)[size % len(used)]
            del used[ref]
            if act == "free":
                blocks.arena.free(ref)
            else:
                blocks.give_all_back([ref])
        for ref, payload in used.items():
            assert bytes(blocks.view(ref)) == payload
    blocks.close()


def test_a_block_that_nobody_had_does_not_come_back(blocks: Blocks) -> None:
    """The other side may be confused: it writes these flags."""
    ref = blocks.store(b"x")
    assert ref
    blocks.mapping.flags[ref.slot + 1] = 1
    with pytest.raises(ProtocolError, match="slot 1 is not in use"):
        blocks.store(b"y")


def test_no_exception_of_a_signal_handler_leaves_it_locked() -> None:
    """Whatever was stored afterwards waited for the lock for a second."""
    works: list[Callable[[Blocks], object]] = [
        lambda blocks: blocks.store(bytes(10_000)),
        lambda blocks: blocks.arena.claim(blocks.arena.grant(10_000) or memoryview(b"")),
        lambda blocks: blocks.arena.settle(),
        lambda blocks: blocks.arena.trim(),
    ]
    for work in works:
        for place in count(1):
            blocks = Blocks(ARENA)
            ref = blocks.store(bytes(10_000))
            assert ref
            struck = strike_at(place, partial(work, blocks))
            assert not blocks.arena._lock.locked()
            blocks.close()
            if not struck.reached:
                break
