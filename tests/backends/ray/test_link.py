"""The link over calls of an actor, with threads in the place of Ray."""

from __future__ import annotations

import pickle
import signal
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from farside._backends.ray.calls import MOST_PULLS, PULLS, ActorCalls
from farside._backends.ray.heard import Heard
from farside._backends.ray.link import CallLink
from farside._backends.ray.messages import Reply, Words
from farside._backends.ray.objects import Objects
from farside._backends.ray.worker_link import ActorLink
from farside._link.control import acknowledged_word, total_of
from farside._link.frames import Frame
from farside.errors import LinkClosedError, ProtocolError
from farside.testing import LinkContract, LinkPair
from farside.testing.checks import Background, is_readable, receive, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from farside._backends.ray.messages import Command


_LEFT_OUT: Any = None


class ThreadCalls(ActorCalls):
    """Calls the worker's side in threads, and carries all that crosses as pickles."""

    def __init__(self) -> None:
        self.worker = self.make_worker()
        self.left = self.ended = self.long_dead = False
        self.pulls = self.pushes = self.nbytes = 0  # bytes of the latest push, without buffers
        self.way = self.slow = 0.0  # seconds that a reply takes, and to make a call
        self.there = [0.0]  # seconds that each call took to get there, on a busy machine
        self.making = threading.Event()  # of a call
        self.threads = ThreadPoolExecutor(MOST_PULLS)

    def make_worker(self) -> ActorLink:
        return ActorLink(Objects(list))

    def pull(self, words: Words) -> Future[Reply] | None:
        self.pulls += 1
        self.making.set()
        time.sleep(self.slow)
        return None if self.ended else self.threads.submit(self._pull, words, time.monotonic())

    def _pull(self, words: Words, called: float) -> Reply:
        self.worker.tell(words)
        buffers: list[Any] = []
        data = pickle.dumps(self.worker.take(), 5, buffer_callback=buffers.append)
        copies = [bytes(each) for each in buffers]
        buffers.clear()  # as Ray lets go of them
        reply: Reply = pickle.loads(data, buffers=copies)
        self.there.append(time.monotonic() - called - reply.held)
        time.sleep(self.way)
        return reply

    def push(self, number: int, words: Words, commands: list[Command]) -> None:
        self.pushes += 1
        buffers: list[Any] = []
        data = pickle.dumps(commands, 5, buffer_callback=buffers.append)
        self.nbytes = len(data)
        self.worker.push(number, words, pickle.loads(data, buffers=map(bytes, buffers)))

    def is_long_dead(self) -> bool:
        return self.long_dead

    def end_unstarted(self) -> None:
        pass  # this one has started

    def lost(self, *, certain: bool = False) -> bool:
        del certain
        return self.left

    def end(self) -> None:
        self.ended = True
        self.worker.end()

    def shut_down(self) -> None:
        """End it, and the threads."""
        self.worker.tell(Words(10**6, closed=2))  # so that no call waits any more
        self.end()
        self.threads.shutdown()


class TestCallLink(LinkContract):
    def make(self) -> LinkPair:
        calls = ThreadCalls()
        return LinkPair(CallLink(calls), calls.worker, calls.end)

    # There is always room, since credit limits what waits; and frames arrive whole.
    test_a_command_without_room_waits_until_it_is_flushed = _LEFT_OUT
    test_what_another_thread_sends_without_room_goes_on = _LEFT_OUT
    test_what_is_posted_arrives_in_order_with_what_is_sent = _LEFT_OUT
    test_a_huge_frame_comes_in_pieces_that_are_not_waited_for = _LEFT_OUT
    test_close_reading_wakes_a_blocked_worker = _LEFT_OUT
    test_after_close_reading_the_worker_hears_the_end_instead_of_what_waits = _LEFT_OUT
    # Nobody has to be told that somebody waits: a call is always under way.
    test_the_worker_knows_whether_the_parent_waits = _LEFT_OUT
    test_who_sends_takes_it_that_the_parent_waits_no_more = _LEFT_OUT
    test_an_alert_raises_attention_whatever_the_parent_does = _LEFT_OUT
    test_a_worker_that_sends_many_items_at_a_time_looks_like_it = _LEFT_OUT
    # The worker is told what was taken with the next call, and at once if it waits for that.
    test_what_was_taken_is_known = _LEFT_OUT
    test_what_was_taken_of_another_pass_does_not_count = _LEFT_OUT
    # A worker that is gone is not known to be so before somebody reads.
    test_the_parent_cannot_send_to_a_worker_that_is_gone = _LEFT_OUT
    # Calls fail when a worker dies, so there is no sentinel.
    test_a_sentinel_ends_the_stream_that_something_holds_open = _LEFT_OUT
    test_a_sentinel_makes_it_readable_though_whoever_gave_it_has_closed_it = _LEFT_OUT


