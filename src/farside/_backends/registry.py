"""Knows the backends by name, whether each can be used here, and which one to choose."""

from __future__ import annotations

import sys
from errno import EMFILE, ENFILE
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from .._in_c import FREE_THREADED
from .._link.base import Link
from ..errors import BackendUnavailableError
from .base import Availability, Backend, CutOffError, Worker, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._parent.options import Options

_BACKENDS: dict[str, str | type[Backend]] = {
    "subinterpreter": "farside._backends.subinterpreter:SubinterpreterBackend",
    "subprocess": "farside._backends.subprocess:SubprocessBackend",
    "inline": "farside._backends.inline:InlineBackend",
    "ray": "farside._backends.ray.backend:RayBackend",
}
"""Maps a name to the class, or to where it is: a backend is imported when it is first needed."""

_NOT_ON_WINDOWS = ("subinterpreter", "subprocess", "ray")
PYTORCH = "PyTorch is installed, and cannot train in a process that has had a subinterpreter"

_BREAKS_PYTORCH = (
    "PyTorch cannot train in a process that has had a subinterpreter: from now on, backward() "
    "raises 'The autograd engine was called while holding the GIL'; pass backend='subprocess', "
    "unless this program only infers"
)

AUTOMATIC = ("subinterpreter", "subprocess")
"""What ``"auto"`` takes, in the order in which it prefers them."""


class Choice(NamedTuple):
    name: str
    reason: str
    warning: str = ""  # what it breaks in this program


def names() -> tuple[str, ...]:
    return tuple(_BACKENDS)


def register_backend(name: str, backend: str | type[Backend]) -> None:
    """Make a backend of your own known, so that ``iterate_in_worker(fn, backend=name)`` takes it.

    ``"auto"`` never takes it. `farside.backends` has what such a class is made of, and
    `farside.testing.BackendContract` checks it. If its ``availability`` says that it cannot be used
    here, ``fallback`` takes over, unless its workers run on other machines. A class that cannot be
    imported is an error, and no ``fallback`` takes over: the name may be mistyped.

    Args:
        name: what to call it.
        backend: the class, a `farside.backends.Backend`; or where it is, as ``"module:Class"``:
            it is then imported when it is needed.

    Raises:
        TypeError: an argument is of the wrong type, or the class is no backend.
        ValueError: the name is taken, or ``backend`` is not of the form ``"module:Class"``.

    Example:
        >>> import farside
        >>> farside.register_backend("cluster", "my_cluster.backend:ClusterBackend")
    """
    if not isinstance(name, str):
        raise TypeError(f"name={name!r} is not a str; pass a name for the backend")
    if name == "auto" or name in _BACKENDS:
        raise ValueError(f"name={name!r} is taken; pass another name")
    if isinstance(backend, str):
        module, colon, attribute = backend.partition(":")
        if not (module and colon and attribute):
            raise ValueError(f"backend={backend!r} names no class; pass 'module:Class'")
    elif not isinstance(backend, type):
        raise TypeError(f"backend={backend!r} is not a class; pass a class or 'module:Class'")
    else:
        _check_class(backend)
    _BACKENDS[name] = backend


def _check_class(found: Any) -> None:
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise TypeError(f"{found!r} does not derive from farside.backends.Backend")


def load(name: str) -> type[Backend]:
    """Import a backend. Raise KeyError for an unknown name, BackendUnavailableError if it fails."""
    backend = _BACKENDS[name]
    if sys.platform == "win32" and name in _NOT_ON_WINDOWS:  # what they import is not there
        what = f"the {name} backend cannot be used"
        raise unavailable(what, "Windows is not supported yet", backend=name)
    if isinstance(backend, str):
        module, _, attribute = backend.partition(":")
        try:
            found: type[Backend] = getattr(import_module(module), attribute)
            _check_class(found)
        except Exception as error:  # whatever its module raises
            from .._payload.one_line import one_line

            reason = f"cannot be imported: {one_line(error)}"
            package = module.partition(".")[0]
            missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
            if getattr(sys, "frozen", False) and missing.partition(".")[0] == package:
                # PyInstaller finds modules by import statements, and there is none for this one.
                reason += f"; PyInstaller takes it along with --collect-submodules {package}"
            raise BackendUnavailableError(
                f"the {name} backend {reason}", backend=name, reason=reason
            ) from error
        _BACKENDS[name] = backend = found
    return backend


def is_remote(name: str) -> bool:
    """Return whether a backend's workers may run on other machines. Those of "auto" never do."""
    return name != "auto" and load(name).capabilities.remote


