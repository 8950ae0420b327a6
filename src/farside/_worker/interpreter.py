"""Entry point of a worker that is a subinterpreter."""

from __future__ import annotations

import _thread
import atexit
import sys
import warnings

from .._link.worker_pipes import PipeWorkerLink
from .._memory.allocate import use
from .._payload import refusals, worker_info
from . import forward
from .serve import serve


def main(commands: int, wakes: int, frames: int, memory: int) -> None:
    """Run a worker in this interpreter; see `PipeWorkerLink` for the file descriptors."""
    # Registered first, so called last. Python (3.13 to 3.15) frees no memory of an interpreter that
    # ends with a compiled pattern among its warning filters: some MiB for each.
    atexit.register(warnings.resetwarnings)
    atexit.register(_end_multiprocessing)
    if sys.version_info >= (3, 13):
        # Python kills the process if an interpreter ends before one of its threads. `threading`
        # would wait for all of them, but it may not be imported.
        atexit.register(_thread._shutdown)  # type: ignore[attr-defined]  # noqa: SLF001  as it does
    link = PipeWorkerLink(commands, wakes, frames, memory)
    use(link.arena)
    worker_info.claim()
    refusals.record()
    try:
        serve(link)
    except SystemExit:
        pass  # the listener raised it when everything was over already
    finally:
        # Threads that go on, and exit handlers, must not write to a file that gets these numbers.
        forward.stop()
        link.retire()


def _end_multiprocessing() -> None:
    """End the fork server and the resource tracker that user code of this interpreter started.

    multiprocessing keeps them for as long as the process lives, and has no public way to end
    them. Its own exit handler needs the tracker, so that handler is called first, even if
    multiprocessing was there before `main`: a ``.pth`` file can import it, as that of coverage
    does.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._exit_function()  # noqa: SLF001  it has no public name; a second call does nothing
    inheritance = sys.modules.get(f"{__package__}.inheritance")
    if inheritance is not None:  # the tracker may be the parent's
        inheritance.end()
    for name in ("forkserver", "resource_tracker"):
        module = sys.modules.get(f"multiprocessing.{name}")
        stop = getattr(getattr(module, f"_{name}", None), "_stop", None)
        if stop is not None:
            try:
                stop()
            except Exception:  # noqa: S112  it has ended already, or cannot be stopped this way
                continue