@pytest.fixture
def calls() -> Iterator[ThreadCalls]:
    made = ThreadCalls()
    yield made
    made.shut_down()


def test_log_records_wait_for_no_call_and_are_refused_when_too_many_wait() -> None:
    worker = ActorLink(Objects(list))
    assert worker.post(1, 1, [bytes(1 << 20)], 0)
    assert worker.post(1, 1, [b"more"], 0)
    with pytest.raises(BlockingIOError):
        worker.post(1, 1, [b"too much"], 0)


def test_items_share_a_call_and_a_command_does_not_wait(calls: ThreadCalls) -> None:
    link, worker = CallLink(calls), calls.worker
    for number in range(1000):
        worker.send(1, number, [b"item"], count=1)
    got: deque[Frame] = deque()
    while len(got) < 1000:
        assert receive(link, got)
    assert [frame.epoch for frame in got] == list(range(1000))
    assert calls.pulls < 100
    link.close()


def test_large_contents_arrive_as_memory_that_can_be_written_to(calls: ThreadCalls) -> None:
    link = CallLink(calls)
    calls.worker.send(1, 1, [b"head", memoryview(bytearray(1 << 20)), b"tail"], count=1)
    got: deque[Frame] = deque()
    assert receive(link, got)
    body = got[0].body
    assert not memoryview(body).readonly
    assert body == b"head" + bytes(1 << 20) + b"tail"
    link.close()


def test_large_contents_of_a_command_go_beside_it_and_can_be_written_to(
    calls: ThreadCalls,
) -> None:
    link, got = CallLink(calls), deque[Frame]()
    link.send(1, 1, [b"head", memoryview(bytearray(1 << 20)), b"tail"])
    assert calls.nbytes < 1 << 10  # so Ray writes them from where they lie
    calls.worker.receive(got)
    assert got[0].body == b"head" + bytes(1 << 20) + b"tail"
    assert not memoryview(got[0].body).readonly
    link.close()


def test_a_worker_that_waits_for_credit_gets_it_with_one_call_each(calls: ThreadCalls) -> None:
    link, worker = CallLink(calls), calls.worker

    def work() -> None:
        for number in range(1, 101):
            worker.send(7, 1, count=1)
            assert worker.wait_for_credit(1, number)

    working = Background(work)
    for number in range(1, 101):
        assert receive(link, deque())
        link.acknowledge(1, number)
    working.result()
    assert calls.pulls + calls.pushes < 500
    link.close()


def test_a_loop_that_was_replaced_has_no_say_any_more(calls: ThreadCalls) -> None:
    link = CallLink(calls)
    link.acknowledge(2, 5)
    link.acknowledge(1, 9)
    assert link._tell()[1:3] == (2, 5)
    link.close()


def test_what_came_before_a_death_is_read_and_then_its_end(calls: ThreadCalls) -> None:
    link, pulls = CallLink(calls), [Future[Reply]() for _ in range(PULLS)]
    link._pulls[:] = pulls
    who = (1, "there")
    pulls[2].set_result(Reply(0, [(7, 1, 1, [b"first"], ())], None, 0.0, False, who))
    pulls[0].set_exception(RuntimeError("died"))
    got: deque[Frame] = deque()
    calls.ended = True
    assert link.read(got)
    assert list(got) == [Frame(7, 1, b"first", 1)]
    assert not link.read(got), "another call may bring more"
    pulls[1].set_exception(RuntimeError("died too"))
    pulls[3].set_result(Reply(2, [], None, 0.0, False, who))
    with pytest.raises(LinkClosedError):
        link.read(got)
    assert str(link.failure) == "died"
    link.close()


