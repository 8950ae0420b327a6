"""What every channel promises to event loops, as tests: to receive without waiting."""

from __future__ import annotations

import os
import select
from collections import deque
from typing import TYPE_CHECKING

from .._transport.frames import Frame
from ..errors import ChannelClosedError
from .checks import SECONDS, Background, Raises
from .taken_contract import ChannelPair, TakenContract

if TYPE_CHECKING:
    from .._transport.readiness import Readiness

_HUGE = bytes(range(256)) * (9 << 14)
"""More than is received at a time without waiting."""


class ReadinessContract(TakenContract):
    """The part of `ChannelContract` that is about event loops."""

    def test_nothing_is_there(self) -> None:
        with self._pair() as pair:
            got: deque[Frame] = deque()
            assert not _is_readable(pair.parent.readiness())
            assert pair.parent.receive_now(got) is False
            assert not got

    def test_a_frame_is_there(self) -> None:
        with self._pair() as pair:
            readiness = pair.parent.readiness()
            pair.worker.send(1, 1, [b"x"])
            assert _is_readable(readiness, SECONDS)
            got: deque[Frame] = deque()
            assert pair.parent.receive_now(got) is True
            assert list(got) == [Frame(1, 1, b"x")]
            assert not _is_readable(readiness)

    def test_each_caller_has_one_of_its_own(self) -> None:
        with self._pair() as pair:
            one, other = pair.parent.readiness(), pair.parent.readiness()
            assert one.fileno() != other.fileno()
            pair.worker.send(1, 1)
            assert _is_readable(one, SECONDS)
            assert _is_readable(other, SECONDS)

    def test_a_huge_frame_comes_in_pieces(self) -> None:
        with self._pair() as pair:
            sending = Background(pair.worker.send, 1, 1, [_HUGE])
            got, in_vain = _receive_all(pair, 1)
            sending.result()
            assert got == [Frame(1, 1, _HUGE)]
            assert in_vain > 0

    def test_a_part_of_a_frame_is_not_waited_for(self) -> None:
        with self._pair() as pair:
            sending = Background(pair.worker.send, 1, 1, [_HUGE])
            readiness = pair.parent.readiness()
            got: deque[Frame] = deque()
            assert _is_readable(readiness, SECONDS)
            assert pair.parent.receive_now(got) is False
            assert not got
            assert pair.parent.receive(got, SECONDS)  # and the rest in the other way
            sending.result()
            assert list(got) == [Frame(1, 1, _HUGE)]

    def test_the_end_of_the_worker_makes_it_readable(self) -> None:
        with self._pair() as pair:
            readiness = pair.parent.readiness()
            pair.worker.send(1, 1, [b"last"])
            pair.end_worker()
            got: deque[Frame] = deque()
            assert pair.parent.receive_now(got) is True
            assert _is_readable(readiness, SECONDS)
            with Raises(ChannelClosedError):
                pair.parent.receive_now(got)
            assert list(got) == [Frame(1, 1, b"last")]

    def test_a_sentinel_makes_it_readable_though_whoever_gave_it_has_closed_it(self) -> None:
        with self._pair() as pair:
            sentinel, writer = os.pipe()
            pair.parent.watch(sentinel)
            os.close(sentinel)
            readiness = pair.parent.readiness()
            assert not _is_readable(readiness)
            os.close(writer)
            assert _is_readable(readiness, SECONDS)
            with Raises(ChannelClosedError):
                pair.parent.receive_now(deque())

    def test_another_thread_that_receives_is_not_waited_for(self) -> None:
        with self._pair() as pair:
            got: deque[Frame] = deque()
            receiving = Background(pair.parent.receive, got, SECONDS)
            assert pair.parent.receive_now(deque()) is False
            pair.worker.send(1, 1)
            assert receiving.result() is True

    def test_after_closing(self) -> None:
        for how in ["stop_receiving", "close"]:
            with self._pair() as pair:
                readiness = pair.parent.readiness()
                getattr(pair.parent, how)()
                with Raises(ChannelClosedError):
                    pair.parent.receive_now(deque())
                with Raises(ChannelClosedError):
                    pair.parent.readiness()
                assert not _is_readable(readiness)
                readiness.close()
                readiness.close()
                assert readiness.fileno() == -1

    def test_asking(self) -> None:
        with self._pair() as pair:
            assert not pair.worker.parent_waits()
            pair.parent.ask(True)
            assert pair.worker.parent_waits()
            pair.parent.ask(False)
            assert not pair.worker.parent_waits()

    def test_a_worker_that_sends_many_items_at_a_time_is_given_a_moment(self) -> None:
        with self._pair() as pair:
            assert pair.parent.patience() == 0
            pair.worker.send(1, 1, [bytes(8000)])
            assert pair.parent.receive(deque(), SECONDS)
            assert 0 < pair.parent.patience() < 0.1
            pair.worker.send(1, 1, [b"x"])
            assert pair.parent.receive(deque(), SECONDS)
            assert pair.parent.patience() == 0


def _is_readable(readiness: Readiness, seconds: float = 0.0) -> bool:
    poll = select.poll()
    poll.register(readiness.fileno(), select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _receive_all(pair: ChannelPair, count: int) -> tuple[list[Frame], int]:
    """Receive as an event loop does; also tell how often it was ready for nothing."""
    got: deque[Frame] = deque()
    readiness, in_vain = pair.parent.readiness(), 0
    while len(got) < count:
        assert _is_readable(readiness, SECONDS)
        in_vain += not pair.parent.receive_now(got)
    return list(got), in_vain
