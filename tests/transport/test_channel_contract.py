"""What every transport promises: frames. Nothing here knows which transport it runs."""

import os
from collections import deque

import pytest

from farside._transport.channel import WorkerChannel
from farside._transport.frames import Frame
from farside.errors import ChannelClosedError
from tests.transport.background import SECONDS, Background
from tests.transport.channels import Make, Pair

HUGE = bytes(range(256)) * (9 << 12)
"""More than any transport holds without somebody who reads."""


def at_parent(pair: Pair, count: int = 1) -> list[Frame]:
    """Receive frames in the parent."""
    got: deque[Frame] = deque()
    while len(got) < count:
        assert pair.parent.receive(got, SECONDS)
    return list(got)


def at_worker(worker: WorkerChannel, count: int = 1) -> list[Frame]:
    """Receive frames in the worker."""
    got: deque[Frame] = deque()
    while len(got) < count:
        worker.receive(got)
    return list(got)


@pytest.mark.parametrize("body", [b"", b"x", b"small" * 100], ids=len)
def test_a_frame_goes_up(pair: Pair, body: bytes) -> None:
    pair.worker.send(7, 3, [body])
    assert at_parent(pair) == [Frame(7, 3, body)]


@pytest.mark.parametrize("body", [b"", b"x", b"small" * 100], ids=len)
def test_a_frame_goes_down(pair: Pair, body: bytes) -> None:
    pair.parent.send(7, 3, [body])
    assert at_worker(pair.worker) == [Frame(7, 3, body)]


def test_a_frame_needs_no_parts(pair: Pair) -> None:
    pair.worker.send(1, 2)
    pair.parent.send(3, 4)
    assert at_parent(pair) == [Frame(1, 2, b"")]
    assert at_worker(pair.worker) == [Frame(3, 4, b"")]


def test_frames_that_several_threads_of_the_worker_send_stay_whole(pair: Pair) -> None:
    def send(kind: int) -> None:
        for _ in range(20):
            pair.worker.send(kind, 1, [bytes([kind]) * 100_000, bytes([kind]) * kind])

    sending = [Background(send, kind) for kind in (1, 2, 3)]
    frames = at_parent(pair, 60)
    for each in sending:
        each.result()
    assert all(frame.body == bytes([frame.kind]) * (100_000 + frame.kind) for frame in frames)
    assert sorted(frame.kind for frame in frames) == [1] * 20 + [2] * 20 + [3] * 20


def test_what_is_posted_arrives_in_order_with_what_is_sent(pair: Pair) -> None:
    assert pair.worker.post(1, 2, [b"a", b"b"], 0)
    pair.worker.send(3, 4)
    assert not pair.worker.post(5, 6, [HUGE[: 1 << 19]], 0)
    assert not pair.worker.post(7, 8, [b"c"], 0)
    flushing = Background(pair.worker.flush)
    assert at_parent(pair, 4) == [
        Frame(1, 2, b"ab"),
        Frame(3, 4, b""),
        Frame(5, 6, HUGE[: 1 << 19]),
        Frame(7, 8, b"c"),
    ]
    flushing.result()


def test_a_worker_that_has_retired_sends_nothing(pair: Pair) -> None:
    pair.worker.retire()
    with pytest.raises(ChannelClosedError):
        pair.worker.send(1, 2)
    with pytest.raises(ChannelClosedError):
        pair.worker.post(1, 2, [], 0)


def test_a_parent_that_waits_can_be_interrupted(pair: Pair) -> None:
    got: deque[Frame] = deque()
    waiting = Background(pair.parent.receive, got, None)
    pair.parent.interrupt()
    assert waiting.result()
    assert not got
    pair.worker.send(1, 2)
    assert at_parent(pair) == [Frame(1, 2, b"")]


def test_an_interruption_waits_for_who_waits_next(pair: Pair) -> None:
    pair.parent.interrupt()
    pair.parent.interrupt()
    got: deque[Frame] = deque()
    assert pair.parent.receive(got, None)
    assert not got
    assert not pair.parent.receive(got, 0.01)