def test_whoever_waits_hears_that_the_cluster_was_left(calls: ThreadCalls) -> None:
    link = CallLink(calls)
    link.tell_waiting(True)
    assert not is_readable(link)
    calls.left = True
    link.tell_waiting(True)
    assert is_readable(link)
    with pytest.raises(LinkClosedError):
        link.read(deque())
    with pytest.raises(LinkClosedError):
        link.send(1, 1)
    before = calls.pushes
    link.revoke(1)
    link.close()
    assert calls.pushes == before, "a call would join a cluster again"


def test_a_reply_that_never_comes_is_given_up_long_after_a_death(calls: ThreadCalls) -> None:
    link = CallLink(calls)
    calls.worker.send(1, 1, [b"came before"])
    assert receive(link, deque())
    calls.ended = True  # so no call can be made; those that are under way never return
    link.tell_waiting(True)
    assert link.read(deque()) is False
    calls.long_dead = True
    link.tell_waiting(True)
    assert is_readable(link)
    with pytest.raises(LinkClosedError, match="has ended"):
        link.read(deque())
    link.close()


@pytest.mark.parametrize("why", ["left", "long_dead"])
def test_a_reply_that_has_come_is_read_when_all_others_are_given_up(
    calls: ThreadCalls, why: str
) -> None:
    link, got = CallLink(calls), deque[Frame]()
    calls.worker.send(1, 1, [b"last"])
    until(lambda: any(each.done() for each in link._pulls))
    calls.ended = True
    setattr(calls, why, True)
    link.tell_waiting(True)
    assert receive(link, got)
    assert got[0].body == b"last"
    with pytest.raises(LinkClosedError, match="has ended"):
        receive(link, got)
    link.close()


def test_an_exception_of_a_signal_handler_at_each_line_of_a_read() -> None:
    """No frame is lost without a word."""
    calls: Any = Mock(pull=lambda _: Future())
    calls.lost.return_value = calls.is_long_dead.return_value = False
    own, struck, left = CallLink.read.__code__.co_filename, 0, 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if event == "line" and frame.f_code.co_filename == own:
            left -= 1
            if not left:
                raise InterruptedError
        return trace

    while left <= 0:
        link, got = CallLink(calls), deque[Frame]()
        for number, future in enumerate(list(link._pulls)):
            frames = [(7, 1, 1, [b"%d" % number], ())]
            future.set_result(Reply(number, frames, None, 0.0, False, (1, "there")))
        left = struck = struck + 1
        before = sys.gettrace()
        sys.settrace(trace)
        with suppress(InterruptedError):
            link.read(got)
        sys.settrace(before)
        cut = False
        try:
            for _ in range(2 * PULLS):
                link.read(got)
        except ProtocolError:
            cut = True
        assert [frame.body for frame in got] == [b"%d" % number for number in range(len(got))]
        assert cut or len(got) == PULLS
        link.close()
    assert struck > 30
    assert not cut


@pytest.mark.parametrize("by_ctrl_c", [True, False])
def test_an_exception_of_a_signal_handler_at_each_line_of_a_grant(by_ctrl_c: bool) -> None:  # noqa: FBT001
    """The worker goes on with the next wait; or, where that was no Ctrl-C, an error is raised."""
    own = {CallLink.read.__code__.co_filename, Heard.grant.__code__.co_filename}
    struck = left = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if event == "line" and frame.f_code.co_filename in own:
            left -= 1
            if not left and by_ctrl_c:
                signal.raise_signal(signal.SIGINT)
            elif not left:
                raise InterruptedError
        return trace

    while left <= 0:
        calls = ThreadCalls()
        link, worker, got = CallLink(calls), calls.worker, deque[Frame]()
        worker.send(7, 1, [b"first"], count=1)
        waiting = Background(worker.wait_for_credit, 1, 1)
        until(lambda link=link: link._heard.wish is not None)  # type: ignore[misc]
        assert receive(link, got)
        left = struck = struck + 1
        before = sys.gettrace()
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.settrace(trace)
        with suppress(InterruptedError, KeyboardInterrupt):
            link.acknowledge(1, 1)
        sys.settrace(before)
        signal.signal(signal.SIGINT, handler)
        cut = False
        try:
            link.acknowledge(1, 1)
            link.tell_waiting(True)
            link.read(got)
            assert waiting.result()
            worker.send(7, 1, [b"second"], count=1)
            while len(got) < 2:
                assert receive(link, got)
        except ProtocolError:
            cut = True
        finally:
            link.close()
            calls.shut_down()
        assert not (cut and by_ctrl_c)
    assert struck > 20
    assert not cut


