"""Items that do not pickle, and bodies that nobody has packed: nothing is left of them."""

import pickle
import signal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link.frames import Frame
from farside._payload import pickling
from farside._payload.decoder import decode
from farside._payload.encoder import Encoder
from farside._payload.items import Mark, Stored, marks_of, pack, unpack
from farside.errors import ProtocolError
from tests.payload.ways import Way
from tests.steady import STEADY


class Refuses:
    """Refuses to pickle."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __reduce__(self) -> str:
        raise self.error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_after_an_error_nothing_is_left_of_the_item(roomy: Way, error: type[BaseException]) -> None:
    assert roomy.blocks
    with pytest.raises(error):
        roomy.encoder.encode([b"y" * 70_000, np.zeros(50_000), Refuses(error)])
    assert roomy.blocks.used == 0
    assert roomy.carry([1, "after"]) == [1, "after"]
    assert (roomy.carry(np.ones(50_000)) == 1).all()


def test_a_buffer_that_is_not_contiguous_is_an_error(way: Way) -> None:
    with pytest.raises((pickle.PicklingError, BufferError)):
        way.encoder.encode(pickle.PickleBuffer(memoryview(bytearray(100_000))[::2]))
    assert way.carry("after") == "after"


def test_cloudpickle_takes_over_and_buffers_are_there_once(roomy: Way) -> None:
    array: Any = np.arange(50_000)
    entry = roomy.encoder.encode((array, lambda: 7, b"z" * 100_000))
    assert type(entry) is Stored
    assert len(entry.refs) == 2
    frame = roomy.frame(entry)
    got, call, data = decode(unpack(frame).entries[0], frame.blocks)
    assert np.array_equal(got, array)
    assert call() == 7
    assert data == b"z" * 100_000
    assert roomy.carry(lambda: 8)() == 8
    assert roomy.carry([1]) == [1]


def test_without_cloudpickle_plain_pickles_error_is_raised(
    roomy: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickling, "cloud_pickler", lambda: None)
    with pytest.raises((pickle.PicklingError, AttributeError), match=r"[Cc]an't (get|pickle)"):
        roomy.encoder.encode([np.zeros(50_000), lambda: 1])
    assert roomy.carry([1]) == [1]


def test_discarding_gives_the_blocks_back(roomy: Way) -> None:
    assert roomy.blocks
    stored = roomy.encoder.encode([np.zeros(50_000), np.zeros(50_000), b"x" * 20_000])
    assert type(stored) is Stored
    assert len(stored.refs) == 3
    assert roomy.blocks.used > 800_000
    roomy.encoder.discard(stored)
    assert roomy.blocks.used == 0


# Bodies that nobody has packed ----------------------------------------------------------------

HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "garbage": b"?",
    "cut short": pickle.dumps(([1, 2, 3],), 5)[:-2],
    "no list": pickle.dumps(5, 5),
    "empty tuple": pickle.dumps((), 5),
    "no list in the tuple": pickle.dumps((5,), 5),
    "text": pickle.dumps("a", 5),
    "plain: nothing": b"P",
    "plain: garbage": b"P?",
    "plain: cut short": b"P" + pickle.dumps([1], 5)[:-2],
    "plain: no list": b"P" + pickle.dumps((1,), 5),
    "plain: too few": b"P" + pickle.dumps([], 5),
    "plain: too many": b"P" + pickle.dumps([1, 2], 5),
    "joined: nothing": b"J",
    "joined: garbage": b"J?",
    "joined: cut short": b"J\x80\x03](\x80\x03K\x01e",
    "joined: no list": b"J" + pickle.dumps((1,), 3),
    "joined: too few": b"J\x80\x03](e.",
    "joined: too many": b"J\x80\x03](\x80\x03K\x01\x80\x03K\x02e.",
    "joined: a class that is not there, and nothing else": b"Jcno_such_module\nname\n.",
    "rows: nothing": b"R",
    "rows: garbage": b"R?",
    "rows: no keys": b"R" + pickle.dumps(((), [1]), 5),
    "rows: a key that is no key": b"R" + pickle.dumps((([],), [1]), 5),
    "rows: no values": b"R" + pickle.dumps((("a",), 1), 5),
    "rows: too few": b"R" + pickle.dumps((("a",), []), 5),
    "rows: too many": b"R" + pickle.dumps((("a",), [1, 2]), 5),
    "rows: one value too many": b"R" + pickle.dumps((("a", "b"), [1, 2, 3]), 5),
    "text in the tuple": pickle.dumps(("a",), 5),
    "a tuple in the tuple": pickle.dumps(((1,),), 5),
    "too few": pickle.dumps([], 5),
    "too many": pickle.dumps([1, 2], 5),
    "a table cut short": b"B" + bytes(7),
    "a table that lies": b"B" + bytes(7) + b"\xff" * 16,
    "a buffer that is not there": b"".join(
        map(bytes, pickling.dumps_plain([pickle.PickleBuffer(bytes(100))]))
    )[:-100],
    "a buffer that is cut short": b"".join(
        map(bytes, pickling.dumps_plain([pickle.PickleBuffer(bytes(100)) for _ in range(2)]))
    )[:-1],
    "a class that is not there": b"cno_such_module\nname\n.",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_body_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack(Frame(1, 1, body, 1))


MARKS: list[Any] = [
    [(-1, None), (1, None)],
    [(0, None), (10**9, None)],
    [(0, None), (2, None)],
    [(1, None), (0, None)],
    [("0", None), (1, None)],
    [(0.0, None), (1, None)],
    [0, 1],
    [(0,), (1,)],
    {0: None, 1: None},
]


@pytest.mark.parametrize("marks", MARKS, ids=repr)
def test_marks_that_are_not_among_the_items_in_order_are_a_protocol_error(marks: Any) -> None:
    """Whoever takes the items would look for the next mark for ever, or find another error."""
    sound = b"".join(map(bytes, pack([1, Mark(), Mark()])[0]))
    assert unpack(Frame(1, 1, sound, 3)).marks == [(1, None), (1, None)]
    head = pickle.dumps(marks, 5)
    body = b"M" + len(head).to_bytes(4, "little") + head + b"P" + pickle.dumps([1], 5)
    for read in (unpack, marks_of):
        with pytest.raises(ProtocolError, match="marks that cannot be read"):
            read(Frame(1, 1, body, 3))


@STEADY
@given(st.binary(max_size=60), st.sampled_from([b"", b"B", b"J", b"P", b"\x80\x05"]))
def test_random_bodies_are_a_protocol_error_or_nothing(body: bytes, start: bytes) -> None:
    try:
        unpack(Frame(1, 1, start + body, 1))
    except ProtocolError:
        pass


class Strikes:
    """Lets a signal come while it is unpickled."""

    def __reduce__(self) -> Any:
        return signal.raise_signal, (signal.SIGUSR1,)


def test_what_a_signal_handler_raises_meanwhile_is_no_protocol_error() -> None:
    def handle(*_: object) -> None:
        raise ValueError("of the handler")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        struck = pickle.dumps([Strikes()])
        for body in (struck, b"J" + struck, b"P" + struck):
            with pytest.raises(ValueError, match="of the handler"):
                unpack(Frame(1, 1, body, items=1))
        marked = Frame(1, 1, b"".join(map(bytes, pack([Mark((Strikes(),))])[0])), items=1)
        for read in (unpack, marks_of):
            with pytest.raises(ValueError, match="of the handler"):
                read(marked)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_nor_is_what_one_raises_that_has_deleted_its_arguments() -> None:
    def handle(number: int, frame: Any) -> None:
        del number, frame  # as some style guides ask for where they are not used
        raise ValueError("of the handler")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        for start in (b"", b"P"):
            with pytest.raises(ValueError, match="of the handler"):
                unpack(Frame(1, 1, start + pickle.dumps([Strikes()]), items=1))
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("count", [1, 2, 300])
def test_what_could_not_be_stored_is_no_part_of_the_next_item(
    roomy: Way, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], count: int
) -> None:
    """It has been pickled, and finds no memory, or is interrupted; after some of its parts."""
    lost = {number: np.zeros(80_000 // 8) for number in range(count)}  # two have a block each
    put, calls = roomy.encoder._put, []

    def strike(parts: Any, nbytes: int) -> Any:
        calls.append(parts)
        if len(calls) == min(count, 2):
            raise error
        return put(parts, nbytes)

    with monkeypatch.context() as patch:
        patch.setattr(roomy.encoder, "_put", strike)
        with pytest.raises(error):
            roomy.encoder.encode(lost)
    assert roomy.blocks
    assert roomy.blocks.used == 0
    assert roomy.carry({"next": "item"}) == {"next": "item"}
    assert (roomy.carry({"a": np.ones(50_000)})["a"] == 1).all()


def test_what_was_interrupted_after_it_was_pickled_is_no_part_of_the_next_item(way: Way) -> None:
    way.encoder._dump(["interrupted"])
    assert way.carry(["next"]) == ["next"]


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_buffers_behind_marks_lie_where_they_fit(count: int) -> None:
    """In a body that is read where it lies, as Ray's large ones are."""
    array: Any = np.arange(200_000, dtype="f8")
    encoder = Encoder(None)
    parts, _ = pack([Mark()] * count + [encoder.encode({"key": array})])
    body = b"".join(map(bytes, parts))
    memory: Any = np.zeros(len(body) + 64, "u1")
    start = -memory.ctypes.data % 64
    memory[start : start + len(body)] = np.frombuffer(body, "u1")
    opened = unpack(Frame(1, 1, memoryview(memory)[start : start + len(body)], items=count + 1))
    got = decode(opened.entries[0], [])["key"]
    assert got.flags.aligned
    assert np.array_equal(got, array)
