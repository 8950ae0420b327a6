"""References of frames to shared memory: whole in every cut, and garbage is one error only."""

import os
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link import frames
from farside._link.frames import COMMAND_SCRATCH, HEADER_SIZE, MAX_REFS, Decoder, Frame, header
from farside._link.opening import WorkerEnds
from farside._link.pipes import PipeLink
from farside._memory.mapping import SLOTS
from farside._memory.parts import Ref
from farside.errors import ProtocolError
from tests.background import receive
from tests.link.links import ARENA
from tests.link.test_frames import feed
from tests.memory.blocks_of import lent
from tests.steady import STEADY

ROOM = 1 << 80
"""What blocks may have together in tests that are not about it."""

REFS = st.builds(
    Ref,
    st.integers(min_value=0, max_value=(1 << 16) - 1),
    st.integers(min_value=0, max_value=(1 << 48) - 1),
    st.integers(min_value=0, max_value=(1 << 64) - 1),
)
SENT = st.lists(
    st.tuples(
        st.lists(REFS, max_size=5),
        st.sampled_from([0, 1, 50, frames._OWN_BUFFER - 1, frames._OWN_BUFFER, 70_000]),
        st.integers(min_value=0, max_value=(1 << 32) - 1),
    ),
    min_size=1,
    max_size=4,
)


class Lender:
    """Notes what is asked for, and lends nothing."""

    def __init__(self) -> None:
        self.asked: list[Ref] = []

    def __call__(self, slot: int, offset: int, nbytes: int) -> memoryview:
        self.asked.append(Ref(slot, offset, nbytes))
        return memoryview(str(len(self.asked)).encode())


def stream_of(sent: list[tuple[list[Ref], int, int]]) -> bytes:
    return b"".join(
        header(7, 3, length, count, refs) + b"b" * length for refs, length, count in sent
    )


def check(got: list[Frame], sent: list[tuple[list[Ref], int, int]], lender: Lender) -> None:
    assert lender.asked == [ref for refs, _, _ in sent for ref in refs]
    assert [(len(f.blocks), bytes(f.body), f.items) for f in got] == [
        (len(refs), b"b" * length, count) for refs, length, count in sent
    ]
    numbers = [bytes(block) for frame in got for block in frame.blocks]
    assert numbers == [str(n + 1).encode() for n in range(len(lender.asked))]


@STEADY
@given(SENT, st.data())
def test_refs_arrive_in_any_cut_and_each_block_is_lent_once(
    sent: list[tuple[list[Ref], int, int]], data: st.DataObject
) -> None:
    stream = stream_of(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, min(len(stream), 300)), max_size=8)))
    lender = Lender()
    decoder = Decoder(lender, ROOM)
    got: list[Frame] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += feed(decoder, stream[begin:end])
    check(got, sent, lender)
    assert not decoder.partial


def test_refs_arrive_byte_by_byte() -> None:
    sent = [([Ref(1, 4096, 5), Ref(2, 0, 0)], 3, 2), ([], 0, 0), ([Ref(3, 1, 1)], 9000, 1)]
    lender = Lender()
    check(feed(Decoder(lender, ROOM), stream_of(sent), at_once=1), sent, lender)


@pytest.mark.parametrize("length", [0, 10, 8191, 8192, 100_000])
def test_as_many_refs_as_there_may_be(length: int) -> None:
    sent = [([Ref(n, n * 4096, n) for n in range(MAX_REFS)], length, 1)] * 3
    lender = Lender()
    check(feed(Decoder(lender, ROOM), stream_of(sent)), sent, lender)


@pytest.mark.parametrize("length", [0, 8000, 8191, 8192])
def test_so_it_is_for_commands(length: int) -> None:
    sent = [([Ref(n, n * 4096, n) for n in range(MAX_REFS)], length, 1)] * 3
    lender = Lender()
    decoder = Decoder(lender, ROOM, scratch=COMMAND_SCRATCH)
    check(feed(decoder, stream_of(sent)), sent, lender)


def test_more_refs_are_garbage() -> None:
    lender = Lender()
    with pytest.raises(ProtocolError, match="not a frame"):
        feed(Decoder(lender, ROOM), header(1, 1, 0, 1, [Ref(0, 0, 1)] * (MAX_REFS + 1)))
    assert lender.asked == []


def test_a_decoder_without_memory_takes_no_refs() -> None:
    with pytest.raises(ProtocolError, match="an unexpected block: slot 1, 3 bytes at 4096"):
        feed(Decoder(), header(1, 1, 0, 1, [Ref(1, 4096, 3)]))


def test_blocks_of_a_frame_fit_into_the_arena_together() -> None:
    refs = [Ref(slot, 0, 60) for slot in range(2)]
    lender = Lender()
    with pytest.raises(ProtocolError, match="larger than the arena together"):
        feed(Decoder(lender, 119), header(1, 1, 0, 1, refs))
    assert len(feed(Decoder(lender, 120), header(1, 1, 0, 1, refs))) == 1


OUTSIDE = {
    "slot": Ref(SLOTS, 0, 1),
    "offset": Ref(0, ARENA, 1),
    "length": Ref(0, 0, ARENA + 1),
    "end": Ref(0, ARENA - 10, 11),
    "far": Ref(0, (1 << 48) - 1, (1 << 64) - 1),
}


@pytest.mark.parametrize("ref", OUTSIDE.values(), ids=list(OUTSIDE))
def test_a_block_outside_the_arena_is_an_error(
    parent: PipeLink, worker_ends: WorkerEnds, ref: Ref
) -> None:
    good = Ref(1, 0, 4096)
    os.write(worker_ends.frames.fileno(), header(1, 1, 0, 1, [good, ref]))
    for _ in range(2):
        with pytest.raises(ProtocolError):
            receive(parent, deque())
    assert lent(parent.leases) == 0, "the good one before it is given back"


@STEADY
@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=5))
def test_random_refs_are_a_protocol_error_or_blocks(packed: list[bytes]) -> None:
    def lend(slot: int, offset: int, nbytes: int) -> memoryview:
        assert 0 <= slot < 1 << 16
        assert 0 <= offset < 1 << 48
        assert 0 <= nbytes < 1 << 64
        return memoryview(b"")

    stream = bytearray(header(1, 1, 0, 1, [Ref(0, 0, 0)] * len(packed)))
    stream[HEADER_SIZE:] = b"".join(packed)
    (frame,) = feed(Decoder(lend, ROOM), bytes(stream))
    assert len(frame.blocks) == len(packed)
