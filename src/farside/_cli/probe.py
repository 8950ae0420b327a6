"""Tries one thing, in a process of its own: a crash or a hang of it is a result.

``python -m farside._cli.probe FD REQUEST`` carries out a request and writes the result to a file
descriptor, both as JSON; so what user code prints is not taken for it. `ask` starts that.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from farside import NotPicklableError

PATIENCE = 30.0
"""Seconds that a worker may take to start, or over an item."""

_NEAR = 1000
"""Items that are made once more to find what is wrong with the next."""


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out a request in a process of its own; return the result.

    Returns:
        What the request gives; ``{"error": text}`` if that is an exception, a crash or a hang.
    """
    import subprocess

    read, write = os.pipe()
    try:
        with subprocess.Popen(  # noqa: S603  this very module
            [sys.executable, "-m", __name__, str(write), json.dumps(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[write],
        ) as process:
            os.close(write)
            write = -1
            limit = 2 * PATIENCE + 3 * float(request.get("seconds", 0))
            try:
                _, stderr = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                process.kill()
                return {"error": f"it hangs: no end within {limit:.0f} s"}
            finally:
                if sys.exc_info()[0] is not None:
                    process.kill()
        with open(read, "rb") as results:
            read = -1
            text = results.read()
    finally:
        for fd in (read, write):
            if fd >= 0:
                os.close(fd)
    if text:
        result: dict[str, Any] = json.loads(text)
        return result
    return {"error": _how_it_ended(process.returncode, stderr)}


def _how_it_ended(code: int, stderr: bytes) -> str:
    if code < 0:
        return f"it crashes: the process was killed by {signal.Signals(-code).name}"
    last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return f"it ends the process with exit code {code}{': ' if last else ''}{last}"


def main(fd: int, request: dict[str, Any]) -> None:
    """Carry out a request in this process."""
    try:
        result = _KINDS[request.pop("kind")](**request)
    except Exception as error:
        result = _failure(error)
    with open(fd, "w") as results:
        json.dump(result, results)


def _failure(error: Exception) -> dict[str, Any]:
    from farside import FarsideError, WorkerFailedError

    message = " ".join(str(error).split())
    if not isinstance(error, FarsideError) or isinstance(error, WorkerFailedError):
        name = getattr(error, "original_type", "") or type(error).__name__
        message = f"{name}: {message}"
    return {"error": message, "reason": getattr(error, "reason", "")}


def _run(factory: str, backend: str | None, seconds: float) -> dict[str, Any]:
    """Measure a factory on a backend, or in this very loop."""
    from farside import NotPicklableError

    from . import measure
    from .factory import load

    fn = load(factory)
    if backend is None:
        return measure.plainly(fn, seconds)
    try:
        return measure.on_backend(fn, backend, seconds)
    except NotPicklableError as error:
        return {"error": _why_no_item(fn, error)}


def _why_no_item(fn: Callable[[], Iterable[Any]], error: NotPicklableError) -> str:
    """Make the item once more, here, to see which part of it does not pickle."""
    from itertools import islice

    from .factory import why_unpicklable

    index = error.item_index
    if index is not None and index < _NEAR:
        for item in islice(fn(), index, index + 1):
            return why_unpicklable(item, f"the item of index {index}") or str(error)
    return str(error)


def _import(module: str) -> dict[str, Any]:
    """Import a module in a subinterpreter, and then here: which extension modules are missing?"""
    from functools import partial

    from farside import iterate_in_subinterpreter

    from .extensions import after_import, loaded

    before = loaded()  # by what starts with Python: a tool that measures coverage, say

    try:
        fn = partial(after_import, module)
        with iterate_in_subinterpreter(fn, fallback=None, timeout=PATIENCE) as names:
            inside = set(names)
    except Exception as error:
        result = _failure(error)
    else:
        result = {"error": "", "missing": []}
    try:
        outside = set(after_import(module))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "everywhere": True}
    if not result["error"]:
        result["missing"] = sorted(outside.difference(inside, before))
    return result


_KINDS: dict[str, Callable[..., dict[str, Any]]] = {"run": _run, "import": _import}

if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
