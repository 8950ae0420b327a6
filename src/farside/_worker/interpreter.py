"""Entry point of a worker that is a subinterpreter."""

from __future__ import annotations

import atexit
import sys
import warnings

from .._transport.allocate import use
from .._transport.worker_pipes import PipeWorkerChannel
from . import forward, info
from .serve import serve


def main(commands: int, wakes: int, frames: int, memory: int) -> None:
    """Run a worker in this interpreter.

    Args:
        commands: file descriptor to read commands from.
        wakes: file descriptor that is written to when the worker waits for the parent.
        frames: file descriptor to write statuses and items to.
        memory: file descriptor of the shared memory.
    """
    # Registered first, so called last. Python (3.13 to 3.15) frees no memory of an interpreter that
    # ends with a compiled pattern among its warning filters: some MiB for each.
    atexit.register(warnings.resetwarnings)
    atexit.register(_stop_helpers_of_multiprocessing)
    channel = PipeWorkerChannel(commands, wakes, frames, memory)
    use(channel.arena)
    info.claim()
    try:
        serve(channel)
    except SystemExit:
        pass  # raised by the listener when everything was over already
    finally:
        # Threads that go on, and exit handlers, must not write to what these numbers mean next.
        forward.stop()
        channel.retire()


def _stop_helpers_of_multiprocessing() -> None:
    """End the fork server and the resource tracker that user code of this interpreter started.

    multiprocessing keeps them for as long as the process lives, and has no public way to end
    them. It is registered before user code can import multiprocessing, so it is called last.
    """
    for name in ("forkserver", "resource_tracker"):
        module = sys.modules.get(f"multiprocessing.{name}")
        stop = getattr(getattr(module, f"_{name}", None), "_stop", None)
        if stop is not None:
            try:
                stop()
            except Exception:  # noqa: S112  it has ended already, or cannot be stopped so
                continue
