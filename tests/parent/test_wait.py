"""Waiting for several workers at once, over links of this process, in threads."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from farside._link.frames import Frame
from farside._parent import closing, wait
from farside._system import signals
from farside.testing.checks import until
from tests.background import SECONDS, Background

from .group import HUGE, LOG, Group, Wanted, is_led, never

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from farside._link.worker_base import WorkerLink
    from farside._parent.member import Member
    from farside._parent.wait import Waiting


@contextmanager
def on_signal(handler: Callable[[], object]) -> Iterator[None]:
    """Let a signal call a function while the block runs."""
    before = signal.signal(signal.SIGUSR1, lambda *_: handler())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def strike_soon(waiting: Waiting) -> Background[None]:
    """Send the signal to the main thread once it leads."""

    def strike() -> None:
        until(lambda: is_led(waiting))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    return Background(strike)


# One thread -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("one")
def test_what_is_ready_is_not_waited_for(group: Group) -> None:
    group.client.wait(Wanted(lambda: True))
    assert group.client.planned == []


def test_what_has_come_is_taken_in(group: Group, one: tuple[Member, WorkerLink]) -> None:
    one[1].send(1, 5, [b"x"])
    group.client.wait(group.client.has(1))
    assert group.client.frames == [Frame(1, 5, b"x")]
    assert not one[1].parent_waits(), "it was there already: the worker is not told"


@pytest.mark.usefixtures("_for_good")
def test_what_comes_from_any_of_several_workers_ends_the_wait(group: Group) -> None:
    workers = [group.add()[1] for _ in range(5)]
    for number in (3, 0, 4):
        count = len(group.client.frames) + 1
        waiting = Background(group.client.wait, group.client.has(count))
        until(lambda: all(worker.parent_waits() for worker in workers))
        workers[number].send(1, number)
        waiting.result()
        assert not any(worker.parent_waits() for worker in workers)
    assert [frame.epoch for frame in group.client.frames] == [3, 0, 4]


def test_a_large_frame_is_waited_for_to_its_end(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    body = HUGE * 20
    sending = Background(one[1].send, 1, 1, [body])
    group.client.wait(group.client.has(1))
    sending.result()
    assert group.client.frames == [Frame(1, 1, body)]


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.0001, 0.05])
def test_a_wait_ends_in_time(group: Group, seconds: float) -> None:
    begun = time.monotonic()
    group.client.wait(never(), seconds)
    assert time.monotonic() - begun >= seconds


@pytest.mark.parametrize("seconds", [3e6, 1e300, float("inf")])
def test_a_long_wait_waits(group: Group, one: tuple[Member, WorkerLink], seconds: float) -> None:
    waiting = Background(group.client.wait, group.client.has(1), seconds)
    until(one[1].parent_waits)
    one[1].send(1, 1)
    waiting.result()


@pytest.mark.usefixtures("one")
def test_the_time_that_passes_is_told(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    client = group.client
    begun = time.monotonic()
    client.core.deadline = begun + 0.02
    client.wait(Wanted(lambda: bool(client.planned)))
    assert client.planned == [pytest.approx(begun + 0.02, abs=0.015)]
    client.core.deadline = None
    client.planned.clear()
    monkeypatch.setattr(wait, "LONGEST_SECONDS", 0.01)
    client.wait(Wanted(lambda: len(client.planned) == 3))  # nobody sleeps longer at a time


@pytest.mark.usefixtures("_for_good")
def test_log_records_do_not_end_the_wait(group: Group, one: tuple[Member, WorkerLink]) -> None:
    one[1].send(LOG, 0)
    wanted = group.client.has(2)
    waiting = Background(group.client.wait, wanted)
    until(one[1].parent_waits)
    one[1].send(1, 1)
    waiting.result()
    assert [frame.kind for frame in group.client.frames] == [LOG, 1]


def test_a_thread_looks_for_a_moment_before_it_sleeps(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spin(look: Callable[[], bool]) -> bool:
        assert not look()
        one[1].send(1, 2, [b"small"])
        assert look()
        return True

    monkeypatch.setattr(group.waiting, "spin", spin)
    one[1].send(1, 1, [bytes(8000)])
    group.client.wait(group.client.has(1))
    group.client.wait(group.client.has(2))
    assert not one[1].parent_waits(), "nobody has slept"


def test_a_worker_that_sends_many_items_is_given_a_moment(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "SOON_SECONDS", 0.1)
    one[1].send(1, 1, [bytes(8000)])
    group.client.wait(group.client.has(1))
    begun = time.monotonic()
    waiting = Background(group.client.wait, group.client.has(2))
    until(one[1].parent_waits)
    assert time.monotonic() - begun >= 0.1
    one[1].send(1, 2, [b"small"])
    waiting.result()


def test_what_an_exception_has_left_is_taken_in(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    one[0].frames.append(Frame(1, 1, b"read, and not taken in"))
    group.client.wait(group.client.has(1))


def test_chores_are_seen_to_before_anything_else(group: Group) -> None:
    done: list[int] = []
    group.client.chores.add(lambda: done.append(1))
    group.client.wait(Wanted(lambda: bool(done)))


@pytest.mark.usefixtures("one")
def test_a_forked_child_waits_for_nothing(group: Group) -> None:
    group.client.foreign_to = 1
    group.client.wait(never())


@pytest.mark.usefixtures("one")
def test_who_is_in_the_middle_of_a_step_is_refused(group: Group) -> None:
    group.client.stepping = True
    with pytest.raises(RuntimeError, match="in a step"):
        group.client.wait(never())


# Wakeups ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_for_good", "one")
def test_another_thread_wakes_the_one_that_waits(group: Group) -> None:
    told: list[int] = []
    waiting = Background(group.client.wait, Wanted(lambda: bool(told)))
    until(lambda: is_led(group.waiting))
    told.append(1)
    group.waiting.wake()
    waiting.result()


@pytest.mark.usefixtures("_for_good")
def test_a_wakeup_that_comes_before_the_wait_is_not_lost(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    """It may come when the one who waits has looked already, and is about to wait."""
    looks: list[int] = []

    def true() -> bool:
        looks.append(1)
        if len(looks) == 2:  # the leader's last look
            group.waiting.wake()
        return len(looks) > 2

    Background(group.client.wait, Wanted(true)).result()
    assert not one[1].parent_waits()


@pytest.mark.usefixtures("_for_good", "one")
def test_a_signal_handler_wakes_the_thread_that_waits(group: Group) -> None:
    told: list[int] = []

    def handle() -> None:
        told.append(1)
        group.waiting.wake()

    with on_signal(handle):
        striking = strike_soon(group.waiting)
        group.client.wait(Wanted(lambda: bool(told)))
        striking.result()


@pytest.mark.usefixtures("_for_good")
def test_a_signal_handler_waits_in_the_middle_of_a_wait(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    client, inner = group.client, list[int]()

    def handle() -> None:
        one[1].send(1, 1)
        client.wait(client.has(1))
        group.waiting.remove(group.client.members[1])  # and changes what is waited for
        group.add()
        inner.append(len(client.frames))
        one[1].send(1, 2)

    group.add()
    with on_signal(handle):
        striking = strike_soon(group.waiting)
        client.wait(client.has(2))
        striking.result()
    assert inner == [1]
    group.workers[2].send(1, 3)
    client.wait(client.has(3))


@pytest.mark.usefixtures("_for_good")
@pytest.mark.parametrize("waits", [True, False])
def test_a_signal_handler_takes_in_what_is_waited_for_further_up(
    group: Group, one: tuple[Member, WorkerLink], *, waits: bool
) -> None:
    client = group.client

    def handle() -> None:
        one[1].send(1, 1)
        if waits:
            client.wait(client.has(1))
        else:
            group.waiting.look_if_free(client.real)
        assert len(client.frames) == 1

    with on_signal(handle):
        striking = strike_soon(group.waiting)
        client.wait(client.has(1))
        striking.result()


@pytest.mark.usefixtures("_for_good")
@pytest.mark.parametrize("error", [ZeroDivisionError, RuntimeError, OSError, ValueError])
def test_an_exception_of_a_signal_handler_ends_the_wait(
    group: Group, one: tuple[Member, WorkerLink], error: type[Exception]
) -> None:
    def handle() -> None:
        raise error

    with on_signal(handle):
        striking = strike_soon(group.waiting)
        with pytest.raises(error):
            group.client.wait(never())
        striking.result()
    assert not is_led(group.waiting)
    assert not one[1].parent_waits()
    one[1].send(1, 1)
    group.client.wait(group.client.has(1))


# Several threads --------------------------------------------------------------------------------


@pytest.mark.usefixtures("_for_good")
def test_one_thread_takes_in_for_all(group: Group, one: tuple[Member, WorkerLink]) -> None:
    client = group.client
    waiting = [Background(client.wait, client.has(1)) for _ in range(4)]
    until(lambda: len(group.waiting._others) == 3 and one[1].parent_waits())
    one[1].send(1, 1)
    for each in waiting:
        each.result()
    assert len(client.taken_in_by) == 1


@pytest.mark.usefixtures("_for_good")
def test_who_has_what_he_wants_hands_over(group: Group, one: tuple[Member, WorkerLink]) -> None:
    client = group.client
    waiting = [Background(client.wait, client.has(count)) for count in range(1, 6)]
    for count in range(1, 6):
        left = 5 - count
        until(lambda: len(group.waiting._others) == left and one[1].parent_waits())  # noqa: B023
        one[1].send(1, count)
        until(lambda: len(client.frames) == count)  # noqa: B023  called at once
        waiting[count - 1].result()
    assert not group.waiting._others


@pytest.mark.usefixtures("_for_good")
def test_who_waits_until_a_time_does_not_hold_up_the_others(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    client = group.client
    leader = Background(client.wait, never(), 0.05)
    until(lambda: is_led(group.waiting))
    follower = Background(client.wait, client.has(1))
    leader.result()
    until(one[1].parent_waits)
    one[1].send(1, 1)
    follower.result()


@pytest.mark.usefixtures("_for_good", "one")
def test_a_follower_waits_until_its_time(group: Group) -> None:
    done: list[int] = []
    leader = Background(group.client.wait, Wanted(lambda: bool(done)))
    until(lambda: is_led(group.waiting))
    begun = time.monotonic()
    group.client.wait(never(), 0.03)
    assert 0.03 <= time.monotonic() - begun < SECONDS / 2
    done.append(1)
    group.waiting.wake()
    leader.result()


@pytest.mark.usefixtures("_for_good", "one")
def test_who_follows_looks_once_more_before_it_sleeps(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader may have taken it in just before, and wakes nobody for it any more."""
    monkeypatch.setattr(wait, "LONGEST_SECONDS", 1000.0)
    waiting = group.client.waiting
    with waiting._leading:
        Background(waiting._sleep, lambda: True, 1000.0).result()
    Background(waiting._sleep, lambda: False, 1000.0).result()  # it may lead now


