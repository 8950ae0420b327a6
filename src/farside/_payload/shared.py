"""Pickles callables of the user's that hold objects of multiprocessing which processes share.

multiprocessing lets most such objects into a process only while it starts that process: a lock by
its name, a connection by a descriptor that the process inherits. So a call that holds one is
pickled during the start. A proxy of a manager can be sent at any time, if the key of its manager is
sent with it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NoReturn

from .job import Call
from .pickling import dumps_by_reference, dumps_by_value
from .reducers import Reduce, Table, alike, reduce_by_default

_CTYPES = "multiprocessing.sharedctypes"


class SharedCall:
    """A call that holds such objects. It pickles as bytes, while its process is being started."""

    def __init__(self, call: Call, *, by_value: bool, refers_to_main: bool) -> None:
        self.call = call
        self.refers_to_main = refers_to_main  # whether any of it is defined in the main module
        self._by_value = by_value

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle of its own: the worker takes over the parent's state before it loads this.
        dumps: Any = dumps_by_value if self._by_value else dumps_by_reference
        return bytes, (dumps(self.call, table=table_within_start()),)


def table_of_calls() -> Table:
    """Return the reducers for a call that is sent at any time.

    They refuse objects of ctypes in shared memory, which would arrive as copies.
    """
    table = Table()
    proxy = getattr(sys.modules.get("multiprocessing.managers"), "BaseProxy", None)
    if proxy is not None:
        table.update(dict.fromkeys(alike(proxy), _reduce_proxy))
    for cls, reduce in _of_multiprocessing().items():
        if reduce.__module__ == _CTYPES:
            table[cls] = _if_shared(_refuse)
    return table


def table_within_start(*, here: bool = False) -> Table:
    """Return the reducers for a call that is pickled during a start, or stays `here`."""
    table = table_of_calls()
    for cls, reduce in _of_multiprocessing().items():
        table[cls] = _if_shared(reduce) if reduce.__module__ == _CTYPES else reduce
    lock = getattr(sys.modules.get("multiprocessing.synchronize"), "SemLock", None)
    if lock is not None:
        table.update(dict.fromkeys(alike(lock), (lambda _: (object, ())) if here else _reduce_lock))
    return table


@contextlib.contextmanager
def pretended_start() -> Iterator[None]:
    """Let multiprocessing believe that this thread is starting a process."""
    from multiprocessing import context  # only if something does not pickle without this

    module: Any = context  # these have no public names
    before = module.get_spawning_popen()
    module.set_spawning_popen(SimpleNamespace(duplicate_for_child=int, DupFd=int))
    try:
        yield
    finally:
        module.set_spawning_popen(before)


def _of_multiprocessing() -> dict[type, Reduce]:
    """Return the reducers that multiprocessing has registered for processes that it starts."""
    pickler = getattr(sys.modules.get("multiprocessing.reduction"), "ForkingPickler", None)
    registered: dict[type, Reduce] = dict(getattr(pickler, "_extra_reducers", {}))
    # Not those of other libraries: torch's would share tensors, which cross as copies otherwise.
    return {
        cls: reduce
        for cls, reduce in registered.items()
        if str(reduce.__module__).startswith("multiprocessing.")
    }


def _reduce_proxy(proxy: Any) -> tuple[Any, ...]:
    """Reduce a proxy together with the key of its manager, which pickle leaves out."""
    rebuild, (kind, token, serializer, keywords) = proxy.__reduce__()
    key = bytes(proxy._authkey)  # noqa: SLF001  it has no public name
    return rebuild, (kind, token, serializer, {**keywords, "authkey": key})


def _if_shared(reduce: Reduce) -> Reduce:
    """Return a reducer that leaves objects of ctypes alone unless they are in shared memory.

    Once it has shared one object, multiprocessing registers a reducer for all objects of that type.
    """
    return lambda value: (reduce if hasattr(value, "_wrapper") else reduce_by_default)(value)


def _refuse(value: Any) -> NoReturn:
    raise TypeError(f"a {type(value).__name__} in shared memory would become a copy")


def _reduce_lock(lock: Any) -> Any:
    if lock._semlock.name is None:  # noqa: SLF001  it has no public name
        kind = type(lock).__name__
        raise MadeForForkError(
            f"a {kind} of multiprocessing that was made for the start method 'fork' is known to "
            f"forked processes only"
        )
    return lock.__reduce_ex__(5)


class MadeForForkError(TypeError):
    """An object is for forked processes, and the worker is none."""
