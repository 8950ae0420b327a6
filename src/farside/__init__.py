"""Run an iterable in an isolated worker, and loop over what it yields.

`iterate_in_worker` picks a worker, `iterate_in_subprocess` and `iterate_in_subinterpreter` name
one. Names are imported on first use: what this module imports, every worker pays for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import numpy as numpy
    from ._api import iterate_in_subinterpreter as iterate_in_subinterpreter
    from ._api import iterate_in_subprocess as iterate_in_subprocess
    from ._api import iterate_in_worker as iterate_in_worker
    from ._backends.base import Availability as Availability
    from ._backends.registry import available_backends as available_backends
    from ._backends.registry import register_backend as register_backend
    from ._iterable import RemoteIterable as RemoteIterable
    from ._iterable import SubinterpreterIterable as SubinterpreterIterable
    from ._iterable import SubprocessIterable as SubprocessIterable
    from ._stats import Stats as Stats
    from ._transport.allocate import allocate as allocate
    from ._worker.info import WorkerInfo as WorkerInfo
    from ._worker.info import get_worker_info as get_worker_info
    from .errors import BackendFallbackWarning as BackendFallbackWarning
    from .errors import BackendUnavailableError as BackendUnavailableError
    from .errors import CallFailedError as CallFailedError
    from .errors import ExhaustedIteratorWarning as ExhaustedIteratorWarning
    from .errors import FarsideError as FarsideError
    from .errors import FarsideWarning as FarsideWarning
    from .errors import FinalizerFailedWarning as FinalizerFailedWarning
    from .errors import IterableClosedError as IterableClosedError
    from .errors import NotPicklableError as NotPicklableError
    from .errors import PassOpenError as PassOpenError
    from .errors import PassSupersededError as PassSupersededError
    from .errors import ProtocolError as ProtocolError
    from .errors import RemoteTraceback as RemoteTraceback
    from .errors import WorkerAbandonedWarning as WorkerAbandonedWarning
    from .errors import WorkerDiedError as WorkerDiedError
    from .errors import WorkerFailedError as WorkerFailedError
    from .errors import WorkerInitializationError as WorkerInitializationError
    from .errors import WorkerIterationError as WorkerIterationError
    from .errors import WorkerTimeoutError as WorkerTimeoutError

    __version__: str

_ERRORS = (
    "BackendFallbackWarning",
    "BackendUnavailableError",
    "CallFailedError",
    "ExhaustedIteratorWarning",
    "FarsideError",
    "FarsideWarning",
    "FinalizerFailedWarning",
    "IterableClosedError",
    "NotPicklableError",
    "PassOpenError",
    "PassSupersededError",
    "ProtocolError",
    "RemoteTraceback",
    "WorkerAbandonedWarning",
    "WorkerDiedError",
    "WorkerFailedError",
    "WorkerInitializationError",
    "WorkerIterationError",
    "WorkerTimeoutError",
)

_HOMES = {
    "Availability": "._backends.base",
    "RemoteIterable": "._iterable",
    "SubinterpreterIterable": "._iterable",
    "SubprocessIterable": "._iterable",
    "Stats": "._stats",
    "allocate": "._transport.allocate",
    "WorkerInfo": "._worker.info",
    "available_backends": "._backends.registry",
    "get_worker_info": "._worker.info",
    "iterate_in_subinterpreter": "._api",
    "iterate_in_subprocess": "._api",
    "iterate_in_worker": "._api",
    "register_backend": "._backends.registry",
    **dict.fromkeys(_ERRORS, ".errors"),
}

_MODULES = ("numpy",)
"""Not among the names for ``import *``: it would hide the real one."""

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604  one list of names; a test checks it


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("farside")
    elif name in _HOMES or name in _MODULES:
        from importlib import import_module

        value = import_module(_HOMES.get(name, f".{name}"), __name__)
        if name in _HOMES:
            value = getattr(value, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
