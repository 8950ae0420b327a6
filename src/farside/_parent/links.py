"""Polls the links of all workers of a client at once, and reads from those that are ready."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import ceil
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from .._payload import handlers
from .._protocol.effects import BROKEN
from .._system.signals import defer_signals
from .._system.wakeup import Wakeup
from ..errors import LinkClosedError, ProtocolError
from . import closing, received

if TYPE_CHECKING:
    from .client import Client
    from .member import Member


_SLOW_SECONDS = 1e-3  # after a longer wait, the next item has hardly arrived already


class Links:
    """The links to wait for, and a wakeup. Only the leader (see `wait`) may forget and look."""

    def __init__(self) -> None:
        self._members: dict[int, Member] = {}  # by the number of each descriptor
        self.inline_members: list[Member] = []  # inline workers: they run in the waiting thread
        self.wakeup = Wakeup()  # any thread can end a wait by it
        # Replaced whenever the descriptors change. Their numbers do not show a change, as the
        # system uses numbers again.
        self.stamp = object()
        self._poll, self._polled = self._make_poll(), self.stamp
        self._congested = False  # whether commands may be waiting for room
        self.slow = False  # whether the latest wait was long
        self._cut: Member | None = None  # an exception struck while reading from it

    def add(self, member: Member) -> None:
        """Begin to wait for a worker."""
        numbers = member.link.filenos()
        for fd in numbers:
            self._members[fd] = member
        if not numbers:
            self.inline_members.append(member)
        self.look_for_room()  # the job may have found no room
        self.stamp = object()
        self.wakeup.set()

    def forget(self, member: Member) -> None:
        """Stop waiting for a worker."""
        member.gone = True
        for fd, each in list(self._members.items()):
            if each is member:
                del self._members[fd]
        with suppress(ValueError):
            self.inline_members.remove(member)
        self.stamp = object()

    def look_for_room(self) -> None:
        """Let the leader look for commands that have found no room, and send them."""
        self._congested = True

    def close(self) -> None:
        """Close the wakeup, as nobody will wait any more; first wake a thread that still does."""
        self.wakeup.set()
        self.wakeup.close()
        self.stamp = object()

    def filenos(self) -> list[int]:
        """Return the descriptors to wait for."""
        own: list[int] = []
        with suppress(LinkClosedError):  # it is closed, perhaps by another thread just now
            own.append(self.wakeup.fileno())
        return [*own, *self._members]

    def look(
        self, client: Client, seconds: float = 0.0, awaited: Sequence[Member] | None = None
    ) -> bool:
        """Wait `seconds` at most, and handle what arrives; return whether it was more than logs.

        Also return True after a wakeup: the caller has to check what has changed before it waits
        again. Inline workers in `awaited` run in this call. If none of these has anything to do,
        the other inline workers run. If `awaited` is None, no inline worker runs.
        """
        ready, came = self._await(client, seconds, awaited)
        for member in ready:
            came = self._read(client, member) or came
        return came

    def take_in_rest(self, client: Client) -> bool:
        """Handle frames that were read before an exception of a signal handler struck."""
        came = False
        for member in client.members:
            if member.frames:
                came = defer_signals(partial(self._at_it, received.take_in, client, member)) or came
        return came

    def _await(
        self, client: Client, seconds: float, awaited: Sequence[Member] | None
    ) -> tuple[list[Member], bool]:
        """Wait for some seconds at most; return whom to read from, and whether a wakeup came."""
        before = self._polled
        poll = self._prepare(client)
        # A signal handler may have closed everything since the caller checked, and then no wakeup
        # would end the wait. So a change of the descriptors counts as a wakeup.
        woken = self.stamp is not before
        milliseconds = 0
        if seconds and not (woken or self._cut):
            busy = self.inline_members and self._inline_to_run(client)
            # Rounded up: if 0.4 ms became 0, this would be a busy loop.
            milliseconds = 0 if busy else ceil(seconds * 1000)
        begun = monotonic() if milliseconds else 0.0
        try:
            events = poll.poll(milliseconds)
            if milliseconds:
                self.slow = monotonic() - begun > _SLOW_SECONDS
        except RuntimeError as error:
            if handlers.raised(error):
                raise
            # This is a signal handler, and the wait that it interrupts uses this poll.
            events = self._make_poll().poll(milliseconds)
        ready: list[Member] = []
        if self._cut is not None or self.inline_members:
            ready = self._ready_in_any_case(client, awaited)
        for fd, what in events:
            member = self._members.get(fd)
            if member is None:  # the wakeup, or room for commands
                self.wakeup.clear()
                woken = True
            elif what != select.POLLOUT:
                member.link.notice(fd)
                if member not in ready:
                    ready.append(member)
        return ready, woken

    def _ready_in_any_case(self, client: Client, awaited: Sequence[Member] | None) -> list[Member]:
        """Return the workers to read from whatever their descriptors show, if they have any."""
        ready: list[Member] = []
        if awaited is not None:
            here = self._inline_to_run(client)  # again: some may have been added or closed
            ready = [each for each in here if each in awaited] or here
        # Some data of this worker may be lost, so its descriptor may never become readable. It is
        # read in any case: if data is lost, reading raises an error.
        cut, self._cut = self._cut, None
        if cut is not None and not cut.gone:
            ready.append(cut)
        return ready

    def _inline_to_run(self, client: Client) -> list[Member]:
        """Return the workers in this thread that have something to do."""
        # If all are idle, and none is being started, both sides would wait for each other. Then all
        # of them are returned, as reading from them raises the error.
        launching = bool(client.launching)  # first: a thread adds to `here`, then it leaves this
        here = list(self.inline_members)
        return [each for each in here if not each.link.idle] or ([] if launching else here)

    def _prepare(self, client: Client) -> select.poll:
        """Return a poll of all descriptors, also of those where commands wait for room."""
        stamp = self.stamp
        if self._polled is not stamp:
            self._poll = self._make_poll()
            self._polled = stamp
        if not self._congested:
            return self._poll
        members = list(self._members.values())  # a copy: other threads may add some
        if True not in [member.congested for member in members]:
            self._congested = False
            # Check again: another thread may have found no room just before the flag was cleared.
            if True not in [member.congested for member in members]:
                return self._poll
            self._congested = True
        poll = self._make_poll()
        for member in set(members):
            try:
                member.link.flush()
            except ProtocolError as error:
                self._give_up(client, member, error)
                self.wakeup.set()
                continue
            with suppress(LinkClosedError):  # as in `filenos`
                if member.congested:
                    fd = member.link.room_fileno()
                    both = select.POLLIN | select.POLLOUT
                    poll.register(fd, both if fd in self._members else select.POLLOUT)
        return poll

    def _read(self, client: Client, member: Member) -> bool:
        here = member in self.inline_members
        if here:
            try:
                member.link.go_on()
            except ProtocolError as error:
                return defer_signals(partial(self._give_up, client, member, error))
        # Signals are deferred once for reading and handling. True is returned for an inline worker:
        # it may have more to send, and has no descriptor that would show this.
        return defer_signals(partial(self._at_it, self._read_now, client, member)) or here

    def _at_it(
        self, work: Callable[[Client, Member], bool], client: Client, member: Member
    ) -> bool:
        """Read or handle frames; `Steps.taking_in` tells signal handlers not to do so meanwhile."""
        try:
            client.taking_in = get_ident()
            return work(client, member)
        except ProtocolError as error:
            return self._give_up(client, member, error)
        except BaseException:
            if member not in self.inline_members:  # those run when awaited; idle ones are not read
                self._cut = member
            raise
        finally:
            client.taking_in = None  # the handlers of deferred signals run after this

    def _read_now(self, client: Client, member: Member) -> bool:
        came = self._read_once(client, member)
        if came and not member.gone and received.awaits_first_item(client, member):
            self._read_once(client, member)  # usually the item has arrived, which saves a wait
        return came

    def _read_once(self, client: Client, member: Member) -> bool:
        try:
            member.link.read(member.frames)
            member.streaming = member.link.streaming
        except LinkClosedError:
            # In this order: if a signal handler raises in between, the chore is not lost.
            client.chores.add(partial(closing.take_loss, client, member))
            self.forget(member)
            return True
        return bool(member.frames) and received.take_in(client, member)

    def _give_up(self, client: Client, member: Member, error: ProtocolError) -> bool:
        """Fail a worker whose frames cannot be trusted, and read nothing more from it."""
        client.fail(member, BROKEN, str(error))
        self.forget(member)
        return True

    def _make_poll(self) -> select.poll:
        """Make a new poll, which no exception of a signal handler can have left half made."""
        poll = select.poll()
        for fd in self.filenos():
            poll.register(fd, select.POLLIN)
        return poll
