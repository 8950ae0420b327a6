"""The Ray backend: connects to a cluster, and starts workers there."""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..._payload.one_line import one_line
from ..._system.signals import defer_signals, with_lock
from .. import preparation
from ..base import Availability, Backend, Capabilities, ExitStatus, Worker, unavailable
from ..starting import start, with_call_beside
from .calls import ActorCalls, ray, shared
from .link import CallLink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from ..._parent.options import Options

_OF_ACTOR = (
    "num_cpus", "num_gpus", "memory", "resources", "accelerator_type", "label_selector",
    "scheduling_strategy", "runtime_env",
)  # fmt: skip
"""The options that Ray gets for each actor."""

_OF_CONNECTION = ("address", "namespace")  # the options that Ray gets if it is not connected yet

_READ_ONLY = "read_only"  # whether large contents stay in Ray's memory; not an option of Ray's
_READ_ONLY_BYTES = 1 << 26
"""Default of ``buffer_bytes`` with it. Fetching an object takes several messages, and others have
to be on their way meanwhile. They lie in the store, and take no memory of either side."""

_unavailable = partial(unavailable, "no worker can be started on Ray", backend="ray")
_CONNECT = "call ray.init() first, or pass backend_options={'address': 'auto'}, or set RAY_ADDRESS"


class RayBackend(Backend):
    name = "ray"
    capabilities = Capabilities(killable=True, own_environment=True, remote=True)

    @classmethod
    def availability(cls) -> Availability:
        return cls.availability_with({})

    @classmethod
    def availability_with(cls, options: Mapping[str, Any]) -> Availability:
        if find_spec("ray") is None:
            return Availability(usable=False, reason="Ray is missing; pip install ray")
        imported = sys.modules.get("ray")  # where it is not imported, nobody has connected
        if imported is not None and imported.is_initialized():
            return Availability(usable=True, reason=f"Ray {imported.__version__}, connected")
        if options.get("address") or os.environ.get("RAY_ADDRESS"):
            return Availability(usable=True, reason="Ray, which connects when it is used")
        return Availability(usable=False, reason=f"Ray is not connected; {_CONNECT}")

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        known = (*_OF_ACTOR, *_OF_CONNECTION, _READ_ONLY)
        for name, value in options.items():
            if name not in known:
                raise ValueError(
                    f"backend_options has {name!r}: {value!r}, which backend='ray' does not take; "
                    f"it takes {', '.join(known)}"
                )
        read_only = options.get(_READ_ONLY, False)
        if not isinstance(read_only, bool):
            raise TypeError(f"backend_options has 'read_only': {read_only!r}; pass True or False")

    @classmethod
    def default_buffer_bytes(cls, options: Mapping[str, Any]) -> int | None:
        if options.get(_READ_ONLY):
            return _READ_ONLY_BYTES
        return super().default_buffer_bytes(options)

    def launch(self, options: Options) -> RayWorker:
        given = options.backend_options
        how = {name: given[name] for name in _OF_CONNECTION if given.get(name) is not None}
        with_lock(_connecting, lambda: _connect(how))
        name = preparation.name_of(options)
        job = preparation.pack(options, remote=True, backend=self.name, name=name)
        calls: list[pickle.PickleBuffer] = []
        body = pickle.dumps(tuple(with_call_beside(job)), 5, buffer_callback=calls.append)
        call = shared(calls.pop(), options.pickles)
        of_actor = {"num_cpus": 1, **{each: given[each] for each in _OF_ACTOR if each in given}}
        try:
            read_only = given.get(_READ_ONLY, False)
            return start(
                lambda: RayWorker(ActorCalls(body, call, name, of_actor), of_actor, read_only),
                run=partial(defer_signals, once=True),  # Ray may take long
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"backend_options={dict(given)!r} is refused by Ray: {one_line(error)}"
            ) from error


_connecting = threading.RLock()  # Ray connects once, and iterables may start in several threads


