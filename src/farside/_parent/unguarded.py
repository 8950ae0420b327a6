"""A main script that starts workers without ``if __name__ == "__main__":``.

A worker imports the main script, and so does a fork server. Either refuses to start workers
meanwhile. Two tracebacks of that would bury the message of the parent, so both end without one.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import BackendUnavailableError

if TYPE_CHECKING:
    from types import TracebackType

EXIT_CODE = os.EX_CONFIG
"""How a process ends that was refused a worker while it imported the main script."""

MESSAGE = (
    "the main script starts workers while a worker imports it; put what starts workers below "
    "if __name__ == '__main__':"
)


def be_brief() -> None:
    """Let this process end without a traceback, if it ends since it may not start a worker now."""
    # Not imported: a process that has no multiprocessing is none of its processes.
    process = sys.modules.get("multiprocessing.process")
    # Its variable, since another thread may be just importing it. The mark is set for an import.
    current = getattr(process, "_current_process", None)
    if getattr(current, "_inheriting", False):
        sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
    if not (isinstance(error, BackendUnavailableError) and "imports the main" in error.reason):
        sys.__excepthook__(kind, error, tb)
        return
    me = sys.modules["multiprocessing.process"].current_process()
    if me.name == "MainProcess":  # a fork server: its parent is not told its status
        sys.stderr.write(f"{MESSAGE}\n")
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(EXIT_CODE)
