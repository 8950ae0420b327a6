"""The time limits of workers: their time counts while somebody waits for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .._protocol.group import GroupCore
from .._system.signals import defer_sigint

if TYPE_CHECKING:
    from .client import Client

_STOPPED_SECONDS = 0.5
"""A wait that ends so many seconds late means that this process was stopped meanwhile (Ctrl-Z,
SIGSTOP, a frozen container), and most probably its worker too. A busy machine is late by less."""


class Wanted(Protocol):
    """What somebody waits for, such as a `Pass`."""

    def ready(self) -> bool:
        """Tell whether there is no reason to wait."""

    def workers(self) -> Sequence[int] | None:
        """Return the workers whose time counts; None: all."""


class When(NamedTuple):
    """The same as two functions."""

    ready: Callable[[], bool]
    workers: Callable[[], Sequence[int] | None] = lambda: None


def begin_to_wait(client: Client, wanted: Wanted) -> None:
    """Let the time of the workers count from now on: somebody waits for them."""
    if client.core.has_limits:
        _look_at_tasks(client)
        client.core.begin_to_wait(monotonic(), wanted.workers())


def end_to_wait(
    client: Client, note: Callable[[GroupCore], object] = GroupCore.end_to_wait
) -> None:
    """Take in that a wait is over: what is waited for next has its whole time."""
    # `note` says so to the core. It has the lock: an event at the same time steps a copy, which
    # would not know it, and time in which nobody waits would count.
    if client.core.has_limits and client.waiting.is_last() and not client.foreign_to:
        # (In a forked child, a thread that is not there may have had the lock at the fork.)
        defer_sigint(partial(client.change, lambda: note(client.core)))


def pause(client: Client) -> None:
    """Take in that a task waits no more: what nobody waits for has no deadline."""
    end_to_wait(client, lambda core: core.pause(monotonic()))


def check(client: Client) -> None:
    """Take in whose time is up while the loop goes on, and perhaps never has to wait."""
    # A step hardly ever has to look. If a worker's time begins to count after this look, it is not
    # up before the shortest limit has passed: so the next look is then. (A time that was paused may
    # be up sooner. That is rare, and it is noticed late, by the length of the limit at most.)
    if client.next_look is None or monotonic() < client.next_look:
        return
    now = monotonic()
    _look_at_tasks(client)
    ends = client.core.deadline
    if ends is not None and now >= ends:
        client.waiting.look_if_free(client)  # it may have told where it is
        time_passes(client, monotonic())
        ends = client.core.deadline
    new = now + client.core.shortest_limit
    client.next_look = new if ends is None else min(ends, new)


def take_in_wait(client: Client, begun: float, seconds: float, *, came: bool) -> None:
    """Take in that a wait has ended which was to take some seconds, and whether something came."""
    # One of no length is for a time that was up before it: how late it ends says nothing. Else that
    # time would never be up where other tasks hold up an event loop in each turn.
    planned = begun + seconds if seconds else monotonic()
    if not came:
        time_passes(client, planned)
    elif client.core.has_limits:
        _slept_through(client, planned)


def time_passes(client: Client, planned: float) -> None:
    """Take in that a wait has ended and nothing has come. `planned` is when it was to end."""
    if _slept_through(client, planned):
        return
    _look_at_tasks(client)
    ends, now = client.core.deadline, monotonic()
    if ends is None or now < ends or client.taking_in_here:
        return
    if not _was_stopped(client, now - ends):
        # Only who leads: else another thread might have read what the worker has sent, and take it
        # in after the worker in its place was told to make that once more.
        client.waiting.lead_if_free(partial(client.step, lambda core: core.expire(now)))


def _slept_through(client: Client, planned: float) -> bool:
    """Take in for how long this process was stopped in a wait; tell whether it was."""
    late = monotonic() - planned
    if late <= _STOPPED_SECONDS:
        return False
    _look_at_tasks(client)
    # What has begun later does so since this process goes on.
    client.step(lambda core: core.sleep_through(late, before=planned))
    return True


def _was_stopped(client: Client, late: float) -> bool:
    """Give what runs its whole time once more if workers were stopped (Ctrl-Z) and go on."""
    # This process was most probably stopped with them. While the loop was at work, nobody saw it.
    workers = [member.worker for member in client.members if member.worker is not None]
    if True not in [worker.was_stopped() for worker in workers]:
        return False
    options = client.options
    again = options.task_timeout or options.timeout or options.init_timeout or 0.0
    client.step(lambda core: core.sleep_through(late + again))
    return True


def _look_at_tasks(client: Client) -> None:
    """Take in which inputs of a map run, and since when: that time counts even if nobody waits."""
    if client.options.sends_inputs:
        core = client.core
        for worker, member in zip(core.workers, client.members, strict=True):
            if member.link is not None:
                worker.look_at_task(*member.link.begun(core.epoch))
