"""Starting a process of multiprocessing where Ctrl-C, or multiprocessing itself, is in the way."""

from __future__ import annotations

import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import site
import sys
import threading
import weakref

# It pickles, also where a mock, or a function of gevent, has taken the place of `signal.signal`.
from _signal import signal as set_handler  # type: ignore[import-not-found]
from collections.abc import Callable
from functools import partial
from importlib.machinery import PathFinder
from multiprocessing import forkserver, spawn
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from .._system.signals import at_fork
from ..options import START_METHODS
from .preparation import main_file
from .tracker import tracker_fd

T = TypeVar("T")


_BY_DEFAULT = ["__main__"]
_MODULES = [
    *_BY_DEFAULT,
    "farside._worker.fork_server",
    "farside._worker.process",
    "ctypes",  # for its `lifeline`
]


class _Pretence(threading.local):
    """What multiprocessing is told while this thread starts a process: no other one sees it."""

    no_main = False  # there is no main module to import
    starting = False  # this process is no daemonic one; a start is under way, further up perhaps


_pretence = _Pretence()


def _pretending(work: Callable[[], T], **what: bool) -> T:
    before = {name: getattr(_pretence, name) for name in what}
    try:
        vars(_pretence).update(what)
        return work()
    finally:
        vars(_pretence).update(before)  # a signal handler may start a worker in a start


_started: weakref.WeakSet[BaseProcess] = weakref.WeakSet()
"""The processes that were started here, or are just being started."""


def _locks() -> list[Any]:
    """Return the locks that multiprocessing has in a start of a process; None for one it lacks."""
    private = (forkserver, "_forkserver"), (multiprocessing.resource_tracker, "_resource_tracker")
    return [getattr(getattr(module, name), "_lock", None) for module, name in private]


def _disown_in_child() -> None:
    """Let a forked child of this process know none of its processes."""
    # When it exits, multiprocessing terminates and joins the children that it thinks are its own.
    # It may have been forked when the process was there, and nobody here had been told of it. And
    # another thread may have been in a start, with locks that nobody here would release.
    for lock in _locks():
        if hasattr(lock, "_at_fork_reinit"):
            lock._at_fork_reinit()  # noqa: SLF001  Python 3.14 does so with one of them
    vars(_pretence).clear()  # the start goes on in the parent alone
    getattr(multiprocessing.process, "_children", set()).difference_update(_started)


at_fork(after_in_child=_disown_in_child)


def start_process(process: BaseProcess, method: str) -> None:
    """Start a process that Ctrl-C does not reach before its worker can say that it ignores it.

    A process that a fork server forks cannot have that in its first instants: the server has one
    mask of signals for all. It ignores SIGINT as soon as it has read how to prepare itself. It is a
    RuntimeError if a signal handler would wait for what its own thread does.
    """
    # Mostly, the locks of multiprocessing are not reentrant.
    if _pretence.starting and any(hasattr(each, "locked") and each.locked() for each in _locks()):
        raise RuntimeError(
            "a signal handler starts a worker, and has struck while multiprocessing was starting "
            "another one; let the handler set a flag, and start the worker elsewhere"
        )
    _pretending(partial(_start, process, method), starting=True)
    tracker_fd()  # so that it is known


def _start(process: BaseProcess, method: str) -> None:
    if method == "forkserver":
        _start_server_with_modules()
        _start_anywhere(process)
        return
    if method == "spawn":  # the start of its resource tracker changes the mask
        multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:  # the handler of another signal may raise as soon as the mask has changed
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        _start_anywhere(process)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_anywhere(process: BaseProcess) -> None:
    """Start a process, in a daemonic one too, as those of a pool and of a DataLoader are."""
    # multiprocessing forbids that, since nobody would end the children of a daemonic process when
    # that is terminated. Workers end by themselves.
    process.authkey = bytes(process.authkey)  # in a worker of Celery it refuses to be pickled
    current = vars(multiprocessing.current_process())
    if current["_config"].get("daemon") and type(current["_config"]) is not _Config:
        current["_config"] = _Config(current["_config"])
    _started.add(process)
    process.start()


