"""What every channel promises, as tests."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from .._transport.frames import Frame
from ..errors import ChannelClosedError
from .checks import SECONDS, Background, Raises
from .readiness_contract import ReadinessContract

if TYPE_CHECKING:
    from .._transport.channel import WorkerChannel
    from .taken_contract import ChannelPair

_HUGE = bytes(range(256)) * (9 << 12)
"""More than any channel holds without somebody who reads."""


class ChannelContract(ReadinessContract):
    """Tests that every channel passes whose sides run at the same time.

    Subclass it in a module of tests, and say in ``make`` how a channel is made; see
    `BackendContract`.
    """

    def test_a_frame_goes_up(self) -> None:
        for body in [b"", b"x", b"small" * 100]:
            with self._pair() as pair:
                pair.worker.send(7, 3, [body])
                assert _at_parent(pair) == [Frame(7, 3, body)]

    def test_a_frame_goes_down(self) -> None:
        for body in [b"", b"x", b"small" * 100]:
            with self._pair() as pair:
                pair.parent.send(7, 3, [body])
                assert _at_worker(pair.worker) == [Frame(7, 3, body)]

    def test_a_frame_needs_no_parts(self) -> None:
        with self._pair() as pair:
            pair.worker.send(1, 2)
            pair.parent.send(3, 4)
            assert _at_parent(pair) == [Frame(1, 2, b"")]
            assert _at_worker(pair.worker) == [Frame(3, 4, b"")]

    def test_frames_that_several_threads_of_the_worker_send_stay_whole(self) -> None:
        with self._pair() as pair:

            def send(kind: int) -> None:
                for _ in range(20):
                    pair.worker.send(kind, 1, [bytes([kind]) * 100_000, bytes([kind]) * kind])

            sending = [Background(send, kind) for kind in (1, 2, 3)]
            frames = _at_parent(pair, 60)
            for each in sending:
                each.result()
            assert all(
                frame.body == bytes([frame.kind]) * (100_000 + frame.kind) for frame in frames
            )
            assert sorted(frame.kind for frame in frames) == [1] * 20 + [2] * 20 + [3] * 20

    def test_what_is_posted_arrives_in_order_with_what_is_sent(self) -> None:
        with self._pair() as pair:
            assert pair.worker.post(1, 2, [b"a", b"b"], 0)
            pair.worker.send(3, 4)
            assert not pair.worker.post(5, 6, [_HUGE[: 1 << 19]], 0)
            assert not pair.worker.post(7, 8, [b"c"], 0)
            flushing = Background(pair.worker.flush)
            assert _at_parent(pair, 4) == [
                Frame(1, 2, b"ab"),
                Frame(3, 4, b""),
                Frame(5, 6, _HUGE[: 1 << 19]),
                Frame(7, 8, b"c"),
            ]
            flushing.result()

    def test_a_worker_that_has_retired_sends_nothing(self) -> None:
        with self._pair() as pair:
            pair.worker.retire()
            with Raises(ChannelClosedError):
                pair.worker.send(1, 2)
            with Raises(ChannelClosedError):
                pair.worker.post(1, 2, [], 0)

    def test_a_parent_that_waits_can_be_interrupted(self) -> None:
        with self._pair() as pair:
            got: deque[Frame] = deque()
            waiting = Background(pair.parent.receive, got, None)
            pair.parent.interrupt()
            assert waiting.result()
            assert not got
            pair.worker.send(1, 2)
            assert _at_parent(pair) == [Frame(1, 2, b"")]

    def test_an_interruption_waits_for_who_waits_next(self) -> None:
        with self._pair() as pair:
            pair.parent.interrupt()
            pair.parent.interrupt()
            got: deque[Frame] = deque()
            assert pair.parent.receive(got, None)
            assert not got
            assert not pair.parent.receive(got, 0.01)

    def test_parts_are_joined(self) -> None:
        with self._pair() as pair:
            pair.worker.send(1, 2, [b"a", b"", memoryview(b"bc"), memoryview(bytearray(b"d")), b""])
            assert _at_parent(pair) == [Frame(1, 2, b"abcd")]

    def test_huge_frames_go_both_ways_at_the_same_time(self) -> None:
        with self._pair() as pair:
            up = Background(pair.worker.send, 1, 2, [_HUGE[:100], memoryview(_HUGE)[100:]])
            pair.parent.send(3, 4, [_HUGE])
            down = Background(_receive_and_answer, pair.worker)
            got = _at_parent(pair, 2)
            assert sorted(got, key=lambda frame: frame.kind) == [
                Frame(1, 2, _HUGE),
                Frame(9, 9, b""),
            ]
            assert down.result() == [Frame(3, 4, _HUGE)]
            up.result()

    def test_the_parent_never_waits_for_room_and_what_it_sends_stays_as_it_was(self) -> None:
        with self._pair() as pair:
            body = bytearray(_HUGE)
            pair.parent.send(1, 1, [memoryview(body)])
            body[:] = bytes(len(body))
            for epoch in range(1000):
                pair.parent.send(2, epoch)
            down = Background(_receive_and_answer, pair.worker, 1001)
            assert _at_parent(pair) == [Frame(9, 9, b"")]
            small = (Frame(2, epoch, b"") for epoch in range(1000))
            assert down.result() == [Frame(1, 1, _HUGE), *small]

    def test_a_thread_that_receives_sends_what_another_has_left(self) -> None:
        with self._pair() as pair:
            receiving = Background(_at_parent, pair)
            pair.parent.send(1, 1, [_HUGE])
            assert _receive_and_answer(pair.worker) == [Frame(1, 1, _HUGE)]
            assert receiving.result() == [Frame(9, 9, b"")]

    def test_order_is_kept(self) -> None:
        with self._pair() as pair:
            sizes = [0, 1, 70_000, 3, 8192, 0, 300_000, 5] * 3
            sent = [Frame(i, i, bytes([i]) * size) for i, size in enumerate(sizes)]

            def send_all() -> None:
                for frame in sent:
                    pair.worker.send(frame.kind, frame.epoch, [bytes(frame.body)])

            sending = Background(send_all)
            assert _at_parent(pair, len(sent)) == sent
            sending.result()

    def test_frames_are_appended(self) -> None:
        with self._pair() as pair:
            got = deque([Frame(0, 0, b"before")])
            pair.worker.send(1, 1)
            assert pair.parent.receive(got, SECONDS)
            assert list(got) == [Frame(0, 0, b"before"), Frame(1, 1, b"")]
            down = deque([Frame(0, 0, b"before")])
            pair.parent.send(1, 1)
            pair.worker.receive(down)
            assert list(down) == [Frame(0, 0, b"before"), Frame(1, 1, b"")]

    def test_a_timeout_gives_false_and_the_next_receive_works(self) -> None:
        for timeout in [0, 0.0001, 0.01]:
            with self._pair() as pair:
                got: deque[Frame] = deque()
                assert pair.parent.receive(got, timeout) is False
                assert not got
                pair.worker.send(1, 1, [b"late"])
                assert pair.parent.receive(got, timeout) is True
                assert list(got) == [Frame(1, 1, b"late")]

    def test_a_long_timeout_waits(self) -> None:
        for timeout in [None, 3e6, 1e300]:
            with self._pair() as pair:
                sentinel, writer = os.pipe()
                os.close(writer)  # so that it has something to wait for, and does not wait long
                try:
                    pair.parent.watch(sentinel)
                    with Raises(ChannelClosedError):
                        pair.parent.receive(deque(), timeout)
                finally:
                    os.close(sentinel)

    def test_a_timeout_in_the_middle_of_a_frame_loses_nothing(self) -> None:
        with self._pair() as pair:
            sending = Background(pair.worker.send, 1, 1, [_HUGE])
            got: deque[Frame] = deque()
            while not pair.parent.receive(got, 0):
                pass
            sending.result()
            assert list(got) == [Frame(1, 1, _HUGE)]

    def test_a_waiting_parent_hears_that_the_worker_is_gone(self) -> None:
        with self._pair() as pair:
            waiting = Background(_at_parent, pair)
            pair.end_worker()
            with Raises(ChannelClosedError):
                waiting.result()

    def test_a_waiting_worker_hears_that_the_parent_is_gone(self) -> None:
        with self._pair() as pair:
            waiting = Background(_at_worker, pair.worker)
            pair.parent.close()
            with Raises(ChannelClosedError):
                waiting.result()

    def test_what_the_worker_sent_before_its_end_is_received(self) -> None:
        with self._pair() as pair:
            sent = [Frame(1, 1, b"one"), Frame(2, 1, b"two" * 3000)]
            for frame in sent:
                pair.worker.send(frame.kind, frame.epoch, [bytes(frame.body)])
            pair.end_worker()
            assert _at_parent(pair, 2) == sent
            for _ in range(2):
                with Raises(ChannelClosedError):
                    pair.parent.receive(deque(), SECONDS)

    def test_what_the_parent_sent_before_it_closed_is_received(self) -> None:
        with self._pair() as pair:
            pair.parent.send(1, 1, [b"one"])
            pair.parent.send(2, 1, [b"two" * 3000])
            pair.parent.close()
            assert _at_worker(pair.worker, 2) == [Frame(1, 1, b"one"), Frame(2, 1, b"two" * 3000)]
            with Raises(ChannelClosedError):
                pair.worker.receive(deque())

    def test_the_parent_cannot_send_to_a_worker_that_is_gone(self) -> None:
        with self._pair() as pair:
            pair.end_worker()
            with Raises(ChannelClosedError):
                pair.parent.send(1, 1)

    def test_the_worker_cannot_send_to_a_parent_that_is_gone(self) -> None:
        for body in [b"", _HUGE]:
            with self._pair() as pair:
                pair.parent.close()
                with Raises(ChannelClosedError):
                    pair.worker.send(1, 1, [body])

    def test_a_parent_with_more_to_send_hears_that_the_worker_is_gone(self) -> None:
        with self._pair() as pair:
            pair.worker.send(1, 1, [b"last"])
            pair.parent.send(1, 1, [_HUGE])
            pair.end_worker()
            assert _at_parent(pair) == [Frame(1, 1, b"last")]
            with Raises(ChannelClosedError):
                _at_parent(pair)

    def test_stop_receiving_wakes_a_blocked_worker(self) -> None:
        with self._pair() as pair:
            sending = Background(pair.worker.send, 1, 1, [_HUGE])
            pair.parent.stop_receiving()
            with Raises(ChannelClosedError):
                sending.result()

    def test_after_stop_receiving_only_commands_go(self) -> None:
        with self._pair() as pair:
            pair.parent.stop_receiving()
            with Raises(ChannelClosedError):
                pair.parent.receive(deque(), 0)
            pair.parent.send(1, 1, [b"still"])
            assert _at_worker(pair.worker) == [Frame(1, 1, b"still")]

    def test_after_stop_receiving_the_worker_hears_the_end_instead_of_what_waits(self) -> None:
        with self._pair() as pair:
            pair.parent.send(1, 1, [_HUGE])
            pair.parent.stop_receiving()
            with Raises(ChannelClosedError):
                _at_worker(pair.worker)

    def test_a_closed_parent_does_nothing_any_more(self) -> None:
        with self._pair() as pair:
            pair.parent.close()
            with Raises(ChannelClosedError):
                pair.parent.send(1, 1)
            with Raises(ChannelClosedError):
                pair.parent.receive(deque(), 0)
            pair.parent.take(1, 1)  # no error: receiving tells
            pair.parent.revoke(1)

    def test_closing_twice_is_fine(self) -> None:
        pair = self.make()
        pair.parent.stop_receiving()
        for _ in range(2):
            pair.parent.close()
            pair.parent.stop_receiving()
            pair.cleanup()

    def test_a_sentinel_ends_the_stream_that_something_holds_open(self) -> None:
        with self._pair() as pair:
            sentinel, writer = os.pipe()
            try:
                pair.parent.watch(sentinel)
                pair.worker.send(1, 1, [b"last"])
                os.write(writer, b"ended")
                assert _at_parent(pair) == [Frame(1, 1, b"last")]
                for _ in range(2):
                    with Raises(ChannelClosedError):
                        pair.parent.receive(deque(), SECONDS)
            finally:
                pair.parent.close()
                os.close(sentinel)
                os.close(writer)

    def test_a_sentinel_wakes_a_waiting_parent(self) -> None:
        with self._pair() as pair:
            sentinel, writer = os.pipe()
            try:
                pair.parent.watch(sentinel)
                waiting = Background(_at_parent, pair)
                os.close(writer)  # the end of what it holds
                with Raises(ChannelClosedError):
                    waiting.result()
            finally:
                os.close(sentinel)

    def test_closing_wakes_a_thread_that_receives(self) -> None:
        for how in ["stop_receiving", "close"]:
            with self._pair() as pair:
                receiving = Background(pair.parent.receive, deque(), None)
                getattr(pair.parent, how)()
                with Raises(ChannelClosedError):
                    receiving.result()


def _at_parent(pair: ChannelPair, count: int = 1) -> list[Frame]:
    """Receive frames in the parent."""
    got: deque[Frame] = deque()
    while len(got) < count:
        assert pair.parent.receive(got, SECONDS)
    return list(got)


def _receive_and_answer(worker: WorkerChannel, count: int = 1) -> list[Frame]:
    """Receive frames in the worker, and tell the parent."""
    got = _at_worker(worker, count)
    worker.send(9, 9)
    return got


def _at_worker(worker: WorkerChannel, count: int = 1) -> list[Frame]:
    """Receive frames in the worker."""
    got: deque[Frame] = deque()
    while len(got) < count:
        worker.receive(got)
    return list(got)
