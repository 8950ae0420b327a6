"""The writer of frames: whole, in order, and without waiting where that was promised."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from farside._link import writer
from farside._link.frames import Decoder, Frame, header
from farside._link.writer import BACKLOG_BYTES, FrameWriter, check_gone
from farside._memory.parts import size
from farside.errors import LinkClosedError
from tests.background import Background
from tests.jumps import struck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    Striking: TypeAlias = list[Callable[[], object]]

SMALL = 100
LARGE = 1 << 19
"""More than a pipe holds."""
TOO_LARGE = 1 << 21
"""More than may wait as well."""


class Piped:
    """A writer, and a reader that has not begun."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.write, False)
        self.writer = FrameWriter(lambda: self.write)
        self._decoder = Decoder()

    def frames(self, count: int) -> list[Frame]:
        got: list[Frame] = []
        while len(got) < count:
            self._decoder.filled(os.readv(self.read, [self._decoder.buffer()]), got)
        return got

    def kinds(self, count: int) -> list[int]:
        frames = self.frames(count)
        assert all(frame.body == bytes([frame.kind]) * len(frame.body) for frame in frames)
        return [frame.kind for frame in frames]


@pytest.fixture
def piped() -> Iterator[Piped]:
    made = Piped()
    yield made
    os.close(made.read)
    os.close(made.write)


def frame(kind: int, length: int = SMALL) -> list[bytes | memoryview]:
    return [header(kind, 0, length), bytes([kind]) * length]


def test_what_is_posted_and_fits_is_written_at_once(piped: Piped) -> None:
    assert piped.writer.post(frame(1), 0)
    assert piped.kinds(1) == [1]


def test_what_does_not_fit_waits_and_goes_ahead_of_the_next_frame(piped: Piped) -> None:
    assert not piped.writer.post(frame(1, LARGE), 0)
    assert not piped.writer.post(frame(2), 0)
    sending = Background(piped.writer.send, frame(3))
    assert piped.kinds(3) == [1, 2, 3]
    sending.result()


def test_a_flush_sends_what_waits(piped: Piped) -> None:
    assert not piped.writer.post(frame(1, LARGE), 0)
    flushing = Background(piped.writer.flush)
    assert piped.kinds(1) == [1]
    flushing.result()


def test_any_number_of_frames_may_wait_for_room(piped: Piped) -> None:
    sent = [piped.writer.send(frame(kind % 10, LARGE), wait=False) for kind in range(20)]
    assert sent == [False] * 20
    flush = Background(piped.writer.flush)
    assert piped.kinds(20) == [kind % 10 for kind in range(20)]
    flush.result()
    assert not piped.writer._queue  # none of it is kept
    assert piped.writer.send(frame(1), wait=False)
    assert piped.kinds(1) == [1]


def test_posting_does_not_wait_for_who_is_blocked_in_sending(piped: Piped) -> None:
    sending = Background(piped.writer.send, frame(1, LARGE))
    while not piped.writer._writing:  # it has begun, and cannot end
        assert sending.thread.is_alive()
    assert not piped.writer.post(frame(2), 0)
    assert piped.kinds(1) == [1]
    sending.result()
    piped.writer.flush()
    assert piped.kinds(1) == [2]


def test_too_much_is_refused_and_there_is_room_again_afterwards(piped: Piped) -> None:
    assert not piped.writer.post(frame(1, TOO_LARGE), 0)
    with pytest.raises(BlockingIOError):
        piped.writer.post(frame(2), 0)
    with pytest.raises(BlockingIOError):
        piped.writer.post(frame(2), 0.01)
    reading = Background(piped.kinds, 2)
    assert piped.writer.post(frame(3), 20)
    piped.writer.flush()
    assert reading.result() == [1, 3]


def test_what_waits_counts_until_it_is_written(piped: Piped) -> None:
    first, second = frame(1, LARGE), frame(2, LARGE + 1)
    for each in (first, second):
        piped.writer.post(each, 0)
    while len(piped.writer._queue) > 1:
        assert piped.writer._backlog == size(first) + size(second)
        os.read(piped.read, 1 << 16)
        piped.writer.write_what_fits(0)
    assert piped.writer._backlog == size(second)
    while piped.writer.pending:
        os.read(piped.read, 1 << 16)
        piped.writer.write_what_fits(0)
    assert piped.writer._backlog == 0


def test_what_is_sent_in_the_middle_of_a_frame_by_its_own_thread_follows(
    piped: Piped, striking: Striking
) -> None:
    striking += [lambda: piped.writer.send(frame(2)), lambda: piped.writer.post(frame(3), 0)]
    piped.writer.send(frame(1))
    assert piped.kinds(3) == [1, 2, 3]


@pytest.mark.parametrize("length", [SMALL, LARGE])
@pytest.mark.parametrize("wait", [True, False])
def test_an_exception_from_outside_leaves_no_frame_cut(
    piped: Piped, striking: Striking, length: int, *, wait: bool
) -> None:
    striking.append(strike)  # just after all of it, or a part, was written
    with pytest.raises(SystemExit):
        piped.writer.send(frame(1, length), wait=wait)
    sending = Background(piped.writer.send, frame(2))
    assert piped.kinds(2) == [1, 2]
    sending.result()