def _connect(how: dict[str, Any]) -> None:
    """Connect to a running cluster, unless this process is connected already."""
    module = ray()
    if module.util.client.ray.is_connected():
        raise _unavailable(
            "this process is a Ray client (ray://), which cannot be told when calls return; run "
            "it on a machine of the cluster, as a job for example"
        )
    if module.is_initialized():
        return
    how = {"address": os.environ.get("RAY_ADDRESS"), **how}
    if not how["address"]:  # as when a worker is started again, and its cluster was left
        raise _unavailable(f"Ray is not connected; {_CONNECT}")
    if how["address"] == "local":
        raise _unavailable(
            "address='local' would start a cluster; call ray.init() yourself to start one"
        )
    if str(how["address"]).startswith("ray://"):
        raise _unavailable(
            f"address={how['address']!r} is for a Ray client, which cannot be told when calls "
            "return; run this process on a machine of the cluster, with address='auto'"
        )
    handler = signal.getsignal(signal.SIGTERM)
    try:
        module.init(**how)
    except Exception as error:  # Ray has many
        raise _unavailable(
            f"no cluster can be joined at address={how['address']!r} ({one_line(error)}); if "
            "there is none, start one with `ray start --head`, or call ray.init() for one on this "
            "machine; if it has refused this process, the exception before this one says why"
        ) from error
    finally:
        if handler is not None and handler != signal.SIG_DFL:  # the program's: Ray has replaced it
            with suppress(ValueError):  # not in the main thread: there Ray does not replace it
                signal.signal(signal.SIGTERM, handler)


class RayWorker(Worker):
    link: CallLink

    def __init__(self, calls: ActorCalls, needs: Mapping[str, Any], read_only: bool) -> None:  # noqa: FBT001
        self.link = CallLink(calls, read_only=read_only)
        self._calls = calls
        self._needs = {name: value for name, value in needs.items() if name not in _NOT_SHOWN}
        self._owner = os.getpid()
        self._ended = threading.Event()
        calls.watched.add_done_callback(self._take_end)

    def _take_end(self, _: Future[str | None]) -> None:
        self._calls.release()
        self._ended.set()

    @property
    def label(self) -> str:
        who = self.link.who
        return "an actor not started yet" if who is None else f"pid {who[0]} on {who[1]}"

    @property
    def silent(self) -> bool:  # type: ignore[override]  # nobody sets it
        return not self._calls.started

    @property
    def no_stack(self) -> str:  # type: ignore[override]  # nobody sets it
        if self._calls.started:
            return super().no_stack
        return (
            f"it was not started: no machine of the cluster has had room for {self._needs} so far, "
            "or its process and its runtime_env are still being made there; `ray status` shows "
            "what is free"
        )

    def wait(self, timeout: float) -> bool:
        if os.getpid() != self._owner:
            return True  # a forked child has no workers
        return self._calls.lost(certain=True) or self._ended.wait(max(0.0, timeout))

    def kill(self) -> bool:
        if not self.wait(0):
            self._calls.kill()
        return True

    def disown(self) -> None:
        _foreign.append(self)  # kept: its end would call Ray, whose threads are not in this process

    def exit_status(self) -> ExitStatus:
        if self._calls.lost(certain=True):
            left = "this process has left the cluster (ray.shutdown() was called?)"
            return ExitStatus(left, again=False)
        watched = self._calls.watched
        if not self.wait(_TOLD_SECONDS):
            self.kill()
            failure = self.link.failure
            return ExitStatus(f"a call of it has failed ({_why(failure)}), and it was killed")
        error = watched.exception()
        if error is not None:
            why = _why(error)
            if _OWNER_DIED in why:
                return ExitStatus(f"its actor has died: {why}; {_GIVEN_UP}", again=False)
            struck = any(each in why for each in _FROM_OUTSIDE)
            return ExitStatus(f"its actor has died: {why}", struck=struck)
        return ExitStatus(watched.result() or "it ended without a word")


_NOT_SHOWN = frozenset({"scheduling_strategy", "runtime_env"})
# Ray's words for what says nothing of the next worker. An actor that it has placed on a node since
# that died is told of the node too.
_FROM_OUTSIDE = ("its node has died", "killed by `ray.kill`", "the node running low on memory")
_OWNER_DIED = "its owner has died"  # Ray starts no actor for an owner that it takes for dead
_GIVEN_UP = (
    "its owner is this process, for which the cluster starts no worker any more: Ray has crashed "
    "on this machine, or has lost the others"
)
_TOLD_SECONDS = 5.0  # how much later than to one call Ray may report a death to another
_foreign: list[RayWorker] = []  # workers of the process that this one was forked from


def _why(error: BaseException | None) -> str:
    """Return Ray's reason, without colors and without what Ray adds to it at every death."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    if "No module named 'farside'" in text:
        return (
            "farside is not installed there; install it on each machine of the cluster, or let Ray "
            "send it: ray.init(runtime_env={'py_modules': [farside]})"
        )
    for rest in ("Some common causes include", "Object store memory usage:"):
        text = text.partition(rest)[0]
    # If a node has died, Ray uses other words.
    why = re.split(r"The actor (?:is dead because |died because (?=its ))", text)[-1]
    return " ".join(why.split())
