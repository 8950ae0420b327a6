"""Which backends there are, whether they can be used here, and which one to take."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BackendUnavailableError

if TYPE_CHECKING:
    from .base import Availability, Backend

_BACKENDS = {
    "subinterpreter": "farside._backends.subinterpreter:SubinterpreterBackend",
    "subprocess": "farside._backends.subprocess:SubprocessBackend",
}
"""Name to class; a backend is imported when it is first asked about."""

NAMES = tuple(_BACKENDS)
"""Every backend's name, in the order in which ``"auto"`` prefers them."""


class Choice(NamedTuple):
    """A backend, and why it was taken."""

    name: str
    reason: str


def load(name: str) -> type[Backend]:
    """Import a backend.

    Raises:
        KeyError: there is none of this name.
    """
    module, _, attribute = _BACKENDS[name].partition(":")
    backend: type[Backend] = getattr(import_module(module), attribute)
    return backend


def available_backends() -> dict[str, Availability]:
    """Tell which backends can be used in this process, and why the others cannot.

    Returns:
        For each name an ``Availability``: ``usable`` and ``reason``.

    Example:
        >>> from farside import available_backends
        >>> available_backends()["subprocess"].usable
        True
    """
    return {name: load(name).availability() for name in NAMES}


def choose(backend: str, fallback: str | None) -> Choice:
    """Pick the backend for a worker.

    Args:
        backend: a backend's name, or ``"auto"``.
        fallback: what to take when `backend` cannot be used; None takes nothing.

    Raises:
        BackendUnavailableError: the backend cannot be used, and there is no fallback that can.
    """
    if backend == "auto":
        return _choose_automatically()
    wanted = load(backend).availability()
    if wanted.usable:
        return Choice(backend, "asked for")
    if fallback is not None and load(fallback).availability().usable:
        return Choice(fallback, f"the {backend} backend cannot be used: {wanted.reason}")
    raise unavailable(backend, wanted.reason)


def unavailable(backend: str, reason: str) -> BackendUnavailableError:
    """Make the error that says why a backend cannot be used, and what helps."""
    others = [name for name, state in available_backends().items() if state.usable]
    others = [name for name in others if name != backend]
    cure = f"; here backend={others[0]!r} can be used" if others else ""
    return BackendUnavailableError(
        f"the {backend} backend cannot be used: {reason}{cure}", backend=backend, reason=reason
    )


def _choose_automatically() -> Choice:
    reasons = []
    for name in NAMES:
        state = load(name).availability()
        if not state.usable:
            reasons.append(f"{name}: {state.reason}")
        elif name == "subinterpreter" and sys.version_info < (3, 14):
            # 3.13 leaks 1.7 MiB for each interpreter made and closed, and crashes where 3.14
            # does not; there it is for who asks for it.
            reasons.append("subinterpreter: preferred from Python 3.14 on")
        else:
            return Choice(name, "; ".join(reasons) or "the best that this Python offers")
    raise BackendUnavailableError(
        f"no backend can be used here: {'; '.join(reasons)}", backend="auto"
    )
