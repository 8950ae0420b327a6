"""Gives multiprocessing in a subinterpreter, and the processes that it starts, what the parent has.

This is the resource tracker, since one of its own would unlink at its end what the parent still
uses; and the key by which proxies of a manager authenticate themselves. Both are set when user code
imports multiprocessing, since importing it takes longer than all the rest of a start.
"""

from __future__ import annotations

import os
import sys

from .._system.standard import above_standard
from .import_hook import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_tracker: int | None = None  # the descriptor of the parent's tracker, until multiprocessing has it


def inherit(authkey: bytes, tracker: int | None) -> None:
    """Let multiprocessing have the parent's key and tracker (a descriptor) when it is imported."""
    global _tracker  # noqa: PLW0603  there is one multiprocessing in an interpreter

    def give_key() -> None:
        from multiprocessing.process import current_process

        current_process().authkey = authkey

    when_imported("multiprocessing.process", give_key)
    if tracker is not None:
        _tracker = above_standard(os.dup(tracker))
        when_imported("multiprocessing.resource_tracker", _give_tracker)


def end() -> None:
    """Close the descriptor that was inherited. The parent's tracker itself goes on."""
    global _tracker
    fd, _tracker = _tracker, None
    state = _state()
    if state and state["_pid"] is None:  # else the tracker was started here
        fd, state["_fd"] = state["_fd"], None
    if fd is not None:
        os.close(fd)


def _give_tracker() -> None:
    global _tracker
    _state()["_fd"], _tracker = _tracker, None


def _state() -> dict[str, Any]:
    """Return the attributes of the tracker, which have no public names."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    tracker = getattr(module, "_resource_tracker", None)
    return {} if tracker is None else vars(tracker)