def test_all_is_over_once_what_was_sent_is_fetched_or_the_link_is_closed() -> None:
    for closed in (False, True):
        worker = ActorLink(Objects(list))
        worker.send(1, 1, [b"last"])
        worker.end()
        assert not worker.done.is_set()
        if closed:
            worker.tell(Words(0, closed=2))
        else:
            assert worker._reply(0.0).frames
        until(worker.done.is_set)


def test_a_reply_that_comes_late_does_not_undo_what_a_later_one_has_told(
    calls: ThreadCalls,
) -> None:
    link, pulls = CallLink(calls), [Future[Reply]() for _ in range(2)]
    link.acknowledge(2, 3)
    pushes = calls.pushes
    for number, wish in ((1, (2, 4)), (0, (1, 9))):
        pulls[number].add_done_callback(partial(link._arrive, 0.0))
        pulls[number].set_result(Reply(number, [], wish, 0.0, False, (1, "there")))
    assert calls.pushes == pushes
    link.acknowledge(2, 4)
    assert calls.pushes == pushes + 1
    link.close()


def test_as_many_calls_are_under_way_after_a_pass_that_was_left(calls: ThreadCalls) -> None:
    link, worker = CallLink(calls), calls.worker
    waiting = Background(worker.wait_for_credit, 1, 5)
    assert not receive(link, deque(), 0.2)
    link.revoke(1)
    assert not waiting.result()
    worker.send(7, 2)
    assert receive(link, deque())
    assert len(link._pulls) == PULLS
    link.close()


def test_what_runs_is_told_from_time_to_time_and_so_is_that_nothing_does(
    calls: ThreadCalls,
) -> None:
    link, worker = CallLink(calls), calls.worker

    def told(since: int) -> tuple[int | None, float | None]:
        worker.begun[:] = acknowledged_word(2, 3), since, 5
        until(lambda: not link.read(deque()) and bool(link._heard.begun[1]) == bool(since))
        return link.begun(2)

    before = time.monotonic()
    told_first = told(time.monotonic_ns())
    assert told_first[0] == 8
    assert told_first[1] is not None
    assert before <= told_first[1] <= time.monotonic()
    assert link.begun(3) == (None, None), "of another pass"
    assert told(0) == (None, None)
    link.close()


