"""Calls of an actor, by what Ray's documentation has."""

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
"""How many the actor takes at a time: two threads may each make those that are missing, and what
the parent tells by one of them must not wait until others return."""

_LATE_SECONDS = 30.0  # replies of a dead worker are waited for so long: they may be large, and far
_OBJECT_BYTES = 100_000  # from here on, Ray makes an object of an argument anyway


@cache
def ray() -> Any:
    """Import Ray, which takes a second or two."""
    import ray as imported

    live_workers.close_all_first()  # when Ray has left the cluster, no worker can run finalizers
    return imported


def session() -> tuple[str, str]:
    """Tell to which cluster this process is connected, and for which time."""
    context = ray().get_runtime_context()
    # One that is started again may have the same address, and numbers its jobs anew.
    return str(context.get_node_id()), str(context.get_job_id())


def shared(call: PickleBuffer, kept: Pickles | None) -> Any:
    """Return what workers that start together are given: Ray moves it to each machine once."""
    if kept is None or call.raw().nbytes < _OBJECT_BYTES:
        return call
    if "ray" not in kept:
        kept["ray"] = ray().put(call)
    return kept["ray"]


def _let_go(kept: object, of: Future[Reply]) -> None:
    """Do nothing: a future holds what its callbacks hold, until it is done with and dropped."""
    del kept, of


@cache
def _actor_class() -> Any:
    # Commands are heard while a call waits for frames, and while user code runs.
    return ray().remote(concurrency_groups={"commands": 1, "watch": 1})(Actor)


class ActorCalls:
    """Starts an actor and calls it; no call ever waits."""

    def __init__(self, job: bytes, call: Any, name: str, options: Mapping[str, Any]) -> None:
        self._session = session()
        self._certainly_lost = False
        self._dead_since = inf  # when it was known first
        self._is_initialized = ray().is_initialized
        self._actor: Any = (
            _actor_class()
            .options(max_restarts=0, max_task_retries=0, max_concurrency=MOST_PULLS, **options)
            .remote(job, call, name)
        )
        # Before the calls that wait: there is no room beside them.
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
        # Its objects are the actor's: it has to live until they are here, even if it has nothing
        # more to do.
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
        """Tell whether this process has left the cluster; if `certain`, even for another one."""
        if certain and not self._certainly_lost and self._is_initialized():
            self._certainly_lost = session() != self._session
        # A call would connect to a cluster again, or even start one.
        return self._certainly_lost or not self._is_initialized()

    @property
    def started(self) -> bool:
        """Whether the actor has a place in the cluster."""
        return self._started.done() and self._started.exception() is None

    def is_long_dead(self) -> bool:
        """Tell whether the worker died so long ago that no reply of it is waited for any more."""
        if not self.watched.done() or self.watched.exception() is None:
            return False
        now = monotonic()
        self._dead_since = min(self._dead_since, now)
        return now - self._dead_since >= _LATE_SECONDS

    def end_unstarted(self) -> None:
        """End an actor that waits for its place in the cluster: no call reaches it. Never waits."""
        if self.started:
            return
        # A finalizer may be here, in the thread of Ray's that `ray.kill` waits for.
        with suppress(RuntimeError):  # no more threads can be had
            start_new_thread(self.kill, ())

    def kill(self) -> None:
        actor = self._actor
        if actor is not None and not self.lost(certain=True):
            ray().kill(actor, no_restart=True)

    def release(self) -> None:
        """Let the actor go, which has ended: so its process ends, and its resources are free."""
        self._actor = self._pull = self._push = None
