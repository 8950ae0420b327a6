"""The tests that every link has to pass."""

from __future__ import annotations

from collections import deque

from .._link.frames import Frame
from .._link.worker_base import WorkerLink
from .acknowledged_contract import AcknowledgedContract
from .checks import SECONDS, Background, is_readable, receive, until
from .end_contract import EndContract
from .link_pair import HUGE, at_parent, at_worker, raises_closed

_GIGANTIC = HUGE * 4  # more than is read at a time


class LinkContract(AcknowledgedContract, EndContract):
    """Tests that every link passes whose two sides run at the same time.

    Subclass it in a module of tests, and override ``make``, which makes a link; see
    `BackendContract`.

    Some tests are about what is optional: that the link holds little while nobody reads, that the
    worker knows at once what the parent has written, that many items at a time set ``streaming``,
    and ``watch``. For a link between machines, which shares no memory, leave out such a test with
    ``test_… = None``.
    """

    def test_a_frame_goes_either_way_and_needs_no_parts(self) -> None:
        for parts in [[], [b""], [b"x"], [b"small" * 100]]:
            with self._pair() as pair:
                pair.worker.send(7, 3, parts)
                assert at_parent(pair) == [Frame(7, 3, b"".join(parts))]
                pair.parent.send(3, 4, parts)
                assert at_worker(pair.worker) == [Frame(3, 4, b"".join(parts))]

    def test_frames_that_several_threads_of_the_worker_send_stay_whole(self) -> None:
        with self._pair() as pair:

            def send(kind: int) -> None:
                for _ in range(20):
                    pair.worker.send(kind, 1, [bytes([kind]) * 100_000, bytes([kind]) * kind])

            sending = [Background(send, kind) for kind in (1, 2, 3)]
            frames = at_parent(pair, 60)
            for each in sending:
                each.result()
            for kind in (1, 2, 3):
                bodies = [frame.body for frame in frames if frame.kind == kind]
                assert bodies == [bytes([kind]) * (100_000 + kind)] * 20

    def test_what_is_posted_arrives_in_order_with_what_is_sent(self) -> None:
        with self._pair() as pair:
            assert pair.worker.post(1, 2, [b"a", b"b"], 0)
            pair.worker.send(3, 4)
            assert not pair.worker.post(5, 6, [HUGE[: 1 << 19]], 0)
            assert not pair.worker.post(7, 8, [b"c"], 0)
            flushing = Background(pair.worker.flush)
            sent = [(1, 2, b"ab"), (3, 4, b""), (5, 6, HUGE[: 1 << 19]), (7, 8, b"c")]
            assert at_parent(pair, 4) == [Frame(*each) for each in sent]
            flushing.result()

    def test_what_is_sent_soon_arrives_before_what_is_sent_then(self) -> None:
        with self._pair() as pair:
            for kind in (1, 3):
                assert pair.worker.send_soon(kind, 2, [b"a", b"b"], count=5)
                pair.worker.send(kind + 1, 4)
            first, second = Frame(1, 2, b"ab", 5), Frame(3, 2, b"ab", 5)
            assert at_parent(pair, 4) == [first, Frame(2, 4, b""), second, Frame(4, 4, b"")]

    def test_a_worker_that_has_retired_sends_nothing(self) -> None:
        with self._pair() as pair:
            pair.worker.retire()
            raises_closed(pair.worker.send, 1, 2)
            raises_closed(pair.worker.post, 1, 2, [], 0)

    def test_parts_are_joined(self) -> None:
        with self._pair() as pair:
            pair.worker.send(1, 2, [b"a", b"", memoryview(b"bc"), memoryview(bytearray(b"d")), b""])
            assert at_parent(pair) == [Frame(1, 2, b"abcd")]

    def test_huge_frames_go_both_ways_at_the_same_time(self) -> None:
        with self._pair() as pair:
            up = Background(pair.worker.send, 1, 2, [HUGE[:100], memoryview(HUGE)[100:]])
            pair.parent.send(3, 4, [HUGE])
            down = Background(_receive_and_answer, pair.worker)
            got = sorted(at_parent(pair, 2), key=lambda frame: frame.kind)
            assert got == [Frame(1, 2, HUGE), Frame(9, 9, b"")]
            assert down.result() == [Frame(3, 4, HUGE)]
            up.result()

    def test_the_parent_never_waits_for_room_and_what_it_sends_stays_as_it_was(self) -> None:
        with self._pair() as pair:
            body = bytearray(HUGE)
            pair.parent.send(1, 1, [memoryview(body)])
            body[:] = bytes(len(body))
            for epoch in range(1000):
                pair.parent.send(2, epoch)
            down = Background(_receive_and_answer, pair.worker, 1001)
            assert at_parent(pair) == [Frame(9, 9, b"")]
            small = (Frame(2, epoch, b"") for epoch in range(1000))
            assert down.result() == [Frame(1, 1, HUGE), *small]

    def test_a_command_without_room_waits_until_it_is_flushed(self) -> None:
        with self._pair() as pair:
            assert not pair.parent.congested
            assert pair.parent.send(1, 1, [b"fits"])
            assert not pair.parent.send(2, 1, [HUGE])
            assert not pair.parent.send(3, 1), "what comes later goes behind it"
            assert pair.parent.congested
            pair.parent.flush()
            assert pair.parent.congested, "nobody has made room"
            down = Background(_receive_and_answer, pair.worker, 3)
            assert at_parent(pair) == [Frame(9, 9, b"")]
            assert down.result() == [Frame(1, 1, b"fits"), Frame(2, 1, HUGE), Frame(3, 1, b"")]
            assert not pair.parent.congested
            assert pair.parent.send(4, 1)

    def test_what_another_thread_sends_without_room_goes_on(self) -> None:
        with self._pair() as pair:
            assert not Background(pair.parent.send, 1, 1, [HUGE]).result()
            down = Background(_receive_and_answer, pair.worker)
            assert at_parent(pair) == [Frame(9, 9, b"")]
            assert down.result() == [Frame(1, 1, HUGE)]

    def test_order_is_kept(self) -> None:
        with self._pair() as pair:
            sizes = [0, 1, 70_000, 3, 8192, 0, 300_000, 5] * 3
            sent = [Frame(i, i, bytes([i]) * size) for i, size in enumerate(sizes)]

            def send_all() -> None:
                for frame in sent:
                    pair.worker.send(frame.kind, frame.epoch, [bytes(frame.body)])

            sending = Background(send_all)
            assert at_parent(pair, len(sent)) == sent
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
            assert at_parent(pair) == [Frame(1, 1, b"late")]

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
            until(lambda: pair.parent.read(got))  # `read` needs no `notice` before
            sending.result()
            assert list(got) == [Frame(1, 1, _GIGANTIC)]

    def test_a_worker_that_sends_many_items_at_a_time_looks_like_it(self) -> None:
        with self._pair() as pair:
            assert not pair.parent.streaming
            pair.worker.send(1, 1, [bytes(8000)])
            at_parent(pair)
            assert pair.parent.streaming
            pair.worker.send(1, 1, [b"x"])
            at_parent(pair)
            assert not pair.parent.streaming

    def test_the_gauges_tell_what_was_sent_and_not_read(self) -> None:
        with self._pair() as pair:
            assert pair.parent.gauges().unread == 0
            pair.worker.send(1, 1, [bytes(1000)])
            assert is_readable(pair.parent, SECONDS)
            assert pair.parent.gauges().unread in {0, *range(1000, 2000)}, "0: it cannot tell"
            at_parent(pair)
            assert pair.parent.gauges().unread == 0
            pair.parent.close()
            assert pair.parent.gauges().unread == 0


def _receive_and_answer(worker: WorkerLink, count: int = 1) -> list[Frame]:
    """Receive frames in the worker, then send a frame to the parent."""
    got = at_worker(worker, count)
    worker.send(9, 9)
    return got
