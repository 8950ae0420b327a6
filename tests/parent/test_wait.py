"""Waiting for several workers at once, over links of this process: in threads and event loops."""

from __future__ import annotations

import os
import resource
import select
import signal
import threading
import time
from collections import deque
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from farside._link.frames import Frame
from farside._link.opening import open_link
from farside._parent import closing, options, wait
from farside._parent.aio import AsyncWait, Readiness
from farside._parent.chores import Chores
from farside._parent.member import Member
from farside._parent.wait import Waiting
from farside._protocol.effects import BROKEN
from farside.errors import ProtocolError
from farside.testing.checks import until
from tests.background import SECONDS, Background
from tests.link.links import close_all, pipe_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from farside._link.base import Link
    from farside._link.opening import WorkerEnds
    from farside._link.worker_base import WorkerLink
    from farside._parent.client import Client
    from tests.loops import Loop

LOG = 9
"""The kind of frame that nobody waits for, as those of log records."""

HUGE = bytes(1 << 20)
"""More than a pipe holds."""


class StandIn:
    """As much of a client as waiting needs. It keeps the frames that come."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        self.members: list[Member] = []
        self.chores = Chores()
        self.core: Any = SimpleNamespace(deadline=None, has_limits=False)
        self.has_news = False
        self.foreign_to: int | None = None
        self.stepping = False
        self.frames: list[Frame] = []
        self.failures: list[tuple[int, str, str]] = []
        self.planned: list[float] = []  # when waits were to end that ended for nothing
        self.taken_in_by: set[int] = set()

    def check_not_stepping(self) -> None:
        if self.stepping:
            raise RuntimeError("in a step")

    def deliver(self, problems: list[Exception] | None = None) -> None:
        pass

    def begin_to_wait(self, wanted: Wanted) -> None:
        pass

    def awaited(self, wanted: Wanted) -> list[Member]:  # noqa: ARG002
        return self.members

    def time_passes(self, planned: float) -> None:
        self.planned.append(planned)

    def fail(self, member: Member, cause: str, detail: str) -> None:
        self.failures.append((member.index, cause, detail))

    def take_in(self, member: Member) -> bool:
        self.taken_in_by.add(threading.get_ident())
        came = list(member.frames)
        member.frames.clear()
        self.frames += came
        return any(frame.kind != LOG for frame in came)

    def has(self, count: int) -> Wanted:
        """Return what is ready when so many frames have come."""
        return Wanted(lambda: len(self.frames) >= count)

    @property
    def real(self) -> Client:
        return cast("Client", self)

    def wait(self, wanted: Wanted, seconds: float | None = None) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        self.waiting.until(self.real, wanted, end)


class Wanted:
    """What somebody waits for."""

    def __init__(self, true: Callable[[], bool]) -> None:
        self._true = true
        self.looks = 0

    @property
    def ready(self) -> bool:
        self.looks += 1
        return self._true()


def never() -> Wanted:
    return Wanted(lambda: False)


class Group:
    """A client, and the workers' ends of its links."""

    def __init__(self) -> None:
        self.client = StandIn()
        self.waiting = self.client.waiting
        self.workers: list[WorkerLink] = []
        self._ends: list[WorkerEnds] = []

    def join(self, link: Link) -> Member:
        """Let a link lead to a member."""
        member = Member(len(self.client.members), options.check(list, backend="inline"))
        member.attach(cast("Any", SimpleNamespace(link=link, observer=None, label="a pipe")))
        self.client.members.append(member)
        self.waiting.add(member)
        return member

    def open(self) -> tuple[Link, WorkerLink]:
        link, ends = open_link(0)
        self._ends.append(ends)
        self.workers.append(pipe_worker(ends))
        return link, self.workers[-1]

    def add(self) -> tuple[Member, WorkerLink]:
        """Have one more worker."""
        link, worker = self.open()
        return self.join(link), worker

    def end_worker(self, index: int) -> None:
        close_all(self._ends[index])

    def close(self) -> None:
        for member in self.client.members:
            self.waiting.remove(member)
            member.link.close()
        self.waiting.close()
        for ends in self._ends:
            close_all(ends)
        self.workers.clear()
        self._ends.clear()
        self.client.members.clear()


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    made = Group()
    yield made
    made.close()
    request.node.funcargs.clear()  # before 3.13 a mapping has a descriptor


@pytest.fixture
def one(group: Group) -> tuple[Member, WorkerLink]:
    return group.add()


