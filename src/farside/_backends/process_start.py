"""Starting a process of multiprocessing where Ctrl-C, or multiprocessing itself, is in the way."""

from __future__ import annotations

import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from .fork_server import start_with_modules

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


def start_process(process: BaseProcess, method: str) -> None:
    """Start a process that Ctrl-C does not reach before its worker can say that it ignores it.

    A process that a fork server forks cannot have that: the server has one mask of signals for all.
    """
    if method == "forkserver":
        start_with_modules()
        _start_anywhere(process)
        return
    if method == "spawn":  # the start of its resource tracker changes the mask
        multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        _start_anywhere(process)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_anywhere(process: BaseProcess) -> None:
    """Start a process, in a daemonic one too, as those of a pool and of a DataLoader are.

    multiprocessing forbids that, since nobody would end the children of a daemonic process when
    that is terminated. Workers end by themselves.
    """
    current = vars(multiprocessing.current_process())
    if not current["_config"].get("daemon"):
        process.start()
        return
    if type(current["_config"]) is not _Config:
        current["_config"] = _Config(current["_config"])
    before = _is_disguised()
    _this_thread.disguised = True
    try:
        process.start()
    finally:
        _this_thread.disguised = before  # a signal handler may start a worker in a start


class _Config(dict[str, Any]):
    """What multiprocessing knows of this process: daemonic, except for a thread in a start.

    To start may take long, and other threads neither wait for it nor see anything of it.
    """

    def get(self, key: str, default: Any = None) -> Any:
        return False if key == "daemon" and _is_disguised() else super().get(key, default)


_this_thread = threading.local()


def _is_disguised() -> bool:
    return getattr(_this_thread, "disguised", False)


def _drop_disguise() -> None:
    _this_thread.disguised = False  # the start goes on in the parent alone


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_disguise)
