"""Tries one thing in a process of its own, so that a crash or a hang becomes a result.

``python -m farside._cli.probe REQUEST LIMIT FD`` carries out a request and writes the result to the
standard output, both as JSON. What user code prints there goes nowhere. `ask` starts that process,
and holds the other end of the pipe FD: if the caller of `ask` ends, the process ends too.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter, process_time, thread_time
from typing import Any

from .._system.process_states import signal_name
from . import CommandError

_LATE = 5.0  # seconds after its limit at which a process that does not end itself is killed
_MUCH = 0.1  # threads are compared if they have computed for more than this share of the time
_OUT_OF_TIME = re.compile(r"Timeout \([\d:.]+\)!$", re.MULTILINE)  # printed by faulthandler
_WARNING = re.compile(r"Warning: |warnings\.warn\(")
_FRAME = re.compile(r'File "(.+?)", line (\d+),? in (\S+)')
_NOT_OF_USER = ("<", os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(__file__)))


def ask(request: dict[str, Any], limit: float) -> dict[str, Any]:
    """Carry out a request, a ``kind`` with its arguments, in a process of its own.

    Returns the result; or ``{"error": text}`` after an exception, a crash or a hang. Raises
    CommandError if the request cannot be carried out.
    """
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        lifeline, own = os.pipe()
        try:
            code = subprocess.run(  # noqa: S603  this very module
                [sys.executable, "-m", __name__, json.dumps(request), str(limit), str(lifeline)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(lifeline,),
                timeout=limit + _LATE,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return {"error": _no_end(limit)}
        finally:
            os.close(lifeline)
            os.close(own)
        out.seek(0)
        text = out.read()
        err.seek(0)
        said = err.read().decode(errors="replace").strip()
    if not text:
        return {"error": _how_it_ended(code, said, limit)}
    result: dict[str, Any] = json.loads(text)
    if "refused" in result:
        raise CommandError(result["refused"])
    return result


def _how_it_ended(code: int, said: str, limit: float) -> str:
    if code < 0:
        return f"it crashes: the process was killed by {signal_name(-code)}"
    _, *stacks = _OUT_OF_TIME.split(said)
    if stacks:  # a stack begins with its innermost call; the main thread's stack comes last
        return _no_end(limit) + _place(stacks[-1].rpartition("Thread ")[2])
    # A warning, such as the resource tracker's about leaks, is not why the process has ended.
    lines = [""] + [each for each in said.splitlines() if not _WARNING.search(each)]
    last = lines[-1]
    return f"it ends the process with exit code {code}{': ' if last else ''}{last}"


def _no_end(limit: float) -> str:
    return f"it did not end within {limit:.0f} s (see --limit)"


def _place(stack: str, *, innermost: int = 0) -> str:
    """Return the place of the user's code in a stack, as the end of a sentence."""
    found = [each for each in _FRAME.findall(stack) if not each[0].startswith(_NOT_OF_USER)]
    return ", in {2}, {0}:{1}".format(*found[innermost]) if found else ""


def main(request: dict[str, Any], limit: float, lifeline: int) -> None:
    import faulthandler

    from .._worker.lifeline import tie

    tie(lifeline)
    faulthandler.dump_traceback_later(limit, exit=True)
    results = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    own, code = os.getpid(), 1
    try:
        result = _KINDS[request.pop("kind")](**request, limit=limit)
    except CommandError as error:
        result = {"refused": str(error)}
    except SystemExit as error:
        code = int(bool(error.code))
        raise
    except Exception as error:
        result = failure(error)
    finally:
        # A child that user code has forked has no result. At its exit, Python would wait for ever
        # for the thread of faulthandler, which the child does not have.
        if os.getpid() != own:
            os._exit(code)
    with open(results, "w") as file:
        json.dump(result, file)