def test_followers_are_woken_by_others_than_the_leader(group: Group) -> None:
    ended, told = list[int](), list[int]()
    leader = Background(group.client.wait, Wanted(lambda: bool(ended)))
    until(lambda: is_led(group.waiting))
    followers = [Background(group.client.wait, Wanted(lambda: bool(told))) for _ in range(3)]
    until(lambda: len(group.waiting._others) == 3)
    told.append(1)
    group.waiting.wake_others()
    for each in followers:
        each.result()
    ended.append(1)
    group.waiting.wake()
    leader.result()


@pytest.mark.usefixtures("_for_good")
def test_what_has_come_while_a_thread_leads_is_left_to_it(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    leader = Background(group.client.wait, group.client.has(1))
    until(one[1].parent_waits)
    assert not group.waiting.look_if_free(group.client.real)
    one[1].send(1, 1)
    leader.result()
    one[1].send(1, 2)
    assert group.waiting.look_if_free(group.client.real)
    assert not group.waiting.look_if_free(group.client.real)


@pytest.mark.usefixtures("_for_good")
def test_who_begins_to_wait_while_another_thread_looks_is_woken(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[Background[None]] = []
    take_in = group.client.take_in

    def take_in_late(member: Member) -> bool:
        waiting.append(Background(group.client.wait, group.client.has(1)))
        until(lambda: bool(group.waiting._others))
        time.sleep(0.05)  # it has found by now that this thread leads
        return take_in(member)

    monkeypatch.setattr(group.client, "take_in", take_in_late)
    one[1].send(1, 1)
    assert group.waiting.look_if_free(group.client.real)
    waiting[0].result()


@pytest.mark.usefixtures("_for_good")
def test_who_begins_to_wait_while_another_thread_asks_whether_one_leads_is_woken(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[Background[None]] = []

    def asked() -> None:
        monkeypatch.setattr(wait, "try_lock", signals.try_lock)
        waiting.append(Background(group.client.wait, group.client.has(1)))
        until(lambda: bool(group.waiting._others))
        time.sleep(0.05)  # it has found by now that this thread has the lock

    def try_lock(lock: threading.RLock, work: Callable[[], bool]) -> bool | None:
        def work_late() -> bool:
            asked()
            return work()

        return signals.try_lock(lock, work_late)

    monkeypatch.setattr(wait, "try_lock", try_lock)
    assert group.waiting.is_last()
    one[1].send(1, 1)
    waiting[0].result()


# Members that come and go -----------------------------------------------------------------------


@pytest.mark.usefixtures("_for_good", "one")
def test_a_wait_that_begins_as_another_one_ends_is_told_last(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of two event loops. A worker that is to fail says nothing before it hears of a wait."""
    member, worker = one
    waiting, tell = group.waiting, member.tell_waiting
    waiting.tell_waiting([member], 1, on=True)

    def tell_late(on: bool) -> None:  # noqa: FBT001  as a link has it
        monkeypatch.setattr(member, "tell_waiting", tell)
        waiting.tell_waiting([member], 2, on=True)  # in another thread
        tell(on)

    monkeypatch.setattr(member, "tell_waiting", tell_late)
    waiting.tell_waiting([member], 1, on=False)
    assert worker.parent_waits()
    waiting.tell_waiting([member], 2, on=False)
    assert not worker.parent_waits()


def test_a_member_that_is_added_is_waited_for_at_once(group: Group) -> None:
    waiting = Background(group.client.wait, group.client.has(1))
    until(lambda: is_led(group.waiting))
    _, worker = group.add()
    until(worker.parent_waits)
    worker.send(1, 1)
    waiting.result()


@pytest.mark.usefixtures("_for_good")
def test_the_end_of_a_worker_is_seen_to(group: Group, one: tuple[Member, WorkerLink]) -> None:
    _, other = group.add()
    one[1].send(1, 1, [b"last"])
    group.end_worker(0)
    lost: list[Member] = []
    client = group.client
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closing, "take_loss", lambda _, member: lost.append(member))
        client.wait(Wanted(lambda: bool(lost)))
    assert lost == [one[0]]
    assert one[0].gone
    assert len(client.frames) == 1
    other.send(1, 2)
    client.wait(client.has(2))  # and nobody polls what has ended


@pytest.mark.usefixtures("_for_good")
def test_removing_a_member_does_not_wait_for_the_thread_that_waits_for_it(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    _, other = group.add()
    waiting = Background(group.client.wait, group.client.has(1))
    until(lambda: is_led(group.waiting))

    def send() -> None:
        while True:  # without a GIL, the leader may read a whole frame before this thread goes on
            one[1].send(1, 1, [HUGE])

    sending = Background(send)
    group.waiting.remove(one[0])
    with pytest.raises(Exception, match=r"does not receive|closed"):
        sending.result()  # it wakes up
    assert one[0].gone
    assert one[0].released
    group.waiting.remove(one[0])  # once more
    group.client.frames.clear()
    other.send(1, 1)
    waiting.result()


@pytest.mark.usefixtures("one")
def test_removing_a_member_does_not_wait_for_ever(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "_CLOSING", 0.05)
    inside, done = threading.Event(), threading.Event()

    def take_in(_: Member) -> bool:
        inside.set()
        assert done.wait(SECONDS)
        return True

    monkeypatch.setattr(group.client, "take_in", take_in)
    waiting = Background(group.client.wait, Wanted(inside.is_set))
    group.workers[0].send(1, 1)
    assert inside.wait(SECONDS)
    member = group.client.members[0]
    group.waiting.remove(member)
    assert not member.released
    done.set()
    waiting.result()
    group.waiting.remove(member)
    assert member.released


def test_a_signal_handler_that_removes_in_the_middle_of_removing_loses_no_other(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    (second, _), struck = group.add(), list[int]()
    real = one[0].link.close_reading

    def close_reading() -> None:
        real()
        if not struck:
            struck.append(1)
            group.waiting.remove(one[0])  # as a handler does, in this thread
            group.waiting._leaving.append(second)  # as another thread does

    monkeypatch.setattr(one[0].link, "close_reading", close_reading)
    group.waiting.remove(one[0])
    assert second.released
