"""What every transport promises to event loops: to receive without waiting."""

import os
import select
from collections import deque

import pytest

from farside._transport.frames import Frame
from farside._transport.readiness import Readiness
from farside.errors import ChannelClosedError
from farside.testing import ChannelPair as Pair
from tests.transport.background import SECONDS, Background

HUGE = bytes(range(256)) * (9 << 14)
"""More than is received at a time without waiting."""


def is_readable(readiness: Readiness, seconds: float = 0.0) -> bool:
    poll = select.poll()
    poll.register(readiness.fileno(), select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def receive_all(pair: Pair, count: int) -> tuple[list[Frame], int]:
    """Receive as an event loop does; also tell how often it was ready for nothing."""
    got: deque[Frame] = deque()
    readiness, in_vain = pair.parent.readiness(), 0
    while len(got) < count:
        assert is_readable(readiness, SECONDS)
        in_vain += not pair.parent.receive_now(got)
    return list(got), in_vain


def test_nothing_is_there(pair: Pair) -> None:
    got: deque[Frame] = deque()
    assert not is_readable(pair.parent.readiness())
    assert pair.parent.receive_now(got) is False
    assert not got


def test_a_frame_is_there(pair: Pair) -> None:
    readiness = pair.parent.readiness()
    pair.worker.send(1, 1, [b"x"])
    assert is_readable(readiness, SECONDS)
    got: deque[Frame] = deque()
    assert pair.parent.receive_now(got) is True
    assert list(got) == [Frame(1, 1, b"x")]
    assert not is_readable(readiness)


def test_each_caller_has_one_of_its_own(pair: Pair) -> None:
    one, other = pair.parent.readiness(), pair.parent.readiness()
    assert one.fileno() != other.fileno()
    pair.worker.send(1, 1)
    assert is_readable(one, SECONDS)
    assert is_readable(other, SECONDS)


def test_a_huge_frame_comes_in_pieces(pair: Pair) -> None:
    sending = Background(pair.worker.send, 1, 1, [HUGE])
    got, in_vain = receive_all(pair, 1)
    sending.result()
    assert got == [Frame(1, 1, HUGE)]
    assert in_vain > 0


def test_a_part_of_a_frame_is_not_waited_for(pair: Pair) -> None:
    sending = Background(pair.worker.send, 1, 1, [HUGE])
    readiness = pair.parent.readiness()
    got: deque[Frame] = deque()
    assert is_readable(readiness, SECONDS)
    assert pair.parent.receive_now(got) is False
    assert not got
    assert pair.parent.receive(got, SECONDS)  # and the rest in the other way
    sending.result()
    assert list(got) == [Frame(1, 1, HUGE)]


def test_the_end_of_the_worker_makes_it_readable(pair: Pair) -> None:
    readiness = pair.parent.readiness()
    pair.worker.send(1, 1, [b"last"])
    pair.end_worker()
    got: deque[Frame] = deque()
    assert pair.parent.receive_now(got) is True
    assert is_readable(readiness, SECONDS)
    with pytest.raises(ChannelClosedError):
        pair.parent.receive_now(got)
    assert list(got) == [Frame(1, 1, b"last")]


def test_a_sentinel_makes_it_readable_though_whoever_gave_it_has_closed_it(pair: Pair) -> None:
    sentinel, writer = os.pipe()
    pair.parent.watch(sentinel)
    os.close(sentinel)
    readiness = pair.parent.readiness()
    assert not is_readable(readiness)
    os.close(writer)
    assert is_readable(readiness, SECONDS)
    with pytest.raises(ChannelClosedError):
        pair.parent.receive_now(deque())


def test_another_thread_that_receives_is_not_waited_for(pair: Pair) -> None:
    got: deque[Frame] = deque()
    receiving = Background(pair.parent.receive, got, SECONDS)
    assert pair.parent.receive_now(deque()) is False
    pair.worker.send(1, 1)
    assert receiving.result() is True


@pytest.mark.parametrize("how", ["stop_receiving", "close"])
def test_after_closing(pair: Pair, how: str) -> None:
    readiness = pair.parent.readiness()
    getattr(pair.parent, how)()
    with pytest.raises(ChannelClosedError):
        pair.parent.receive_now(deque())
    with pytest.raises(ChannelClosedError):
        pair.parent.readiness()
    assert not is_readable(readiness)
    readiness.close()
    readiness.close()
    assert readiness.fileno() == -1


def test_asking(pair: Pair) -> None:
    assert not pair.worker.parent_waits()
    pair.parent.ask(True)
    assert pair.worker.parent_waits()
    pair.parent.ask(False)
    assert not pair.worker.parent_waits()


def test_a_worker_that_sends_many_items_at_a_time_is_given_a_moment(pair: Pair) -> None:
    assert pair.parent.patience() == 0
    pair.worker.send(1, 1, [bytes(8000)])
    assert pair.parent.receive(deque(), SECONDS)
    assert 0 < pair.parent.patience() < 0.1
    pair.worker.send(1, 1, [b"x"])
    assert pair.parent.receive(deque(), SECONDS)
    assert pair.parent.patience() == 0
