"""Handles the frames that were read from a worker: each steps the core of its client."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING

from .._payload.remote_errors import read_failure
from .._protocol.messages import WITH_FAILURE, Status
from .._protocol.parent_machine import ParentState
from ..errors import ProtocolError

if TYPE_CHECKING:
    from .client import Client
    from .member import Member

_RECORDS = frozenset({int(Status.RECORDS_EMITTED)})
_KIND = attrgetter("kind")


def take_in(client: Client, member: Member) -> bool:
    """Handle the frames read from a worker; return whether there was more than log records.

    Only the thread that leads (see `wait`) calls this. Raise ProtocolError if a frame may not come
    now, or cannot be read.
    """
    frames, index = member.frames, member.index
    if client.members[index] is not member:  # another one has taken its place
        frames.clear()
        return False
    if member.worker.observer is not None:
        member.observe()
    more = not _RECORDS.issuperset(map(_KIND, frames))
    client.core.workers[index].receive_items(frames)  # this needs no lock: see its docstring
    if frames:
        try:
            client.change(partial(_take_frames, client, member))
        except ProtocolError:
            frames.clear()  # no later frame is trusted, and they may hold memory
            raise
    return more


def awaits_first_item(client: Client, member: Member) -> bool:
    """Return whether a worker has begun a pass, and none of its items has arrived."""
    core = client.core.workers[member.index]
    return core.state is ParentState.ITERATION and not core.inbox.received


def _take_frames(client: Client, member: Member) -> None:
    """With the lock, step the core by each frame, in order. The first frame carries no items."""
    frames, index, now = member.frames, member.index, monotonic()
    while frames:
        core, frame = client.core, frames[0]
        worker, kind = core.workers[index], frame.kind
        if client.members[index] is not member:  # another one has taken its place
            frames.clear()
            return
        if worker.latest is not frame:  # else it was handled before an exception struck
            failure, used = None, False
            if kind in WITH_FAILURE:
                failure = read_failure(frame.body)
                # Whether the user may have got anything from this worker, or at all before this
                # pass. A worker that fails to start has given nothing, even if others have.
                used = kind != Status.INITIALIZATION_FAILED and (
                    client.used_before or (client.used and worker.inbox.received > 0)
                )
            core = core.copy(index)
            if kind == Status.STACK_REPORTED and client.options.sends_inputs:
                core.workers[index].look_at_task(*member.link.begun(core.epoch))
            core.receive(index, frame, failure, used=used, now=now)
            core.workers[index].latest = frame
            client.core = core
        if core.workers[index].effects:
            client.perform()
        if kind == Status.INITIALIZATION_SUCCEEDED:
            member.startup_seconds = member.tried + now - (member.launched or now)
        frames.popleft()
        worker = client.core.workers[index]
        worker.latest = None  # it may hold memory
        if frames:
            worker.receive_items(frames)
