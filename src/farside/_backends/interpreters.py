"""One interface to `concurrent.interpreters` (3.14+) and to the backport (3.13).

Used here: ``create()``, ``list_all()``, and ``id``, ``prepare_main()`` (of plain data, which it
copies), ``exec()`` and ``close()`` of an interpreter. Not used, for the reasons in the
documentation: queues, ``call()``, sharing of objects.
"""

from __future__ import annotations

import sys
import threading
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .._system.monkey_patches import patched
from .base import Availability

_BACKPORT = "interpreters_backport"
STACK_BYTES = 1 << 18
"""The stack that a thread needs to host an interpreter: 64 KiB do not suffice in Python 3.14, and
128 do."""


def availability() -> Availability:
    """Return whether this interpreter can have subinterpreters, without importing their module."""
    reason = _lacking_in_python() or _wrong_with_process()
    if reason:
        return Availability(usable=False, reason=reason)
    if sys.version_info < (3, 14):
        return Availability(usable=True, reason="the backport interpreters-pep-734")
    return Availability(usable=True, reason="concurrent.interpreters of the standard library")


def _lacking_in_python() -> str:
    version = "{}.{}".format(*sys.version_info)
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name} has no PEP 734 subinterpreters"
    if sys.version_info < (3, 13):
        return f"Python {version} has no PEP 734 subinterpreters; 3.14 has"
    if sys.version_info < (3, 14) and find_spec(_BACKPORT) is None:
        return f"Python {version} needs the backport: pip install interpreters-pep-734"
    return ""


def _wrong_with_process() -> str:
    if inside():
        return "a subinterpreter cannot have subinterpreters"
    if hasattr(sys, "_MEIPASS"):
        return "PyInstaller keeps modules where a subinterpreter does not look for them"
    if patched("thread"):
        return f"{patched('thread')} has replaced the threads, one of which each needs"
    # `_tracemalloc`, since to import `tracemalloc` would cost more than this check is worth.
    if sys.version_info[:2] == (3, 14) and import_module("_tracemalloc").is_tracing():
        return "Python 3.14 crashes where an interpreter is made while tracemalloc traces"
    size = threading.stack_size()  # this also sets it to 0, the default
    threading.stack_size(size)
    if 0 < size < STACK_BYTES:
        return (
            f"threads have a stack of {size} bytes, too small for an interpreter; set "
            f"{STACK_BYTES} or more by threading.stack_size()"
        )
    return ""


def has_pytorch() -> bool:
    """Return whether this program can use PyTorch."""
    # PyTorch cannot train in a process that has had a subinterpreter. Its ``backward()`` refuses to
    # run while the thread holds the GIL, as reported by ``PyGILState_Check()``. From the first
    # subinterpreter on, that function says yes in every thread, for good.
    return sys.modules.get("torch") is not None or _finds_pytorch()


@cache
def _finds_pytorch() -> bool:
    spec = find_spec("torch")
    return spec is not None and spec.origin is not None  # else it is a folder of that name


def inside() -> bool:
    low_level = _low_level()
    return low_level is not None and low_level.get_current()[0] != 0


def alive() -> bool:
    low_level = _low_level()
    return low_level is not None and len(low_level.list_all()) > 1


def _low_level() -> Any:
    # The public modules are built on this one, and cost more to import than this check is worth.
    return import_module("_interpreters") if sys.version_info >= (3, 13) else None


def module() -> Any:  # two modules of the same shape, without a common type
    """Import the module that offers subinterpreters in this version of Python."""
    if sys.version_info >= (3, 14):
        return import_module("concurrent.interpreters")
    # Importing datetime in two subinterpreters at once kills a 3.13 process, unless the main
    # interpreter has imported it before.
    import_module("datetime")
    return import_module(f"{_BACKPORT}.interpreters")
