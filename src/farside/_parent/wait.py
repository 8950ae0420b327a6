"""The one place that waits: for any number of workers, a wakeup, and the nearest deadline, at once.

One thread at a time waits for the workers of a client; it *leads*. It reads what has come and takes
it in for everybody. Other threads wait for a lock of their own, which the leader releases whenever
something has come, and when it leaves. An event loop waits by its own means (`aio`) and then reads,
unless a thread leads. While a thread leads, no user code runs in it but that of inline workers.

Every wait ends: by a frame, by the end of a worker (its stream ends, and its process can be watched
beside it), by the wakeup, by a deadline, and after a second in any case. Python can miss a signal
that comes as a wait begins, while another thread takes the GIL; Ctrl-C is then heard a second late,
not never.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING
from weakref import ref

from .._system.signals import try_lock
from . import deadline
from .links import Links

if TYPE_CHECKING:
    from .client import Client
    from .deadline import Wanted
    from .event_loops import Waiter
    from .member import Member

LONGEST_SECONDS = 1.0  # seconds to wait at a time
SOON_SECONDS = 0.001
"""Seconds to wait for a worker that sends many items at a time before it is told that somebody
waits: it would send a few of them then, where it can send many."""

_CLOSING = 1.0  # how many seconds to wait for the leader to let go of a link


class Waiting:
    """Where threads wait for the workers of a client."""

    def __init__(self) -> None:
        self._leading = threading.RLock()  # a signal handler may wait in the middle of a wait
        self._others: deque[threading.Lock] = deque()
        self.links = Links()
        # Looks for a moment before a thread sleeps, if it is set: see `Spinning.spin`.
        self.spin: Callable[[Callable[[], bool]], bool] = lambda _: False
        self.tasks: list[ref[Waiter]] = []  # of event loops, for something to change
        self._asking: set[object] = set()  # a token for each wait that workers are told of
        self._leaving: deque[Member] = deque()  # of whose links the leader has to let go

    def remove(self, member: Member) -> None:
        """Wait for a worker no more, and close the way up from it."""
        # If another thread leads, that one closes the way up, and this one waits until it has: for
        # a second at most, since the leader may be in user code of an inline worker.
        if member.released:
            return
        self._leaving.append(member)
        end = monotonic() + _CLOSING
        while member in self._leaving:
            self.wake()
            if try_lock(self._leading, self._let_go):
                self.wake_others()
            else:
                left = end - monotonic()
                if left <= 0 or member not in self._leaving:
                    return
                self._sleep(lambda: member not in self._leaving, min(left, 0.05))

    def wake(self) -> None:
        """Let the leader look around."""
        self.links.wakeup.set()

    def wake_others(self, *, tasks: bool = True) -> None:
        """Let the threads that do not lead, and tasks if asked to, look whether they go on."""
        while self._others:
            with suppress(IndexError, RuntimeError):  # another thread does the same
                self._others.popleft().release()
        for task in list(self.tasks) if tasks else ():
            waiter = task()
            if waiter is not None:
                waiter.wake()

    def _wake_outer(self) -> None:
        """Wake a wait of this thread, if a signal handler in it has taken in what it waits for."""
        if self._leading._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001  no other tells
            self.wake()

    def until(
        self,
        client: Client,
        wanted: Wanted,
        end: float | None = None,
        problems: list[Exception] | None = None,
    ) -> None:
        """Wait until something is ready, or until a time; see to chores and deliver logs meanwhile.

        The exceptions that loggers raise go to `problems`; None raises them.
        """
        try:
            self._wait_until(client, wanted, end, problems)
        finally:
            deadline.end_to_wait(client)
            self._wake_outer()

    def _wait_until(
        self, client: Client, wanted: Wanted, end: float | None, problems: list[Exception] | None
    ) -> None:
        while True:  # not in the `try`: see `Steps._take_each`
            if client.chores.pending:
                client.check_not_stepping()
                client.chores.see_to()
            if client.news.waiting:
                client.news.deliver(problems)
            if wanted.ready() or client.foreign_to or (end is not None and monotonic() >= end):
                return
            client.check_not_stepping()
            led: bool | None = True  # or an exception of a signal handler strikes, when it did
            try:
                led = try_lock(self._leading, partial(self._lead, client, wanted, end))
            finally:
                if led:
                    self.wake_others()  # whoever wakes first leads now
            if not led:
                self._sleep(wanted.ready, seconds_until(end))

    def is_last(self) -> bool:
        """Tell whether nobody else waits."""
        nobody = not (self._others or self.tasks)
        free = nobody and bool(try_lock(self._leading, lambda: True))
        self.wake_others(tasks=False)  # one of them may have found it locked just now
        return free

    def _lead(self, client: Client, wanted: Wanted, end: float | None) -> bool:
        """Wait until something comes, and take it in. True tells the caller that it led."""
        self._let_go()
        links = self.links
        if links.take_in_rest(client) or wanted.ready() or (not links.here and links.look(client)):
            return True
        streaming = True in [member.streaming for member in client.members]
        look = partial(links.look, client)
        if not (streaming and (self.spin(look) or look(SOON_SECONDS))):
            self._ask_and_wait(client, wanted, end)
        return True

    def look_if_free(self, client: Client, wanted: Wanted | None = None) -> bool:
        """Take in what has come, unless a thread leads; tell if it was more than log records.

        It counts as more if what is wanted is ready meanwhile: no worker is to go on for that.
        """
        if client.taking_in_here:  # a signal handler has struck in the middle of that
            return False
        came = True
        try:
            came = bool(try_lock(self._leading, partial(self._look_now, client, wanted)))
        finally:
            # Threads: one may have found just now that this one leads. Tasks: woken for nothing,
            # two of them would wake each other for ever.
            self.wake_others(tasks=came)
            self._wake_outer()
        return came

    def lead_if_free(self, work: Callable[[], object]) -> None:
        """Do some work that only who leads may do; if a thread leads, let it look around."""
        led = True
        try:
            led = bool(try_lock(self._leading, lambda: (work(),)))
        finally:
            self.wake_others(tasks=False)  # as in `is_last`
        if not led:
            self.wake()

    def _look_now(self, client: Client, wanted: Wanted | None) -> bool:
        self._let_go()
        if self.links.take_in_rest(client) or (wanted is not None and wanted.ready()):
            return True
        # Where only an input of a map is missing, no worker is awaited: none goes on here.
        awaited = None if wanted is None else client.awaited(wanted) or None
        return self.links.look(client, awaited=awaited)

    def _ask_and_wait(self, client: Client, wanted: Wanted, end: float | None) -> None:
        """Tell the workers that somebody waits, and wait, or find that time is up."""
        deadline.begin_to_wait(client, wanted)
        members, token = client.awaited(wanted), object()
        try:
            self.tell_waiting(members, token, on=True)
            seconds = min(map(seconds_until, (end, client.core.deadline, client.chores.due)))
            begun = monotonic()
            came = self.links.look(client, seconds, members)
        finally:
            self.tell_waiting(members, token, on=False)
        deadline.take_in_wait(client, begun, seconds, came=came)

    def tell_waiting(self, members: Sequence[Member], token: object, *, on: bool) -> None:
        """Tell workers that a wait for them begins, or that nobody waits for them any more."""
        if on:
            self._asking.add(token)
        else:
            self._asking.discard(token)
        if on or not self._asking:
            for member in members:
                member.tell_waiting(on=on)
            if self._asking and not on:  # a wait has begun just then, which has to be heard last
                for member in members:
                    member.tell_waiting(on=True)

    def _let_go(self) -> bool:
        """Close the way up from workers that nobody is to wait for any more; the caller leads."""
        while self._leaving:
            member = self._leaving[0]
            self.links.forget(member)
            member.link.close_reading()
            member.released = True
            member.frames = deque()  # they may hold memory; and may be taken in, further up
            with suppress(ValueError):  # a signal handler has done the same
                self._leaving.remove(member)
        return True

    def _sleep(self, done: Callable[[], bool], seconds: float) -> None:
        """Wait until whoever leads has something new, or has left."""
        lock = threading.Lock()
        lock.acquire()
        self._others.append(lock)
        try:
            if done():
                return
            if try_lock(self._leading, lambda: True):
                self.wake_others()  # one of them may have found it locked just now
            else:
                lock.acquire(timeout=max(0.0, min(seconds, LONGEST_SECONDS)))
        finally:
            with suppress(ValueError):
                self._others.remove(lock)


def seconds_until(moment: float | None) -> float:
    """Return how long to wait at a time, for something that is to happen at some moment."""
    if moment is None:
        return LONGEST_SECONDS
    return min(LONGEST_SECONDS, max(0.0, moment - monotonic()))
