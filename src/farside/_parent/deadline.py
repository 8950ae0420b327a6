"""Applies the time limits of workers. The time of a worker counts while somebody waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .._protocol.group import GroupCore
from .._system.signals import defer_signals

if TYPE_CHECKING:
    from .client import Client

_STOPPED_SECONDS = 0.5
"""If a wait ends more than these seconds later than planned, this process was stopped (Ctrl-Z,
SIGSTOP, a frozen container), and most probably its worker too. A busy machine is late by less."""


class Wanted(Protocol):
    """What somebody waits for, such as a `Pass`."""

    def ready(self) -> bool:
        """Tell whether there is no reason to wait."""

    def workers(self) -> Sequence[int] | None:
        """Return the workers whose time counts; None: all."""


class When(NamedTuple):
    """Something `Wanted` that is made of two functions."""

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
    """Record that a wait is over: the next wait has the whole time limit."""
    # `note` records it in the core, with the lock. An event at the same time steps a copy, which
    # otherwise might lack the note, and time in which nobody waits would count.
    if client.core.has_limits and client.waiting.is_last() and not client.foreign_to:
        # (In a forked child, the lock may be held by a thread that exists only in the parent.)
        defer_signals(partial(client.change, lambda: note(client.core)))


def pause(client: Client) -> None:
    """Record that a task has stopped waiting: while nobody waits, there is no deadline."""
    end_to_wait(client, lambda core: core.pause(monotonic()))


def check(client: Client) -> None:
    """Check the time limits in a step of a loop, which perhaps never has to wait."""
    # Hardly any step has to check. If a worker's time begins to count after this check, it is not
    # up before the shortest limit has passed, so the next check is due then. (A time that was
    # paused may be up sooner. That is rare, and noticed late by the length of the limit at most.)
    if client.next_look is None or monotonic() < client.next_look:
        return
    now = monotonic()
    _look_at_tasks(client)
    ends = client.core.deadline
    if ends is not None and now >= ends:
        client.waiting.look_if_free(client)  # the worker may have answered
        time_passes(client, monotonic())
        # `next_look` stays in the past, so the next step looks again, at the next deadline.
    new = now + client.core.shortest_limit
    client.next_look = new if ends is None else min(ends, new)


def take_in_wait(client: Client, begun: float, seconds: float, *, came: bool) -> None:
    """Handle the end of a wait that was to take `seconds`. `came`: something has arrived."""
    # A wait of 0 seconds is for a limit that had passed before. How late such a wait ends does not
    # count, or the limit would never take effect if other tasks delay the event loop in each turn.
    planned = begun + seconds if seconds else monotonic()
    if not came:
        time_passes(client, planned)
    elif client.core.has_limits:
        _slept_through(client, planned)


def time_passes(client: Client, planned: float) -> None:
    """Handle the end of a wait in which nothing arrived. It was to end at the time `planned`."""
    if _slept_through(client, planned):
        return
    _look_at_tasks(client)
    ends, now = client.core.deadline, monotonic()
    if ends is None or now < ends or client.taking_in_here:
        return
    if not _was_stopped(client, now - ends):
        # Only the leader does it. Otherwise another thread might have read items of the worker, and
        # handle them after the worker's replacement was told to make them once more.
        client.waiting.lead_if_free(partial(client.step, lambda core: core.expire(now)))


def _slept_through(client: Client, planned: float) -> bool:
    """Make up for a stop of this process during a wait; return whether there was one."""
    late = monotonic() - planned
    if late <= _STOPPED_SECONDS:
        return False
    _look_at_tasks(client)
    # Only start times up to `planned` are shifted: later ones are from after the stop.
    client.step(lambda core: core.sleep_through(late, before=planned))
    return True


def _was_stopped(client: Client, late: float) -> bool:
    """If workers were stopped (Ctrl-Z) and go on, give all their whole time once more."""
    # This process was most probably stopped with them, while the loop was at work: no wait saw it.
    workers = [member.worker for member in client.members if member.worker is not None]
    if True not in [worker.was_stopped() for worker in workers]:
        return False
    options = client.options
    again = options.task_timeout or options.timeout or options.init_timeout or 0.0
    client.step(lambda core: core.sleep_through(late + again))
    return True


def _look_at_tasks(client: Client) -> None:
    """Record which inputs of a map run, and since when: their time counts even without a wait."""
    if client.options.sends_inputs:
        core = client.core
        for worker, member in zip(core.workers, client.members, strict=True):
            if member.link is not None:
                worker.look_at_task(*member.link.begun(core.epoch))
