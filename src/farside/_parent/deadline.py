"""The time that workers may take: it counts while somebody waits for what they say."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Client
    from .wait import Wanted

_STOPPED_SECONDS = 0.5
"""By how many seconds a wait may end late. The clock goes on while a process is stopped (Ctrl-Z,
SIGSTOP, a frozen container), and the worker is mostly stopped with it. A busy machine is late too.
"""


def begin_to_wait(client: Client, wanted: Wanted) -> None:
    """Let the time count in which a worker says nothing that is waited for."""
    if client.core.has_limits:
        _look_at_tasks(client)
        client.core.begin_to_wait(monotonic(), getattr(wanted, "workers", None))


def time_passes(client: Client, planned: float) -> None:
    """Take in that a wait has ended for nothing, and when it was to end.

    If that is long ago, this process was stopped meanwhile.
    """
    _look_at_tasks(client)
    deadline, now = client.core.deadline, monotonic()
    if deadline is None:
        return
    if now - planned > _STOPPED_SECONDS:
        client.step(lambda core: core.sleep_through(now - planned))
    elif now >= deadline:
        client.step(lambda core: core.expire(now))


def _look_at_tasks(client: Client) -> None:
    """Take in which inputs of a map run, and since when: the time counts whoever waits."""
    if client.options.sends_inputs:
        core = client.core
        for worker, member in zip(core.workers, client.members, strict=True):
            if member.link is not None:
                worker.look_at_task(*member.link.begun(core.epoch))
