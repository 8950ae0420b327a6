"""The one place where threads wait: for all workers, a wakeup, and the nearest deadline, at once.

One thread at a time waits for the workers of a client; it *leads*. It reads and handles what they
send, for all threads. Each other thread waits for a lock of its own, which the leader releases when
something has arrived, and when it stops leading. An event loop waits by its own means (`aio`) and
then reads, unless a thread leads. The leader runs no user code but that of inline workers.

Every wait ends: by a frame, by the end of a worker (its stream ends, and its process can be watched
too), by the wakeup, by a deadline, and after a second at the latest. Python can miss a signal that
arrives as a wait begins. Ctrl-C then takes effect up to a second late, but is not lost.
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
SOON_SECONDS = 0.004
"""Seconds to wait for a worker that sends many items at a time before it is told that somebody
waits. Once it is told, it sends few items at a time: each time, waking takes the parent 0.1 ms."""

_CLOSING = 1.0  # seconds to wait for the leader to release a link


class Waiting:
    """Where threads wait for the workers of a client."""

    def __init__(self) -> None:
        self._leading = threading.RLock()  # re-entrant: a signal handler may wait within a wait
        self._others: deque[threading.Lock] = deque()
        self.links = Links()
        # If set, polls for a moment before a thread sleeps: see `Spinning.spin`.
        self.spin: Callable[[Callable[[], bool]], bool] = lambda _: False
        self.tasks: list[ref[Waiter]] = []  # of event loops: tasks that wait for a change
        self._asking: set[object] = set()  # a token for each wait that workers were told of
        self._leaving: deque[Member] = deque()  # the leader has to release their links

    def remove(self, member: Member) -> None:
        """Stop waiting for a worker, and close the way up from it."""
        # If another thread leads, that one closes the way up, and this one waits for it. It waits
        # for a second at most, since the leader may be running user code of an inline worker.
        if member.released:
            return
        self._leaving.append(member)
        end = monotonic() + _CLOSING
        while member in self._leaving:
            self.wake()
            if try_lock(self._leading, self._release_links):
                self.wake_others()
            else:
                left = end - monotonic()
                if left <= 0 or member not in self._leaving:
                    return
                self._sleep(lambda: member not in self._leaving, min(left, 0.05))

    def wake(self) -> None:
        """Wake the leader up, so that it checks what has changed."""
        self.links.wakeup.set()

    def wake_others(self, *, tasks: bool = True) -> None:
        """Wake all threads that do not lead, and with `tasks` waiting tasks too, to check again."""
        while self._others:
            with suppress(IndexError, RuntimeError):  # another thread does the same
                self._others.popleft().release()
        for task in list(self.tasks) if tasks and self.tasks else ():
            if (waiter := task()) is not None:
                waiter.wake()

    def _wake_outer(self) -> None:
        """In a signal handler, wake the interrupted wait: the handler may have read its frames."""
        if self._leading._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001  no other tells
            self.wake()

    def until(
        self,
        client: Client,
        wanted: Wanted,
        end: float | None = None,
        problems: list[Exception] | None = None,
    ) -> None:
        """Wait until `wanted` is ready, or until `end`; do chores and deliver logs meanwhile.

        Exceptions are appended to `problems`, or raised if that is None. Those of loggers do not
        end the wait; others do.
        """
        try:
            self._wait_until(client, wanted, end, problems)
        except Exception as problem:
            if problems is None:
                raise
            problems.append(problem)
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
            led: bool | None = True  # it may have led even if a signal handler raises
            try:
                led = try_lock(self._leading, partial(self._lead, client, wanted, end))
            finally:
                if led:
                    self.wake_others()  # the first thread that wakes up leads now
            if not led:
                self._sleep(wanted.ready, seconds_until(end))

    def is_last(self) -> bool:
        """Tell whether nobody else waits."""
        nobody = not (self._others or self.tasks)
        free = nobody and bool(try_lock(self._leading, lambda: True))
        self.wake_others(tasks=False)  # a thread may have found the lock taken just now
        return free

    def _lead(self, client: Client, wanted: Wanted, end: float | None) -> bool:
        """Wait until something arrives, and handle it. Return True: this thread has led."""
        if self._leaving:
            self._release_links()
        links = self.links
        if links.take_in_rest(client) or wanted.ready():
            return True
        streaming = True in [member.streaming for member in client.members]
        # After a long wait, most probably nothing has arrived yet.
        if (streaming or not links.slow) and not links.inline_members and links.look(client):
            return True
        look = partial(links.look, client)
        if not (streaming and (self.spin(look) or look(SOON_SECONDS))):
            self._ask_and_wait(client, wanted, end)
        return True

    def look_if_free(self, client: Client, wanted: Wanted | None = None) -> bool:
        """Unless a thread leads, handle received data; return whether that was more than logs.

        Also return True if `wanted` is ready already: then no inline worker has to run for it.
        """
        if client.taking_in_here:  # this is a signal handler in the middle of the same work
            return False
        came = True
        try:
            came = bool(try_lock(self._leading, partial(self._look_now, client, wanted)))
        finally:
            # A thread may have found just now that this one leads. Tasks are woken only if
            # something came: otherwise two of them would wake each other for ever.
            self.wake_others(tasks=came)
            self._wake_outer()
        return came

    def lead_if_free(self, work: Callable[[], object]) -> None:
        """Do work that only the leader may do; if another thread leads, wake that one instead."""
        led = True
        try:
            led = bool(try_lock(self._leading, lambda: (work(),)))
        finally:
            self.wake_others(tasks=False)  # as in `is_last`
        if not led:
            self.wake()

    def _look_now(self, client: Client, wanted: Wanted | None) -> bool:
        self._release_links()
        if self.links.take_in_rest(client) or (wanted is not None and wanted.ready()):
            return True
        # An empty list means that only an input of a map is missing: then no inline worker runs.
        awaited = None if wanted is None else client.awaited(wanted) or None
        return self.links.look(client, awaited=awaited)

    def _ask_and_wait(self, client: Client, wanted: Wanted, end: float | None) -> None:
        """Tell the workers that somebody waits, and wait; then check their time limits."""
        deadline.begin_to_wait(client, wanted)
        members, token = client.awaited(wanted), object()
        try:
            self.tell_waiting(members, token, on=True)
            seconds = seconds_until(end, client.core.deadline, client.chores.due)
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
                member.tell_waiting(on)
            if self._asking and not on:  # a wait has begun meanwhile: tell the workers that last
                for member in members:
                    member.tell_waiting(True)

    def _release_links(self) -> bool:
        """Close the way up from workers that nobody waits for any more. The caller leads."""
        while self._leaving:
            member = self._leaving[0]
            self.links.forget(member)
            member.link.close_reading()
            member.released = True
            member.frames = deque()  # frees memory; a caller further up may be using the old one
            with suppress(ValueError):  # a signal handler has done the same
                self._leaving.remove(member)
        return True

    def _sleep(self, done: Callable[[], bool], seconds: float) -> None:
        """Wait until the leader has received something, or leads no longer."""
        lock = threading.Lock()
        lock.acquire()
        self._others.append(lock)
        try:
            if done():
                return
            if try_lock(self._leading, lambda: True):
                self.wake_others()  # a thread may have found the lock taken just now
            else:
                lock.acquire(timeout=max(0.0, min(seconds, LONGEST_SECONDS)))
        finally:
            with suppress(ValueError):
                self._others.remove(lock)


def seconds_until(*moments: float | None) -> float:
    """Return how long a single wait may last until one of these: `LONGEST_SECONDS` at most."""
    known = [each for each in moments if each is not None]
    return min(LONGEST_SECONDS, max(0.0, min(known) - monotonic())) if known else LONGEST_SECONDS