def test_parts_are_joined(pair: Pair) -> None:
    pair.worker.send(1, 2, [b"a", b"", memoryview(b"bc"), memoryview(bytearray(b"d")), b""])
    assert at_parent(pair) == [Frame(1, 2, b"abcd")]


def test_huge_frames_go_both_ways_at_the_same_time(pair: Pair) -> None:
    calls = [
        Background(pair.worker.send, 1, 2, [HUGE[:100], memoryview(HUGE)[100:]]),
        Background(pair.parent.send, 3, 4, [HUGE]),
    ]
    down = Background(at_worker, pair.worker)
    assert at_parent(pair) == [Frame(1, 2, HUGE)]
    assert down.result() == [Frame(3, 4, HUGE)]
    for call in calls:
        call.result()


def test_order_is_kept(pair: Pair) -> None:
    sizes = [0, 1, 70_000, 3, 8192, 0, 300_000, 5] * 3
    sent = [Frame(i, i, bytes([i]) * size) for i, size in enumerate(sizes)]

    def send_all() -> None:
        for frame in sent:
            pair.worker.send(frame.kind, frame.epoch, [bytes(frame.body)])

    sending = Background(send_all)
    assert at_parent(pair, len(sent)) == sent
    sending.result()


def test_frames_are_appended(pair: Pair) -> None:
    got = deque([Frame(0, 0, b"before")])
    pair.worker.send(1, 1)
    assert pair.parent.receive(got, SECONDS)
    assert list(got) == [Frame(0, 0, b"before"), Frame(1, 1, b"")]
    down = deque([Frame(0, 0, b"before")])
    pair.parent.send(1, 1)
    pair.worker.receive(down)
    assert list(down) == [Frame(0, 0, b"before"), Frame(1, 1, b"")]


@pytest.mark.parametrize("timeout", [0, 0.0001, 0.01])
def test_a_timeout_gives_false_and_the_next_receive_works(pair: Pair, timeout: float) -> None:
    got: deque[Frame] = deque()
    assert pair.parent.receive(got, timeout) is False
    assert not got
    pair.worker.send(1, 1, [b"late"])
    assert pair.parent.receive(got, timeout) is True
    assert list(got) == [Frame(1, 1, b"late")]


@pytest.mark.parametrize("timeout", [None, 3e6, 1e300])
def test_a_long_timeout_waits(pair: Pair, timeout: float | None) -> None:
    sentinel, writer = os.pipe()
    os.close(writer)  # so that it has something to wait for, and does not wait long
    try:
        pair.parent.watch(sentinel)
        with pytest.raises(ChannelClosedError):
            pair.parent.receive(deque(), timeout)
    finally:
        os.close(sentinel)


def test_a_timeout_in_the_middle_of_a_frame_loses_nothing(pair: Pair) -> None:
    sending = Background(pair.worker.send, 1, 1, [HUGE])
    got: deque[Frame] = deque()
    while not pair.parent.receive(got, 0):
        pass
    sending.result()
    assert list(got) == [Frame(1, 1, HUGE)]


def test_a_waiting_parent_hears_that_the_worker_is_gone(pair: Pair) -> None:
    waiting = Background(at_parent, pair)
    pair.end_worker()
    with pytest.raises(ChannelClosedError):
        waiting.result()


def test_a_waiting_worker_hears_that_the_parent_is_gone(pair: Pair) -> None:
    waiting = Background(at_worker, pair.worker)
    pair.parent.close()
    with pytest.raises(ChannelClosedError):
        waiting.result()


def test_what_the_worker_sent_before_its_end_is_received(pair: Pair) -> None:
    sent = [Frame(1, 1, b"one"), Frame(2, 1, b"two" * 3000)]
    for frame in sent:
        pair.worker.send(frame.kind, frame.epoch, [bytes(frame.body)])
    pair.end_worker()
    assert at_parent(pair, 2) == sent
    for _ in range(2):
        with pytest.raises(ChannelClosedError):
            pair.parent.receive(deque(), SECONDS)


