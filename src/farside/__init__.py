"""Run an iterable in an isolated worker, and loop over what it yields.

* `iterate_in_worker` picks a worker; `iterate_in_subprocess`, `iterate_in_subinterpreter` name one.
* `iterate_in_workers` reads many shards in several workers, as one sequence.
* `map_in_workers` calls a function with each of many inputs, in several workers.
* `WorkerExecutor` is a `concurrent.futures.Executor`.

Names are imported on first use, since every worker pays for what this module imports.
"""

from __future__ import annotations

TYPE_CHECKING: bool = False  # annotated: with a bare False, editors that use Jedi skip the block
if TYPE_CHECKING:
    from . import numpy as numpy
    from . import torch as torch
    from ._backends.base import Availability as Availability
    from ._backends.registry import available_backends as available_backends
    from ._backends.registry import register_backend as register_backend
    from ._memory.allocate import allocate as allocate
    from ._parent.executors.executor import WorkerExecutor as WorkerExecutor
    from ._parent.executors.pending import BrokenWorkersError as BrokenWorkersError
    from ._parent.iterable import RemoteIterable as RemoteIterable
    from ._parent.iterable import SubinterpreterIterable as SubinterpreterIterable
    from ._parent.iterable import SubprocessIterable as SubprocessIterable
    from ._parent.next_pass import merge_states as merge_states
    from ._parent.stats import Stats as Stats
    from ._payload.register import register_reducer as register_reducer
    from ._payload.worker_info import WorkerInfo as WorkerInfo
    from ._payload.worker_info import get_worker_info as get_worker_info
    from .api import iterate_in_subinterpreter as iterate_in_subinterpreter
    from .api import iterate_in_subprocess as iterate_in_subprocess
    from .api import iterate_in_worker as iterate_in_worker
    from .api import iterate_in_workers as iterate_in_workers
    from .api import map_in_workers as map_in_workers
    from .errors import *

    __version__: str

# Every name is written out: mypy does not see those that come from another list.
__all__ = [
    "Availability", "BackendFallbackWarning", "BackendUnavailableError", "BrokenWorkersError",
    "CallFailedError", "ExhaustedIteratorWarning", "FarsideError", "FarsideWarning",
    "FinalizerFailedWarning", "IterableClosedError", "NotPicklableError", "PassOpenError",
    "PassSupersededError", "ProtocolError", "RemoteIterable", "RemoteTraceback",
    "ReplayDivergedError", "Stats", "SubinterpreterIterable", "SubprocessIterable",
    "WorkerAbandonedWarning", "WorkerDiedError", "WorkerExecutor", "WorkerFailedError",
    "WorkerInfo", "WorkerInitializationError", "WorkerIterationError", "WorkerRestartedWarning",
    "WorkerTimeoutError", "__version__", "allocate", "available_backends", "get_worker_info",
    "iterate_in_subinterpreter", "iterate_in_subprocess", "iterate_in_worker",
    "iterate_in_workers", "map_in_workers", "merge_states", "register_backend",
    "register_reducer",
]  # fmt: skip

_HOMES = {
    "Availability": "._backends.base",
    "RemoteIterable": "._parent.iterable",
    "SubinterpreterIterable": "._parent.iterable",
    "SubprocessIterable": "._parent.iterable",
    "Stats": "._parent.stats",
    "BrokenWorkersError": "._parent.executors.pending",
    "WorkerExecutor": "._parent.executors.executor",
    "allocate": "._memory.allocate",
    "WorkerInfo": "._payload.worker_info",
    "available_backends": "._backends.registry",
    "get_worker_info": "._payload.worker_info",
    "iterate_in_subinterpreter": ".api",
    "iterate_in_subprocess": ".api",
    "iterate_in_worker": ".api",
    "iterate_in_workers": ".api",
    "map_in_workers": ".api",
    "merge_states": "._parent.next_pass",
    "register_backend": "._backends.registry",
    "register_reducer": "._payload.register",
}
"""The module of each name. The other names are in `errors`."""

_MODULES = ("numpy", "torch")  # ``import *`` leaves them out: they would hide the real ones


def _find(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        value: object
        try:
            value = version("farside")
        except PackageNotFoundError:  # a source tree, or a frozen program
            value = "0+unknown"
    elif name in __all__ or name in _MODULES:
        from importlib import import_module

        home = f".{name}" if name in _MODULES else _HOMES.get(name, ".errors")
        value = import_module(home, __name__)
        if name in __all__:
            value = getattr(value, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # else type checkers would accept any misspelt name
    __getattr__ = _find


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
