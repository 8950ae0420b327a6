"""Starts the workers of a client, and those that replace them.

All of it may take time, so no lock is held meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace as replace_fields
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from .._backends.base import CutOffError
from .._protocol.effects import BROKEN, CUT_OFF, FAILED, HERE, RETIRED, Ending
from .._protocol.group import GroupCore
from .._protocol.messages import Cmd
from .._protocol.parent_machine import ParentState
from .._protocol.recovery import pause_before
from .._system.signals import defer_signals, start_thread
from ..errors import FarsideError, LinkClosedError, WorkerRestartedWarning
from . import choosing, messages_for_people
from .closing import close, end
from .deadline import When
from .notes import joined, warn
from .remote_failures import to_keep

if TYPE_CHECKING:
    from .._payload.job import Pickles
    from .client import Client
    from .member import Member

_CUT_OFF = (
    "an exception of a signal handler, or want of memory, struck while a worker was started in the "
    "place of another; make a new iterable to go on"
)


def ready(client: Client) -> When:
    """Return a `Wanted` that is ready when all workers stand by, or one has failed."""

    def awaited() -> list[int]:
        workers = enumerate(client.core.workers)
        return [index for index, each in workers if each.state is ParentState.INITIALIZATION]

    return When(lambda: not awaited() or client.core.failure is not None, awaited)


def start(client: Client) -> None:
    """Start the workers, and wait until they stand by, unless ``wait=False`` was given."""
    try:
        choosing.choose(client)
        if not client.options.wait:
            beside(client, partial(_launch_all, client, _launch_or_fail))
            return
        _launch_all(client, launch)
        client.wait(ready(client))
        client.check_failed()
    except BaseException:
        try:
            close(client, kill=False)
        finally:
            client.abandon()  # where Ctrl-C has cut `close` off: nobody else could end the workers
        raise


def _launch_all(client: Client, launch_one: Callable[[Client, Member, Pickles], None]) -> None:
    """Start the workers with one pickle for all, which may be large. Later ones get a new one."""
    pickles: Pickles = {}
    try:
        for member in client.members:
            launch_one(client, member, pickles)
    finally:
        pickles.clear()


def beside(client: Client, start: Callable[[], object]) -> None:
    """Start workers in another thread: a start takes milliseconds, and an end may take seconds."""
    # While an executor replaces a worker in this way, calls go on in its other workers.

    begun = threading.Lock()

    def work() -> None:
        if not begun.acquire(blocking=False):
            return
        try:
            start()
        finally:
            client.launching.discard(thread)
            client.waiting.wake()
            client.waiting.wake_others()

    # Not a daemon, since subinterpreters allow none. The thread ends by itself.
    thread = threading.Thread(target=work, name="farside-launch", daemon=False)
    client.launching.add(thread)
    try:
        start_thread(thread)
    except (RuntimeError, MemoryError):  # there are no more threads; or it has begun nevertheless
        work()


def _launch_or_fail(client: Client, member: Member, pickles: Pickles | None = None) -> None:
    """Start a worker. If that fails, the user is told at the first use."""
    try:
        if not client.core.closed:
            launch(client, member, pickles)
    except Exception as problem:
        client.fail(member, HERE, to_keep(problem))
    replaced = client.members[member.index] is not member  # it ran out of time meanwhile
    if client.core.closed or replaced:
        end(client, member)


def launch(client: Client, member: Member, pickles: Pickles | None = None) -> None:
    """Start a worker; do not wait until it stands by. A start that is cut off counts as a death."""
    now = member.launched = monotonic()
    client.step(lambda core: core.launch(member.index, now))
    options = replace_fields(member.options, pickles=pickles)
    try:
        worker = choosing.launch(client, member, options)
    except CutOffError as cut:
        cut.error.__cause__ = cut.__cause__
        to_keep(cut.error)
        client.step(partial(_lose, client=client, member=member, cut=cut))
        return
    worker.wake = client.waiting.wake
    try:
        # With the lock: otherwise a command that another thread sends now might be kept for good.
        defer_signals(partial(client.change, partial(member.attach, worker)))
        client.waiting.links.add(member)
    except BaseException:
        worker.link.close()  # it ends by itself
        raise


def _lose(core: GroupCore, client: Client, member: Member, cut: CutOffError) -> None:
    """Record that the start of a worker was cut off, unless it timed out and was replaced."""
    if client.members[member.index] is member:
        sends = client.options.sends_inputs
        core.lose(member.index, cut.error, gets_inputs=sends, cause=CUT_OFF, struck=cut.struck)


def replace(client: Client, old: Member, new: Member, ending: Ending, *, kill: bool) -> None:
    """End a worker, if it has not ended by itself, and start another one in its place."""
    # If the old worker has reported a failure, the new one has another backend. If the old one has
    # died, was cut off, has run out of time or has retired, the new one has the same backend.
    try:
        if not _give_way(client, old, new, kill=kill):
            return
        error = messages_for_people.error_of(ending, old)
        if ending.cause == FAILED:
            choosing.take_fallback(client, new, messages_for_people.refusal(error))
        else:
            left_behind = [each for each in [*client.leaving] if each.left_behind]
            if len(left_behind) > len(client.members):  # they still run, and use up the machine
                client.fail(new, HERE, error)
                return
            if ending.cause != RETIRED:
                notice = _told_of_restart(client, old, ending, error)
                client.news.waiting.append(partial(warn, notice, WorkerRestartedWarning))
        pause = pause_before(ending, gets_inputs=client.options.sends_inputs)
        if pause:
            begin = partial(_start_again, client, new)
            client.chores.add_later(new.index, monotonic() + pause, begin)
            client.waiting.wake()  # so that the leader waits no longer than until then
        else:
            _start_again(client, new)
    except BaseException:
        client.fail(new, BROKEN, _CUT_OFF)
        raise


def _start_again(client: Client, new: Member) -> None:
    """Start a worker that replaces another, unless there is no use for it any more."""
    if client.core.workers[new.index].done or new.worker is not None:
        return
    try:
        calling, calls = client.calling, [*client.calls]
        if calling is not None and calling[0][new.index].answer is not None:
            calls += [calling[1]] * (calling[1] not in calls)  # answered before the worker's end
        client.step(lambda core: core.workers[new.index].call_again(calls))
        _launch_or_fail(client, new)
    except BaseException:
        client.fail(new, BROKEN, _CUT_OFF)
        raise


def _give_way(client: Client, old: Member, new: Member, *, kill: bool) -> bool:
    """End a worker that is replaced; return whether the new one has to be started."""
    with suppress(LinkClosedError):
        old.send(Cmd.ABORT, 0)  # a subinterpreter that has failed still listens
    client.leaving.add(old)  # before `end` looks at `Client.force`
    end(client, old, kill=kill)
    # It need not be started if all was closed, or if this chore is done for the second time, after
    # a signal handler has raised an exception.
    return not client.core.workers[new.index].done and new.worker is None


def _told_of_restart(client: Client, old: Member, ending: Ending, error: FarsideError) -> str:
    what = "a worker was started again, and goes on where it was"
    if client.options.sends_inputs:
        what = "a worker was started again in the place of another one"
    if ending.cause == CUT_OFF:
        what = "the start of a worker was tried again"
    text = f"{what}: {error}"
    return joined(text, "it could not be ended, and is left behind") if old.left_behind else text
