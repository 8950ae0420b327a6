"""Reports modules that start workers when they are imported, as a main script without a guard does.

A worker imports the main script and the module of ``fn``, and a fork server imports the main
script. Either refuses to start workers meanwhile. Their two tracebacks would bury the parent's
message, so both processes end without one.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

from .._backends.live_workers import IMPORTING
from .._worker.load import inheriting
from ..errors import BackendUnavailableError, FarsideError

EXIT_CODE = os.EX_CONFIG  # of a process that was refused a worker while it imported the main script

MESSAGE = (
    "the main script, or a module, starts workers when it is imported, and a worker imports it "
    "too; put what starts workers below if __name__ == '__main__': or into a function"
)


def be_brief() -> None:
    """Let this process end without a traceback if it ends because it may start no worker now."""
    if inheriting():  # not a subinterpreter: to end it as `_show` does would end its whole process
        sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
    # An executor raises an error of its own, of which the refusal is the cause.
    refused = error.__cause__ if isinstance(error, FarsideError) and error.__cause__ else error
    if not (isinstance(refused, BackendUnavailableError) and refused.reason == IMPORTING):
        sys.__excepthook__(kind, error, tb)
        return
    me = sys.modules["multiprocessing.process"].current_process()
    if me.name == "MainProcess":  # a fork server: its parent does not see the exit status
        sys.stderr.write(f"{MESSAGE}\n")
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(EXIT_CODE)
