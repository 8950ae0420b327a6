"""Starting a process of multiprocessing where Ctrl-C, or multiprocessing itself, is in the way."""

from __future__ import annotations

import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from .._transport.interrupts import with_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess


def start_sheltered(process: BaseProcess, method: str) -> None:
    """Start a process that Ctrl-C does not reach before its worker can say that it ignores it.

    A process that a fork server forks cannot have that: the server has one mask of signals for all.
    """
    if method == "forkserver":
        _start_anywhere(process)
        return
    if method == "spawn":  # the start of its resource tracker changes the mask
        multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        _start_anywhere(process)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exclusively(work: Callable[[], object]) -> None:
    """Start a process, look whether it has ended, or close it, while no other thread does either.

    As it starts a process, multiprocessing looks at all there are. Two threads that look at the
    same one do not both get its exit code; and 3.10 stumbles over one that is being closed.
    """
    with_lock(_one_at_a_time, work)


def _start_anywhere(process: BaseProcess) -> None:
    """Start a process, in a daemonic one too, as those of a pool and of a DataLoader are.

    multiprocessing forbids that, since nobody would end the children of a daemonic process when
    that is terminated. Workers end by themselves.
    """
    if not multiprocessing.current_process().daemon and not _disguise.locked():
        exclusively(process.start)
        return
    with_lock(_disguise, lambda: _start_disguised(process))


def _start_disguised(process: BaseProcess) -> None:
    config: dict[str, Any] = getattr(multiprocessing.current_process(), "_config", {})
    daemon = config.pop("daemon", False)
    try:
        exclusively(process.start)
    finally:
        config["daemon"] = daemon


_disguise = threading.Lock()
_one_at_a_time = threading.RLock()  # a signal handler may close in the middle of a start


def _renew_locks() -> None:
    global _disguise, _one_at_a_time  # noqa: PLW0603  a forked process never gets them released
    _disguise = threading.Lock()
    _one_at_a_time = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
