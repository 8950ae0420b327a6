"""Ends a forked child of a worker, if user code returns to farside's code there."""

from __future__ import annotations

import os
import sys

from .._payload.true_parts import is_a, traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def end_child(error: BaseException | None) -> NoReturn:
    """End this process with the exit code that Python would end it with, and print the reason.

    User code has raised `error`; or, if that is None, it goes on as if this were the worker. No
    failure is sent, and no finalizer runs: these are for the worker itself.
    """
    code, trace = 1, error and traceback_of(error)
    if type(error) is ValueError and "released memoryview" in str(error):
        # The loop over the items has raised this itself (see `_link.worker_pipes`), unless code
        # that it calls is in the traceback.
        error = error if trace and trace.tb_next else None
    error = error or RuntimeError(
        "a process that was forked in a worker cannot make the worker's items, or answer for it; "
        "end it with os._exit() where it has done its work"
    )
    try:
        if not is_a(error, SystemExit):
            import traceback

            traceback.print_exception(type(error), error, traceback_of(error))
        elif error.code is None or isinstance(error.code, int):
            code = error.code or 0
        else:
            sys.stderr.write(f"{error.code}\n")
        sys.stderr.flush()
        sys.stdout.flush()
    finally:  # also where there is no stream to write to
        os._exit(code & 0xFF)
