"""Reading without waiting, over a bare pipe."""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING

import pytest

from farside._link import reader as reader_module
from farside._link.frames import Decoder, Frame, header
from farside._link.reader import FrameReader
from farside._system.descriptors import Descriptor, pipe
from farside.errors import LinkClosedError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ends() -> Iterator[tuple[Descriptor, Descriptor]]:
    """A pipe whose first end does not block."""
    receive, send = pipe()
    os.set_blocking(receive.fileno(), False)
    yield receive, send
    receive.close()
    send.close()


def framed(body: bytes) -> bytes:
    return header(1, 2, len(body)) + body


def test_it_does_not_wait(ends: tuple[Descriptor, Descriptor]) -> None:
    reader, got = FrameReader(ends[0], Decoder()), deque[Frame]()
    assert not reader.read(got)
    os.write(ends[1].fileno(), framed(b"one")[:5])
    assert not reader.read(got)
    os.write(ends[1].fileno(), framed(b"one")[5:])
    assert reader.read(got)
    assert list(got) == [Frame(1, 2, b"one")]


def test_it_reads_so_often_and_no_more(
    ends: tuple[Descriptor, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "_READS", 1)
    reader, got = FrameReader(ends[0], Decoder()), deque[Frame]()
    os.write(ends[1].fileno(), framed(b"one")[:-1])
    assert reader.read(got)  # it has not seen that nothing more is there
    assert not reader.read(got)
    assert not got


def test_a_large_frame_is_taken_for_one_of_many(ends: tuple[Descriptor, Descriptor]) -> None:
    reader, got = FrameReader(ends[0], Decoder()), deque[Frame]()
    for body, streams in (bytes(2000), True), (b"", False):
        os.write(ends[1].fileno(), framed(body))
        reader.read(got)
        assert reader.streaming is streams


class Clock:
    """Stands for the clock."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_items_that_come_fast_are_taken_for_some_of_many(
    ends: tuple[Descriptor, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(reader_module, "monotonic", clock)
    reader = FrameReader(ends[0], Decoder())

    def streams(seconds: float, count: int) -> bool:
        clock.now += seconds
        os.write(ends[1].fileno(), header(1, 2, 0, count=count))
        reader.read(deque())
        return reader.streaming

    assert [streams(80e-6, 1) for _ in range(17)] == [False] * 16 + [True]
    assert streams(190e-6, 2)
    assert not streams(210e-6, 2)  # one of them was late
    assert not streams(80e-6, 15)
    assert streams(80e-6, 1)
    assert not streams(80e-6, 0)  # no item: a pass ends, or begins


@pytest.mark.parametrize(("left", "text"), [(b"", "ended$"), (b"\0", "in the middle of a frame")])
def test_the_end_of_the_stream(ends: tuple[Descriptor, Descriptor], left: bytes, text: str) -> None:
    reader, got = FrameReader(ends[0], Decoder()), deque[Frame]()
    os.write(ends[1].fileno(), framed(b"one") + left)
    ends[1].close()
    assert reader.read(got)
    with pytest.raises(LinkClosedError, match=text):
        reader.read(got)
    assert len(got) == 1


def test_a_closed_end_is_not_read(ends: tuple[Descriptor, Descriptor]) -> None:
    reader = FrameReader(ends[0], Decoder())
    assert reader.close()
    with pytest.raises(LinkClosedError):
        reader.read(deque())


class _Struck(Decoder):
    """Meets an exception when bytes have been read and not yet decoded."""

    reader: FrameReader
    error: type[BaseException]

    def filled(self, *_: object) -> None:
        assert not self.reader.close()
        raise self.error


@pytest.mark.parametrize(
    ("error", "text"), [(KeyboardInterrupt, "signal handler"), (MemoryError, "want of memory")]
)
def test_what_strikes_in_the_middle_leaves_it_out_of_step(
    ends: tuple[Descriptor, Descriptor], error: type[BaseException], text: str
) -> None:
    decoder = _Struck()
    decoder.error, decoder.reader = error, (reader := FrameReader(ends[0], decoder))
    os.write(ends[1].fileno(), framed(b"one"))
    with pytest.raises(error):
        reader.read(deque())
    with pytest.raises(ProtocolError, match=text):
        reader.read(deque())
    assert reader.close()


def test_where_the_system_has_no_memory_nothing_was_read(
    ends: tuple[Descriptor, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    reader = FrameReader(ends[0], Decoder())
    os.write(ends[1].fileno(), framed(b"one"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "readv", full)
        with pytest.raises(OSError, match="memory"):
            reader.read(deque())
    frames: deque[Frame] = deque()
    assert reader.read(frames)
    assert len(frames) == 1
