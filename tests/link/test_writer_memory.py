"""The writer of frames where memory runs out: no frame is written twice, or in part."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from farside._link import writer
from farside._link.frames import header
from farside._link.opening import open_link
from farside._link.writer import IOV_MAX, FrameWriter
from farside.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._memory.parts import Part

PARTS: list[Part] = [header(1, 0, 300), bytes(300)]

really = os.writev


def written_without_a_number(fd: int, parts: Any) -> int:
    really(fd, parts)
    raise MemoryError  # for the number that it returns


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    made = os.pipe()
    yield made
    for end in made:
        os.close(end)


def test_a_frame_that_was_written_is_not_written_again_for_want_of_a_number(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = ends
    under_test = FrameWriter(lambda: write)
    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", written_without_a_number)
        with pytest.raises(MemoryError):
            under_test.send(PARTS)
    for act in (under_test.flush, lambda: under_test.send(PARTS), under_test.write_what_fits):
        with pytest.raises(ProtocolError, match="want of memory"):
            act()
    assert os.read(read, 10000) == b"".join(PARTS)


def test_a_frame_is_written_once_where_memory_ran_out_after_its_number(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def left_of(*_: object) -> list[Any]:
        raise MemoryError

    under_test = FrameWriter(lambda: ends[1])
    with monkeypatch.context() as patched:
        patched.setattr(writer, "left_of", left_of)
        with pytest.raises(MemoryError):
            under_test.send(PARTS)
    more: list[Part] = [b"more"]
    under_test.send(more)
    assert os.read(ends[0], 10000) == b"".join(PARTS) + b"more"


class Full(deque[Any]):
    """A queue that finds room for the first of several, and no more."""

    def extend(self, pieces: Any) -> None:
        self.append(next(iter(pieces)))
        raise MemoryError


def test_a_frame_of_which_a_piece_was_queued_ends_the_stream(ends: tuple[int, int]) -> None:
    under_test = FrameWriter(lambda: ends[1])
    under_test._queue = Full()
    with pytest.raises(MemoryError):
        under_test.send([header(1, 0, IOV_MAX), *[b"\1"] * IOV_MAX])
    with pytest.raises(ProtocolError, match="want of memory"):
        under_test.send(PARTS)
    os.set_blocking(ends[0], False)
    with pytest.raises(BlockingIOError):
        os.read(ends[0], 1)


def test_a_link_whose_writer_is_out_of_step_says_so_as_it_is_flushed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link, ends = open_link(0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", written_without_a_number)
        with pytest.raises(MemoryError):
            link.send(1, 0)
    assert not link.send(2, 0)  # whoever waits flushes what is kept
    assert link.congested
    with pytest.raises(ProtocolError, match="want of memory"):
        link.flush()
    for each in (link, *ends):
        each.close()
