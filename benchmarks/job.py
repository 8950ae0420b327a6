"""One measurement, in a process of its own: ``python -c ENTRY CASE CONTESTANT SECONDS FILE``.

It is started with ``-c``, so that workers do not import a main module; see `runner`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES, FailedError, Job
from benchmarks.contestants import CONTESTANTS
from benchmarks.sources.base import WrongItemError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENTRY = "import sys; from benchmarks.job import leave_soon, main; main(sys.argv[1:], leave_soon)"
_SECONDS_TO_CLOSE = 5


def main(arguments: Sequence[str], written: Callable[[], None] = lambda: None) -> None:
    """Measure, or tell what can be measured, and write the outcome into a file as JSON.

    Args:
        arguments: What to measure, if anything, and then the file.
        written: Is called when the file is complete, before anything is closed.
    """
    *what, path = arguments
    with ExitStack() as stack:
        answer = measure(what[0], what[1], float(what[2]), stack) if what else survey()
        with open(path, "w", encoding="utf-8") as file:
            json.dump(answer, file)
        written()


def leave_soon() -> None:
    """End the process in some seconds, even if its end hangs: the outcome is written already."""
    timer = threading.Timer(_SECONDS_TO_CLOSE, os._exit, (0,))
    timer.daemon = True
    timer.start()


def measure(case: str, contestant: str, seconds: float, stack: ExitStack) -> dict[str, Any]:
    """Return the value, or what went wrong."""
    job = Job(CASES[case], CONTESTANTS[contestant], seconds, stack)
    try:
        job.contestant.load()
        return {"value": job.case.measure(job)}
    except (FailedError, WrongItemError) as error:
        return {"error": str(error)}
    except Exception as error:  # whatever a library raises is its result
        text = str(error).strip().splitlines()
        return {"error": f"{type(error).__name__}: {text[0] if text else ''}"}


def survey() -> dict[str, Any]:
    """Return the version of this Python; for each contestant its version and cases, or its lack."""
    contestants: dict[str, Any] = {}
    for name, each in CONTESTANTS.items():
        if reason := each.missing():
            contestants[name] = {"missing": reason}
        else:
            refused = {case.name: each.refuses(case) for case in CASES.values()}
            contestants[name] = {"version": each.version(), "refuses": refused}
    return {"python": ".".join(map(str, sys.version_info[:3])), "contestants": contestants}
