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
    """Tell whether this Python can have subinterpreters, without importing their module."""
    version = "{}.{}".format(*sys.version_info)
    if sys.platform == "win32":
        return Availability(usable=False, reason="Windows is not supported yet")
    if sys.implementation.name != "cpython":
        return Availability(
            usable=False, reason=f"{sys.implementation.name} has no PEP 734 subinterpreters"
        )
    if sys.version_info >= (3, 14):
        return Availability(usable=True, reason="concurrent.interpreters of the standard library")
    if sys.version_info < (3, 13):
        return Availability(
            usable=False, reason=f"Python {version} has no PEP 734 subinterpreters; 3.14 has"
        )
    if find_spec(_BACKPORT) is None:
        return Availability(
            usable=False,
            reason=f"Python {version} needs the backport: pip install interpreters-pep-734",
        )
    return Availability(usable=True, reason="the backport interpreters-pep-734")


def module() -> Any:  # two modules of the same shape, without a common type
    """Import what offers subinterpreters here."""
    if sys.version_info >= (3, 14):
        return import_module("concurrent.interpreters")
    # Importing datetime in two subinterpreters at once kills a 3.13 process, unless the main
    # interpreter has imported it before.
    import_module("datetime")
    return import_module(f"{_BACKPORT}.interpreters")
