"""A client that stands in, whose waits are tested, and the workers' ends of its links."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from farside._link.opening import open_link
from farside._parent import options
from farside._parent.chores import Chores
from farside._parent.logs import News
from farside._parent.member import Member
from farside._parent.wait import Waiting
from tests.link.links import close_all, pipe_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from farside._link.base import Link
    from farside._link.frames import Frame
    from farside._link.opening import WorkerEnds
    from farside._link.worker_base import WorkerLink
    from farside._parent.client import Client


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
        self.news = News()
        self.foreign_to: int | None = None
        self.stepping = self.taking_in_here = False
        self.launching = set[threading.Thread]()
        self.frames: list[Frame] = []
        self.failures: list[tuple[int, str, str]] = []
        self.planned: list[float] = []  # when waits were to end that ended for nothing
        self.taken_in_by: set[int] = set()

    def check_not_stepping(self) -> None:
        if self.stepping:
            raise RuntimeError("in a step")

    def change(self, work: Callable[[], object]) -> None:
        work()

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

    def ready(self) -> bool:
        self.looks += 1
        return self._true()

    def workers(self) -> None:
        """Name no worker: all are waited for."""


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
        self.waiting.links.add(member)
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
        self.waiting.links.close()
        for ends in self._ends:
            close_all(ends)
        self.workers.clear()
        self._ends.clear()
        self.client.members.clear()


def is_led(waiting: Waiting) -> bool:
    """Tell whether a thread leads; this one must not."""
    free = waiting._leading.acquire(blocking=False)
    if free:
        waiting._leading.release()
    return not free