def test_an_exception_while_it_waits_for_room_leaves_no_frame_cut(
    piped: Piped, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(writer, "wait_for", strike)
        with pytest.raises(SystemExit):
            piped.writer.send(frame(1, LARGE))  # a part of it is written
    sending = Background(piped.writer.send, frame(2))
    assert piped.kinds(2) == [1, 2]
    sending.result()


@pytest.mark.parametrize(
    ("first", "second", "before"),
    [(SMALL, SMALL, 0), (SMALL, SMALL, 1), (SMALL, LARGE, 0), (SMALL, LARGE, 1), (LARGE, SMALL, 0)],
)
def test_an_exception_cuts_none_of_two_frames_of_one_call(
    piped: Piped, striking: Striking, first: int, second: int, before: int
) -> None:
    piped.writer.add(frame(1, first))
    piped.writer.add(frame(2, second))
    striking += [*[list] * before, strike]
    with pytest.raises(SystemExit):
        piped.writer.write_what_fits()
    sending = Background(piped.writer.send, frame(3))
    assert piped.kinds(3) == [1, 2, 3]
    sending.result()
    assert not piped.writer.pending


def test_two_frames_are_written_by_one_call(piped: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    really = os.writev

    def writev(fd: int, parts: Any) -> int:
        calls.append(len(parts))
        return really(fd, parts)

    monkeypatch.setattr(os, "writev", writev)
    piped.writer.add(frame(1))
    piped.writer.send(frame(2))
    assert calls == [4]
    piped.writer.add(frame(3))
    piped.writer.send([header(4, 0, writer.IOV_MAX), *[b"\4"] * writer.IOV_MAX])
    assert piped.kinds(4) == [1, 2, 3, 4]
    assert calls == [4, 2, writer.IOV_MAX, 1]


def strike(*_: object) -> None:
    raise SystemExit


@pytest.fixture
def striking(monkeypatch: pytest.MonkeyPatch) -> Striking:
    """What runs after a write and before anything is made of it, each once."""
    acts: Striking = []
    really = writer.left_of

    def left_of(parts: Any, count: int) -> Any:
        if acts:
            acts.pop(0)()
        return really(parts, count)

    monkeypatch.setattr(writer, "left_of", left_of)
    return acts


def test_each_part_of_a_very_long_frame_costs_the_same(
    piped: Piped, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []

    def left_of(parts: list[Any], count: int) -> list[Any]:
        looked_at.append(len(parts))
        return true_left_of(parts, count)

    true_left_of = writer.left_of
    monkeypatch.setattr(writer, "left_of", left_of)
    count = 20 * writer.IOV_MAX
    sending = Background(piped.writer.send, [header(1, 0, count), *[b"\1"] * count])
    assert piped.kinds(1) == [1]
    sending.result()
    assert sum(looked_at) < 2 * count


def test_nobody_who_reads_is_told_to_all(piped: Piped) -> None:
    os.close(piped.read)
    try:
        with pytest.raises(LinkClosedError):
            piped.writer.send(frame(1))
        with pytest.raises(LinkClosedError):
            piped.writer.post(frame(1), 0)
    finally:
        piped.read = os.open(os.devnull, os.O_RDONLY)


def test_after_its_end_nothing_is_written(piped: Piped) -> None:
    piped.writer.post(frame(1, LARGE), 0)
    piped.writer.close()
    with pytest.raises(LinkClosedError):
        piped.writer.send(frame(2))
    with pytest.raises(LinkClosedError):
        piped.writer.post(frame(2), 0)
    piped.writer.flush()
    assert os.read(piped.read, LARGE)
    os.set_blocking(piped.read, False)
    with pytest.raises(BlockingIOError):
        os.read(piped.read, 1)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM])
def test_an_end_that_is_not_gone_is_no_excuse(number: int) -> None:
    with pytest.raises(OSError, match="failed"):
        check_gone(OSError(number, "failed"))


def test_posting_goes_on_as_soon_as_not_too_much_waits(piped: Piped) -> None:
    held = os.write(piped.write, bytes(LARGE))  # as much as the pipe holds
    assert not piped.writer.post(frame(1, held // 2), 0)
    assert not piped.writer.post(frame(2, BACKLOG_BYTES - 2 * SMALL), 0)
    with pytest.raises(BlockingIOError):
        piped.writer.post(frame(3), 0)
    while held:
        held -= len(os.read(piped.read, held))
    assert not piped.writer.post(frame(4), 0)  # the first has gone, and the second waits
    assert piped.kinds(1) == [1]


@pytest.mark.parametrize(("number", "pending"), [(errno.EPIPE, False), (errno.EIO, True)])
def test_what_cannot_be_written_waits_no_longer_where_nobody_reads(
    piped: Piped, monkeypatch: pytest.MonkeyPatch, number: int, *, pending: bool
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, "failed")

    monkeypatch.setattr(os, "writev", fail)
    with pytest.raises(OSError if pending else LinkClosedError):
        piped.writer.post(frame(1), 0)
    assert piped.writer.pending == pending


def test_what_strikes_between_two_frames_lets_the_next_call_go_on() -> None:
    number, went_on = 0, True
    while went_on:
        piped = Piped()
        for kind in range(3):
            piped.writer.add(frame(kind))
        went_on = struck(number, piped.writer.flush, writer)
        piped.writer.flush()
        assert not piped.writer.pending
        os.close(piped.read)
        os.close(piped.write)
        number += 1


def test_a_system_that_refuses_so_many_bytes_at_once(
    piped: Piped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MacOS refuses more than 2 GiB."""
    write = os.writev
    refused: list[int] = []

    def limited(fd: int, parts: list[bytes]) -> int:
        if size(parts) > LARGE:
            refused.append(size(parts))
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return write(fd, parts)

    monkeypatch.setattr(os, "writev", limited)
    piped.writer.add(frame(1, TOO_LARGE))
    sending = Background(piped.writer.send, frame(2))
    assert piped.kinds(2) == [1, 2]
    sending.result()
    assert len(refused) == 1
    piped.writer.send(frame(3))
    assert piped.kinds(1) == [3]


def test_what_else_is_invalid_is_an_error(piped: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    def invalid(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "writev", invalid)
    monkeypatch.setattr(os, "write", invalid)
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        piped.writer.send(frame(1))
