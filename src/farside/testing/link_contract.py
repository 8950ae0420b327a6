"""What every link promises, as tests."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from .._link.frames import Frame
from ..errors import LinkClosedError
from .acknowledged_contract import AcknowledgedContract
from .checks import SECONDS, Background, is_readable, raises, receive, until

if TYPE_CHECKING:
    from .._link.worker_base import WorkerLink
    from .acknowledged_contract import LinkPair

_HUGE = bytes(range(256)) * (9 << 12)
"""More than any link holds without somebody who reads."""

_GIGANTIC = _HUGE * 4
"""More than is read at a time."""


class LinkContract(AcknowledgedContract):
    """Tests that every link passes whose sides run at the same time.

    Subclass it in a module of tests, and say in ``make`` how a link is made; see
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
            with raises(LinkClosedError):
                pair.worker.send(1, 2)
            with raises(LinkClosedError):
                pair.worker.post(1, 2, [], 0)

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

    def test_a_command_without_room_waits_until_it_is_flushed(self) -> None:
        with self._pair() as pair:
            assert not pair.parent.congested
            assert pair.parent.send(1, 1, [b"fits"])
            assert not pair.parent.send(2, 1, [_HUGE])
            assert not pair.parent.send(3, 1), "what comes later goes behind it"
            assert pair.parent.congested
            pair.parent.flush()
            assert pair.parent.congested, "nobody has made room"
            down = Background(_receive_and_answer, pair.worker, 3)
            assert _at_parent(pair) == [Frame(9, 9, b"")]
            assert down.result() == [Frame(1, 1, b"fits"), Frame(2, 1, _HUGE), Frame(3, 1, b"")]
            assert not pair.parent.congested
            assert pair.parent.send(4, 1)

    def test_what_another_thread_sends_without_room_goes_on(self) -> None:
        with self._pair() as pair:
            assert not Background(pair.parent.send, 1, 1, [_HUGE]).result()
            down = Background(_receive_and_answer, pair.worker)
            assert _at_parent(pair) == [Frame(9, 9, b"")]
            assert down.result() == [Frame(1, 1, _HUGE)]

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
            assert receive(pair.parent, got)
            assert list(got) == [Frame(0, 0, b"before"), Frame(1, 1, b"")]
            down = deque([Frame(0, 0, b"before")])
            pair.parent.send(1, 1)
            pair.worker.receive(down)
            assert list(down) == [Frame(0, 0, b"before"), Frame(1, 1, b"")]

    def test_nothing_is_there(self) -> None:
        with self._pair() as pair:
            got: deque[Frame] = deque()
            assert len(pair.parent.filenos()) > 0
            assert not is_readable(pair.parent)
            assert pair.parent.read(got) is False
            assert not got
            pair.worker.send(1, 1, [b"late"])
            assert _at_parent(pair) == [Frame(1, 1, b"late")]

    def test_a_frame_is_there(self) -> None:
        with self._pair() as pair:
            pair.worker.send(1, 1, [b"x"])
            assert is_readable(pair.parent, SECONDS)
            got: deque[Frame] = deque()
            assert pair.parent.read(got) is True
            assert list(got) == [Frame(1, 1, b"x")]
            assert not is_readable(pair.parent)

    def test_what_was_not_read_stays_readable(self) -> None:
        with self._pair() as pair:

            def send() -> None:
                for number in range(100):
                    pair.worker.send(1, number, [bytes(2000)])

            sending = Background(send)
            got: deque[Frame] = deque()
            while len(got) < 100:
                assert is_readable(pair.parent, SECONDS)
                pair.parent.read(got)
            sending.result()
            assert [frame.epoch for frame in got] == list(range(100))
            assert not is_readable(pair.parent)

    def test_a_huge_frame_comes_in_pieces_that_are_not_waited_for(self) -> None:
        with self._pair() as pair:
            sending = Background(pair.worker.send, 1, 1, [_GIGANTIC])
            assert is_readable(pair.parent, SECONDS)
            got: deque[Frame] = deque()
            assert pair.parent.read(got) is False
            assert not got
            until(lambda: pair.parent.read(got))  # it need not be told that it is readable
            sending.result()
            assert list(got) == [Frame(1, 1, _GIGANTIC)]

    def test_a_worker_that_sends_many_items_at_a_time_looks_like_it(self) -> None:
        with self._pair() as pair:
            assert not pair.parent.streaming
            pair.worker.send(1, 1, [bytes(8000)])
            _at_parent(pair)
            assert pair.parent.streaming
            pair.worker.send(1, 1, [b"x"])
            _at_parent(pair)
            assert not pair.parent.streaming

    def test_the_gauges_tell_what_was_sent_and_not_read(self) -> None:
        with self._pair() as pair:
            assert pair.parent.gauges().unread == 0
            pair.worker.send(1, 1, [bytes(1000)])
            assert is_readable(pair.parent, SECONDS)
            assert pair.parent.gauges().unread in {0, *range(1000, 2000)}, "0: it cannot tell"
            _at_parent(pair)
            assert pair.parent.gauges().unread == 0
            pair.parent.close()
            assert pair.parent.gauges().unread == 0

    def test_a_waiting_parent_hears_that_the_worker_is_gone(self) -> None:
        with self._pair() as pair:
            waiting = Background(_at_parent, pair)
            pair.end_worker()
            with raises(LinkClosedError):
                waiting.result()

    def test_a_waiting_worker_hears_that_the_parent_is_gone(self) -> None:
        with self._pair() as pair:
            waiting = Background(_at_worker, pair.worker)
            pair.parent.close()
            with raises(LinkClosedError):
                waiting.result()

    def test_what_the_worker_sent_before_its_end_is_received(self) -> None:
        with self._pair() as pair:
            sent = [Frame(1, 1, b"one"), Frame(2, 1, b"two" * 3000)]
            for frame in sent:
                pair.worker.send(frame.kind, frame.epoch, [bytes(frame.body)])
            pair.end_worker()
            assert _at_parent(pair, 2) == sent
            for _ in range(2):
                with raises(LinkClosedError):
                    receive(pair.parent, deque())

    def test_what_the_parent_sent_before_it_closed_is_received(self) -> None:
        with self._pair() as pair:
            pair.parent.send(1, 1, [b"one"])
            pair.parent.send(2, 1, [b"two" * 3000])
            pair.parent.close()
            assert _at_worker(pair.worker, 2) == [Frame(1, 1, b"one"), Frame(2, 1, b"two" * 3000)]
            with raises(LinkClosedError):
                pair.worker.receive(deque())

    def test_the_parent_cannot_send_to_a_worker_that_is_gone(self) -> None:
        with self._pair() as pair:
            pair.end_worker()
            with raises(LinkClosedError):
                pair.parent.send(1, 1)

    def test_the_worker_cannot_send_to_a_parent_that_is_gone(self) -> None:
        for body in [b"", _HUGE]:
            with self._pair() as pair:
                pair.parent.close()
                with raises(LinkClosedError):
                    pair.worker.send(1, 1, [body])

    def test_a_parent_with_more_to_send_hears_that_the_worker_is_gone(self) -> None:
        with self._pair() as pair:
            pair.worker.send(1, 1, [b"last"])
            pair.parent.send(1, 1, [_HUGE])
            pair.end_worker()
            pair.parent.flush()  # no error: reading tells
            assert _at_parent(pair) == [Frame(1, 1, b"last")]
            with raises(LinkClosedError):
                _at_parent(pair)

    def test_close_reading_wakes_a_blocked_worker(self) -> None:
        with self._pair() as pair:
            sending = Background(pair.worker.send, 1, 1, [_HUGE])
            pair.parent.close_reading()
            with raises(LinkClosedError):
                sending.result()

    def test_after_close_reading_only_commands_go(self) -> None:
        with self._pair() as pair:
            pair.parent.close_reading()
            with raises(LinkClosedError):
                pair.parent.read(deque())
            pair.parent.send(1, 1, [b"still"])
            assert _at_worker(pair.worker) == [Frame(1, 1, b"still")]

    def test_after_close_reading_the_worker_hears_the_end_instead_of_what_waits(self) -> None:
        with self._pair() as pair:
            pair.parent.send(1, 1, [_HUGE])
            pair.parent.close_reading()
            with raises(LinkClosedError):
                _at_worker(pair.worker)

    def test_a_closed_parent_does_nothing_any_more(self) -> None:
        with self._pair() as pair:
            pair.parent.close()
            with raises(LinkClosedError):
                pair.parent.send(1, 1)
            with raises(LinkClosedError):
                pair.parent.read(deque())
            pair.parent.flush()  # no error: reading tells
            pair.parent.acknowledge(1, 1)
            pair.parent.revoke(1)
            pair.parent.tell_waiting(True)

    def test_nobody_waits_for_what_is_closed(self) -> None:
        for how in ["close_reading", "close"]:
            with self._pair() as pair:
                pair.worker.send(1, 1)
                getattr(pair.parent, how)()
                assert not pair.parent.filenos()

    def test_closing_twice_is_fine(self) -> None:
        pair = self.make()
        pair.parent.close_reading()
        for _ in range(2):
            pair.parent.close()
            pair.parent.close_reading()
            pair.cleanup()

    def test_the_end_of_the_worker_makes_it_readable(self) -> None:
        with self._pair() as pair:
            pair.worker.send(1, 1, [b"last"])
            pair.end_worker()
            assert _at_parent(pair) == [Frame(1, 1, b"last")]
            assert is_readable(pair.parent, SECONDS)
            with raises(LinkClosedError):
                pair.parent.read(deque())

    def test_a_sentinel_ends_the_stream_that_something_holds_open(self) -> None:
        with self._pair() as pair:
            sentinel, writer = os.pipe()
            try:
                pair.parent.watch(sentinel)
                pair.worker.send(1, 1, [b"last"])
                os.write(writer, b"ended")
                assert _at_parent(pair) == [Frame(1, 1, b"last")]
                for _ in range(2):
                    with raises(LinkClosedError):
                        receive(pair.parent, deque())
            finally:
                pair.parent.close()
                os.close(sentinel)
                os.close(writer)

    def test_a_sentinel_makes_it_readable_though_whoever_gave_it_has_closed_it(self) -> None:
        with self._pair() as pair:
            sentinel, writer = os.pipe()
            pair.parent.watch(sentinel)
            os.close(sentinel)
            assert not is_readable(pair.parent)
            waiting = Background(_at_parent, pair)
            os.close(writer)  # the end of what it holds
            with raises(LinkClosedError):
                waiting.result()


def _at_parent(pair: LinkPair, count: int = 1) -> list[Frame]:
    """Receive frames in the parent."""
    got: deque[Frame] = deque()
    while len(got) < count:
        assert receive(pair.parent, got)
    return list(got)


def _receive_and_answer(worker: WorkerLink, count: int = 1) -> list[Frame]:
    """Receive frames in the worker, and tell the parent."""
    got = _at_worker(worker, count)
    worker.send(9, 9)
    return got


def _at_worker(worker: WorkerLink, count: int = 1) -> list[Frame]:
    """Receive frames in the worker."""
    got: deque[Frame] = deque()
    while len(got) < count:
        worker.receive(got)
    return list(got)
