"""How the workers of a client start and end. All of it may take time: no lock is held meanwhile."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from .._backends import live_workers, registry
from .._protocol.effects import BROKEN, HERE, RETIRED
from .._protocol.group import GroupCore
from .._protocol.messages import Cmd
from .._protocol.recovery import pause_before
from .._protocol.tables import ParentState
from .._system.signals import defer_sigint
from ..errors import BackendFallbackWarning, LinkClosedError, WorkerRestartedWarning
from . import messages_for_people
from .warn import warn
from .when import When

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._protocol.effects import Ending
    from .client import Client
    from .member import Member
    from .options import Options

_CUT_OFF = (
    "an exception of a signal handler struck while a worker was started in the place of another; "
    "make a new iterable to go on"
)


class Later:
    """A chore that is to be done at a time."""

    __slots__ = ("_chore", "due")

    def __init__(self, due: float, chore: Callable[[], object]) -> None:
        self.due = due
        self._chore = chore

    def __call__(self) -> None:
        """Do it."""
        self._chore()


FAREWELL_SECONDS = 0.25
"""How long to wait, after a failure, for a worker that is ending by itself."""


def ready(client: Client) -> When:
    """Return what is ready when all workers stand by, or one has failed."""

    def holds() -> bool:
        core = client.core
        states = [each.state for each in core.workers]
        return ParentState.INITIALIZATION not in states or core.failure is not None

    def awaited() -> list[int]:
        workers = enumerate(client.core.workers)
        return [index for index, each in workers if each.state is ParentState.INITIALIZATION]

    return When(holds, awaited)


def choose(client: Client, options: Options) -> None:
    """Choose the backend.

    Raises:
        BackendUnavailableError: no backend can be used that the user allows.
    """
    choice = registry.choose(
        options.backend,
        options.fallback,
        process=any(each.options.env is not None for each in client.members),
        backend_options=options.backend_options,
    )
    client.reason = choice.reason
    for member in client.members:
        member.backend = choice.name
    if options.backend not in {choice.name, "auto"}:
        _tell_of_fallback(client, choice.name)


def start(client: Client) -> None:
    """Start the workers, and wait until they stand by, unless the user wants not to wait.

    Raises:
        FarsideError: one has failed, died, or took too long.
    """
    try:
        choose(client, client.options)
        if not client.options.wait:
            _launch_beside(client)
            return
        for member in client.members:
            launch(client, member)
        client.wait(ready(client))
        client.check_started()
    except BaseException:
        close(client, kill=False)
        raise


def _launch_beside(client: Client) -> None:
    """Start the workers in another thread: to start a process takes milliseconds, and more."""

    def work() -> None:
        try:
            for member in client.members:
                _launch_or_fail(client, member)
        finally:
            client.launching = None
            client.waiting.wake()
            client.waiting.wake_others()

    # No daemon: subinterpreters have none. It ends by itself.
    client.launching = threading.Thread(target=work, name="farside-launch", daemon=False)
    try:
        client.launching.start()
    except RuntimeError:  # no more threads can be had
        work()


def _launch_or_fail(client: Client, member: Member) -> None:
    """Start a worker; what goes wrong, its user is told at the first use."""
    try:
        if not client.core.closed:
            launch(client, member)
    except Exception as problem:
        client.fail(member, HERE, problem)
    replaced = client.members[member.index] is not member  # it ran out of time meanwhile
    if client.core.closed or replaced:
        _end(client, member, kill=False, listen=0.0, problems=[])


def launch(client: Client, member: Member) -> None:
    """Start a worker, without waiting until it stands by.

    Raises:
        FarsideError: that is not possible.
    """
    client.step(lambda core: core.launch(member.index, monotonic()))
    worker = registry.launch(member.backend, member.options)
    worker.wake = client.waiting.wake
    try:
        member.attach(worker)
        client.waiting.add(member)
    except BaseException:
        worker.link.close()  # it ends by itself
        raise


def replace(client: Client, old: Member, new: Member, ending: Ending) -> None:
    """Start a worker of another backend in the place of one that has failed."""
    try:
        if not _give_way(client, old, new, kill=False):
            return
        error = messages_for_people.error_of(ending, old, client.options)
        client.reason = messages_for_people.refusal(error)
        client.notices.append(partial(_tell_of_fallback, client, new.backend))
        client.has_news = True
        _launch_or_fail(client, new)
    except BaseException:
        client.fail(new, BROKEN, _CUT_OFF)
        raise


def restart(client: Client, old: Member, new: Member, ending: Ending, *, kill: bool) -> None:
    """Start a worker again that has died, has run out of time, or has done its share of tasks."""
    try:
        wanted = _give_way(client, old, new, kill=kill)
        client.left_behind += old.left_behind
        if not wanted:
            return
        error = messages_for_people.error_of(ending, old, client.options)
        if client.left_behind > len(client.members):  # they go on, and use up the machine
            client.fail(new, HERE, error)
            return
        if ending.cause != RETIRED:
            client.notices.append(partial(_warn_of_restart, str(error)))
            client.has_news = True
        pause = pause_before(ending, gets_inputs=client.options.sends_inputs)
        if pause:
            begin = Later(monotonic() + pause, partial(_start_again, client, new))
            client.later[new.index] = begin
            client.waiting.wake()  # whoever leads waits no longer than until then
        else:
            _start_again(client, new)
    except BaseException:
        client.fail(new, BROKEN, _CUT_OFF)
        raise


def _start_again(client: Client, new: Member) -> None:
    """Start a worker in the place of one that has ended, unless there is no use for it any more."""
    if client.core.workers[new.index].done or new.worker is not None:
        return
    try:
        client.step(lambda core: core.call_again(new.index, client.calls))
        _launch_or_fail(client, new)
    except BaseException:
        client.fail(new, BROKEN, _CUT_OFF)
        raise


def _give_way(client: Client, old: Member, new: Member, *, kill: bool) -> bool:
    """End a worker whose place another one takes; tell whether that is to be started."""
    with suppress(LinkClosedError):
        old.send(Cmd.ABORT, 0)  # it may have failed: a subinterpreter still listens
    problems = list[Exception]()  # what loggers raise, the loop raises in its turn
    _end(client, old, kill=kill, listen=0.0, problems=problems)
    old.deliver_logs(problems)
    client.notices.extend(partial(_raise, problem) for problem in problems)
    client.has_news = client.has_news or bool(problems)
    # Else it was closed, or an exception of a signal handler has struck in here before.
    return not client.core.workers[new.index].done and new.worker is None


def _raise(problem: Exception) -> None:
    raise problem


def _warn_of_restart(why: str) -> None:
    warn(f"a worker was started again, and goes on where it was: {why}", WorkerRestartedWarning)


def _tell_of_fallback(client: Client, backend: str) -> None:
    """Warn of a worker of another kind, if the user has asked for a kind; else log it."""
    message = f"a {backend} runs the iterable, since {client.reason}"
    if client.options.backend != "auto":
        warn(message, BackendFallbackWarning)
        return
    import logging  # only who falls back pays for it

    logging.getLogger("farside").info(message)


def take_loss(client: Client, member: Member) -> None:
    """Find out how a worker has ended whose link has closed."""
    if client.members[member.index] is not member or client.core.workers[member.index].done:
        return
    live_workers.end_thread_at_exit()
    status = member.worker.exit_status()
    sends = client.options.sends_inputs
    begun = member.link.begun(client.core.epoch)[0] if sends else None
    client.step(lambda core: core.lose(member.index, status, monotonic(), begun))


def end_failed(client: Client, member: Member, *, kill: bool) -> None:
    """End a worker that has failed.

    An iterable that nobody closes after a failure should not leave a process behind.

    Args:
        client: the client.
        member: the worker.
        kill: it does not end by itself.
    """
    if member.worker is None:
        _close_waiting(client)
        return
    failure = client.core.workers[member.index].failure
    if failure is not None:
        # Now: it may refer to what an inline worker has until its end.
        client.make_error(failure, member)
    problems = list[Exception]()
    if kill:
        _end(client, member, kill=True, listen=FAREWELL_SECONDS, problems=problems)
        _close_waiting(client)
        if problems:
            raise problems[0]
        return
    # It is ending by itself, which takes some milliseconds, and runs its finalizers.
    options, gone = client.options, When(lambda: member.gone)
    try:
        if options.finalizers:
            client.wait(gone, monotonic() + options.shutdown_timeout / 2, problems)
        if options.forward_logs:
            client.wait(gone, monotonic() + FAREWELL_SECONDS, problems)
    finally:
        client.waiting.remove(member)
        member.link.close()
        _close_waiting(client)  # whoever keeps the error keeps no descriptor
        member.worker.wait(FAREWELL_SECONDS)
    if problems:
        raise problems[0]


def _close_waiting(client: Client) -> None:
    """Let go of what waits for the workers, if none is left."""
    if False not in [each.worker is None or each.released for each in client.members]:
        client.waiting.close()


def close(client: Client, *, kill: bool) -> bool:
    """End all workers and wait for them; tell whether all have ended."""
    if client.foreign_to:
        return True
    client.step(GroupCore.close)
    client.counters.end(client.core.epoch)
    if client.stepping_here:
        return True  # in a signal handler: they are told in a moment, and end by themselves
    listen = client.options.shutdown_timeout / 2
    begun, problems = monotonic(), list[Exception]()
    client.wait(
        When(lambda: client.launching is None), begun + client.options.shutdown_timeout, problems
    )
    try:
        ended = [
            _end(client, member, kill=kill, listen=listen, problems=problems, begun=begun)
            for member in client.members
        ]
    finally:
        client.waiting.close()
    if problems:
        raise problems[0]
    return all(ended)


def abandon(client: Client) -> None:
    """Tell all workers to end, without waiting: for finalizers.

    Nobody else uses the client any more. The workers end by themselves; until then they are on
    record.
    """
    if client.foreign_to:
        return

    def leave() -> None:
        client.post(GroupCore.close)
        for member in client.members:
            if member.worker is not None and not member.released:
                client.waiting.remove(member)
                member.link.close()
        client.waiting.close()

    defer_sigint(leave)  # Ctrl-C would be swallowed in a finalizer, and the workers go on for ever


def _end(
    client: Client,
    member: Member,
    *,
    kill: bool,
    listen: float,
    problems: list[Exception],
    begun: float | None = None,
) -> bool:
    """End a worker; tell whether it has ended.

    Args:
        client: the client.
        member: the worker. It was told to end.
        kill: do not give it time for an orderly end.
        listen: for how many seconds to take in what its user code still logs. A worker that is
            blocked in sending goes on meanwhile.
        problems: where the exceptions go that loggers raise.
        begun: since when the workers know that they are to end; default: now.
    """
    if member.worker is None:  # it is being started
        return True
    if kill:
        member.worker.kill()
    begun = monotonic() if begun is None else begun
    try:
        if client.options.forward_logs and not member.gone:
            client.wait(When(lambda: member.gone), begun + listen, problems)
    finally:
        # A worker that is blocked in sending wakes up, and so does a thread that waits.
        client.waiting.remove(member)
    waited = monotonic() - begun
    ended: bool = member.worker.stop(client.options.shutdown_timeout, waited=waited)
    member.link.close()
    member.left_behind = not ended
    return ended
