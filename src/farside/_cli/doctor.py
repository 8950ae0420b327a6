"""``doctor``: what works here, and what becomes of a factory on each backend."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .._transport.codec import dumps_by_value, has_cloudpickle
from . import output
from .advice import recommend
from .check import look
from .factory import load, why_unpicklable
from .probe import ask
from .surroundings import describe

if TYPE_CHECKING:
    from collections.abc import Callable

_BACKENDS = ("subprocess", "subinterpreter")


def run(factory: str | None, seconds: float, *, as_json: bool) -> int:
    """Look at this machine and at a factory, print what was found, and return the exit code."""
    fn = None if factory is None else load(factory)
    found = describe()
    if factory is not None and fn is not None:
        found["factory"] = examine(factory, fn, seconds, found["backends"])
    if as_json:
        output.print_json(found)
    else:
        _print_surroundings(found)
        if factory is not None:
            _print_factory(found["factory"])
    return _exit_code(found)


def examine(
    name: str, fn: Callable[[], Any], seconds: float, backends: dict[str, Any]
) -> dict[str, Any]:
    """Find out what becomes of a factory.

    Args:
        name: of the factory.
        fn: the factory.
        seconds: how long each measurement takes.
        backends: which ones can be used here, see `surroundings.describe`.
    """
    problem = why_unpicklable(fn, "fn")
    pickles = problem is None or _pickles_by_value(fn)
    usable = [each for each in _BACKENDS if backends[each]["usable"]]
    request = {"kind": "run", "factory": name, "seconds": seconds}
    runs = {"none": ask({**request, "backend": None})}
    for backend in usable:
        runs[backend] = ask({**request, "backend": backend}) if pickles else {"error": problem}
    found: dict[str, Any] = {
        "name": name,
        "pickles": pickles,
        "pickle_problem": problem,
        "imports": {each: look(each) for each in _modules(fn)}
        if "subinterpreter" in usable
        else {},
        "runs": runs,
    }
    return {**found, "recommendation": recommend(found)}


def _pickles_by_value(fn: Any) -> bool:
    try:
        return dumps_by_value(fn) is not None
    except Exception:  # user code
        return False


def _modules(fn: Any) -> list[str]:
    """Name the modules that a worker imports for a factory."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__module__", None) or type(fn).__module__
    return [] if name in {"builtins", "__main__"} else [name]


def _exit_code(found: dict[str, Any]) -> int:
    factory = found.get("factory")
    if factory is None:
        return int(not any(found["backends"][each]["usable"] for each in _BACKENDS))
    return int(not any("items" in factory["runs"].get(each, ()) for each in _BACKENDS))


def _print_surroundings(found: dict[str, Any]) -> None:
    python, limits = found["python"], found["limits"]
    memory, files, pipe = limits["memory_limit"], limits["open_files"], limits["pipe_bytes"]
    gil = "" if python["gil"] else ", without a GIL"
    output.table(
        "This machine",
        ("", ""),
        [
            ("farside", found["farside"] or "not installed, imported from a folder"),
            ("Python", f"{python['implementation']} {python['version']}{gil}"),
            ("executable", python["executable"]),
            ("platform", found["platform"]),
            ("processors", str(found["processors"])),
            ("memory limit", "none" if memory is None else output.size(memory)),
            ("open files", "no limit" if files is None else f"{files} at most"),
            ("large pipes", "unknown" if pipe is None else f"{output.size(pipe)} at most"),
            ("arena", f"{limits['arena']}, {output.size(limits['arena_bytes'])} by default"),
            *((name, each or "not installed") for name, each in found["packages"].items()),
        ],
    )
    output.table(
        "Backends",
        ("", "", ""),
        [
            (name, "yes" if each["usable"] else "no", each["reason"])
            for name, each in found["backends"].items()
        ],
    )


def _print_factory(found: dict[str, Any]) -> None:
    problem = found["pickle_problem"]
    if problem is None:
        pickles = "yes"
    elif found["pickles"]:
        pickles = f"by cloudpickle only: {problem}"
    else:
        cure = "" if has_cloudpickle() else "; installing cloudpickle may help"
        pickles = f"no: {problem}{cure}"
    rows = [("can be sent to a worker", pickles)]
    for module, each in found["imports"].items():
        detail = f": {each['detail']}" if each["detail"] else ""
        rows.append((f"{module}, in a subinterpreter", f"{each['result']}{detail}"))
    output.table(f"The factory {found['name']}", ("", ""), rows)
    output.table(
        "How fast it is",
        ("", "start", "items/s", "bytes/s", ""),
        [_run_row(name, each) for name, each in found["runs"].items()],
        numbers=(1, 2, 3),
    )
    output.text(found["recommendation"])


def _run_row(name: str, told: dict[str, Any]) -> tuple[str, ...]:
    label = "without a worker" if name == "none" else name
    if "items" not in told:
        return label, "", "", "", told.get("reason") or told["error"]
    seconds = told["seconds"]
    nbytes = "" if told["nbytes"] is None else output.rate(told["nbytes"] / seconds)
    return (
        label,
        f"{told['startup'] * 1000:.0f} ms",
        output.rate(told["items"] / seconds),
        nbytes,
        f"{told['items']:,} item{'s' * (told['items'] != 1)} in {seconds:.1f} s",
    )
