"""``check``: can these modules be loaded in a subinterpreter here?"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .._backends.registry import available_backends
from . import output
from .errors import CommandError
from .probe import ask

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 4
"""Names of extension modules that are shown; there may be dozens."""


def run(modules: Sequence[str], *, as_json: bool) -> int:
    """Check modules, print what was found, and return the exit code."""
    state = available_backends()["subinterpreter"]
    if not state.usable:
        raise CommandError(f"there are no subinterpreters here: {state.reason}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        if not _exists(module):
            raise CommandError(f"there is no module {module}; install it, or check its name")
    found = {module: look(module) for module in modules}
    if as_json:
        output.print_json(found)
    else:
        output.table(
            "In a subinterpreter",
            ("module", "result", ""),
            [(name, each["result"], each["detail"]) for name, each in found.items()],
        )
    return int(any(each["result"] != "loads" for each in found.values()))


def look(module: str) -> dict[str, Any]:
    """Load a module in a subinterpreter of a process of its own.

    Returns:
        ``result``: ``"loads"``, ``"loads in part"`` (without some of its extension modules),
        ``"does not load"``, or ``"fails"`` (in the main interpreter too). ``detail``: why.
        ``missing``: the extension modules that it did without.
    """
    told = ask({"kind": "import", "module": module})
    if told.get("everywhere"):
        return _found("fails", f"in the main interpreter too: {told['error']}")
    if told["error"]:
        return _found("does not load", told.get("reason") or told["error"])
    missing = told["missing"]
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
        return _found(
            "loads in part",
            f"without {shown}: it runs as slower pure Python there, or fails when it is used",
            missing,
        )
    return _found("loads", "")


def _found(result: str, detail: str, missing: Sequence[str] = ()) -> dict[str, Any]:
    return {"result": result, "detail": detail, "missing": list(missing)}


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
