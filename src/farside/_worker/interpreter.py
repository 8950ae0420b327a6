"""Entry point of a worker that is a subinterpreter."""

from __future__ import annotations

from .._transport.pipes import PipeWorkerChannel
from .serve import serve


def main(commands: int, credit: int, frames: int) -> None:
    """Run a worker in this interpreter.

    Args:
        commands: file descriptor to read commands from.
        credit: file descriptor to read credit from.
        frames: file descriptor to write statuses and items to.
    """
    try:
        serve(PipeWorkerChannel(commands, credit, frames))
    except SystemExit:
        pass  # raised by the listener when everything was over already