class _IgnoresSigint:
    """Lets a process ignore SIGINT as it unpickles this."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return set_handler, (int(signal.SIGINT), int(signal.SIG_IGN))


class _Config(dict[str, Any]):
    """What multiprocessing knows of this process: daemonic, except for a thread in a start."""

    def get(self, key: str, default: Any = None) -> Any:
        return False if key == "daemon" and _pretence.starting else super().get(key, default)


def with_main_hidden(work: Callable[[], T], *, always: bool) -> T:
    """Start one that multiprocessing does not let import the main module where it must not."""
    # A script that comes from standard input has ``"<stdin>"`` for its file, and every spawned
    # process would fail to open that. And where a worker has an environment of its own (`always`),
    # the main module is imported only after that is there, by the job.
    path = main_file()
    _teach_multiprocessing()
    return _pretending(work, no_main=always or (path is not None and not os.path.exists(path)))


def _teach_multiprocessing() -> None:
    """Let multiprocessing leave out what a new process must not do, or cannot do."""
    prepare = spawn.get_preparation_data
    if getattr(prepare, "__module__", "") == __name__:
        return

    def get_preparation_data(name: str) -> dict[str, Any]:
        main: Any = sys.modules["__main__"]
        if not hasattr(main, "__spec__"):
            main.__spec__ = None  # `python -m pdb` takes it off, before Python 3.13
        data = prepare(name)
        data["authkey"] = bytes(data["authkey"])  # as in `_start_anywhere`
        if data.get("start_method") not in START_METHODS:
            data.pop("start_method", None)  # loky's, in a worker of joblib: it is not known yet
        if _pretence.starting:  # before it imports the main module, which may take long
            data["farside"] = _IgnoresSigint()
        if _pretence.no_main:
            for key in ("init_main_from_name", "init_main_from_path"):
                data.pop(key, None)
        elif "init_main_from_name" not in data and "init_main_from_path" not in data:
            path = main_file()  # the script may have ended
            if path is not None and getattr(sys.modules["__main__"], "__spec__", None) is None:
                data["init_main_from_path"] = os.path.abspath(path)
        return data

    spawn.get_preparation_data = get_preparation_data


def _start_server_with_modules() -> None:
    """Start the fork server with what workers import, if there is none and nobody has said what."""
    # What it has imported, no process that it forks has to import.
    # The list is put back at once: should that server end, the next one is as the program wants it.
    server: dict[str, Any] = vars(getattr(forkserver, "_forkserver"))  # noqa: B009  it is private
    fresh = server.get("_forkserver_alive_fd", -1) is None
    if not fresh or server.get("_preload_modules") != _BY_DEFAULT or not _finds_this_farside():
        return
    before = server["_preload_modules"]
    server["_preload_modules"] = _MODULES  # its setter would reset other things too
    try:
        forkserver.ensure_running()
    finally:
        if server["_preload_modules"] is _MODULES:  # else another thread has just set it
            server["_preload_modules"] = before


def _finds_this_farside() -> bool:
    """Tell whether the server would import farside from where this process has it."""
    # Before Python 3.14 the server is not told of ``sys.path``: it looks where any new one does.
    if sys.version_info >= (3, 14):
        return True
    try:
        path = [] if getattr(sys.flags, "safe_path", False) else [os.getcwd()]
    except OSError:  # it was deleted
        return False
    if not sys.flags.ignore_environment:
        path += filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if site.ENABLE_USER_SITE:
        path.append(site.getusersitepackages())
    if not sys.flags.no_site:
        path += site.getsitepackages()
    found = PathFinder.find_spec("farside", path)
    return found is not None and found.origin == sys.modules["farside"].__file__
