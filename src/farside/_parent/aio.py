"""Lets tasks on an event loop wait for workers: `Waiting.until` in its async form."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic
from weakref import ref

from .._system.descriptors import Descriptor, opened
from . import deadline
from .client import Client
from .deadline import Wanted
from .event_loops import Waiter, off_loop, waiter_here
from .wait import SOON_SECONDS, seconds_until

_UNTOLD_SECONDS = 0.01
"""Seconds between two checks for what no descriptor shows. One is room for commands. It is rarely
missing, since a worker reads commands at once, unless it was stopped or holds its GIL. The other is
work of an inline worker, which a thread that led may have left to the next one that looks."""


class AsyncWait:
    """Lets a task wait for the workers of a client. It is for one task at a time."""

    __slots__ = ("_client", "_readiness", "_stamp", "waited")

    def __init__(self, client: Client) -> None:
        self._client = client
        self.waited = False  # whether the latest `until` has waited: other tasks had a turn
        self._stamp: object = None
        self._readiness: Descriptor | None = None

    async def until(self, wanted: Wanted) -> None:
        """Wait until `wanted` is ready; do chores and deliver logs meanwhile."""
        # Nothing that may take long is done in the thread of the loop.
        client, self.waited = self._client, False
        try:
            while True:
                if client.chores.pending:
                    await off_loop(client.chores.see_to)
                client.news.deliver()
                if wanted.ready() or client.foreign_to:
                    break
                came = client.waiting.look_if_free(client, wanted)
                client.news.deliver()
                if not (came or client.chores.pending or wanted.ready()):
                    await self._wait(wanted)
        except BaseException:
            deadline.pause(client)  # a cancelled task may wait again later
            raise
        deadline.end_to_wait(client)

    async def _wait(self, wanted: Wanted) -> None:
        client, waiter = self._client, waiter_here()
        known = ref(waiter)  # weak: a task that its loop has left behind must not be kept
        client.waiting.tasks.append(known)
        try:
            if wanted.ready():  # another thread received it before it could wake this task
                return
            deadline.begin_to_wait(client, wanted)
            self.waited = True
            stamp = client.waiting.links.stamp
            if self._readiness is None or self._stamp is not stamp:
                self._readiness = readiness_of(client.waiting.links.filenos())
                self._stamp = stamp
            fd = self._readiness.fileno()
            streaming = True in [member.streaming for member in client.members]
            if streaming and await waiter.wait(fd, SOON_SECONDS):
                return
            await self._ask_and_wait(waiter, fd, wanted)
        finally:
            with suppress(ValueError):
                client.waiting.tasks.remove(known)

    async def _ask_and_wait(self, waiter: Waiter, fd: int, wanted: Wanted) -> None:
        client = self._client
        members = client.awaited(wanted)
        seconds = None
        end, due = client.core.deadline, client.chores.due
        look = True in [each.link.to_be_looked_at for each in members if each.link is not None]
        # Otherwise the descriptors show everything, and the wait needs no limit.
        if end is not None or due is not None or client.core.has_limits or look:
            seconds = seconds_until(end, due)
        here = members and client.waiting.links.inline_members
        if here or True in [member.congested for member in client.members]:
            seconds = _UNTOLD_SECONDS if seconds is None else min(seconds, _UNTOLD_SECONDS)
        begun, token = monotonic(), object()
        try:
            client.waiting.tell_waiting(members, token, on=True)
            came = await waiter.wait(fd, seconds)
        finally:
            client.waiting.tell_waiting(members, token, on=False)
        if seconds is not None:
            deadline.take_in_wait(client, begun, seconds, came=came)


def readiness_of(fds: Iterable[int]) -> Descriptor:
    """Return a descriptor that is readable while any of several is.

    Any of the several may be closed, also while a loop waits: it no longer counts then. This one is
    closed when nobody refers to it any more, so never while a loop waits for it.
    """

    def make() -> int:
        # A selector that uses epoll or kqueue has a descriptor that can be waited for in turn. Not
        # every kind of selector has one, but those of Linux, macOS and the BSDs do.
        with selectors.DefaultSelector() as selector:
            for fd in fds:
                with suppress(OSError):
                    selector.register(fd, selectors.EVENT_READ)
            return os.dup(selector.fileno())  # which keeps the epoll

    return opened(make)
