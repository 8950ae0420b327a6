"""One face over `concurrent.interpreters` (3.14+) and the backport (3.13).

Used here: ``create()``, ``list_all()``, and ``id``, ``exec()`` and ``close()`` of an interpreter.
Not used, for the reasons in the documentation: queues, ``call()``, sharing of objects.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .base import Availability

_BACKPORT = "interpreters_backport"


def availability() -> Availability:
    """Tell whether this interpreter can have subinterpreters, without importing their module."""
    version = "{}.{}".format(*sys.version_info)
    reason = ""
    if sys.platform == "win32":
        reason = "Windows is not supported yet"
    elif sys.implementation.name != "cpython":
        reason = f"{sys.implementation.name} has no PEP 734 subinterpreters"
    elif sys.version_info < (3, 13):
        reason = f"Python {version} has no PEP 734 subinterpreters; 3.14 has"
    elif inside():
        reason = "a subinterpreter cannot have subinterpreters"
    elif sys.version_info < (3, 14) and find_spec(_BACKPORT) is None:
        reason = f"Python {version} needs the backport: pip install interpreters-pep-734"
    if reason:
        return Availability(usable=False, reason=reason)
    if sys.version_info < (3, 14):
        return Availability(usable=True, reason="the backport interpreters-pep-734")
    return Availability(usable=True, reason="concurrent.interpreters of the standard library")


def inside() -> bool:
    """Tell whether this code runs in a subinterpreter."""
    low_level = _low_level()
    return low_level is not None and low_level.get_current()[0] != 0


def alive() -> bool:
    """Tell whether any subinterpreter lives in this process."""
    low_level = _low_level()
    return low_level is not None and len(low_level.list_all()) > 1


def _low_level() -> Any:
    # What the public modules stand on: they cost more to import than such an answer is worth.
    return import_module("_interpreters") if sys.version_info >= (3, 13) else None


def module() -> Any:  # two modules of the same shape, without a common type
    """Import what offers subinterpreters here."""
    if sys.version_info >= (3, 14):
        return import_module("concurrent.interpreters")
    # Importing datetime in two subinterpreters at once kills a 3.13 process, unless the main
    # interpreter has imported it before.
    import_module("datetime")
    return import_module(f"{_BACKPORT}.interpreters")
