"""Large contents go down in blocks, which the parent uses again when nobody has them any more."""

from __future__ import annotations

import fcntl
import gc
import pickle
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from farside._link.opening import open_link
from farside._memory.mapping import SECOND_PART
from farside._memory.parts import SHARED_BYTES, Ref, size
from farside._payload.pickling import dumps_beside, loads
from farside.errors import LinkClosedError, ProtocolError
from tests.link.links import ARENA, close_all, pipe_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._link.frames import Frame
    from farside._link.pipes import PipeLink
    from farside._link.worker_pipes import PipeWorkerLink


@pytest.fixture
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[PipeLink, PipeWorkerLink]]:
    parent, ends = open_link(ARENA, both=True)
    yield parent, pipe_worker(ends)
    parent.close()
    close_all(ends)
    request.node.funcargs.clear()  # before 3.13 a mapping has a descriptor


def sent(parent: PipeLink, worker: PipeWorkerLink, nbytes: int) -> Any:
    """Send contents down, and return what comes."""
    parts, refs = dumps_beside(pickle.PickleBuffer(bytearray(nbytes)), parent.arena)
    parent.send(7, 1, parts, refs=refs)
    frames: deque[Frame] = deque()
    worker.receive(frames)
    [frame] = frames
    assert bool(frame.blocks) == bool(refs)
    return loads(frame.body, frame.blocks)


def test_a_block_is_used_again_when_its_last_view_is_gone(
    ends: tuple[PipeLink, PipeWorkerLink],
) -> None:
    parent, worker = ends
    for _ in range(3):
        kept = [sent(parent, worker, 100_000) for _ in range(3)]
        for number, view in enumerate(kept):
            view[:] = bytes([number]) * 100_000
        assert [view[5] for view in kept] == [0, 1, 2]
        arena: Any = parent.arena
        assert arena._peak == 3 * 102_400
        view = memoryview(b"")
        kept.clear()
        gc.collect()


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="a pipe holds too little")
def test_small_buffers_of_a_message_share_a_block(
    ends: tuple[PipeLink, PipeWorkerLink],
) -> None:
    parent, worker = ends
    contents = [bytes([number % 256]) * (300 + number) for number in range(2000)]
    buffers = [pickle.PickleBuffer(bytearray(each)) for each in contents]
    parts, refs = dumps_beside(buffers, parent.arena)
    total = sum(map(len, contents))
    assert total // SHARED_BYTES < len(refs) < 2 + total // (SHARED_BYTES - 2300)
    parent.send(7, 1, parts, refs=refs)
    frames: deque[Frame] = deque()
    worker.receive(frames)
    got = loads(frames[0].body, frames.pop().blocks)
    assert [bytes(each) for each in got] == contents
    kept = got[1000]
    got.clear()
    assert sent(parent, worker, 100_000).nbytes == 100_000
    assert kept == contents[1000], "a view of one of them keeps the block"


def test_where_one_buffer_finds_no_room_all_go_through_the_pipe(
    ends: tuple[PipeLink, PipeWorkerLink],
) -> None:
    parent, worker = ends
    arena: Any = parent.arena
    buffers = [pickle.PickleBuffer(bytearray(nbytes)) for nbytes in (100_000, 2 * ARENA)]
    parts, refs = dumps_beside(buffers, arena)
    assert (refs, size(parts) > 2 * ARENA) == ([], True)
    arena.settle()
    assert arena._allocator.used == 0
    worker._control[SECOND_PART] = 0  # as one that could not map it
    assert parent.arena is None


@pytest.mark.parametrize("ref", [Ref(5000, 0, 10), Ref(0, ARENA * 2, 10)])
def test_a_block_that_is_none(ends: tuple[PipeLink, PipeWorkerLink], ref: Ref) -> None:
    parent, worker = ends
    parent.send(7, 1, [b"x"], refs=[ref])
    with pytest.raises(ProtocolError, match="no block"):
        worker.receive(deque())


def test_after_the_end_nothing_is_stored(ends: tuple[PipeLink, PipeWorkerLink]) -> None:
    parent, _ = ends
    arena: Any = parent.arena
    parent.close()
    assert parent.arena is None
    with pytest.raises(LinkClosedError):
        arena.store([bytes(100_000)], 100_000)
