"""Carries out the effects of a worker's core: what the core wants done."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from .._protocol.effects import Answer, Drop, Effect, End, Ending, Fail, Launch, Log, Send
from .._protocol.messages import Cmd, Status
from ..errors import LinkClosedError
from . import closing, starting
from .member import Member

if TYPE_CHECKING:
    from .client import Client

_REVOKES_CREDIT = frozenset({Cmd.STOP_ITERATION, Cmd.ABORT})


def do(client: Client, member: Member, effect: Effect) -> None:
    """With the lock, carry out one effect."""
    if isinstance(effect, Send):
        _send(client, member, effect)
    elif isinstance(effect, Drop):
        effect.inbox.clear(with_delivery=effect.with_delivery)
    elif isinstance(effect, Answer):
        if effect.frame.kind == Status.CALL_SUCCEEDED:
            client.used = client.used_before = True
        effect.token.answer = effect.frame
    elif isinstance(effect, Fail):
        effect.token.ending = effect.ending
    elif isinstance(effect, Log):
        client.news.waiting.append(partial(member.show, effect.body))
    elif isinstance(effect, End):
        client.chores.add(partial(closing.end_failed, client, member, kill=effect.kill))
    elif isinstance(effect, Launch):
        # From now on commands go to the new worker, and what the old one sends is ignored.
        client.members[member.index] = new = Member(member.index, member.options)
        new.backend = effect.backend or member.backend
        if effect.backend is None:
            core = client.core.workers[member.index]
            core.loss = core.loss or (effect.ending, member, core.begun)
        else:
            new.tried = _tried(member, effect.ending)
        follow = partial(starting.replace, client, member, new, effect.ending, kill=effect.kill)
        # If farside's own thread waits, as in an executor, yet another thread replaces the worker.
        # No signal handler strikes there.
        beside = client.news.nobody_catches
        client.chores.add(partial(starting.beside, client, follow) if beside else follow)


def _tried(member: Member, ending: Ending) -> float:
    """Return how many seconds were spent on starting the workers that a fallback replaces."""
    if ending.state != "initialization" or member.launched is None:
        return member.startup_seconds  # it has stood by, and failed later
    return member.tried + monotonic() - member.launched


def _send(client: Client, member: Member, effect: Send) -> None:
    parts = () if effect.token is None else effect.token.parts
    sent = False
    try:
        if effect.content is not None:
            sent = member.send_content(effect.cmd, effect.epoch, effect.content)
        else:
            sent = member.send(effect.cmd, effect.epoch, parts)
        if effect.cmd in _REVOKES_CREDIT:
            # After the command: a worker that waits for credit then wakes up, and finds it.
            member.revoke(effect.epoch)
    except LinkClosedError:
        sent = True  # the worker is gone: reading tells how
    finally:
        if not sent:  # or an exception has struck in the middle
            client.waiting.links.look_for_room()
            client.waiting.wake()