class GoingOn(list[int]):
    """Words at ``BEGUN``. The worker begins its next input once one of them was read."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        self[:] = acknowledged_word(2, 3), time.monotonic_ns(), 6
        return found


def test_no_input_is_told_with_the_time_of_the_one_before(calls: ThreadCalls) -> None:
    worker = calls.worker
    worker.begun = GoingOn([acknowledged_word(2, 3), 1, 5])  # at work since the machine began
    word, seconds = worker._begun()
    assert total_of(word, 2) in {8, 9}
    assert seconds is not None
    assert seconds < 1


def test_nothing_is_told_of_what_runs_once_the_worker_is_gone(calls: ThreadCalls) -> None:
    link = CallLink(calls)
    link._heard.begun = acknowledged_word(1, 3), 5.0
    assert link.begun(1) == (3, 5.0)
    calls.left = True
    assert link.begun(1) == (None, None)
    link.close()


def test_what_ran_when_nobody_fetched_is_not_known_to_run(calls: ThreadCalls) -> None:
    link, pulls = CallLink(calls), [Future[Reply]() for _ in range(PULLS)]
    link._pulls[:] = pulls
    for number, pull in enumerate(pulls):
        pull.add_done_callback(partial(link._arrive, 0.0))
        begun = acknowledged_word(1, number + 1), 5.0
        reply = Reply(number, [(7, 1, 1, [b"item"], ())], None, 0.0, False, (1, "there"), begun)
        pull.set_result(reply)
    told = link.begun(1)
    assert told[0] == PULLS
    assert told[1] is not None
    assert link.read(deque())
    assert link.begun(1) == (None, None), "the worker could not tell what it has begun since"
    link.close()


def test_what_one_thread_tells_does_not_wait_behind_a_call_that_another_makes(
    calls: ThreadCalls,
) -> None:
    link, worker = CallLink(calls), calls.worker
    hear, goes_on = link._hear, threading.Event()

    def hear_later(reply: Reply, called: float) -> None:
        goes_on.wait(10)
        hear(reply, called)

    link._hear = hear_later  # type: ignore[method-assign]
    until(lambda: worker._calls == PULLS)
    calls.slow = 0.2
    calls.making.clear()
    waiting = Background(worker.wait_for_parent, 1, 0)
    until(lambda: any(each.done() for each in link._pulls))
    reading = Background(receive, link, deque(), 1.0)
    assert calls.making.wait(10)  # what this call tells is made up
    link.tell_waiting(True)
    calls.slow = 0.5  # so that the other call comes later
    goes_on.set()
    assert waiting.result()
    assert not reading.result(), "it has sent nothing"
    link.close()


def test_a_wish_that_is_heard_while_another_is_granted() -> None:
    heard = Heard()

    class Waiting:
        """Is asked in the middle of it."""

        def __bool__(self) -> bool:
            heard.hear(Reply(1, [], (1, ~2), 0.0, False, (1, "there")))
            return True

    heard.epoch = 1
    heard.hear(Reply(0, [], (1, ~1), 0.0, False, (1, "there")))
    heard.total, heard.waiting = 1, Waiting()  # type: ignore[assignment]
    assert heard.grant()
    assert heard.wish == (1, ~2)
    heard.total, heard.waiting = 2, True
    assert heard.grant()
    assert heard.wish is None


def test_a_wait_is_for_the_way_or_for_the_worker(calls: ThreadCalls) -> None:
    link, worker = CallLink(calls), calls.worker
    calls.way = 0.1

    def fetch(pause: float) -> float:
        before = link.gauges().transfer
        link.tell_waiting(True)
        time.sleep(pause)
        worker.send(7, 1, count=1)
        assert receive(link, deque())
        link.tell_waiting(False)
        return link.gauges().transfer - before

    early = 0  # calls that were made before anything was known of the worker
    while early < PULLS:  # later ones may return before them
        early += fetch(0.0) == 0.0
    for pause in (0.0, 0.3):
        begun = time.monotonic()
        way = fetch(pause)
        # The call may have been made before that.
        assert 0.09 <= way <= time.monotonic() - begun - pause + max(calls.there)
    link.close()


def test_an_actor_that_dies_while_all_replies_wait_to_be_read(calls: ThreadCalls) -> None:
    link = CallLink(calls)
    for number in range(PULLS):
        before = sum(each.done() for each in link._pulls)
        calls.worker.send(1, 1, [b"%d" % number])  # no items: a call returns with it at once
        until(lambda before=before: sum(each.done() for each in link._pulls) > before)  # type: ignore[misc]
    calls.ended = True  # it has died: no call can be made any more, and none is under way
    got: deque[Frame] = deque()
    begin = time.monotonic()
    for _ in range(PULLS):
        assert receive(link, got)
    with pytest.raises(LinkClosedError, match="has ended"):
        receive(link, got)
    assert [bytes(frame.body) for frame in got] == [b"%d" % number for number in range(PULLS)]
    assert time.monotonic() - begin < 10
    with pytest.raises(LinkClosedError):
        link.send(1, 1)
    link.close()


def test_what_is_told_later_is_never_older(calls: ThreadCalls) -> None:
    """The number comes first: whoever draws a higher one sees what was closed before."""
    link = CallLink(calls)
    numbers = link._words

    class Closing:
        def __next__(self) -> int:
            link._state = 2
            return next(numbers)

    link._words = Closing()  # type: ignore[assignment]
    assert link._tell().closed == 2
    link.close()
