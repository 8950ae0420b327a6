"""``doctor``: tells what works here, and how a factory does on each backend."""

from __future__ import annotations

import argparse
from typing import Any

from .._parent.stats import size_text
from .._payload.pickling import has_cloudpickle
from . import output
from .advice import recommend
from .bench import measure
from .check import examine_module
from .probe import ask
from .surroundings import describe

_BACKENDS = ("subprocess", "subinterpreter")
_IMPORTS = 4  # beside its limit, a step may take so many times as long as import and arguments did
_LONG_SECONDS = 0.1  # arguments that take so long to make are mentioned


def run(given: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Examine this machine and a factory; return the results, and whether a worker works."""
    found = describe()
    _print_surroundings(found)
    usable = [each for each in _BACKENDS if found["backends"][each]["usable"]]
    works = bool(usable)
    if given.factory is not None:
        found["factory"] = examine(given, usable)
        works = any("items" in found["factory"]["runs"].get(each, ()) for each in _BACKENDS)
    return found, works


def examine(given: argparse.Namespace, usable: list[str]) -> dict[str, Any]:
    """Try a factory on the usable backends; print the results as they come, and return them."""
    name = given.factory
    with output.step(f"import {name}", given.limit):
        found = ask({"kind": "factory", "factory": name}, given.limit)
    if "error" in found:
        return _cannot_be_imported(name, found["error"])
    # Each step imports the factory anew, and some steps do so twice.
    limit = given.limit + _IMPORTS * (found["import_seconds"] + found["arguments_seconds"])
    imports = _look_at(name, found, limit, look_inside="subinterpreter" in usable)
    backends = [None, *usable] if found["pickles"] else [None]
    told = measure(
        [(backend or "without a worker", name, backend) for backend in backends],
        "How fast it is",
        seconds=given.seconds,
        limit=limit,
    )
    runs = {backend or "none": each for backend, each in zip(backends, told, strict=True)}
    for backend in usable:
        runs.setdefault(backend, {"error": found["pickle_problem"]})
    found = {"name": name, **found, "imports": imports, "runs": runs}
    advice = recommend(found)
    found["recommendation"] = " ".join(advice)
    for each in advice:
        output.paragraph(each)
    return found


def _cannot_be_imported(name: str, error: str) -> dict[str, Any]:
    problem = f"it cannot be imported: {error}"
    output.table(f"The factory {name}", [("can be sent to a worker", f"no: {problem}")])
    recommendation = f"No worker has run it: {problem}."
    output.paragraph(recommendation)
    told = {"name": name, "pickles": False, "pickle_problem": problem}
    return {**told, "imports": {}, "runs": {}, "recommendation": recommendation}


def _look_at(
    name: str, found: dict[str, Any], limit: float, *, look_inside: bool
) -> dict[str, Any]:
    """Print what is known of a factory; return what its module does in a subinterpreter."""
    module = found.pop("module")
    label = f"{module}, in a subinterpreter" if module is not None and look_inside else ""
    wide = max(len("can be sent to a worker"), len(label))
    made = output.Table(f"The factory {name}", [("", wide)])
    made.row("its import takes", output.duration(found["import_seconds"]))
    if found["arguments_seconds"] >= _LONG_SECONDS:
        made.row("its arguments take", output.duration(found["arguments_seconds"]))
    made.row("can be sent to a worker", _how_it_pickles(found))
    imports: dict[str, Any] = {}
    if label:
        imports[module] = each = examine_module(module, limit)
        made.row(label, _told(each["result"], each["detail"]))
    made.end()
    return imports


def _told(result: str, detail: str) -> str:
    return f"{result}: {detail}" if detail else result


def _how_it_pickles(found: dict[str, Any]) -> str:
    problem = found["pickle_problem"]
    if problem is None:
        return "yes"
    if found["pickles"]:
        return f"by cloudpickle only: {problem}"
    cure = "" if has_cloudpickle() else "; installing cloudpickle may help"
    return f"no: {problem}{cure}"


def _print_surroundings(found: dict[str, Any]) -> None:
    python, limits, automatic = found["python"], found["limits"], found["automatic"]
    memory, files, pipe = limits["memory_limit"], limits["open_files"], limits["pipe_bytes"]
    gil = "" if python["gil"] else ", without a GIL"
    output.table(
        "This machine",
        [
            ("farside", found["farside"] or "not installed, imported from a folder"),
            ("Python", f"{python['implementation']} {python['version']}{gil}"),
            ("executable", python["executable"]),
            ("platform", found["platform"]),
            ("processors", str(found["processors"])),
            ("memory limit", "none" if memory is None else size_text(memory)),
            ("open files", "no limit" if files is None else f"{files} at most"),
            ("large pipes", "unknown" if pipe is None else f"{size_text(pipe)} at most"),
            ("arena", f"{limits['arena']}, {size_text(limits['arena_bytes'])} by default"),
            *((name, each or "not installed") for name, each in found["packages"].items()),
        ],
    )
    rows = [
        (name, _told("yes" if each["usable"] else "no", each["reason"]))
        for name, each in found["backends"].items()
    ]
    taken = f"{automatic['backend'] or 'none'}: {automatic['reason']}"
    output.table("Backends", [*rows, ("'auto' takes", taken)])
