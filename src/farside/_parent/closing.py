"""Handles the end of a client's workers: by themselves, after a failure, or as the user wants it.

All of it may take time, so no lock is held meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import methodcaller
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._backends import live_workers
from .._protocol.group import GroupCore
from .._protocol.parent_machine import ParentState
from ..errors import FinalizerFailedWarning, WorkerAbandonedWarning
from . import unguarded
from .deadline import When
from .notes import warn

if TYPE_CHECKING:
    from .client import Client
    from .member import Member

KILL, TERMINATE = methodcaller("kill"), methodcaller("terminate")
FAREWELL_SECONDS = 0.25  # how long to wait, after a failure, for a worker that is ending by itself


def take_loss(client: Client, member: Member) -> None:
    """Find out how a worker has ended, after its link has closed, and report that to the core."""
    if client.members[member.index] is not member or client.core.workers[member.index].done:
        return
    live_workers.end_thread_at_exit()
    status = live_workers.status_at_exit() or member.worker.exit_status()
    starting = client.core.workers[member.index].state is ParentState.INITIALIZATION
    if starting and status.code == unguarded.EXIT_CODE:
        status = status._replace(again=False)  # another one could not start either
    sends = client.options.sends_inputs
    begun = member.link.begun(client.core.epoch)[0] if sends else None
    lose = partial(GroupCore.lose, index=member.index, status=status, now=monotonic(), begun=begun)
    client.step(partial(lose, gets_inputs=sends, struck=status.struck))


def end_failed(client: Client, member: Member, *, kill: bool) -> None:
    """End a worker that has failed, and kill it if it does not end by itself."""
    # An iterable that nobody closes after a failure should not leave a process behind.
    failure = client.core.workers[member.index].failure
    if failure is not None:
        # Make the error now: it may refer to objects that an inline worker has only until its end.
        client.make_error(failure, member)
    problems = list[Exception]()
    if kill or member.worker is None:
        end(client, member, kill=True, listen=FAREWELL_SECONDS, problems=problems)
        _close_waiting(client)
    else:  # it is ending by itself, which takes some milliseconds, and runs its finalizers
        options, gone = client.options, When(lambda: member.gone)
        try:
            if options.finalizers:
                client.wait(gone, monotonic() + options.shutdown_timeout / 2, problems)
            if options.forward_logs:
                client.wait(gone, monotonic() + FAREWELL_SECONDS, problems)
        finally:
            client.waiting.remove(member)
            member.link.close()
            _close_waiting(client)  # an error that is kept must not keep descriptors
            if member.worker.wait(FAREWELL_SECONDS):
                live_workers.forget(member.worker)
    if problems:
        raise problems[0]


def _close_waiting(client: Client) -> None:
    """Close the wakeup, if no worker is left to wait for."""
    # A member whose worker is not started yet may be a replacement, which needs the wakeup later.
    pairs = zip(client.members, client.core.workers, strict=True)
    if all(each.released or (each.worker is None and core.done) for each, core in pairs):
        client.waiting.links.close()


def close(client: Client, *, kill: bool) -> bool:
    """End all workers and wait for them; return whether all have ended."""
    if client.foreign_to:
        return True
    if kill:
        end_by_force(client, KILL)
    else:
        client.step(GroupCore.close)
    client.counters.end(client.core.epoch)
    if client.stepping_here:
        return True  # in a signal handler: workers are told in a moment, and end by themselves
    listen = client.options.shutdown_timeout / 2
    begun, problems = monotonic(), list[Exception]()
    if not client.taking_in_here:  # if so, this is a signal handler, which cannot wait
        launched = When(lambda: not client.launching)
        client.wait(launched, begun + client.options.shutdown_timeout, problems)
    if client.options.finalizers and len(client.members) > 1:
        _hear_all(client, begun + listen, problems)
    ended = []
    for member in client.members:
        try:
            ended.append(end(client, member, listen=listen, problems=problems, begun=begun))
        except Exception as problem:  # the others end all the same
            problems.append(problem)
    if len(ended) == len(client.members):  # else the next `close`, or a finalizer, does the rest
        client.waiting.links.close()
    if problems:
        raise problems[0]
    return all(ended)


def tell_of_end(client: Client, all_ended: bool) -> None:  # noqa: FBT001  it is a fact
    """Warn of finalizers that may have been cut off, and of workers that are left behind."""
    seconds = f"shutdown_timeout={client.options.shutdown_timeout} seconds"
    for member in client.members:
        if member.cut_off:
            member.cut_off = False  # the user is told once
            warn(
                f"the {member.name} did not end within half of {seconds}, and was ended: its "
                "finalizers may have been cut off; pass a longer shutdown_timeout",
                FinalizerFailedWarning,
            )
    if all_ended:
        return
    names = [each.name for each in client.members if each.left_behind]
    warn(
        f"the {' and the '.join(names)} did not end within {seconds} and is left behind: its "
        "code is in a call that Python cannot interrupt, a thread that it has started still "
        "runs, or it gets no processor",
        WorkerAbandonedWarning,
    )


async def aclose(client: Client) -> bool:
    """Do the same as `close` without blocking the event loop."""
    if client.foreign_to:  # asyncio's event loops do not run in a forked child
        return True
    from .event_loops import off_loop  # not everybody needs it

    return await off_loop(partial(close, client, kill=False))


def _hear_all(client: Client, until: float, problems: list[Exception]) -> None:
    """Read from several workers until all have ended, or the time is over."""
    # `end` waits for one worker at a time. Meanwhile another may end with its finalizers cut off,
    # and nobody would notice.
    members = [each for each in client.members if each.worker and not each.worker.silent]
    if client.options.forward_logs and not client.taking_in_here:
        client.wait(When(lambda: False not in [each.gone for each in members]), until, problems)


def end_by_force(client: Client, force: Callable[[Any], object]) -> None:
    """End all workers at once, also those that another thread is just starting or ending."""
    client.force = force  # a thread that starts a worker meanwhile finds this once all is closed
    client.step(GroupCore.close)  # before any has ended, so that none is restarted
    for member in [*client.members, *client.leaving]:
        if member.worker is not None:
            force(member.worker)


def end(
    client: Client,
    member: Member,
    *,
    kill: bool = False,
    listen: float = 0.0,
    problems: list[Exception] | None = None,
    begun: float | None = None,
) -> bool:
    """End a worker that was told to end, by force if need be; return whether it has ended.

    With `kill`, or if `Client.force` is set, it gets no time for an orderly end. For `listen`
    seconds after it was told (at `begun`; None: now), the log records of its user code are still
    handled, so it is not blocked in sending them. Exceptions in this wait are appended to
    `problems`, or raised if that is None.
    """
    if member.worker is None:  # it is being started
        return True
    force = KILL if kill else client.force
    if force is not None:
        force(member.worker)
    begun = monotonic() if begun is None else begun
    if member.left_behind:  # an earlier call has waited for it, so it gets no more time
        begun -= client.options.shutdown_timeout
    try:
        listens = listen and client.options.forward_logs and not member.worker.silent
        if listens and not (member.gone or client.taking_in_here):
            client.wait(When(lambda: member.gone), begun + listen, problems)
            # If it ends only now, nobody hears of finalizers that were cut off.
            member.worker.forced = member.worker.forced or not member.gone
    finally:
        # This wakes up the worker, if it is blocked in sending, and a thread that waits.
        client.waiting.remove(member)
    waited = monotonic() - begun
    ended: bool = member.worker.stop(client.options.shutdown_timeout, waited=waited)
    member.link.close()
    if ended:
        live_workers.forget(member.worker)
        client.leaving.discard(member)
        told = member.left_behind or force is not None
        if member.worker.forced and client.options.finalizers and not told:
            member.cut_off = True  # until the user is told, whichever thread closes
        member.worker.forced = False  # it may be closed once more
    member.left_behind = not ended
    return ended