@pytest.fixture
def _for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look by himself after a second: what wakes him is the thing to test."""
    monkeypatch.setattr(wait, "LONGEST_SECONDS", SECONDS)


def is_led(waiting: Waiting) -> bool:
    """Tell whether a thread leads; this one must not."""
    free = waiting._leading.acquire(blocking=False)
    if free:
        waiting._leading.release()
    return not free


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


def test_no_time_counts_after_a_task_was_cancelled(
    group: Group, one: tuple[Member, WorkerLink], loop: Loop
) -> None:
    ended: list[bool] = []
    group.client.core = SimpleNamespace(
        deadline=None, has_limits=True, pause=lambda _: ended.append(one[1].parent_waits())
    )

    async def main() -> None:
        await loop.cut(0.02, lambda: AsyncWait(group.client.real).until(never()))

    loop.run(main)
    assert ended == [False]


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
def test_an_exception_of_a_signal_handler_ends_the_wait(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    def handle() -> None:
        raise ZeroDivisionError

    with on_signal(handle):
        striking = strike_soon(group.waiting)
        with pytest.raises(ZeroDivisionError):
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


# Members that come and go -----------------------------------------------------------------------


@pytest.mark.usefixtures("_for_good", "one")
def test_a_member_that_is_added_is_waited_for_at_once(group: Group) -> None:
    waiting = Background(group.client.wait, group.client.has(1))
    until(lambda: is_led(group.waiting))
    _, worker = group.add()
    until(worker.parent_waits)
    worker.send(1, 1)
    waiting.result()


@pytest.mark.usefixtures("_for_good")
def test_a_member_that_is_added_while_another_is_forgotten_is_waited_for(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is polled is made anew then, by whoever leads: at that very moment."""
    real = group.waiting._make_poll

    def make_poll() -> Any:
        made = real()
        if len(group.workers) == 1:
            Background(group.add).result()
        return made

    monkeypatch.setattr(group.waiting, "_make_poll", make_poll)
    group.waiting.remove(one[0])
    waiting = Background(group.client.wait, group.client.has(1))
    until(lambda: len(group.workers) == 2)
    worker = group.workers[1]
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
    sending = Background(one[1].send, 1, 1, [HUGE * 20])
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