def test_what_the_parent_sent_before_it_closed_is_received(pair: Pair) -> None:
    pair.parent.send(1, 1, [b"one"])
    pair.parent.send(2, 1, [b"two" * 3000])
    pair.parent.close()
    assert at_worker(pair.worker, 2) == [Frame(1, 1, b"one"), Frame(2, 1, b"two" * 3000)]
    with pytest.raises(ChannelClosedError):
        pair.worker.receive(deque())


def test_the_parent_cannot_send_to_a_worker_that_is_gone(pair: Pair) -> None:
    pair.end_worker()
    with pytest.raises(ChannelClosedError):
        pair.parent.send(1, 1)


@pytest.mark.parametrize("body", [b"", HUGE], ids=["empty", "huge"])
def test_the_worker_cannot_send_to_a_parent_that_is_gone(pair: Pair, body: bytes) -> None:
    pair.parent.close()
    with pytest.raises(ChannelClosedError):
        pair.worker.send(1, 1, [body])


def test_a_blocked_parent_hears_that_the_worker_is_gone(pair: Pair) -> None:
    sending = Background(pair.parent.send, 1, 1, [HUGE])
    pair.end_worker()
    with pytest.raises(ChannelClosedError):
        sending.result()


def test_stop_receiving_wakes_a_blocked_worker(pair: Pair) -> None:
    sending = Background(pair.worker.send, 1, 1, [HUGE])
    pair.parent.stop_receiving()
    with pytest.raises(ChannelClosedError):
        sending.result()


def test_after_stop_receiving_only_commands_go(pair: Pair) -> None:
    pair.parent.stop_receiving()
    with pytest.raises(ChannelClosedError):
        pair.parent.receive(deque(), 0)
    pair.parent.send(1, 1, [b"still"])
    assert at_worker(pair.worker) == [Frame(1, 1, b"still")]


def test_a_closed_parent_does_nothing_any_more(pair: Pair) -> None:
    pair.parent.close()
    with pytest.raises(ChannelClosedError):
        pair.parent.send(1, 1)
    with pytest.raises(ChannelClosedError):
        pair.parent.receive(deque(), 0)
    pair.parent.take(1, 1)  # no error: receiving tells
    pair.parent.revoke(1)


def test_closing_twice_is_fine(make: Make) -> None:
    pair = make()
    pair.parent.stop_receiving()
    for _ in range(2):
        pair.parent.close()
        pair.parent.stop_receiving()
        pair.cleanup()


def test_a_sentinel_ends_the_stream_that_something_holds_open(pair: Pair) -> None:
    sentinel, writer = os.pipe()
    try:
        pair.parent.watch(sentinel)
        pair.worker.send(1, 1, [b"last"])
        os.write(writer, b"ended")
        assert at_parent(pair) == [Frame(1, 1, b"last")]
        for _ in range(2):
            with pytest.raises(ChannelClosedError):
                pair.parent.receive(deque(), SECONDS)
    finally:
        pair.parent.close()
        os.close(sentinel)
        os.close(writer)


def test_a_sentinel_wakes_a_waiting_parent(pair: Pair) -> None:
    sentinel, writer = os.pipe()
    try:
        pair.parent.watch(sentinel)
        waiting = Background(at_parent, pair)
        os.close(writer)  # the end of what it holds
        with pytest.raises(ChannelClosedError):
            waiting.result()
    finally:
        os.close(sentinel)


@pytest.mark.parametrize("how", ["stop_receiving", "close"])
def test_closing_wakes_a_thread_that_receives(pair: Pair, how: str) -> None:
    receiving = Background(pair.parent.receive, deque(), None)
    getattr(pair.parent, how)()
    with pytest.raises(ChannelClosedError):
        receiving.result()
