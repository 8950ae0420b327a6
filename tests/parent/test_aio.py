"""Waiting for several workers at once, in event loops."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from farside._link.frames import Frame
from farside._parent.aio import AsyncWait, readiness_of
from farside._parent.event_loops import waiter_here
from farside.testing.checks import until
from tests.background import SECONDS, Background

from .group import HUGE, Group, Wanted, never

if TYPE_CHECKING:
    from farside._link.worker_base import WorkerLink
    from farside._parent.member import Member
    from farside._system.descriptors import Descriptor
    from tests.loops import Loop


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

    group.waiting.links.look_for_room()
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
        numbers = group.waiting.links.filenos()
        group.waiting.remove(first[0])
        first[0].link.close()
        group.end_worker(0)
        _, second = group.add()
        assert group.waiting.links.filenos() == numbers, "the case is not met"
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
    readiness, other = (readiness_of([*(read for read, _ in pipes), gone]) for _ in range(2))
    assert readiness.fileno() != other.fileno()
    assert not is_ready(readiness)
    os.write(pipes[1][1], b"x")
    assert is_ready(readiness)
    assert is_ready(other)
    for pair in pipes:
        for fd in pair:
            os.close(fd)
    assert not is_ready(readiness)


def is_ready(readiness: Descriptor) -> bool:
    poll = select.poll()
    poll.register(readiness.fileno(), select.POLLIN)
    return bool(poll.poll(0))


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
def test_a_time_that_is_up_passes_however_others_hold_up_the_loop(group: Group, loop: Loop) -> None:
    """A wait that ends late says that this process was stopped, but not where it has no length."""
    client, over = group.client, [0.0]
    client.core.deadline = time.monotonic() - 1.0

    async def hold_up() -> None:
        while not client.planned:
            time.sleep(0.01)  # noqa: ASYNC251  that is the case
            over.append(time.monotonic())
            await waiter_here().pause()

    async def main() -> None:
        wanted = Wanted(lambda: bool(client.planned))
        errors = await loop.together(lambda: AsyncWait(client.real).until(wanted), hold_up)
        assert errors == [None, None]

    loop.run(main)
    assert client.planned[0] >= over[-1]
