"""The tests that every link has to pass when one side of it is gone."""

from __future__ import annotations

import os
from collections import deque

from .._link.frames import Frame
from .checks import SECONDS, Background, is_readable, receive
from .link_pair import HUGE, MakesLinks, at_parent, at_worker, raises_closed


class EndContract(MakesLinks):
    """The part of `LinkContract` about the end of either side."""

    def test_a_waiting_parent_hears_that_the_worker_is_gone(self) -> None:
        with self._pair() as pair:
            waiting = Background(at_parent, pair)
            pair.end_worker()
            raises_closed(waiting.result)

    def test_a_waiting_worker_hears_that_the_parent_is_gone(self) -> None:
        with self._pair() as pair:
            waiting = Background(at_worker, pair.worker)
            pair.parent.close()
            raises_closed(waiting.result)

    def test_what_the_worker_sent_before_its_end_is_received(self) -> None:
        with self._pair() as pair:
            sent = [Frame(1, 1, b"one"), Frame(2, 1, b"two" * 3000)]
            for frame in sent:
                pair.worker.send(frame.kind, frame.epoch, [bytes(frame.body)])
            pair.end_worker()
            assert at_parent(pair, 2) == sent
            for _ in range(2):
                raises_closed(receive, pair.parent, deque())

    def test_what_the_parent_sent_before_it_closed_is_received(self) -> None:
        with self._pair() as pair:
            pair.parent.send(1, 1, [b"one"])
            pair.parent.send(2, 1, [b"two" * 3000])
            pair.parent.close()
            assert at_worker(pair.worker, 2) == [Frame(1, 1, b"one"), Frame(2, 1, b"two" * 3000)]
            raises_closed(pair.worker.receive, deque())

    def test_the_parent_cannot_send_to_a_worker_that_is_gone(self) -> None:
        with self._pair() as pair:
            pair.end_worker()
            raises_closed(pair.parent.send, 1, 1)

    def test_the_worker_cannot_send_to_a_parent_that_is_gone(self) -> None:
        for body in [b"", HUGE]:
            with self._pair() as pair:
                pair.parent.close()
                raises_closed(pair.worker.send, 1, 1, [body])

    def test_a_parent_with_more_to_send_hears_that_the_worker_is_gone(self) -> None:
        with self._pair() as pair:
            pair.worker.send(1, 1, [b"last"])
            pair.parent.send(1, 1, [HUGE])
            pair.end_worker()
            pair.parent.flush()  # no error: the next read raises it
            assert at_parent(pair) == [Frame(1, 1, b"last")]
            raises_closed(at_parent, pair)

    def test_close_reading_wakes_a_blocked_worker(self) -> None:
        with self._pair() as pair:
            sending = Background(pair.worker.send, 1, 1, [HUGE])
            pair.parent.close_reading()
            raises_closed(sending.result)

    def test_after_close_reading_only_commands_go(self) -> None:
        with self._pair() as pair:
            pair.parent.close_reading()
            raises_closed(pair.parent.read, deque())
            pair.parent.send(1, 1, [b"still"])
            assert at_worker(pair.worker) == [Frame(1, 1, b"still")]

    def test_after_close_reading_the_worker_hears_the_end_instead_of_what_waits(self) -> None:
        with self._pair() as pair:
            pair.parent.send(1, 1, [HUGE])
            pair.parent.close_reading()
            raises_closed(at_worker, pair.worker)

    def test_a_closed_parent_does_nothing_any_more(self) -> None:
        with self._pair() as pair:
            pair.parent.close()
            raises_closed(pair.parent.send, 1, 1)
            raises_closed(pair.parent.read, deque())
            pair.parent.flush()  # no error: reading raises it
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
            assert at_parent(pair) == [Frame(1, 1, b"last")]
            assert is_readable(pair.parent, SECONDS)
            raises_closed(pair.parent.read, deque())

    def test_a_sentinel_ends_the_stream_that_something_holds_open(self) -> None:
        with self._pair() as pair:
            sentinel, writer = os.pipe()
            try:
                pair.parent.watch(sentinel)
                pair.worker.send(1, 1, [b"last"])
                os.write(writer, b"ended")
                assert at_parent(pair) == [Frame(1, 1, b"last")]
                for _ in range(2):
                    raises_closed(receive, pair.parent, deque())
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
            waiting = Background(at_parent, pair)
            os.close(writer)  # hangs up the sentinel, which the link has duplicated
            raises_closed(waiting.result)
