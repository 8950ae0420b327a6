"""Calls of an actor, made by the documented interface of Ray alone."""

from __future__ import annotations

from _thread import start_new_thread
from contextlib import suppress
from functools import cache, partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from .. import live_workers
from .actor import Actor
from .objects import with_contents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from pickle import PickleBuffer

    from ..._payload.job import Pickles
    from .messages import Command, Reply, Words

PULLS = 4  # calls: one waits in the actor, one is on its way there, one back, and one is being read
MOST_PULLS = 2 * PULLS
"""How many calls the actor runs at a time. Two threads may each make the missing calls, and what
the parent reports by one of them must not wait until others return."""

_LATE_SECONDS = 30.0  # how long to wait for replies of a dead worker: they may be large, and far
_OBJECT_BYTES = 100_000  # from this size on, Ray makes an object of an argument anyway


@cache
def ray() -> Any:
    """Import Ray, which takes a second or two."""
    import ray as imported

    live_workers.close_all_first()  # when Ray has left the cluster, no worker can run finalizers
    return imported


def session() -> tuple[str, str]:
    """Return what identifies the connection of this process to a cluster."""
    context = ray().get_runtime_context()
    # A cluster that is started again may have the same address, and numbers its jobs anew.
    return str(context.get_node_id()), str(context.get_job_id())


def shared(call: PickleBuffer, kept: Pickles | None) -> Any:
    """Return the call, as an object if it is large: Ray moves that to each machine once.

    `kept` is shared by workers that start together, so the first of them makes the object.
    """
    if kept is None or call.raw().nbytes < _OBJECT_BYTES:
        return call
    if "ray" not in kept:
        kept["ray"] = ray().put(call)
    return kept["ray"]


def _let_go(kept: object, of: Future[Reply]) -> None:
    """Do nothing. As a callback, this keeps `kept` alive until the future is done and dropped."""
    del kept, of


@cache
def _actor_class() -> Any:
    # Commands are handled while a call waits for frames, and while user code runs.
    return ray().remote(concurrency_groups={"commands": 1, "watch": 1})(Actor)


class ActorCalls:
    """Starts an actor and calls it. No method waits for a reply."""

    def __init__(self, job: bytes, call: Any, name: str, options: Mapping[str, Any]) -> None:
        self._session = session()
        self._certainly_lost = False
        self._dead_since = inf  # when the actor's death was noticed
        self._is_initialized = ray().is_initialized
        self._actor: Any = (
            _actor_class()
            .options(max_restarts=0, max_task_retries=0, max_concurrency=MOST_PULLS, **options)
            .remote(job, call, name)
        )
        # Made before the calls that wait, which may leave no room for it.
        self._started: Future[object] = self._actor.__ray_ready__.remote().future()
        self._pull = self._actor.pull
        self._push = self._actor.push.options(concurrency_group="commands")
        watch = self._actor.watch.options(concurrency_group="watch")
        self.watched: Future[str | None] = watch.remote().future()  # done when the worker has ended

    def pull(self, words: Words) -> Future[Reply] | None:
        """Call `Actor.pull`; None: the worker has ended, and no call is made any more."""
        actor, reference = self._actor, self._call(self._pull, words)
        if reference is None:
            return None
        made = with_contents(reference.future(), lambda each: each.future())
        # The actor owns the objects of its replies, so it has to live until they have arrived, even
        # if it has nothing more to do.
        made.add_done_callback(partial(_let_go, actor))
        return made

    def push(self, number: int, words: Words, commands: list[Command]) -> None:
        self._call(self._push, number, words, commands)

    def _call(self, method: Any, *arguments: Any) -> Any:
        """Call a method of the actor; None: it has ended, or its cluster was left."""
        if method is None:
            return None
        try:
            return method.remote(*arguments)
        except Exception:  # Ray knows no such actor in the cluster that was joined since
            if not self.lost(certain=True):
                raise
            return None

    def lost(self, *, certain: bool = False) -> bool:
        """Return whether this process has left the cluster; if `certain`, even for another one."""
        if certain and not self._certainly_lost and self._is_initialized():
            self._certainly_lost = session() != self._session
        # Nothing else is asked: a call of Ray would connect to a cluster again, or even start one.
        return self._certainly_lost or not self._is_initialized()

    @property
    def started(self) -> bool:
        """Whether the actor has a place in the cluster."""
        return self._started.done() and self._started.exception() is None

    def is_long_dead(self) -> bool:
        """Return whether the worker died so long ago that nobody waits for its replies any more."""
        if not self.watched.done() or self.watched.exception() is None:
            return False
        now = monotonic()
        self._dead_since = min(self._dead_since, now)
        return now - self._dead_since >= _LATE_SECONDS

    def end_unstarted(self) -> None:
        """End an actor that has no place in the cluster yet: no call reaches it. Never waits."""
        if self.started:
            return
        # A finalizer may call this in the very thread of Ray's that `ray.kill` waits for.
        with suppress(RuntimeError):  # no more threads can be had
            start_new_thread(self.kill, ())

    def kill(self) -> None:
        actor = self._actor
        if actor is not None and not self.lost(certain=True):
            ray().kill(actor, no_restart=True)

    def release(self) -> None:
        """Release the actor, which has ended, so that its process ends and frees its resources."""
        self._actor = self._pull = self._push = None
