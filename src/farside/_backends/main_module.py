"""The parent's main module: how a worker can import it, and how to keep it from doing so."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

from .._transport.interrupts import with_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_TRACES = ("__file__", "__spec__")
"""By what multiprocessing finds the main module."""


def main_module() -> tuple[str | None, str | None]:
    """Find how a worker can import the main module: by name, by path, or (None, None) not at all.

    The rules are those of multiprocessing: an interactive session, ``python -c``, standard input
    and a package's ``__main__`` cannot be imported again.
    """
    return with_lock(_hiding, _find)


def _find() -> tuple[str | None, str | None]:
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return (None if name == "__main__" or name.endswith(".__main__") else name), None
    path = getattr(main, "__file__", None)
    if path is None or not os.path.isfile(path):  # "<stdin>" is no path
        return None, None
    return None, os.path.abspath(path)


def with_main_hidden(work: Callable[[], T], *, always: bool) -> T:
    """Start a process that multiprocessing does not let import the main module.

    A script that comes from standard input has ``"<stdin>"`` for its file, and every spawned
    process would fail to open that. And where a worker has an environment of its own, the main
    module is imported only after that is there, by the job.

    One process starts at a time: what one thread hides, another one must not miss.

    Args:
        work: what starts the process.
        always: hide the main module even if it can be imported.

    Returns:
        What the work returns.
    """
    return with_lock(_hiding, lambda: _work_with_main_hidden(work, always=always))


def _work_with_main_hidden(work: Callable[[], T], *, always: bool) -> T:
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if main is None or not (always or (path is not None and not os.path.exists(path))):
        return work()
    hidden = {name: main.__dict__.pop(name) for name in _TRACES if name in main.__dict__}
    main.__spec__ = None
    try:
        return work()
    finally:
        main.__dict__.update(hidden)


_hiding = threading.RLock()  # a signal handler may start a worker in the middle of a start


def _renew_lock() -> None:
    global _hiding  # noqa: PLW0603  a forked process never gets it released
    _hiding = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
