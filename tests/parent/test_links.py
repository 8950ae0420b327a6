"""What is polled, and what is read of it, over links of this process."""

from __future__ import annotations

import os
import resource
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import pytest

from farside._link.frames import Decoder, Frame
from farside._protocol.effects import BROKEN
from farside.errors import ProtocolError
from farside.testing.checks import until
from tests.background import SECONDS, Background

from .group import HUGE, Group, Wanted, never

if TYPE_CHECKING:
    from farside._link.base import Link
    from farside._link.worker_base import WorkerLink
    from farside._parent.member import Member


@pytest.mark.usefixtures("one")
def test_a_wakeup_that_is_closed_as_it_is_looked_at_is_not_polled(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another thread, or a signal handler: who waits is told why otherwise."""
    links = group.waiting.links
    links.close()
    monkeypatch.setattr(type(links.wakeup), "closed", False)  # as it was a moment before
    assert len(links.filenos()) == 1


@pytest.mark.usefixtures("_for_good")
def test_a_member_that_is_added_while_another_is_forgotten_is_waited_for(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is polled is made anew then, by whoever leads: at that very moment."""
    real = group.waiting.links._make_poll

    def make_poll() -> Any:
        made = real()
        if len(group.workers) == 1:
            Background(group.add).result()
        return made

    monkeypatch.setattr(group.waiting.links, "_make_poll", make_poll)
    group.waiting.remove(one[0])
    waiting = Background(group.client.wait, group.client.has(1))
    until(lambda: len(group.workers) == 2)
    worker = group.workers[1]
    until(worker.parent_waits)
    worker.send(1, 1)
    waiting.result()


@pytest.mark.usefixtures("_for_good")
def test_a_wakeup_that_was_closed_is_not_waited_for(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    group.client.wait(never(), 0)
    group.waiting.links.close()
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


@pytest.mark.usefixtures("_for_good")
def test_what_an_exception_strikes_as_it_is_read_is_not_waited_for(
    group: Group, one: tuple[Member, WorkerLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is lost, and so the worker may have nothing more to send."""

    def strike(*_: object) -> None:
        raise ZeroDivisionError

    client = group.client
    one[1].send(1, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "filled", strike)
        with pytest.raises(ZeroDivisionError):
            client.wait(client.has(1))
    client.wait(Wanted(lambda: bool(client.failures)), SECONDS)
    assert [(index, cause) for index, cause, _ in client.failures] == [(0, BROKEN)]
    assert one[0].gone


# Commands that wait for room --------------------------------------------------------------------


@pytest.mark.usefixtures("_for_good")
def test_commands_that_wait_for_room_are_sent_by_who_waits(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    client = group.client
    waiting = Background(client.wait, client.has(1))
    until(one[1].parent_waits)
    group.waiting.links.look_for_room()
    assert not one[0].send(1, 1, [HUGE * 3])
    group.waiting.wake()  # as a client does then
    got: deque[Frame] = deque()
    Background(one[1].receive, got).result()
    assert list(got) == [Frame(1, 1, HUGE * 3)]
    until(lambda: not one[0].congested)
    one[1].send(2, 1)
    waiting.result()


@pytest.mark.usefixtures("_for_good")
@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="of threads, nothing is told")
def test_waiting_for_room_is_no_spin_and_frames_come_meanwhile(
    group: Group, one: tuple[Member, WorkerLink]
) -> None:
    client = group.client
    group.waiting.links.look_for_room()
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
    group.waiting.links.look_for_room()
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
        group.waiting.links.look_for_room()
        with pytest.raises(ZeroDivisionError):
            one[0].send(1, 1)
    member, worker_link = one
    group.waiting.links.look_for_room()
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
