"""``check``: tells whether modules load in a subinterpreter here, or an iterable can be resumed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from .._backends.registry import available_backends
from ..errors import FarsideError
from . import CommandError, output, search_current_folder
from .probe import ask, failure

_ONE_SHOT = (
    "it has no later passes, since it returns a one-shot iterator: for these, return an object "
    "whose __iter__ makes a new iterator"
)
_SHOWN = 4  # how many names of extension modules are shown; there may be dozens


def run(given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Check modules, or an iterable; return the results, and whether all is well."""
    if given.replay is not None:
        return _check_replay(given)
    if not given.modules:
        raise CommandError("nothing to check; name modules, or an iterable with --replay")
    state = available_backends()["subinterpreter"]
    if not state.usable:
        raise CommandError(f"there are no subinterpreters here: {state.reason}")
    columns = [("module", max(map(len, given.modules))), ("result", len("does not load"))]
    made = output.Table("In a subinterpreter", columns)
    found = {}
    for module in given.modules:
        found[module] = each = examine_module(module, given.limit)
        made.row(module, each["result"], each["detail"])
    made.end()
    return found, all(each["result"] == "loads" for each in found.values())


def _check_replay(given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Print and return whether an iterable yields the same each time."""
    if given.modules:
        raise CommandError("--replay checks an iterable, and no modules; name them in another call")
    with output.step(f"import {given.replay}", given.limit):
        imported = ask({"kind": "factory", "factory": given.replay}, given.limit)
    if "error" in imported:
        raise CommandError(f"{given.replay} cannot be imported: {imported['error']}")
    from ..testing.replay import HINTS, find_difference, is_one_shot
    from .factory import load

    try:
        with (
            output.step(f"compare passes of {given.replay}: for each item", given.limit),
            output.muted(),
        ):
            fn = load(given.replay)
            found = find_difference(fn, timeout=given.limit)
            one_shot = found is None and is_one_shot(fn, timeout=given.limit)
    except FarsideError as error:
        problem = failure(error)["error"]
        raise CommandError(f"{given.replay} fails in a worker: {problem}") from error
    if found is None:
        which = "in its first pass, which" if one_shot else "each time: it"
        output.say(f"{given.replay} is the same {which} can be resumed and restarted")
        if one_shot:
            output.say(_ONE_SHOT)
        return {"same": True, "one_shot": one_shot, "difference": None}, True
    output.say(f"{given.replay} is not the same each time, from the item {found.item} on")
    output.say(HINTS[found.way])
    return {"same": False, "difference": {"way": found.way, "item": found.item}}, False


def examine_module(module: str, limit: float) -> dict[str, Any]:
    """Load a module in a subinterpreter of a process of its own, within `limit` seconds.

    The ``result`` is ``"loads"``, ``"loads in part"`` (without some of its extension modules),
    ``"does not load"``, ``"fails"`` (in the main interpreter too), or ``"not found"``. ``detail``
    says why. ``missing`` names the extension modules that the module did without.
    """
    search_current_folder()
    if not _may_exist(module):
        return _not_found(module)
    with output.step(f"import {module} in a subinterpreter", limit):
        told = ask({"kind": "import", "module": module}, limit)
    if told.get("everywhere"):
        absent = told["error"].partition("ModuleNotFoundError: No module named ")[2].split(";")[0]
        if absent and f"{module}.".startswith(f"{absent.strip(chr(39))}."):
            return _not_found(module)
        return _found("fails", f"in the main interpreter too: {told['error']}")
    if told["error"]:
        return _found("does not load", told.get("reason") or told["error"])
    missing = told["missing"]
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
        detail = f"without {shown}: it runs as slower pure Python there, or fails when it is used"
        return _found("loads in part", detail, missing)
    return _found("loads", "")


def _found(result: str, detail: str, missing: Sequence[str] = ()) -> dict[str, Any]:
    return {"result": result, "detail": detail, "missing": list(missing)}


def _not_found(module: str) -> dict[str, Any]:
    cure = "install it, or check its name"
    if os.path.isfile(module):
        cure = "write the name of a module, without the folder and .py"
    return _found("not found", f"there is no module {module}; {cure}")


def _may_exist(module: str) -> bool:
    """Look for the outermost package only: a search for a submodule would import the package."""
    try:
        return find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False
