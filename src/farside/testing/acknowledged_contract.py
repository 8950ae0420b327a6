"""Tests of every link: how the worker learns what the parent has taken and whether it waits."""

from __future__ import annotations

import time
from collections import deque

from .._link.frames import Frame
from .checks import Background, receive
from .link_pair import MakesLinks

LONGER_THAN_A_LOOK = 5.0
"""Seconds; no link spins for so long, even on the slowest machine."""


class AcknowledgedContract(MakesLinks):
    """The part of `LinkContract` about items that were taken, and a parent that waits."""

    def test_nothing_is_taken_at_first(self) -> None:
        with self._pair() as pair:
            assert pair.worker.acknowledged(1) == 0

    def test_what_was_taken_is_known(self) -> None:
        with self._pair() as pair:
            pair.parent.acknowledge(1, 5)
            assert pair.worker.acknowledged(1) == 5
            assert pair.worker.wait_for_credit(1, 5)

    def test_what_was_taken_of_another_pass_does_not_count(self) -> None:
        with self._pair() as pair:
            pair.parent.acknowledge(1, 50)
            assert pair.worker.acknowledged(2) == 0
            pair.parent.acknowledge(2, 3)
            assert pair.worker.acknowledged(2) == 3

    def test_a_waiting_worker_hears_that_items_were_taken(self) -> None:
        with self._pair() as pair:
            waiting = Background(pair.worker.wait_for_credit, 1, 2)
            pair.parent.acknowledge(1, 1)
            pair.parent.acknowledge(1, 2)
            assert waiting.result()

    def test_a_look_for_items_that_were_taken_does_not_wait_for_them(self) -> None:
        with self._pair() as pair:
            pair.parent.acknowledge(1, 1)
            begun = time.monotonic()
            assert not pair.worker.spin_for_credit(1, 2)
            assert time.monotonic() - begun < LONGER_THAN_A_LOOK
            pair.worker.spin_for_credit(1, 1)  # a link need not look, or not each time
            assert pair.worker.wait_for_credit(1, 1)

    def test_a_worker_hears_of_each_of_many_items(self) -> None:
        with self._pair() as pair:

            def wait_for_each() -> bool:
                return all(pair.worker.wait_for_credit(1, total) for total in range(1, 3001))

            waiting = Background(wait_for_each)
            for total in range(1, 3001):
                pair.parent.acknowledge(1, total)
            assert waiting.result()

    def test_two_sides_that_wait_for_each_other_in_turn(self) -> None:
        with self._pair() as pair:

            def work() -> None:
                for number in range(1, 1001):
                    pair.worker.send(7, 1, count=1)
                    assert pair.worker.wait_for_credit(1, number)

            working = Background(work)
            for number in range(1, 1001):
                frames: deque[Frame] = deque()
                assert receive(pair.parent, frames)
                pair.parent.acknowledge(1, number)
            working.result()

    def test_items_of_another_pass_do_not_end_the_wait(self) -> None:
        with self._pair() as pair:
            waiting = Background(pair.worker.wait_for_credit, 2, 2)
            pair.parent.acknowledge(1, 50)
            pair.parent.acknowledge(2, 2)
            assert waiting.result()

    def test_a_revoked_pass_ends_the_wait(self) -> None:
        with self._pair() as pair:
            waiting = Background(pair.worker.wait_for_credit, 1, 1)
            pair.parent.revoke(1)
            assert not waiting.result()
            assert not pair.worker.wait_for_credit(1, 1), "and stays revoked"

    def test_revoking_one_pass_leaves_the_next_alone(self) -> None:
        with self._pair() as pair:
            pair.parent.revoke(1)
            pair.parent.acknowledge(2, 1)
            assert pair.worker.wait_for_credit(2, 1)

    def test_a_pass_that_was_superseded_is_revoked_too(self) -> None:
        with self._pair() as pair:
            pair.parent.revoke(2)
            assert not pair.worker.wait_for_credit(1, 1)

    def test_a_worker_that_waits_for_room_hears_that_the_parent_is_gone(self) -> None:
        with self._pair() as pair:
            waiting = Background(pair.worker.wait_for_credit, 1, 1)
            pair.parent.close()
            assert not waiting.result()

    def test_telling_a_worker_that_is_gone_is_no_error(self) -> None:
        with self._pair() as pair:
            pair.end_worker()
            pair.parent.acknowledge(1, 1)
            pair.parent.revoke(1)
            pair.parent.tell_waiting(True)

    def test_a_worker_that_reads_nothing_never_hinders_the_parent(self) -> None:
        """It may be in one long ``next()`` while its parent begins and leaves many passes."""
        with self._pair() as pair:
            for epoch in range(1, 100_001):
                pair.parent.revoke(epoch)
            assert not pair.worker.wait_for_credit(1, 1)

    def test_the_worker_knows_whether_the_parent_waits(self) -> None:
        with self._pair() as pair:
            assert not pair.worker.parent_waits()
            pair.parent.tell_waiting(True)
            assert pair.worker.parent_waits()
            assert pair.worker.attention[0]
            pair.parent.tell_waiting(False)
            assert not pair.worker.parent_waits()
            assert not pair.worker.attention[0]

    def test_who_sends_takes_it_that_the_parent_waits_no_more(self) -> None:
        with self._pair() as pair:
            pair.parent.tell_waiting(True)
            pair.worker.send(1, 1, [b"x"])
            assert not pair.worker.parent_waits()
            assert not pair.worker.attention[0]
            pair.parent.tell_waiting(True)  # it has the frame, and waits again
            assert pair.worker.parent_waits()

    def test_a_worker_hears_that_the_parent_waits(self) -> None:
        with self._pair() as pair:
            waiting = Background(pair.worker.wait_for_parent, 1, 2)
            pair.parent.acknowledge(1, 2)
            time.sleep(0.02)
            assert waiting.thread.is_alive()
            pair.parent.tell_waiting(True)
            assert waiting.result()

    def test_a_worker_hears_that_the_parent_waits_in_any_pass(self) -> None:
        """A link may keep only the last bits of a pass's number, so the next one may be smaller."""
        with self._pair() as pair:
            for bits in (8, 16, 20, 32):
                latest = (1 << bits) - 1
                pair.parent.acknowledge(latest, 2)
                waiting = Background(pair.worker.wait_for_parent, latest + 1, 0)
                time.sleep(0.02)
                pair.parent.tell_waiting(True)
                assert waiting.result()
                pair.parent.tell_waiting(False)

    def test_a_worker_hears_that_the_parent_waits_that_has_more_than_it_knows_of(self) -> None:
        """A signal handler may strike after items were sent and before the worker counts them."""
        with self._pair() as pair:
            waiting = Background(pair.worker.wait_for_parent, 1, 1)
            for total in (1, 2, 3):
                time.sleep(0.02)
                pair.parent.acknowledge(1, total)
            time.sleep(0.02)
            assert waiting.thread.is_alive()
            pair.parent.tell_waiting(True)
            assert waiting.result()

    def test_a_worker_knows_that_the_parent_waits_already(self) -> None:
        with self._pair() as pair:
            pair.parent.tell_waiting(True)
            assert pair.worker.wait_for_parent(1, 0)

    def test_a_worker_that_waits_for_the_parent_hears_that_the_pass_was_left(self) -> None:
        with self._pair() as pair:
            waiting = Background(pair.worker.wait_for_parent, 1, 0)
            pair.parent.revoke(1)
            assert not waiting.result()

    def test_an_alert_raises_attention_whatever_the_parent_does(self) -> None:
        with self._pair() as pair:
            pair.worker.alert(True)
            assert pair.worker.attention[0]
            assert not pair.worker.parent_waits()
            pair.worker.alert(False)
            assert not pair.worker.attention[0]
