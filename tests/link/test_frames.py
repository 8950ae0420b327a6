"""Frames: however the bytes are cut the same frames come out, and garbage raises one error only."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link import frames
from farside._link.frames import (
    COMMAND_SCRATCH,
    HEADER_SIZE,
    MAX_BODY,
    Decoder,
    Frame,
    header,
)
from farside.errors import ProtocolError
from tests.steady import STEADY

EPOCHS = st.integers(min_value=0, max_value=(1 << 64) - 1)

# Around every size at which the decoder changes its ways: nothing, a body that stays in scratch,
# one that gets a buffer of its own, one that scratch cannot hold.
LENGTHS = st.one_of(
    st.integers(min_value=0, max_value=64),
    st.sampled_from(
        [
            edge + off
            for edge in (frames._OWN_BUFFER, frames._SCRATCH - HEADER_SIZE, frames._SCRATCH)
            for off in (-1, 0, 1)
        ]
    ),
    st.just(frames._SCRATCH * 2 + 5),
)


@st.composite
def some_frames(draw: st.DrawFn) -> list[Frame]:
    """Draw frames whose bodies are long but cheap to draw: one byte pattern each."""
    made = []
    for _ in range(draw(st.integers(min_value=1, max_value=5))):
        pattern = draw(st.binary(min_size=1, max_size=3))
        length = draw(LENGTHS)
        body = (pattern * (length // len(pattern) + 1))[:length]
        made.append(Frame(draw(st.integers(min_value=0, max_value=255)), draw(EPOCHS), body))
    return made


def encode(given_frames: list[Frame]) -> bytes:
    """Return the bytes of frames as they would be sent."""
    return b"".join(header(f.kind, f.epoch, len(f.body)) + f.body for f in given_frames)


def feed(decoder: Decoder, data: bytes, at_once: int | None = None) -> list[Frame]:
    """Give bytes to a decoder, as many at once as it takes or as told."""
    out: list[Frame] = []
    position = 0
    while position < len(data):
        with decoder.buffer() as room:
            assert len(room) > 0
            piece = data[position : position + min(len(room), at_once or len(room))]
            room[: len(piece)] = piece
        decoder.filled(len(piece), out)
        position += len(piece)
    return out


@STEADY
@given(some_frames())
def test_fed_whole_gives_the_frames(sent: list[Frame]) -> None:
    decoder = Decoder()
    assert feed(decoder, encode(sent)) == sent
    assert not decoder.partial


@STEADY
@given(some_frames(), st.data())
def test_fed_in_random_cuts_gives_the_frames(sent: list[Frame], data: st.DataObject) -> None:
    stream = encode(sent)
    marks = st.integers(min_value=0, max_value=len(stream))
    cuts = sorted(data.draw(st.lists(marks, max_size=8)))
    decoder = Decoder()
    got: list[Frame] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += feed(decoder, stream[begin:end])
    assert got == sent
    assert not decoder.partial


@pytest.mark.parametrize("around", [0, frames._OWN_BUFFER, COMMAND_SCRATCH, frames._SCRATCH])
def test_the_buffer_for_commands_takes_frames_of_any_size(around: int) -> None:
    sent = [Frame(1, 2, b"x" * max(0, around + off)) for off in range(-30, 30)]
    decoder = Decoder(scratch=COMMAND_SCRATCH)
    assert len(decoder.buffer()) == COMMAND_SCRATCH < len(Decoder().buffer())
    assert feed(decoder, encode(sent)) == sent


def test_fed_byte_by_byte_gives_the_frames() -> None:
    sent = [
        Frame(0, 0, b""),
        Frame(255, (1 << 64) - 1, b"x"),
        Frame(1, 2, b"own" * frames._OWN_BUFFER),
        Frame(2, 3, b""),
        Frame(3, 4, b"z" * (frames._OWN_BUFFER - 1)),
    ]
    assert feed(Decoder(), encode(sent), at_once=1) == sent


@STEADY
@given(st.binary(max_size=3 * HEADER_SIZE))
def test_random_bytes_raise_protocol_error_or_nothing(data: bytes) -> None:
    try:
        feed(Decoder(), data)
    except ProtocolError:
        pass


@STEADY
@given(
    some_frames(),
    st.integers(min_value=0, max_value=HEADER_SIZE - 1),
    st.integers(min_value=1, max_value=255),
)
def test_damaged_header_raises_protocol_error_or_nothing(
    sent: list[Frame], where: int, change: int
) -> None:
    stream = bytearray(encode(sent))
    stream[where] ^= change
    try:
        feed(Decoder(), bytes(stream))
    except ProtocolError:
        pass


@pytest.mark.parametrize("where", [0, 3, 23])
def test_every_fixed_byte_of_the_header_is_checked(where: int) -> None:
    stream = bytearray(header(1, 2, 3) + b"abc")
    stream[where] ^= 0xFF
    with pytest.raises(ProtocolError, match="not a frame"):
        feed(Decoder(), bytes(stream))


def test_frames_before_the_garbage_are_given_out() -> None:
    decoder, out = Decoder(), []  # type: tuple[Decoder, list[Frame]]
    stream = encode([Frame(1, 2, b"good")]) + b"?" * HEADER_SIZE
    decoder.buffer()[: len(stream)] = stream
    with pytest.raises(ProtocolError):
        decoder.filled(len(stream), out)
    assert out == [Frame(1, 2, b"good")]


def test_too_long_a_body_cannot_be_announced() -> None:
    assert len(header(1, 1, MAX_BODY)) == HEADER_SIZE
    with pytest.raises(ProtocolError, match="too long"):
        header(1, 1, MAX_BODY + 1)


def test_a_header_announcing_too_long_a_body_is_garbage() -> None:
    announced = frames._HEADER.pack(frames.MAGIC, 1, 0, 0, 1, MAX_BODY + 1)
    with pytest.raises(ProtocolError, match="not a frame"):
        feed(Decoder(), announced)


def test_a_header_alone_does_not_get_the_memory_it_announces() -> None:
    decoder = Decoder()
    tracemalloc.start()
    try:
        assert feed(decoder, header(1, 1, 1 << 47) + b"x") == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * frames._GROWTH
    assert len(decoder.buffer()) < frames._GROWTH
    assert decoder.partial


def test_a_buffer_grows_as_its_bytes_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_GROWTH", frames._SCRATCH)
    body = bytes(range(256)) * (frames._SCRATCH * 5 // 256) + b"tail"
    sent = [Frame(1, 2, body), Frame(3, 4, b"next")]
    assert feed(Decoder(), encode(sent)) == sent


def test_it_grows_no_faster_than_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_GROWTH", frames._SCRATCH)
    decoder = Decoder()
    assert feed(decoder, header(1, 1, 1 << 47) + bytes(3 * frames._SCRATCH)) == []
    assert len(decoder.buffer()) <= 3 * frames._SCRATCH


def test_it_never_grows_by_more_than_macos_reads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_GROWTH", frames._SCRATCH)
    monkeypatch.setattr(frames, "_MOST_GROWTH", 2 * frames._SCRATCH)
    decoder = Decoder()
    got: list[Frame] = []
    sent = encode([Frame(1, 2, bytes(9 * frames._SCRATCH))])
    while sent:
        room = len(decoder.buffer())
        assert room <= 2 * frames._SCRATCH
        decoder.buffer()[: len(sent[:room])] = sent[:room]
        decoder.filled(len(sent[:room]), got)
        sent = sent[room:]
    assert [len(each.body) for each in got] == [9 * frames._SCRATCH]


def test_a_closed_one_keeps_no_memory() -> None:
    tracemalloc.start()
    try:
        decoder = Decoder()
        feed(decoder, header(1, 1, 1 << 20) + b"begun")
        decoder.close()
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now < frames._SCRATCH // 2
    assert not decoder.partial


def test_a_large_body_is_mutable_and_its_own() -> None:
    decoder = Decoder()
    sent = [Frame(1, 1, b"a" * frames._SCRATCH), Frame(1, 1, b"b" * frames._SCRATCH)]
    first, second = feed(decoder, encode(sent))
    assert isinstance(first.body, bytearray)
    first.body[:] = b"c" * frames._SCRATCH
    assert second.body == sent[1].body


def test_partial_tells_of_a_begun_header_and_of_a_begun_body() -> None:
    decoder = Decoder()
    assert not decoder.partial
    feed(decoder, header(1, 1, frames._SCRATCH)[:5])
    assert decoder.partial
    feed(decoder, header(1, 1, frames._SCRATCH)[5:] + b"x")
    assert decoder.partial
    assert len(feed(decoder, b"x" * (frames._SCRATCH - 1))) == 1
    assert not decoder.partial


def test_more_is_read_at_once_where_there_is_more() -> None:
    body = b"x" * 1000
    stream = (header(7, 1, len(body)) + body) * 700
    decoder, frames, sizes = Decoder(scratch=1 << 14), list[Frame](), list[int]()
    while stream:
        buffer = decoder.buffer()
        count = min(len(buffer), len(stream))
        buffer[:count] = stream[:count]
        stream = stream[count:]
        sizes.append(count)
        decoder.filled(count, frames)
    assert frames == [Frame(7, 1, body)] * 700
    assert sizes[0] == 1 << 14
    assert (1 << 16) - 1024 < max(sizes) <= 1 << 16