def failure(error: Exception) -> dict[str, Any]:
    """Describe an exception in one line: what it is, and where in the user's code."""
    import traceback

    from .. import errors

    message = " ".join(str(error).split())
    if isinstance(error, errors.WorkerTimeoutError):
        message = message.partition("; it was here")[0]
        message += _place(error.worker_stack or "", innermost=-1)
    elif isinstance(error, errors.WorkerDiedError):
        message = message.partition("; with max_restarts")[0]  # the command has no such option
    elif not isinstance(error, errors.FarsideError) or isinstance(error, errors.WorkerFailedError):
        name = getattr(error, "original_type", "") or type(error).__name__
        message = f"{name}: {message}"
        stack = getattr(error, "remote_traceback", "")
        stack = stack or "".join(traceback.format_tb(error.__traceback__))
        message += _place(stack, innermost=-1)
    reason = error.reason if isinstance(error, errors.BackendUnavailableError) else ""
    return {"error": message, "reason": reason}


def _factory(factory: str, limit: float) -> dict[str, Any]:  # noqa: ARG001
    """Import a factory; find out whether it pickles, and which module a worker imports for it."""
    from .factory import can_be_sent, import_module_of, load, module_of, why_unpicklable

    begin = perf_counter()
    import_module_of(factory)
    imported = perf_counter()
    fn = load(factory)
    made = perf_counter()
    problem = why_unpicklable(fn)
    return {
        "import_seconds": imported - begin,
        "arguments_seconds": made - imported,
        "pickles": problem is None or can_be_sent(fn),
        "pickle_problem": problem,
        "module": module_of(fn),
    }


def _run(factory: str, backend: str | None, seconds: float, limit: float) -> dict[str, Any]:
    """Measure a factory on a backend, or without a worker if that is None."""
    from farside import iterate_in_worker

    from .factory import Passes, load

    fn = partial(Passes, load(factory))
    begin = perf_counter()
    if backend is None:
        iterable = fn()
        return {"startup": perf_counter() - begin, **loop(iterable, seconds)}
    with iterate_in_worker(fn, backend=backend, fallback=None, timeout=limit / 2) as items:
        found = {"startup": perf_counter() - begin, **loop(items, seconds)}
        stats = items.stats()
    return {**found, "nbytes": stats.bytes, "waited": stats.parent_wait_seconds}


def loop(iterable: Iterable[Any], seconds: float) -> dict[str, Any]:
    """Loop pass by pass until the time is up or a pass is empty; return what was measured."""
    items = passes = 0
    first = None
    whole, own = process_time(), thread_time()
    now = begin = perf_counter()
    end = begin + seconds
    while now < end:
        before = items
        for _ in iterable:
            items += 1
            now = perf_counter()
            if first is None:
                first = now - begin
            if now >= end:
                break
        if items == before:
            break
        passes += 1
    taken = max(now - begin, 1e-9)
    own = thread_time() - own
    others = process_time() - whole - own
    cores = 1.0
    if own > _MUCH * taken < others:  # compared to this thread: on a busy machine, all get less
        cores += others / own
    elif others > taken:  # this thread waits for the others
        cores = others / taken
    return {"items": items, "passes": passes, "seconds": taken, "first": first, "cores": cores}


def _import(module: str, limit: float) -> dict[str, Any]:
    """Import a module in a subinterpreter, and then here; find out which extensions it lacks."""
    from farside import iterate_in_subinterpreter

    from .._payload.one_line import one_line
    from .jobs import after_import, loaded

    before = loaded()  # by tools that start with Python, to measure coverage for example
    try:
        fn = partial(after_import, module)
        with iterate_in_subinterpreter(fn, fallback=None, timeout=limit / 2) as names:
            inside = set(names)
    except Exception as error:
        result = failure(error)
    else:
        result = {"error": "", "missing": []}
    try:
        outside = set(after_import(module))
    except (Exception, SystemExit) as error:
        return {"error": " ".join(one_line(error).split()), "everywhere": True}
    if not result["error"]:
        result["missing"] = sorted(outside.difference(inside, before))
    return result


_KINDS: dict[str, Callable[..., Any]] = {"factory": _factory, "run": _run, "import": _import}

if __name__ == "__main__":
    main(json.loads(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