_LIMITS = {EMFILE: "ulimit -n", ENFILE: "sysctl fs.file-max"}  # of the process, and of all


def launch(name: str, options: Options) -> Worker:
    from . import live_workers  # not everybody who imports this starts workers

    try:
        worker = load(name)().launch(options)
    except OSError as error:
        if error.errno in _LIMITS:
            text = f"{error.strerror}: so no worker can be started; see {_LIMITS[error.errno]}"
            error.strerror, error.args = text, (error.errno, text)  # a copy is made of these
            # The shortage may soon be over, so the start of a replacement is tried again.
            raise CutOffError(error, struck=True) from error.__cause__
        raise
    try:
        # Inside the `try`, since a signal handler may strike as `isinstance` returns.
        if not isinstance(worker, Worker):
            raise TypeError(
                f"launch() of the {name} backend returned {type(worker).__name__}; let it return "
                "an object of a class that derives from farside.backends.Worker"
            )
        _check_limits(name, worker, options)
        live_workers.track(worker)
        for each in on_start:
            each(name, worker)
    except BaseException:
        if hasattr(worker, "link"):
            worker.link.close()  # the caller does not get the worker: this lets it end
        raise
    return worker


def _check_limits(name: str, worker: Worker, options: Options) -> None:
    """Refuse ``task_timeout`` if the links of the backend do not report which input runs."""
    # If nothing runs beside the loop, nothing can be cut off: see the page on inline workers.
    if options.task_timeout is None or not worker.beside:
        return
    if type(worker.link).begun is Link.begun:
        raise ValueError(
            f"task_timeout={options.task_timeout} would end nothing with backend={name!r}, whose "
            "links do not tell which input has begun; leave it out, or give its links a begun()"
        )


on_start: list[Callable[[str, Worker], object]] = []
"""Called with each worker that is started, before anybody receives from it: for recorders."""


def available_backends() -> dict[str, Availability]:
    """Tell which backends can be used in this process, and why the others cannot.

    Returns:
        For each name an ``Availability``: ``usable`` and ``reason``.

    Example:
        >>> from farside import available_backends
        >>> available_backends()["subprocess"].usable
        True
    """
    found: dict[str, Availability] = {}
    for name in names():
        try:
            found[name] = load(name).availability()
        except BackendUnavailableError as error:
            found[name] = Availability(usable=False, reason=error.reason)
    return found


def choose(
    backend: str,
    fallback: str | None,
    *,
    process: str | None = None,
    backend_options: Mapping[str, Any] = MappingProxyType({}),
) -> Choice:
    """Choose the backend for a worker. `process` names an option that needs a process, if one does.

    Raises:
        BackendUnavailableError: the backend cannot be used, and there is no fallback that can.
    """
    if backend == "auto" and process is not None:
        return Choice("subprocess", f"{process} needs a process of its own")
    if backend == "auto":
        return _choose_automatically()
    wanted = load(backend).availability_with(backend_options)
    if wanted.usable:
        breaks = backend == "subinterpreter" and sys.modules.get("torch") is not None
        return Choice(backend, "asked for", _BREAKS_PYTORCH if breaks else "")
    if fallback is not None and load(fallback).availability().usable:
        return Choice(fallback, f"the {backend} backend cannot be used: {wanted.reason}")
    others = [name for name in AUTOMATIC if name != backend and load(name).availability().usable]
    cure = f"here backend={others[0]!r} can be used" if others else ""
    what = f"the {backend} backend cannot be used"
    raise unavailable(what, wanted.reason, cure, backend=backend)


def _choose_automatically() -> Choice:
    reasons: list[str] = []
    for name in AUTOMATIC:
        state = load(name).availability()
        against = state.reason
        if state.usable:
            against = _against_subinterpreters() if name == "subinterpreter" else ""
            if not against:
                return Choice(name, "; ".join(reasons) or "the best that this Python offers")
        reasons.append(f"{name}: {against}")
    raise unavailable("no backend can be used here", "; ".join(reasons), backend="auto")


def _against_subinterpreters() -> str:
    """Return why ``"auto"`` takes no subinterpreter, though one can be used; empty: it does."""
    from .interpreters import has_pytorch  # which the backend needs anyway

    if sys.version_info < (3, 14):
        # 3.13 leaks 1.7 MiB for each interpreter made and closed, and crashes where 3.14 does not.
        # So there, users have to ask for one.
        return "preferred from Python 3.14 on"
    if FREE_THREADED:  # 3.14t keeps 5.5 MB of each interpreter that was closed
        return "a free-threaded Python does not free its memory"
    return PYTORCH if has_pytorch() else ""