@pytest.mark.usefixtures("_for_good")
def test_a_wakeup_that_was_closed_is_not_waited_for(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    group.client.wait(never(), 0)
    group.waiting.close()
    group.waiting.wake()
    client = group.client
    client.core.deadline = time.monotonic() + 0.05
    wanted = Wanted(lambda: bool(client.planned) and time.monotonic() >= client.core.deadline)
    client.wait(wanted)
    assert wanted.looks < 20, "it spins"
    one[1].send(1, 1)
    client.wait(client.has(1))


# What goes wrong --------------------------------------------------------------------------------


@pytest.mark.usefixtures("_for_good")
@pytest.mark.parametrize("when", ["read", "taken in"])
def test_a_worker_that_sends_garbage_is_given_up_and_heard_no_more(
    group: Group, one: tuple[Member, WorkerLink], when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> bool:
        one[0].frames.clear()
        raise ProtocolError("no frame that may come now")

    client = group.client
    with monkeypatch.context() as patch:
        if when == "read":
            patch.setattr(one[0].link, "read", refuse)
        else:
            patch.setattr(client, "take_in", refuse)
        one[1].send(1, 1)
        client.wait(Wanted(lambda: bool(client.failures)))
    assert client.failures == [(0, BROKEN, "no frame that may come now")]
    assert one[0].gone
    one[1].send(1, 2)
    client.wait(never(), 0.01)
    assert len(client.failures) == 1
    assert client.frames == []


# Commands that wait for room --------------------------------------------------------------------


@pytest.mark.usefixtures("_for_good")
def test_commands_that_wait_for_room_are_sent_by_who_waits(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    client = group.client
    waiting = Background(client.wait, client.has(1))
    until(one[1].parent_waits)
    group.waiting.look_for_room()
    assert not one[0].send(1, 1, [HUGE * 3])
    group.waiting.wake()  # as a client does then
    got: deque[Frame] = deque()
    Background(one[1].receive, got).result()
    assert list(got) == [Frame(1, 1, HUGE * 3)]
    until(lambda: not one[0].congested)
    one[1].send(2, 1)
    waiting.result()


@pytest.mark.usefixtures("_for_good")
def test_waiting_for_room_is_no_spin_and_frames_come_meanwhile(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    client = group.client
    group.waiting.look_for_room()
    assert not one[0].send(1, 1, [HUGE])
    wanted = client.has(1)
    before = resource.getrusage(resource.RUSAGE_THREAD)
    client.wait(wanted, 0.1)
    after = resource.getrusage(resource.RUSAGE_THREAD)
    assert wanted.looks < 20
    assert after.ru_utime - before.ru_utime < 0.05
    one[1].send(2, 1)
    client.wait(wanted)
    assert one[0].congested


@pytest.mark.usefixtures("_for_good")
def test_a_link_may_have_one_descriptor_for_both_ways(group: Group) -> None:
    link, worker = group.open()
    real = link.filenos

    class OneDescriptor:
        """Pretends that room is where frames come."""

        streaming, congested = False, True

        def __getattr__(self, name: str) -> Any:
            return getattr(link, name)

        def room_fileno(self) -> int:
            return real()[0]

    group.join(cast("Link", OneDescriptor()))
    group.waiting.look_for_room()
    waiting = Background(group.client.wait, group.client.has(1))
    until(worker.parent_waits)
    worker.send(1, 1)
    waiting.result()


@pytest.mark.usefixtures("_for_good")
def test_a_command_is_sent_all_the_same_when_an_exception_strikes_in_its_write(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: object) -> int:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", strike)
        group.waiting.look_for_room()
        with pytest.raises(ZeroDivisionError):
            one[0].send(1, 1)
    member, worker_link = one
    group.waiting.look_for_room()
    group.client.wait(Wanted(lambda: not member.congested))
    frames: deque[Frame] = deque()
    worker_link.receive(frames)
    assert [(frame.kind, frame.epoch) for frame in frames] == [(1, 1)]
    assert not member.gone


# Workers without descriptors --------------------------------------------------------------------


class Here:
    """A link whose worker goes on in the thread that reads."""

    streaming = congested = idle = False

    def __init__(self, *frames: Frame) -> None:
        self._frames = list(frames)

    def filenos(self) -> tuple[int, ...]:
        return ()

    def read(self, into: deque[Frame]) -> bool:
        if self._frames:
            into.append(self._frames.pop(0))
        return bool(into)

    def go_on(self) -> None:
        pass

    def tell_waiting(self, on: bool) -> None:  # noqa: FBT001
        pass

    close = close_reading = acknowledge = revoke = filenos


def test_a_worker_without_descriptors_goes_on_while_it_is_waited_for(group: Group) -> None:
    _, beside = group.add()
    member = group.join(cast("Link", Here(*(Frame(1, epoch, b"") for epoch in range(3)))))
    beside.send(1, 9)
    group.client.wait(group.client.has(4))
    assert sorted(frame.epoch for frame in group.client.frames) == [0, 1, 2, 9]
    group.waiting.remove(member)
    assert member.released
    beside.send(1, 9)
    group.client.wait(group.client.has(5))


# Event loops ------------------------------------------------------------------------------------


def run(loop: Loop, group: Group, *wanted: Wanted) -> None:
    """Wait for all, in one loop."""

    async def main() -> None:
        for error in await loop.together(
            *(lambda each=each: AsyncWait(group.client.real).until(each) for each in wanted)
        ):
            if error is not None:
                raise error

    loop.run(main)


def test_a_task_takes_in_what_has_come_and_what_comes(
    group: Group, one: tuple[Member, WorkerLink], loop: Loop
) -> None:
    def send() -> None:
        until(one[1].parent_waits)
        one[1].send(1, 2)

    one[1].send(1, 1)
    sending = Background(send)
    run(loop, group, group.client.has(2))
    sending.result()
    assert not one[1].parent_waits()


def test_several_tasks_wait(group: Group, one: tuple[Member, WorkerLink], loop: Loop) -> None:
    def send() -> None:
        for epoch in range(3):
            until(one[1].parent_waits)
            one[1].send(1, epoch)

    sending = Background(send)
    run(loop, group, *(group.client.has(count) for count in (1, 2, 3)))
    sending.result()
    assert not group.waiting.tasks


def test_a_worker_is_told_as_long_as_anybody_waits(
    group: Group, one: tuple[Member, WorkerLink], loop: Loop
) -> None:
    async def leave_early() -> None:
        await loop.cut(0.02, lambda: AsyncWait(group.client.real).until(never()))
        assert len(group.waiting.tasks) == 1
        assert one[1].parent_waits()
        one[1].send(1, 1)

    async def main() -> None:
        stay = AsyncWait(group.client.real)
        assert await loop.together(leave_early, lambda: stay.until(group.client.has(1))) == [
            None,
            None,
        ]
        assert not one[1].parent_waits()

    loop.run(main)


def test_a_task_gets_what_a_thread_takes_in(
    group: Group, one: tuple[Member, WorkerLink], loop: Loop
) -> None:
    waiting = Background(group.client.wait, group.client.has(2))
    until(one[1].parent_waits)

    def send() -> None:
        until(lambda: bool(group.waiting.tasks))
        for epoch in range(2):
            one[1].send(1, epoch)

    sending = Background(send)
    run(loop, group, group.client.has(1))
    waiting.result()
    sending.result()


def test_a_task_is_woken(group: Group, one: tuple[Member, WorkerLink], loop: Loop) -> None:
    told: list[int] = []

    def tell() -> None:
        until(one[1].parent_waits)
        told.append(1)
        group.waiting.wake()

    telling = Background(tell)
    run(loop, group, Wanted(lambda: bool(told)))
    telling.result()


def test_chores_are_seen_to_beside_the_loop(
    group: Group, one: tuple[Member, WorkerLink], loop: Loop
) -> None:
    assert one
    seen: list[int] = []
    group.client.chores.add(lambda: seen.append(threading.get_ident()))
    run(loop, group, Wanted(lambda: bool(seen)))
    assert seen != [threading.get_ident()]


def test_a_task_that_is_cancelled_waits_no_more(
    group: Group, one: tuple[Member, WorkerLink], loop: Loop
) -> None:
    async def main() -> None:
        await loop.cut(0.02, lambda: AsyncWait(group.client.real).until(never()))
        assert not group.waiting.tasks
        assert not one[1].parent_waits()

    loop.run(main)


@pytest.mark.usefixtures("one")
def test_a_task_tells_of_the_time_that_passes(group: Group, loop: Loop) -> None:
    client = group.client
    client.core.deadline = time.monotonic() + 0.02
    run(loop, group, Wanted(lambda: bool(client.planned)))


def test_commands_that_wait_for_room_are_sent_by_a_task(
    group: Group, one: tuple[Member, WorkerLink], loop: Loop
) -> None:
    def answer() -> list[Frame]:
        got: deque[Frame] = deque()
        one[1].receive(got)
        one[1].send(2, 1)
        return list(got)

    group.waiting.look_for_room()
    assert not one[0].send(1, 1, [HUGE])
    answering = Background(answer)
    run(loop, group, group.client.has(1))
    assert answering.result() == [Frame(1, 1, HUGE)]


def test_a_task_waits_for_a_member_that_has_the_numbers_of_an_earlier_one(
    group: Group, loop: Loop
) -> None:
    """A worker that takes the place of another is opened when that one was closed."""
    client, first = group.client, group.add()
    waits = AsyncWait(client.real)

    def send(worker: WorkerLink) -> Background[None]:
        def when_told() -> None:
            until(worker.parent_waits)
            worker.send(1, 1)

        return Background(when_told)

    async def main() -> None:
        sending = send(first[1])
        await waits.until(client.has(1))
        sending.result()
        numbers = group.waiting.filenos()
        group.waiting.remove(first[0])
        first[0].link.close()
        group.end_worker(0)
        _, second = group.add()
        assert group.waiting.filenos() == numbers, "the case is not met"
        sending = send(second)
        with_limit = await loop.cut(SECONDS, lambda: told(waits, client.has(2)))
        sending.result()
        assert with_limit

    loop.run(main)


async def told(waits: AsyncWait, wanted: Wanted) -> bool:
    """Wait; a wait that is cut tells nothing."""
    await waits.until(wanted)
    return True


def test_readiness_is_readable_while_one_of_its_descriptors_is() -> None:
    pipes = [os.pipe() for _ in range(2)]
    gone = os.dup(0)
    os.close(gone)
    readiness, other = (Readiness([*(read for read, _ in pipes), gone]) for _ in range(2))
    assert readiness.fileno() != other.fileno()
    assert not is_ready(readiness)
    os.write(pipes[1][1], b"x")
    assert is_ready(readiness)
    assert is_ready(other)
    for pair in pipes:
        for fd in pair:
            os.close(fd)
    assert not is_ready(readiness)
    readiness.close()
    readiness.close()
    assert readiness.fileno() == -1


def is_ready(readiness: Readiness) -> bool:
    poll = select.poll()
    poll.register(readiness.fileno(), select.POLLIN)
    return bool(poll.poll(0))
